"""Slides that are replaced while they are scanned, or gone from their archive, in runs on real workers and stores."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from plan_jobs import MODEL, tissue, work_of
from store_files import Pixels, write_own

from batchscan.domain.errors import ManifestError, SlideChanged
from batchscan.domain.job import Job, validated_job
from batchscan.domain.records import SlideStatus
from batchscan.scan.grid import Block
from batchscan.scan.in_one_go import in_one_go
from batchscan.scan.pipeline import BlockScores
from batchscan.scan.slide_events import SlideRetried, SlideSurveyed
from batchscan.scan.underway import Patience, Steps
from batchscan.scan.workforce import Workforce
from batchscan.stores import open_stores
from batchscan.stores.ledger import Ledger
from batchscan.stores.open_stores import OpenStores
from batchscan.stores.packages import open_package
from batchscan.stores.pyramids import SlideStore, open_store
from batchscan.stores.results import RunFolder
from batchscan.workflow import run, slide_steps
from batchscan.workflow.run import RunEnded, RunEvent, run_job
from batchscan.workflow.run_record import SlideEnded
from batchscan.workflow.slide_steps import SlideWork

SIDE_PX = 500


def write_slide(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(exist_ok=True)
    return write_own(path, Pixels(pixels), um_per_px=8.0)


def replace_slide(path: Path) -> None:
    """Another slide of the same size takes its place."""
    shutil.rmtree(path)
    write_slide(path, np.ascontiguousarray(tissue(SIDE_PX)[::-1]))


def shrink_slide(path: Path) -> None:
    """A smaller slide takes its place: blocks that were laid out for it aren't on it."""
    shutil.rmtree(path)
    write_slide(path, tissue(SIDE_PX)[:250, :300])


