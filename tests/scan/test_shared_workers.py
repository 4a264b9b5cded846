"""Workers of several threads: who of those at work there is to blame when one dies, nobody can know."""

from __future__ import annotations

from pathlib import Path

from dask_processes import scheduler, worker
from scripted_slides import STEPS, Script, tried

from batchscan.scan.cluster import connect
from batchscan.scan.dispatch import run_slides
from batchscan.scan.slide_events import SlideFinished, SlideRetried, SlideStopped
from batchscan.scan.underway import Patience


def test_a_death_under_several_steps_at_once_is_nobodys_accident(tmp_path: Path) -> None:
    killer = Script("killer", 1, at="survey", does="die", times=1, notes=tmp_path, company="beside")
    beside = Script("beside", 1, at="survey", does="hang", times=1, notes=tmp_path)
    with scheduler() as (address, _), worker(address, "--nthreads", "2"), connect(address, 1) as client:
        assert list(client.nthreads().values()) == [2]
        # A single accident would be the end of either.
        events = list(run_slides(client, [killer, beside], STEPS, Patience(attempts=1)))
    assert not any(isinstance(event, SlideStopped) for event in events)
    retried = [event for event in events if isinstance(event, SlideRetried)]
    assert {event.slide_id: (event.accident, event.outcome.reason) for event in retried} == {
        "killer": (False, "worker_died"), "beside": (False, "worker_died"),
    }  # fmt: skip
    assert {event.slide_id for event in events if isinstance(event, SlideFinished)} == {"killer", "beside"}
    assert tried(tmp_path, "killer", "survey") >= 2
