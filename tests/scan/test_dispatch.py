"""Dispatch on real worker processes, with steps that fail as scripted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dask_processes import free_port, scheduler_with_a_worker
from distributed import Client
from scripted_slides import STEPS, Script, scan

from batchscan.domain.errors import ClusterError, ModelError, OutputError
from batchscan.domain.records import SlideStatus
from batchscan.scan.cluster import connect
from batchscan.scan.dispatch import run_slides
from batchscan.scan.slide_events import (
    BlockScanned,
    Event,
    SlideFinished,
    SlideStarted,
    SlideStopped,
    SlideSurveyed,
    Waited,
)
from batchscan.scan.underway import Patience


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(None, 2) as client:
        yield client


def _last(events: list[Event]) -> dict[str, Event]:
    return {event.slide_id: event for event in events if event.slide_id}


def test_every_slide_goes_all_the_way_on_worker_processes(client: Client) -> None:
    scripts = [Script(f"s{i}", n_blocks=i) for i in range(4)]
    events = list(run_slides(client, scripts, STEPS))
    assert Counter(type(event) for event in events if not isinstance(event, Waited)) == {
        SlideStarted: 4,
        SlideSurveyed: 4,
        BlockScanned: 0 + 1 + 2 + 3,
        SlideFinished: 4,
    }
    assert {event.worker for event in events if isinstance(event, SlideStarted)} <= {"cpu-0", "cpu-1"}
    assert sum(event.n_patches for event in events if isinstance(event, SlideSurveyed)) == 3 * 6
    for i, script in enumerate(scripts):
        event = _last(events)[script.slide_id]
        assert isinstance(event, SlideFinished)
        n_blocks, first_rows, pid = event.result
        assert (n_blocks, first_rows) == (i, [10 * k for k in range(i)])
        assert pid != os.getpid()
        assert event.end.worker
        assert event.end.peak_rss_mb
        assert event.end.peak_rss_mb > 10


def test_blocks_go_together_while_others_keep_the_workers_busy(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: dict[str, list[int]] = {}
    submit = client.submit

    def noting(*words: Any, **named: Any) -> Any:
        if scan in words:
            script, blocks = words[-2:]
            groups.setdefault(script.slide_id, []).append(len(blocks))
        return submit(*words, **named)

    monkeypatch.setattr(client, "submit", noting)
    events = list(run_slides(client, [Script(f"s{i}", n_blocks=4) for i in range(8)], STEPS))
    assert sum(isinstance(event, BlockScanned) for event in events) == 8 * 4
    assert groups["s0"] == [4]
    assert {sum(sizes) for sizes in groups.values()} == {4}
    # The last has all workers to itself.
    list(run_slides(client, [Script("alone", n_blocks=4)], STEPS))
    assert groups["alone"] == [1, 1, 1, 1]


@pytest.mark.parametrize("at", ["survey", "scan", "finish"])
@pytest.mark.parametrize(
    ("does", "status", "reason"),
    [
        ("excluded", SlideStatus.EXCLUDED, "no_spacing"),
        ("unreadable", SlideStatus.FAILED, "unreadable"),
        ("defect", SlideStatus.FAILED, "unexpected"),
    ],
)
def test_a_slide_that_fails_stops_at_once_and_alone(
    client: Client, at: str, does: str, status: SlideStatus, reason: str
) -> None:
    scripts = [Script("good"), Script("bad", at=at, does=does), Script("fine")]
    events = list(run_slides(client, scripts, STEPS, Patience(attempts=1)))
    last = _last(events)
    stopped = last["bad"]
    assert isinstance(stopped, SlideStopped)
    assert (stopped.outcome.status, stopped.outcome.reason) == (status, reason)
    assert "\n" not in stopped.outcome.sentence
    assert sum(isinstance(event, SlideStopped) for event in events) == 1
    assert isinstance(last["good"], SlideFinished)
    assert isinstance(last["fine"], SlideFinished)


@pytest.mark.parametrize(("does", "error"), [("model", ModelError), ("full", OutputError)])
def test_what_no_slide_would_survive_stops_everything(client: Client, does: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(run_slides(client, [Script("a"), Script("b", at="scan", does=does)], STEPS))


def test_a_defects_traceback_is_for_those_who_ask(
    client: Client, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level("DEBUG", logger="batchscan.scan.dispatch"):
        list(run_slides(client, [Script("bad", at="scan", does="defect")], STEPS))
    assert any("Traceback" in record.message for record in caplog.records)
    # Neither this process nor a worker prints it.
    assert "Traceback" not in "".join(capfd.readouterr())


def test_slides_are_taken_only_as_there_is_room(client: Client) -> None:
    taken: list[str] = []

    def works() -> Iterator[Script]:
        for i in range(40):
            taken.append(f"s{i}")
            yield Script(f"s{i}", n_blocks=1)

    ended = 0
    for event in run_slides(client, works(), STEPS):
        ended += isinstance(event, SlideFinished)
        assert len(taken) - ended <= 2 * 2 + 1
    assert ended == 40


def test_an_existing_scheduler_with_workers_of_its_own() -> None:
    with scheduler_with_a_worker() as address, connect(address, workers=99) as client:
        last = _last(list(run_slides(client, [Script("a"), Script("b")], STEPS)))
        assert {type(event) for event in last.values()} == {SlideFinished}, str(last["a"])
        assert len(client.nthreads()) == 1


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchscan.scan.cluster._CONNECT_S", 1)
    began = time.monotonic()
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(ClusterError, match=f"scheduler {address}: no answer"), connect(address, 1):
        pass
    assert time.monotonic() - began < 30


def test_workers_never_run_what_lies_in_the_current_folder(tmp_path: Path) -> None:
    program = tmp_path / "program" / "program.py"
    program.parent.mkdir()
    program.write_text(
        "from batchscan.scan.cluster import connect\n"
        "if __name__ == '__main__':\n"
        "    with connect(None, 1) as client:\n"
        "        print(client.submit(sum, [1, 2]).result())\n"
    )
    here = tmp_path / "here"
    here.mkdir()
    for name in ("multiprocessing", "json", "queue"):
        (here / f"{name}.py").write_text(f"open({str(tmp_path / 'witness')!r}, 'w')\n")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    done = subprocess.run(
        [sys.executable, str(program)], cwd=here, env=environment, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert (done.stdout, (tmp_path / "witness").exists()) == ("3\n", False), done.stderr
