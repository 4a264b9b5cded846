"""A power loss: everything stops at once, and what was not on the disk (fsync) is gone or empty."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path

import pytest
from conftest import N_SLIDES, Undisturbed
from night import Night, left_over, moments, status, tables

_HERE = Path(__file__).parent


def lose_power(run: Path, log: Path, dice: random.Random) -> int:
    """Empty, cut or remove what no fsync had covered since it was written; returns how many files that were.

    A file counts as safe when an fsync of it came after its last change, and its name when one of its folder came
    after the folder's last change. SQLite's own fsyncs aren't seen: its write-ahead log loses any part of its end,
    which is what it is made for.
    """
    synced: dict[tuple[int, int], int] = {}
    for line in log.read_text().splitlines():
        device, inode, moment = (int(word) for word in line.split())
        synced[device, inode] = max(moment, synced.get((device, inode), 0))
    n_lost = 0
    for path in sorted(run.rglob("*"), reverse=True):
        if not path.is_file() or path.name.startswith("ledger.sqlite"):
            continue
        name_is_safe = _is_safe(path.parent, synced) or _is_older(path, synced)
        if not _is_safe(path, synced):
            n_lost += 1
            if dice.random() < 0.5:
                path.unlink()
            else:
                path.write_bytes(path.read_bytes()[: dice.randrange(path.stat().st_size + 1)])
        elif not name_is_safe and dice.random() < 0.5:
            n_lost += 1
            path.unlink()
    _cut_log(run / "ledger.sqlite-wal", dice)
    (run / "ledger.sqlite-shm").unlink(missing_ok=True)
    return n_lost


def _is_safe(path: Path, synced: dict[tuple[int, int], int]) -> bool:
    found = path.stat()
    return synced.get((found.st_dev, found.st_ino), 0) >= found.st_mtime_ns


def _is_older(path: Path, synced: dict[tuple[int, int], int]) -> bool:
    """Whether its folder was on the disk after the file had got its name (ctime: a rename changes it)."""
    found = path.parent.stat()
    return synced.get((found.st_dev, found.st_ino), 0) >= path.stat().st_ctime_ns


def _cut_log(wal: Path, dice: random.Random) -> None:
    if wal.exists():
        with wal.open("r+b") as stream:
            stream.truncate(dice.randrange(wal.stat().st_size + 1))


@pytest.mark.parametrize("seed", [3])
def test_what_was_not_on_the_disk_is_done_again(
    undisturbed: Undisturbed, tmp_path: Path, n_kills: int, seed: int
) -> None:
    """Whenever a run was quick enough to end, another one is begun."""
    run, log, dice = tmp_path / "run0", tmp_path / "fsyncs", random.Random(seed)
    log.touch()
    environment = {"PYTHONPATH": str(_HERE / "power_log"), "POWER_LOG": str(log)}
    for number, moment in enumerate(moments(seed, n_kills, undisturbed.seconds), start=1):
        night = Night(*_words(undisturbed, run), environment=environment)
        night.lives_for(moment)
        night.kill()
        if run.exists():
            lose_power(run, log, dice)
        if len(list(run.glob("slides/N*/result.json"))) == N_SLIDES:
            _goes_on(undisturbed, run)
            run = tmp_path / f"run{number}"
    _goes_on(undisturbed, run)


def _words(undisturbed: Undisturbed, run: Path) -> tuple[object, ...]:
    return "scan", undisturbed.archive, "--out", run, "--no-report", "--workers", 2


def _goes_on(undisturbed: Undisturbed, run: Path) -> None:
    code, text = Night(*_words(undisturbed, run)).ends()
    assert code == 0, text
    assert tables(run) == undisturbed.tables
    assert left_over(run) == []
    assert status(run)["state"] == "finished"


def test_the_simulation_loses_what_nobody_has_synced(tmp_path: Path) -> None:
    """Or the test above would prove nothing."""
    run, log = tmp_path / "run", tmp_path / "fsyncs"
    run.mkdir()
    (run / "loose").write_text("x" * 1000)
    (run / "kept").write_text("x" * 1000)
    with sqlite3.connect(run / "ledger.sqlite") as database:
        database.execute("CREATE TABLE t (x)")
    moment = time.time_ns()
    log.write_text("".join(f"{p.stat().st_dev} {p.stat().st_ino} {moment}\n" for p in (run / "kept", run)))
    assert lose_power(run, log, random.Random(0)) == 1
    assert (run / "kept").read_text() == "x" * 1000
    assert not (run / "loose").exists() or len((run / "loose").read_text()) < 1000
