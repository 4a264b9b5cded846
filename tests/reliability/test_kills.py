"""kill -9 at random moments, on real processes: the same command goes on, and comes to what nothing had disturbed."""

from __future__ import annotations

import random
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from conftest import N_SLIDES, Undisturbed
from dask_processes import scheduler, worker
from night import NO_PAPER, Night, left_over, moments, status, tables


def _words(undisturbed: Undisturbed, run: Path) -> tuple[object, ...]:
    return "scan", undisturbed.archive, "--out", run, "--no-report", "--workers", 2


def _finished(undisturbed: Undisturbed, run: Path, *words: object) -> None:
    code, text = Night(*(words or _words(undisturbed, run))).ends()
    assert code == 0, text
    assert tables(run) == undisturbed.tables
    assert left_over(run) == []
    found = status(run)
    assert (found["state"], found["done"], found["asked"]) == ("finished", N_SLIDES, N_SLIDES)


@pytest.mark.parametrize("seed", [1])
def test_the_runner_is_killed_again_and_again(
    undisturbed: Undisturbed, tmp_path: Path, n_kills: int, seed: int
) -> None:
    """Whenever a run was quick enough to end, another one is begun."""
    run, n_ended = tmp_path / "run0", 0
    for moment in moments(seed, n_kills, undisturbed.seconds):
        night = Night(*_words(undisturbed, run))
        night.lives_for(moment)
        night.kill()
        if (run / "ledger.sqlite").exists() and _has_begun(run):
            assert status(run)["state"] in {"interrupted", "finished"}
        if len(list(run.glob("slides/N*/result.json"))) == N_SLIDES:
            _finished(undisturbed, run)
            n_ended += 1
            run = tmp_path / f"run{n_ended}"
    _finished(undisturbed, run)


def _has_begun(run: Path) -> bool:
    with sqlite3.connect(run / "ledger.sqlite") as database:
        return bool(database.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize("seed", [2])
def test_workers_are_killed_again_and_again(undisturbed: Undisturbed, tmp_path: Path, n_kills: int, seed: int) -> None:
    """A slide may be hit several times by chance: that is more than it bears, unless the job says so.

    Runs that end before all moments have come are followed by another.
    """
    dice, pauses, n_killed = random.Random(seed), iter(moments(seed, n_kills, 3.0)), 0
    for number in range(n_kills):
        run, job = tmp_path / f"run{number}", tmp_path / f"job{number}.toml"
        job.write_text(
            f"schema_version = 1\n[slides]\nsources = ['{undisturbed.archive}']\n"
            f"[run]\nout = '{run}'\nworkers = 2\nattempts = 20\n[report]\nper_slide = false\n"
        )
        night = Night("run", job, environment=NO_PAPER)
        n_killed += _kills(night, dice, pauses)
        code, text = night.ends()
        assert code == 0, text
        assert tables(run) == undisturbed.tables
        assert left_over(run) == []
        if next(pauses, None) is None:
            break
    assert n_killed


def _kills(night: Night, dice: random.Random, pauses: Iterator[float]) -> int:
    """Kill a worker after each pause while the run lives; returns how many were killed."""
    n_killed = 0
    for pause in pauses:
        if not night.wait_until(night.workers) or not night.lives_for(pause):
            break
        # One may have been dying as it was.
        for victim in dice.sample(workers, 1) if (workers := night.workers()) else ():
            victim.kill()
            n_killed += 1
    return n_killed


@pytest.mark.parametrize("seed", [4])
def test_the_scheduler_is_killed_and_the_same_command_goes_on_with_another(
    undisturbed: Undisturbed, tmp_path: Path, n_kills: int, seed: int
) -> None:
    """Whenever a run was quick enough to end, another one is begun; half as many moments, since each takes 15 s."""
    run = tmp_path / "run0"
    for number, moment in enumerate(moments(seed, n_kills // 2, undisturbed.seconds), start=1):
        with scheduler() as (address, process), worker(address) as hands:
            night = Night("scan", undisturbed.archive, "--out", run, "--no-report", "--scheduler", address)
            night.lives_for(moment)
            process.kill()
            code, text = night.ends()
            # It would look for its scheduler for a while.
            hands.kill()
        if code == 0:
            assert tables(run) == undisturbed.tables
            run = tmp_path / f"run{number}"
            continue
        assert code == 1, text
        assert "start the same command again to go on" in text or "no answer with at least one worker" in text
        if (run / "ledger.sqlite").exists() and _has_begun(run):
            assert status(run)["state"] == "interrupted"
    with scheduler() as (address, _), worker(address):
        _finished(undisturbed, run, "scan", undisturbed.archive, "--out", run, "--no-report", "--scheduler", address)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_finishes_what_is_under_way(
    undisturbed: Undisturbed, tmp_path: Path, number: signal.Signals
) -> None:
    """To the whole group, as a terminal and a batch system send it: the workers must not take it for theirs."""
    run = tmp_path / "run"
    night = Night(*_words(undisturbed, run), environment=NO_PAPER)
    assert night.wait_until(lambda: _running(run))
    night.interrupt(number)
    code, text = night.ends()
    assert code == 130, text
    assert "no slide is begun any more" in text
    assert "the same command goes on from here" in text
    found = status(run)
    assert (found["state"], found["running"], found["retried"]) == ("interrupted", 0, 0)
    assert 1 <= found["done"] < N_SLIDES


def test_a_second_signal_stops_at_once_and_the_same_command_goes_on(undisturbed: Undisturbed, tmp_path: Path) -> None:
    run = tmp_path / "run"
    night = Night(*_words(undisturbed, run), environment=NO_PAPER)
    assert night.wait_until(lambda: _running(run))
    family = night.family()
    night.interrupt(signal.SIGTERM)
    night.interrupt()
    code, text = night.ends()
    assert code == 130, text
    assert "stopping" in text
    assert not psutil.wait_procs(family, timeout=30)[1]
    _finished(undisturbed, run)


def _running(run: Path) -> bool:
    if not (run / "ledger.sqlite").exists() or not _has_begun(run):
        return False
    with sqlite3.connect(run / "ledger.sqlite") as database:
        return bool(database.execute("SELECT count(*) FROM attempts WHERE ended IS NULL").fetchone()[0])


def test_a_second_runner_is_refused_by_name_and_harms_nothing(undisturbed: Undisturbed, tmp_path: Path) -> None:
    run = tmp_path / "run"
    night = Night(*_words(undisturbed, run), environment=NO_PAPER)
    assert night.wait_until(lambda: _running(run))
    code, text = Night(*_words(undisturbed, run), environment=NO_PAPER).ends()
    assert code == 1
    assert f"pid {night.process.pid} is at work in this run folder" in text
    code, text = night.ends()
    assert code == 0, text
    assert tables(run) == undisturbed.tables