def write_to_slide(path: Path) -> None:
    """A few bytes of a chunk, all else as it was."""
    shard = max((file for file in path.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[1000:1010] = bytes(255 - byte for byte in content[1000:1010])
    shard.write_bytes(content)


def half_copied(path: Path) -> None:
    """Another slide is being copied into its place: so far only its group's document is there."""
    group = (path / "zarr.json").read_bytes()
    shutil.rmtree(path)
    path.mkdir()
    (path / "zarr.json").write_bytes(group)


def without_a_shard(path: Path) -> None:
    """One of its files is being written anew."""
    max((file for file in path.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size).unlink()


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlideWork:
    """A slide to scan, step by step, in this process, which trusts a store at once that is as it was."""
    monkeypatch.setattr(open_stores, "_UNSETTLED_NS", 0)
    folder = RunFolder(tmp_path / "run")
    folder.create()
    package = open_package(MODEL)
    folder.keep_card(package.card, package.seen_path, package.profile_path)
    store = write_slide(tmp_path / "s.ome.zarr", tissue(SIDE_PX))
    found = work_of(store, folder.path, engine="keras")
    engine = slide_steps.resolve_engine(found.package, "keras", "f32")
    return replace(found, engine=engine, print_report=False)


@pytest.mark.parametrize("change", [replace_slide, write_to_slide])
@pytest.mark.parametrize("at", ["before its blocks are scanned", "after its blocks are scanned"])
def test_a_store_that_changes_between_its_steps_is_noticed_before_there_is_a_result(
    work: SlideWork, change: Callable[[Path], None], at: str
) -> None:
    surveyed = slide_steps.survey(work)
    assert surveyed.blocks
    path = work.request.local_path
    if at.startswith("before"):
        change(path)
    scores = slide_steps.scan(work, surveyed.blocks)
    if at.startswith("after"):
        change(path)
    with pytest.raises(SlideChanged, match="s: its store was replaced or written to while it was scanned"):
        slide_steps.finish(work, surveyed, scores)


@pytest.mark.parametrize("change", [half_copied, without_a_shard])
@pytest.mark.parametrize("at", ["scan", "finish"])
def test_a_store_that_is_not_whole_any_more_has_changed(
    work: SlideWork, change: Callable[[Path], None], at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    surveyed = slide_steps.survey(work)
    scores = slide_steps.scan(work, surveyed.blocks) if at == "finish" else []
    change(work.request.local_path)
    # As on a worker that hasn't opened it yet.
    monkeypatch.setattr(slide_steps, "_OPEN", OpenStores())
    step = {
        "scan": lambda: slide_steps.scan(work, surveyed.blocks[:1]),
        "finish": lambda: slide_steps.finish(work, surveyed, scores),
    }
    with pytest.raises(SlideChanged, match="s: its store was replaced or written to while it was scanned"):
        step[at]()


def test_shards_that_go_while_a_worker_has_the_store_open_are_noticed_at_the_end(work: SlideWork) -> None:
    surveyed = slide_steps.survey(work)
    without_a_shard(work.request.local_path)
    scores = slide_steps.scan(work, surveyed.blocks)
    assert not all(block.readable.all() for block in scores)
    with pytest.raises(SlideChanged, match="s: its store was replaced or written to while it was scanned"):
        slide_steps.finish(work, surveyed, scores)


@pytest.mark.parametrize("change", [replace_slide, shrink_slide])
def test_a_slide_that_is_replaced_while_it_is_done_in_one_go_has_changed(
    work: SlideWork, change: Callable[[Path], None]
) -> None:
    def scan(work: SlideWork, blocks: Sequence[Block]) -> list[BlockScores]:
        scores = slide_steps.scan(work, blocks)
        change(work.request.local_path)
        return scores

    with pytest.raises(SlideChanged, match="s: its store was replaced or written to while it was scanned"):
        in_one_go(Steps(slide_steps.survey, scan, slide_steps.finish), work)


def test_one_that_stays_as_it_is_has_a_result(work: SlideWork) -> None:
    surveyed = slide_steps.survey(work)
    scores = slide_steps.scan(work, surveyed.blocks)
    finished = slide_steps.finish(work, surveyed, scores)
    assert finished.outcome.status is SlideStatus.DONE
    assert finished.staged is not None


@pytest.mark.parametrize("change", [replace_slide, shrink_slide])
def test_the_next_attempt_in_the_same_process_is_at_the_store_that_is_there_now(
    work: SlideWork, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    def attempt() -> tuple[tuple[Block, ...], list[BlockScores]]:
        blocks = slide_steps.survey(work).blocks
        return blocks, slide_steps.scan(work, blocks)

    before = attempt()
    change(work.request.local_path)
    after = attempt()
    monkeypatch.setattr(slide_steps, "_OPEN", OpenStores())
    expected = attempt()
    hashes = [[score.pixel_hash.tolist() for score in scores] for _, scores in (before, after, expected)]
    assert hashes[1] == hashes[2]
    assert hashes[1] != hashes[0]
    assert [len(block) for block in after[0]] == [len(block) for block in expected[0]]


def test_a_store_that_was_surveyed_is_open_for_all_its_steps_and_elsewhere_opened_once(
    work: SlideWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []

    def noted(*place: Any) -> SlideStore:
        opened.append(place)
        return open_store(*place)

    monkeypatch.setattr(open_stores, "open_store", noted)
    surveyed = slide_steps.survey(work)

    def scanned() -> list[BlockScores]:
        return [score for block in surveyed.blocks for score in slide_steps.scan(work, (block,))]

    slide_steps.finish(work, surveyed, scanned())
    assert opened == []
    monkeypatch.setattr(slide_steps, "_OPEN", OpenStores())
    scanned()
    slide_steps.finish(work, surveyed, scanned())
    assert opened == [(work.request.path, None)]


def job_of(source: Path, out: Path) -> Job:
    sections = {"slides": {"sources": [source]}, "run": {"out": out, "workers": 1}, "report": {"per_slide": False}}
    return validated_job({**sections, "model": {"package": MODEL}}, "a test")


def tables(run_folder: Path, slide_id: str) -> dict[str, Any]:
    """A slide's result, without times."""
    folder = run_folder / "slides" / slide_id
    result = json.loads((folder / "result.json").read_text())
    del result["seconds"]
    return {"result": result, **{name: (folder / name).read_bytes() for name in ("patches.parquet", "regions.geojson")}}


@dataclass(frozen=True)
class Night:
    """A run in which slides `replaced` and `shrunk` are exchanged and `gone` is away; `after` one of what is left."""

    archive: Path
    run: Path
    after: Path
    events: tuple[RunEvent, ...]

    def ended(self) -> dict[str, tuple[SlideStatus, str]]:
        outcomes = [event.outcome for event in self.events if isinstance(event, SlideEnded)]
        return {outcome.slide_id: (outcome.status, outcome.reason) for outcome in outcomes}

    def retried(self, slide_id: str) -> list[tuple[str, bool]]:
        retried = [event for event in self.events if isinstance(event, SlideRetried) and event.slide_id == slide_id]
        return [(event.outcome.reason, event.accident) for event in retried]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp("night")
    archive, changes = folder / "archive", {"replaced": replace_slide, "shrunk": shrink_slide}
    for slide_id in ("same", *changes):
        write_slide(archive / f"{slide_id}.ome.zarr", tissue(SIDE_PX))
    rows = "".join(f"{slide_id},{slide_id}.ome.zarr\n" for slide_id in ("same", "gone", *changes))
    (archive / "manifest.csv").write_text(f"slide_id,path\n{rows}")
    events: list[RunEvent] = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(run, "Patience", functools.partial(Patience, first_delay_s=0.1))
        # Else nothing is heard of a slide between its survey and its result.
        monkeypatch.setattr(Workforce, "is_of_one_kind", property(lambda _: False))
        for event in run_job(job_of(archive, folder / "run")):
            # The run goes on only when this returns: none of the slide's blocks has been handed out.
            if isinstance(event, SlideSurveyed) and (change := changes.pop(event.slide_id, None)):
                change(archive / f"{event.slide_id}.ome.zarr")
            events.append(event)
        assert list(run_job(job_of(archive, folder / "after")))
    return Night(archive, folder / "run", folder / "after", tuple(events))


@pytest.mark.parametrize("slide_id", ["replaced", "shrunk"])
def test_a_slide_that_is_replaced_while_it_is_scanned_ends_as_the_new_one(night: Night, slide_id: str) -> None:
    assert night.retried(slide_id) == [("slide_changed", True)]
    assert night.ended()[slide_id] == (SlideStatus.DONE, "")
    new, old = tables(night.run, slide_id), tables(night.run, "same")
    assert new == tables(night.after, slide_id)
    assert new["result"]["slide"]["fingerprint"] != old["result"]["slide"]["fingerprint"]
    assert new["patches.parquet"] != old["patches.parquet"]


def test_what_was_spent_on_the_slide_that_was_replaced_is_in_the_ledger_by_stage(night: Night) -> None:
    with Ledger.read(night.run / "ledger.sqlite") as ledger:
        changed, done = [attempt for attempt in ledger.attempts() if attempt.slide_id == "replaced"]
    assert (changed.status, changed.reason, changed.end.error_class) == ("retried", "slide_changed", "SlideChanged")
    assert changed.end.seconds.keys() == {"read", "tissue", "infer", "busy"}
    assert 0 < changed.end.seconds["infer"] < changed.end.seconds["busy"]
    assert done.status == "done"


def test_a_slide_that_is_gone_from_its_archive_fails_alone(night: Night) -> None:
    done = (SlideStatus.DONE, "")
    assert night.ended() == {"gone": (SlideStatus.FAILED, "slide_gone"), "same": done, "replaced": done, "shrunk": done}
    assert night.retried("gone") == [("slide_gone", False)] * 3
    (end,) = [event for event in night.events if isinstance(event, RunEnded)]
    assert end.counts == {"done": 3, "failed": 1, "excluded": 0, "remaining": 0, "asked": 4}


def test_a_manifest_of_ones_own_that_names_a_slide_that_is_not_there_is_refused_before_any_work(
    night: Night, tmp_path: Path
) -> None:
    with pytest.raises(ManifestError, match=r"1 wrong row: line 3: path 'gone.ome.zarr' does not exist"):
        next(run_job(job_of(night.archive / "manifest.csv", tmp_path / "run")))
    assert not (tmp_path / "run").exists()
