"""A survey says its blocks before it ends, where a worker has nothing else to do; they are scanned meanwhile."""

from __future__ import annotations

import itertools
import pickle
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from distributed import Client
from scripted_slides import STEPS, Found, Script, scan, survey

from batchscan.scan.cluster import connect
from batchscan.scan.dispatch import _Board, run_slides
from batchscan.scan.fetching import Fetched
from batchscan.scan.grid import Block
from batchscan.scan.pulse import Line, Pulse, Sign, heard, herald
from batchscan.scan.slide_events import (
    BlockScanned,
    Event,
    SlideFinished,
    SlideRetried,
    SlideStarted,
    SlideStopped,
    SlideSurveyed,
    Waited,
)
from batchscan.scan.step import Returned
from batchscan.scan.underway import Patience, SlideUnderWay

CELLS = np.arange(3, dtype=np.int32)
BLOCKS = (Block(CELLS, CELLS, 0, 0, 3, 3), Block(CELLS + 3, CELLS, 3, 0, 3, 3))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(None, 2) as client:
        yield client


def _kinds(events: list[Event]) -> Counter[type]:
    return Counter(type(event) for event in events if not isinstance(event, Waited))


def test_a_slide_alone_is_scanned_while_its_survey_goes_on(client: Client, tmp_path: Path) -> None:
    """Which waits for that; it would fail if nobody began with a block."""
    events = list(run_slides(client, [Script("S", 5, notes=tmp_path, tells=True)], STEPS, Patience(attempts=1)))
    assert _kinds(events) == {SlideStarted: 1, SlideSurveyed: 1, BlockScanned: 5, SlideFinished: 1}
    ended = events[-1]
    assert isinstance(ended, SlideFinished)
    assert ended.result[:2] == (5, [0, 10, 20, 30, 40])


@pytest.mark.parametrize("does", ["defect", "die"])
def test_a_survey_that_fails_after_it_has_told_its_blocks_is_begun_anew(
    client: Client, tmp_path: Path, does: str
) -> None:
    script = Script("S", 5, at="survey", does=does, times=1, notes=tmp_path, tells=True)
    # As many as there may be at most: one that never ends is one that begins again and again.
    events = list(itertools.islice(run_slides(client, [script], STEPS), 200))
    kinds = _kinds(events)
    assert (kinds[SlideRetried], kinds[SlideSurveyed], kinds[SlideFinished]) == (1, 2, 1)
    ended = next(event for event in events if isinstance(event, SlideFinished))
    assert ended.result[:2] == (5, [0, 10, 20, 30, 40])


def test_a_survey_that_always_fails_after_that_costs_the_slide(client: Client, tmp_path: Path) -> None:
    scripts = [Script("S", 5, at="survey", does="unreadable", notes=tmp_path, tells=True), Script("T")]
    last = {event.slide_id: event for event in run_slides(client, scripts, STEPS) if event.slide_id}
    assert isinstance(last["S"], SlideStopped)
    assert last["S"].outcome.reason == "unreadable"
    assert isinstance(last["T"], SlideFinished)


class Board:
    """A dispatcher with so many threads of workers, none of which does anything."""

    def __init__(self, n_threads: int) -> None:
        self.asked = MagicMock(cluster=None, status="running")
        self.asked.nthreads.return_value = {"tcp://a": n_threads}
        self.board: Any = _Board(self.asked, STEPS, Patience())

    def begin(self, slide_id: str) -> Line:
        """Where its survey speaks."""
        self.board.start(SlideUnderWay(Script(slide_id)))
        line = self.asked.submit.call_args.args[2]
        assert isinstance(line, Line)
        return line

    def hears(self, line: Line, sign: Sign, turn: str, found: Any = None) -> list[Event]:
        pulse = Pulse(line.token, "tcp://a", sign, time.monotonic(), time.time(), 100.0, "cpu-0", turn, found)
        return list(self.board._on_pulse(pulse))

    def gets(self, line: Line, value: Any, turn: str) -> list[Event]:
        return list(self.board._on_done(Fetched(line.token, Returned("cpu-0", value, 100.0, 1.0, turn))))

    @property
    def steps(self) -> list[Any]:
        return [task.step for task in self.board._tasks.values()]


def test_nobody_waits_for_blocks_where_every_worker_has_a_slide() -> None:
    board = Board(2)
    assert [board.begin(slide_id).is_awaited for slide_id in "abc"] == [True, False, False]
    assert not Board(1).begin("a").is_awaited


