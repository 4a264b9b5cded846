"""A local worker that dies again and again while it starts: its nanny gives up, and another takes the seat."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import dask
import pytest
from dask_processes import wait_until
from distributed import Client
from scripted_slides import STEPS, Script

from batchscan.domain.errors import ClusterError
from batchscan.scan import cluster, revival
from batchscan.scan.cluster import call_on_worker, connect
from batchscan.scan.dispatch import run_slides
from batchscan.scan.slide_events import SlideFinished
from batchscan.scan.underway import Patience

# Run by each worker process before it has said that it is up; every start leaves a note. The first is fine, then one
# fails, of which a nanny never tries another, then one dies, of which a new nanny doesn't.
AS_IT_STARTS = """
import os
from pathlib import Path
notes = Path({folder!r})
(notes / str(os.getpid())).touch()
start = len(list(notes.iterdir()))
if start == 2:
    raise MemoryError("no room to start in")
if start == 3:
    os._exit(9)
"""


def test_a_seat_whose_nanny_gave_up_is_taken_by_another_and_the_work_gets_done(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    preload = tmp_path / "as_it_starts.py"
    preload.write_text(AS_IT_STARTS.format(folder=str(notes)))
    with dask.config.set({"distributed.worker.preload": [str(preload)]}), connect(None, 1) as client:
        (nanny,) = seats(client)
        kill_worker(client)
        # Without another worker the run would stop after these seconds.
        events = list(run_slides(client, [Script("fine")], STEPS, Patience(away_s=40.0)))
        assert isinstance(events[-1], SlideFinished)
        assert len(list(notes.iterdir())) == 4
        assert nanny not in seats(client)


def test_a_worker_that_hangs_as_it_starts_keeps_no_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask waits for it without a limit, and every other seat would wait with it."""

    class Hanging:
        worker_spec: ClassVar = {"cpu-0": {}}
        n_tried = 0

        def __init__(self) -> None:
            self.workers: dict[str, Any] = {}
            self.loop = self

        def add_callback(self, anew: Any) -> None:
            asyncio.run(anew())

        async def _correct_state(self) -> None:
            self.n_tried += 1
            await asyncio.Event().wait()

    monkeypatch.setattr(revival, "_SLOW_S", 0.01)
    cluster = Hanging()
    seat = revival.Revival(SimpleNamespace(cluster=cluster))  # type: ignore[arg-type]
    for moment in (0.0, 10.0, 20.0, 30.0):
        seat.look(moment)
    assert cluster.n_tried == 2


def test_a_seat_that_dask_has_struck_off_is_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does so with a worker that isn't back soon, which on a busy machine says nothing."""
    monkeypatch.setattr(revival, "_DEAD_S", 0.5)
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "10ms"}), connect(None, 1) as client:
        kill_worker(client)
        wait_until(lambda: not seats(client))
        events = list(run_slides(client, [Script("fine")], STEPS, Patience(away_s=40.0)))
        assert isinstance(events[-1], SlideFinished)


def seats(client: Client) -> list[Any]:
    """The nannies that the cluster has now."""
    cluster: Any = client.cluster
    return list(cluster.workers.values())


def kill_worker(client: Client) -> None:
    (pid,) = client.run(os.getpid).values()
    os.kill(pid, signal.SIGKILL)


def test_a_model_that_is_never_opened_ends_in_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE_S", 2.0)
    says = "no worker has opened the model within 2 s: look whether workers are there"
    with connect(None, 1) as client:
        with pytest.raises(ClusterError, match=says):
            call_on_worker(client, opened_when, tmp_path / "answers")
        (tmp_path / "answers").touch()


def opened_when(answers: Path) -> None:
    """As a model on a disk that doesn't answer."""
    while not answers.exists():
        threading.Event().wait(0.01)
