"""What kills or stops a slide's worker costs that slide, and nobody else: on real worker processes, as scripted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client
from scripted_slides import STEPS, Script, tried

from batchscan.domain.errors import SourceVanished
from batchscan.domain.records import SlideStatus
from batchscan.scan.cluster import connect
from batchscan.scan.dispatch import run_slides
from batchscan.scan.slide_events import BlockScanned, Event, SlideFinished, SlideRetried, SlideStarted, SlideStopped
from batchscan.scan.underway import Patience

FINE = 12


@pytest.fixture
def client() -> Iterator[Client]:
    """Workers that a test may kill."""
    with connect(None, 2) as client:
        yield client


@pytest.fixture(scope="module")
def steady() -> Iterator[Client]:
    """Workers for all tests in which nobody dies: whether one does is asserted after each."""
    with connect(None, 2) as client:
        yield client


@pytest.fixture
def unharmed(steady: Client) -> Iterator[Client]:
    before = set(steady.run(os.getpid).values())
    yield steady
    assert set(steady.run(os.getpid).values()) == before


def events_of(events: list[Event], slide_id: str) -> list[Event]:
    return [event for event in events if event.slide_id == slide_id]


def stopped(events: list[Event], slide_id: str) -> SlideStopped:
    last = events_of(events, slide_id)[-1]
    assert isinstance(last, SlideStopped)
    return last


@pytest.mark.parametrize(("at", "does"), [("survey", "die"), ("scan", "segfault"), ("finish", "die")])
def test_killers_are_given_up_and_those_that_waited_beside_them_are_not_blamed(
    client: Client, tmp_path: Path, at: str, does: str
) -> None:
    killers = [Script(f"killer{i}", 1, at=at, does=does, notes=tmp_path) for i in range(2)]
    scripts = [*killers, *(Script(f"fine{i}", n_blocks=1, notes=tmp_path) for i in range(FINE))]
    events = list(run_slides(client, scripts, STEPS, Patience(attempts=2)))
    for killer in killers:
        outcome = stopped(events, killer.slide_id).outcome
        assert (outcome.status, outcome.reason) == (SlideStatus.FAILED, "worker_died")
        assert stopped(events, killer.slide_id).end.worker in {"cpu-0", "cpu-1"}
        assert tried(tmp_path, killer.slide_id, at) == 2
    for i in range(FINE):
        mine = events_of(events, f"fine{i}")
        assert isinstance(mine[-1], SlideFinished)
        assert not any(isinstance(event, SlideRetried) for event in mine)


def test_a_hanging_step_is_ended_with_its_worker_and_the_night_goes_on(client: Client, tmp_path: Path) -> None:
    scripts = [Script("stuck", at="survey", does="hang", notes=tmp_path), *(Script(f"fine{i}") for i in range(FINE))]
    events = list(run_slides(client, scripts, STEPS, Patience(attempts=2, stall_s=1.5)))
    outcome = stopped(events, "stuck").outcome
    assert (outcome.status, outcome.reason) == (SlideStatus.FAILED, "hung")
    assert "no sign of life for 2 s" in outcome.sentence
    pids = {note.read_text() for note in tmp_path.iterdir()}
    assert len(pids) == tried(tmp_path, "stuck", "survey") == 2
    assert all(isinstance(events_of(events, f"fine{i}")[-1], SlideFinished) for i in range(FINE))


def test_a_long_step_that_says_that_it_gets_on_is_left_alone(unharmed: Client) -> None:
    events = list(run_slides(unharmed, [Script("slow", at="survey", does="slow")], STEPS, Patience(stall_s=2.5)))
    assert not any(isinstance(event, SlideRetried) for event in events)
    assert isinstance(events_of(events, "slow")[-1], SlideFinished)


@pytest.mark.parametrize("does", ["die", "defect", "changed"])
def test_one_accident_costs_one_attempt(client: Client, tmp_path: Path, does: str) -> None:
    script = Script("unlucky", at="scan", does=does, times=1, notes=tmp_path)
    events = events_of(list(run_slides(client, [script], STEPS, Patience(attempts=2))), "unlucky")
    (retried,) = [event for event in events if isinstance(event, SlideRetried)]
    assert retried.accident
    assert sum(isinstance(event, SlideStarted) for event in events) == 2
    assert isinstance(events[-1], SlideFinished)
    n_blocks, first_rows, _ = events[-1].result
    # The first attempt's blocks are not in the second one's result.
    assert (n_blocks, first_rows) == (2, [0, 10])


def test_blocks_that_were_one_step_are_done_again_after_a_death(client: Client, tmp_path: Path) -> None:
    unlucky = Script("unlucky", n_blocks=3, at="scan", does="die", times=1, notes=tmp_path)
    scripts = [unlucky, *(Script(f"fine{i}", n_blocks=1) for i in range(FINE))]
    events = list(run_slides(client, scripts, STEPS, Patience(attempts=2)))
    mine = events_of(events, "unlucky")
    assert [event.accident for event in mine if isinstance(event, SlideRetried)] == [True]
    assert sum(isinstance(event, BlockScanned) for event in mine) == 3
    # The one that killed its worker, then all three.
    assert tried(tmp_path, "unlucky", "scan") == 1 + 3
    assert isinstance(mine[-1], SlideFinished)
    assert mine[-1].result[:2] == (3, [0, 10, 20])
    assert all(isinstance(events_of(events, f"fine{i}")[-1], SlideFinished) for i in range(FINE))


def test_accidents_of_earlier_runs_count(client: Client, tmp_path: Path) -> None:
    script = Script("killer", at="survey", does="die", notes=tmp_path)
    events = list(run_slides(client, [script], STEPS, Patience(attempts=3), accidents=lambda _: 2))
    assert stopped(events, "killer").outcome.reason == "worker_died"
    assert tried(tmp_path, "killer", "survey") == 1


def test_a_place_that_comes_back_is_waited_for_with_longer_and_longer_waits(unharmed: Client, tmp_path: Path) -> None:
    scripts = [Script("away", at="survey", does="away", times=3, notes=tmp_path), Script("fine")]
    events = list(run_slides(unharmed, scripts, STEPS, Patience(attempts=1, away_s=60, first_delay_s=0.2)))
    delays = [event.delay_s for event in events_of(events, "away") if isinstance(event, SlideRetried)]
    assert delays == [0.2, 0.4, 0.8]
    assert not any(event.accident for event in events if isinstance(event, SlideRetried))
    assert isinstance(events_of(events, "away")[-1], SlideFinished)


def test_a_slide_that_alone_is_gone_is_not_waited_for_long(unharmed: Client, tmp_path: Path) -> None:
    script = Script("gone", at="survey", does="gone", notes=tmp_path)
    events = list(run_slides(unharmed, [script], STEPS, Patience(away_s=3600, first_delay_s=0.1)))
    assert stopped(events, "gone").outcome.reason == "slide_gone"
    assert tried(tmp_path, "gone", "survey") == 4


def test_a_slide_that_stays_away_fails_alone_while_others_can_be_read(unharmed: Client) -> None:
    scripts = [
        Script("away", at="survey", does="away"),
        *(Script(f"slow{i}", at="scan", does="brief") for i in range(4)),
    ]
    events = list(run_slides(unharmed, scripts, STEPS, Patience(away_s=1.5, first_delay_s=0.25, longest_delay_s=0.5)))
    assert stopped(events, "away").outcome.reason == "source_vanished"
    assert isinstance(events_of(events, "slow3")[-1], SlideFinished)


def test_when_nothing_can_be_read_any_more_the_run_stops_instead_of_failing_slide_after_slide(unharmed: Client) -> None:
    scripts = [Script(f"away{i}", at="survey", does="away") for i in range(200)]
    events: list[Event] = []
    patience = Patience(away_s=1.5, first_delay_s=0.2, longest_delay_s=0.5)
    with pytest.raises(SourceVanished, match="nothing is lost: start the same command"):
        events.extend(run_slides(unharmed, scripts, STEPS, patience))
    assert not any(isinstance(event, SlideStopped) for event in events)


def test_draining_finishes_what_is_under_way_and_begins_nothing_more(unharmed: Client, tmp_path: Path) -> None:
    scripts = [Script(f"s{i}", at="scan", does="brief", n_blocks=1, notes=tmp_path) for i in range(10)]
    began = time.monotonic()
    seen: list[Event] = []

    def draining() -> bool:
        return any(isinstance(event, SlideStarted) for event in seen)

    for event in run_slides(unharmed, scripts, STEPS, draining=draining):
        seen.append(event)  # noqa: PERF402 - read while it grows
    started = {event.slide_id for event in seen if isinstance(event, SlideStarted)}
    finished = {event.slide_id for event in seen if isinstance(event, SlideFinished)}
    assert started == finished
    assert 1 <= len(finished) <= 2
    assert time.monotonic() - began < 30


def test_one_sick_worker_costs_no_slide(unharmed: Client, tmp_path: Path) -> None:
    """A worker that fails at whatever it gets is always free for the next: its slides go elsewhere."""
    sick = next(iter(unharmed.nthreads()))
    scripts = [Script(f"fine{i}", n_blocks=1, sick=sick, notes=tmp_path) for i in range(FINE)]
    events = list(run_slides(unharmed, scripts, STEPS, Patience(attempts=2)))
    assert all(isinstance(events_of(events, f"fine{i}")[-1], SlideFinished) for i in range(FINE))
    assert any(isinstance(event, SlideRetried) for event in events)


def test_an_error_that_repeats_what_a_file_says_is_not_repeated(unharmed: Client) -> None:
    script = Script("private", at="survey", does="defect")
    outcome = stopped(list(run_slides(unharmed, [script], STEPS, Patience(attempts=1))), "private").outcome
    assert outcome.reason == "unexpected"
    assert "ZeroDivisionError" in outcome.sentence
    assert "lines" not in outcome.sentence


def test_many_slides_that_are_away_do_not_stop_those_that_are_there(unharmed: Client) -> None:
    # So many that there is room for no more at once.
    away = [Script(f"away{i}", at="survey", does="away") for i in range(53)]
    scripts = [*away, *(Script(f"there{i}", n_blocks=1) for i in range(3))]
    there: set[str] = set()
    events = run_slides(unharmed, scripts, STEPS, Patience(away_s=60, longest_delay_s=3))
    for event in events:
        if isinstance(event, SlideFinished):
            there.add(event.slide_id)
        if len(there) == 3:
            break
    events.close()  # type: ignore[attr-defined] - a generator
    assert there == {"there0", "there1", "there2"}


def test_when_every_step_stands_still_the_slides_place_is_to_blame(client: Client, tmp_path: Path) -> None:
    scripts = [Script(f"stuck{i}", at="survey", does="hang", times=1, notes=tmp_path) for i in range(2)]
    events = list(run_slides(client, scripts, STEPS, Patience(attempts=1, stall_s=2.0)))
    retried = [event for event in events if isinstance(event, SlideRetried)]
    assert {event.outcome.reason for event in retried} == {"source_vanished"}
    assert not any(event.accident for event in retried)
    assert all(isinstance(events_of(events, f"stuck{i}")[-1], SlideFinished) for i in range(2))


def test_a_runner_that_stood_still_itself_blames_nobody(unharmed: Client) -> None:
    events: list[Event] = []
    for event in run_slides(unharmed, [Script("slow", at="survey", does="slow")], STEPS, Patience(stall_s=2.5)):
        if isinstance(event, SlideStarted):
            threading.Event().wait(3.2)
        events.append(event)
    assert not any(isinstance(event, SlideRetried) for event in events)
    assert isinstance(events_of(events, "slow")[-1], SlideFinished)
