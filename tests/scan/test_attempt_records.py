"""What is known of an attempt that came to nothing: its workers' memory and time; on real processes, as scripted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from distributed import Client
from scripted_slides import BLOCK_SECONDS, GROWN_MB, STEPS, SURVEY_SECONDS, Script

from batchscan.domain.attempts import AttemptEnd
from batchscan.scan.cluster import connect, facts_by_address
from batchscan.scan.dispatch import _Board, run_slides
from batchscan.scan.pulse import Pulse, Sign
from batchscan.scan.slide_events import SlideFinished, SlideRetried, SlideStarted, SlideStopped, Waited
from batchscan.scan.underway import Patience, SlideUnderWay
from batchscan.scan.workforce import Workforce


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(None, 1) as client:
        yield client


def ends_of(client: Client, script: Script, patience: Patience) -> list[AttemptEnd]:
    """How each attempt at the slide ended."""
    events = run_slides(client, [script], STEPS, patience)
    return [event.end for event in events if isinstance(event, SlideFinished | SlideRetried | SlideStopped)]


def test_a_step_that_grows_until_its_worker_dies_has_the_memory_that_was_seen(client: Client, tmp_path: Path) -> None:
    small_mb = max(facts.rss_mb or 0.0 for facts in facts_by_address(client).values())
    is_large, stopped = False, None
    for event in run_slides(client, [Script("grows", at="scan", does="grow", notes=tmp_path)], STEPS, Patience(1)):
        if isinstance(event, Waited):
            # It has looked again since it was seen here.
            if is_large:
                (tmp_path / "seen").touch()
            is_large = any(
                (facts.rss_mb or 0.0) > small_mb + GROWN_MB / 2 for facts in facts_by_address(client).values()
            )
        stopped = event if isinstance(event, SlideStopped) else stopped
    assert stopped is not None
    assert stopped.outcome.reason == "worker_died"
    assert stopped.end.peak_rss_mb is not None
    assert small_mb + GROWN_MB / 2 < stopped.end.peak_rss_mb < small_mb + 2 * GROWN_MB


@pytest.mark.parametrize(("does", "least_s"), [("die", 0.0), ("hang", 1.5)])
def test_a_step_that_never_ended_has_the_memory_that_it_began_with_and_the_time_until_its_end_was_seen(
    client: Client, does: str, least_s: float
) -> None:
    (end,) = ends_of(client, Script("S", at="survey", does=does), Patience(attempts=1, stall_s=1.5))
    assert end.peak_rss_mb is not None
    assert end.peak_rss_mb > 10
    assert end.seconds.keys() == {"busy"}
    assert least_s < end.seconds["busy"] < 60


def test_the_stages_of_the_steps_that_returned_are_kept_beside_the_whole_of_a_failed_attempt(
    client: Client, tmp_path: Path
) -> None:
    unlucky = Script("S", n_blocks=2, at="finish", does="defect", times=1, notes=tmp_path)
    scanned = {"read": 0.25 + 2 * 0.125, "tissue": 0.5, "infer": 4.0}
    failed, done = ends_of(client, unlucky, Patience(attempts=2))
    for end in (failed, done):
        # The second attempt's are its own.
        assert {stage: spent for stage, spent in end.seconds.items() if stage != "busy"} == scanned
    assert (SURVEY_SECONDS["tissue"], BLOCK_SECONDS["infer"]) == (0.5, 2.0)


def test_a_step_that_raises_was_work_too(client: Client) -> None:
    (end,) = ends_of(client, Script("S", at="survey", does="slow_defect"), Patience(attempts=1))
    assert end.seconds.keys() == {"busy"}
    assert end.seconds["busy"] > 0.2


def test_what_a_worker_had_before_a_step_began_is_not_the_steps(client: Client) -> None:
    now = time.monotonic()
    workforce = Workforce(client, 60.0, now)
    workforce.look(now)
    ((address, facts),) = facts_by_address(client).items()
    said, rss_mb = facts.said or 0.0, facts.rss_mb
    assert workforce.rss_mb(address, said - 3600) == pytest.approx(rss_mb, rel=0.5)
    assert workforce.rss_mb(address, said + 3600) is None
    assert workforce.rss_mb("tcp://nobody", 0.0) is None
    workforce.close()


def test_a_step_whose_beginning_was_not_heard_of_has_begun_when_it_is_first_heard() -> None:
    """Or it would have been at work for as long as the machine has been up."""
    asked = MagicMock(cluster=None, status="running")
    asked.nthreads.return_value = {"tcp://a": 1}
    board: Any = _Board(asked, STEPS, Patience(attempts=1, stall_s=0.0))
    board.start(SlideUnderWay(Script("S")))
    (token,) = board._tasks
    moment = time.monotonic()
    pulse = Pulse(token, "tcp://a", Sign.GETS_ON, moment, time.time(), 100.0, "cpu-0")
    assert list(board._on_pulse(pulse)) == [SlideStarted("S", "cpu-0")]
    (stopped,) = board._end_silent(moment + 2.0)
    assert isinstance(stopped, SlideStopped)
    assert (stopped.end.worker, stopped.end.seconds["busy"]) == ("cpu-0", pytest.approx(2.0))