def test_blocks_are_handed_out_once() -> None:
    board = Board(4)
    line = board.begin("S")
    assert board.hears(line, Sign.BEGUN, "1") == [SlideStarted("S", "cpu-0")]
    assert board.hears(line, Sign.FOUND, "1", BLOCKS) == [SlideSurveyed("S", 6)]
    steps = board.steps
    assert steps == [survey, STEPS.scan, STEPS.scan]
    assert board.hears(line, Sign.FOUND, "1", BLOCKS) == []
    assert board.gets(line, Found(BLOCKS), "1") == []
    assert board.steps == steps[1:]


def test_results_wait_for_the_rest_of_the_survey() -> None:
    board = Board(4)
    line = board.begin("S")
    board.hears(line, Sign.BEGUN, "1")
    board.hears(line, Sign.FOUND, "1", BLOCKS)
    for token in [token for token, task in board.board._tasks.items() if task.step is STEPS.scan]:
        (scores,) = scan(Script("S"), BLOCKS[:1])
        board.gets(Line("", token), [scores], "other")
    assert board.steps == [survey]
    assert board.gets(line, Found(BLOCKS), "1") == []
    assert board.steps == [STEPS.finish]


def test_a_slide_is_alone_while_others_keep_fewer_workers_busy_than_there_are() -> None:
    """Whatever it has under way itself: each of its blocks is a step then."""
    board = Board(2)
    line = board.begin("S")
    board.hears(line, Sign.BEGUN, "1")
    board.begin("T")
    board.hears(line, Sign.FOUND, "1", BLOCKS)
    assert board.steps == [survey, survey, STEPS.scan, STEPS.scan]
    board = Board(2)
    board.begin("T")
    board.begin("U")
    line = board.begin("S")
    board.gets(line, Found(BLOCKS), "1")
    assert board.steps == [survey, survey, STEPS.scan]


def test_a_survey_that_is_lost_after_it_has_told_its_blocks_is_not_done_again_alone() -> None:
    board = Board(4)
    line = board.begin("S")
    board.hears(line, Sign.BEGUN, "1")
    board.hears(line, Sign.FOUND, "1", BLOCKS)
    (retried,) = board.board._on_done(Fetched(line.token))
    assert isinstance(retried, SlideRetried)
    assert not retried.accident
    assert board.steps == []


def test_a_survey_that_is_lost_again_and_again_costs_the_slide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchscan.scan.dispatch._MOST_LOST", 3)
    board = Board(4)
    board.board._patience = Patience(attempts=1)
    line, ends = board.begin("S"), []
    while not ends or isinstance(ends[-1], SlideRetried):
        board.hears(line, Sign.BEGUN, "1")
        board.hears(line, Sign.FOUND, "1", BLOCKS)
        ends += board.board._on_done(Fetched(line.token))
        for retry in board.board._retries:
            board.board.start(retry.slide)
        board.board._retries = []
        line = board.asked.submit.call_args.args[2]
    assert [type(end) for end in ends] == [SlideRetried] * 3 + [SlideStopped]


def test_of_a_survey_that_was_done_twice_no_blocks_of_the_other_time_are_used() -> None:
    """Between the two the slide may have been replaced."""
    board = Board(4)
    line = board.begin("S")
    board.hears(line, Sign.BEGUN, "1")
    board.hears(line, Sign.FOUND, "1", BLOCKS)
    (retried,) = board.gets(line, Found(BLOCKS), "2")
    assert isinstance(retried, SlideRetried)
    assert not retried.accident
    assert board.steps == []
    assert not board.board.is_idle


def test_what_is_found_before_the_beginning_was_heard_of_is_a_beginning_too() -> None:
    board = Board(4)
    line = board.begin("S")
    assert board.hears(line, Sign.FOUND, "1", BLOCKS) == [SlideStarted("S", "cpu-0"), SlideSurveyed("S", 6)]


def test_blocks_arrive_as_they_were_told() -> None:
    message = {"token": "t", "address": "a", "worker": "w", "turn": "1", "sign": "found", "said": 1.0, "peak": 2.0}
    (first, second) = heard((0.0, {**message, "found": pickle.dumps(BLOCKS)})).found
    assert first.rows.tolist() == [0, 1, 2]
    assert second.rows.tolist() == [3, 4, 5]


def test_outside_a_step_nobody_is_told() -> None:
    herald()(BLOCKS)
