"""Beside a worker that has a GPU others do what needs none; the GPU here is one by name only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client
from scripted_slides import STEPS, Script

from batchscan.scan.cluster import begin_on_each, call_on_worker, connect
from batchscan.scan.dispatch import run_slides
from batchscan.scan.seats import ASIDE, NETWORK, seats
from batchscan.scan.slide_events import SlideFinished, SlideRetried
from batchscan.scan.underway import Patience
from batchscan.scan.workforce import Workforce


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(None, 1, ("0",), aside=1) as client:
        yield client


def pids(client: Client) -> dict[str, int]:
    """Of the workers, by name."""
    names = {address: worker["name"] for address, worker in client.scheduler_info(n_workers=-1)["workers"].items()}
    return {names[address]: pid for address, pid in client.run(os.getpid).items()}


def steps_by_pid(notes: Path) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for note in notes.iterdir():
        found.setdefault(int(note.read_text()), set()).add(note.name.split()[1])
    return found


def test_only_scanning_goes_to_the_gpu(client: Client, tmp_path: Path) -> None:
    at = pids(client)
    assert at.keys() == {"gpu-0", "cpu-0"}
    slides = [Script(f"S{i}", notes=tmp_path) for i in range(4)]
    assert sum(isinstance(event, SlideFinished) for event in run_slides(client, slides, STEPS)) == 4
    assert steps_by_pid(tmp_path) == {at["gpu-0"]: {"scan"}, at["cpu-0"]: {"survey", "finish"}}
    # Six threads: while the network works for one, the others read.
    assert sorted(client.nthreads().values()) == [1, 6]


def test_the_network_is_opened_where_it_will_run(client: Client) -> None:
    assert {call_on_worker(client, os.getpid) for _ in range(4)} == {pids(client)["gpu-0"]}


def test_all_are_asked_at_once_or_all_that_are_for_it(client: Client) -> None:
    at = pids(client)
    assert {each.result() for each in begin_on_each(client, os.getpid)} == {*at.values()}
    assert [each.result() for each in begin_on_each(client, os.getpid, kind=NETWORK)] == [at["gpu-0"]]
    assert [each.result() for each in begin_on_each(client, os.getpid, kind=ASIDE)] == [at["cpu-0"]]


def test_a_slide_alone_is_shared_out_among_those_that_scan(client: Client) -> None:
    workforce = Workforce(client, away_s=60.0, moment=0.0)
    try:
        assert [workforce.n_threads_for(kind) for kind in (NETWORK, ASIDE)] == [6, 1]
        assert workforce.n_threads == 7
    finally:
        workforce.close()


def test_what_dies_on_the_gpu_waits_for_it_and_goes_nowhere_else(client: Client, tmp_path: Path) -> None:
    cpu = pids(client)["cpu-0"]
    dying = Script("S", at="scan", does="die", times=1, notes=tmp_path)
    events = list(run_slides(client, [dying], STEPS, Patience(attempts=3)))
    assert any(isinstance(event, SlideRetried) for event in events)
    assert any(isinstance(event, SlideFinished) for event in events)
    found = steps_by_pid(tmp_path)
    assert found[cpu] == {"survey", "finish"}
    # The first worker of the GPU, and the one that took its place.
    assert [steps for pid, steps in found.items() if pid != cpu] == [{"scan"}, {"scan"}]


def test_a_gpu_alone_does_everything() -> None:
    (seat,) = seats(1, ("0",))
    assert (seat.device, seat.n_threads, seat.offers) == ("0", 6, ("network", "aside"))


def test_without_a_gpu_any_worker_does_anything() -> None:
    assert [(seat.name, seat.n_threads, seat.offers) for seat in seats(2)] == [("cpu-0", 1, ()), ("cpu-1", 1, ())]
