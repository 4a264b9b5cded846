"""Where other slides keep the workers busy, a slide is surveyed, scanned and finished by one of them in one go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from distributed import Client
from scripted_slides import BLOCK_SECONDS, STEPS, SURVEY_SECONDS, Found, Script, survey, tried

from batchscan.scan.cluster import connect
from batchscan.scan.dispatch import _Board, run_slides
from batchscan.scan.fetching import Fetched
from batchscan.scan.in_one_go import Whole, in_one_go
from batchscan.scan.slide_events import BlockScanned, SlideFinished, SlideRetried, SlideStarted, SlideSurveyed
from batchscan.scan.underway import Patience, SlideUnderWay, Steps
from batchscan.scan.workforce import Workforce


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(None, 2) as client:
        yield client


def _steps_of_each(n_threads: int, n_slides: int) -> list[Any]:
    asked = MagicMock(cluster=None, status="running")
    asked.nthreads.return_value = {"tcp://a": n_threads}
    board: Any = _Board(asked, STEPS, Patience())
    for number in range(n_slides):
        board.start(SlideUnderWay(Script(f"s{number}")))
    return [task.step for task in board._tasks.values()]


def test_a_slide_goes_in_one_go_where_every_worker_has_another() -> None:
    assert _steps_of_each(2, 4) == [survey, survey, in_one_go, in_one_go]


def test_not_where_some_workers_are_for_the_network_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workforce, "is_of_one_kind", property(lambda _: False))
    assert _steps_of_each(1, 3) == [survey] * 3


def test_not_anywhere_else_where_some_have_joined_that_are_for_the_network_alone() -> None:
    asked = MagicMock(cluster=None, status="running")
    asked.nthreads.return_value = {"tcp://a": 1}
    board: Any = _Board(asked, STEPS, Patience())
    for slide_id in "ab":
        board.start(SlideUnderWay(Script(slide_id)))
    (token,) = (token for token, task in board._tasks.items() if task.step is in_one_go)
    board._workforce._kinds = {"network", "aside"}
    assert list(board._on_done(Fetched(token))) == [SlideStarted("b", "")]
    assert [(task.step, task.arguments) for task in board._tasks.values()][1] == (survey, (Script("b"),))


def test_a_resource_of_somebody_elses_is_no_kind_of_steps() -> None:
    asked = MagicMock(cluster=None, status="running")
    workforce = Workforce(asked, 1.0, 0.0)
    for kinds, expected in (({"GPU"}, True), (set(), True), ({"network"}, False), ({"aside", "GPU"}, False)):
        workforce._kinds = kinds
        assert workforce.is_of_one_kind is expected


def test_it_gives_a_sign_of_life_after_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all of them together would have to end within the time that one may take."""
    said: list[str] = []
    steps = Steps(
        lambda work: said.append("survey") or survey(work),
        lambda work, blocks: said.append("scan") or STEPS.scan(work, blocks),
        lambda work, found, scores: said.append("finish") or STEPS.finish(work, found, scores),
    )
    monkeypatch.setattr("batchscan.scan.in_one_go.voice", lambda: lambda: said.append("alive"))
    in_one_go(steps, Script("S"))
    assert said == ["survey", "alive", "scan", "alive", "finish"]


def test_it_comes_to_what_its_steps_come_to() -> None:
    whole = in_one_go(STEPS, Script("S", 3))
    assert isinstance(whole, Whole)
    assert whole.sizes == (3, 3, 3)
    assert whole.seconds == (SURVEY_SECONDS, *[BLOCK_SECONDS] * 3)
    assert whole.result[:2] == (3, [0, 10, 20])


def test_a_slide_with_nothing_to_scan_is_finished_too(tmp_path: Path) -> None:
    whole = in_one_go(STEPS, Script("S", 0, notes=tmp_path))
    assert isinstance(whole, Whole)
    assert (whole.sizes, whole.result[0], tried(tmp_path, "S", "scan")) == ((), 0, 0)


def test_the_blocks_of_a_large_slide_are_left_to_all_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("batchscan.scan.in_one_go.PATCHES_TOGETHER", 5)
    found = in_one_go(STEPS, Script("S", 2, notes=tmp_path))
    assert isinstance(found, Found)
    assert len(found.blocks) == 2
    assert tried(tmp_path, "S", "scan") == 0


def test_every_slide_has_its_events_and_its_seconds(client: Client) -> None:
    events = [event for event in run_slides(client, [Script(f"s{i}", 2) for i in range(8)], STEPS) if event.slide_id]
    assert Counter(type(event) for event in events) == {
        **dict.fromkeys((SlideStarted, SlideSurveyed, SlideFinished), 8),
        BlockScanned: 16,
    }
    assert sum(event.n_patches for event in events if isinstance(event, BlockScanned)) == 8 * 6
    for event in events:
        if isinstance(event, SlideFinished):
            spent = {name: event.end.seconds[name] for name in ("read", "tissue", "infer")}
            assert spent == {"read": 0.25 + 2 * 0.125, "tissue": 0.5, "infer": 4.0}


@pytest.mark.parametrize("at", ["survey", "scan", "finish"])
def test_a_slide_whose_worker_dies_is_begun_anew_and_alone_blamed(client: Client, tmp_path: Path, at: str) -> None:
    scripts = [Script(f"s{i}", notes=tmp_path) for i in range(6)]
    scripts[4] = Script("s4", at=at, does="die", times=1, notes=tmp_path)
    events = list(run_slides(client, scripts, STEPS))
    (retried,) = (event for event in events if isinstance(event, SlideRetried) and event.accident)
    assert retried.slide_id == "s4"
    assert {event.slide_id for event in events if isinstance(event, SlideFinished)} == {f"s{i}" for i in range(6)}
