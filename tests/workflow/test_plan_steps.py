"""What a plan finds of one slide: as the run's own steps find it, and without a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plan_jobs import WORDS, make_slides, tissue, tree, work_of
from slide_files import write_spoilt
from store_files import Pixels, write_own

from batchscan.domain.errors import SlideError, SlideExcluded, SpacingTooCoarse, UnreadableSlide
from batchscan.domain.plan import SlideAction
from batchscan.scan.grid import Block
from batchscan.scan.pipeline import BlockScores
from batchscan.stores.packages import open_package
from batchscan.workflow import calibration, slide_steps
from batchscan.workflow.calibration import SampleWork, take_sample
from batchscan.workflow.plan_steps import inspect
from batchscan.workflow.slide_steps import FinishedSlide, SlideWork


@pytest.fixture(scope="module")
def slides_of_all_kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slides(tmp_path_factory.mktemp("plan") / "slides")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_own(tmp_path / "s.ome.zarr", Pixels(tissue()), um_per_px=8.0)


@pytest.fixture
def unscored(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No engine is needed here: all patches get 0.2; how many did so is counted."""
    asked: list[int] = []

    def scan(work: SlideWork, blocks: Sequence[Block]) -> list[BlockScores]:
        del work
        (block,) = blocks
        n = len(block)
        asked.append(n)
        seconds = {"read": 0.001, "infer": 0.01 * n}
        p, hashes = np.full(n, 0.2, np.float32), np.ones(n, np.uint64)
        return [BlockScores(block.rows, block.cols, p, np.ones(n, np.bool_), hashes, seconds)]

    monkeypatch.setattr(slide_steps, "scan", scan)
    return asked


def committed(work: SlideWork) -> None:
    """The slide's result, as a run makes it."""
    work.run.create()
    work.run.keep_card(open_package(work.package).card)
    surveyed = slide_steps.survey(work)
    finished = slide_steps.finish(work, surveyed, slide_steps.scan(work, surveyed.blocks))
    assert finished.staged is not None
    work.run.commit(finished.staged, work.slide_id)


def test_a_store_is_planned_as_it_is_scanned(store: Path, tmp_path: Path) -> None:
    work = work_of(store, tmp_path / "run")
    before = tree(tmp_path)
    plan = inspect(work)
    assert tree(tmp_path) == before
    work.run.create()
    work.run.keep_card(open_package(work.package).card)
    expected = slide_steps.survey(work)
    assert expected.survey is not None
    assert (plan.action, plan.n_patches, plan.n_blocks) == (
        SlideAction.SCAN,
        len(expected.survey.row),
        len(expected.blocks),
    )
    assert plan.n_patches > 100
    assert plan.tissue_mm2 == pytest.approx(plan.n_patches * 0.16)
    assert (plan.predicted, plan.store_px, plan.remark) == (False, 0, None)


def test_a_slide_file_is_planned_without_being_stored(slides_of_all_kinds: Path, tmp_path: Path) -> None:
    work = work_of(slides_of_all_kinds / "good.svs", tmp_path / "run", "good")
    plan = inspect(work)
    assert list(tmp_path.iterdir()) == []
    assert (plan.predicted, plan.store_px) == (True, 800 * 800)
    work.run.create()
    work.run.keep_card(open_package(work.package).card)
    stored = slide_steps.survey(work)
    assert stored.survey is not None
    assert plan.n_patches == len(stored.survey.row) > 30
    # With its store there it is planned from that, and known to be the same slide.
    again = inspect(work)
    assert (again.predicted, again.store_px, again.n_patches) == (False, 0, plan.n_patches)
    assert set(plan.contents) < set(again.contents)


@pytest.mark.parametrize("name", sorted(set(WORDS) - {"twin", "blank"}))
def test_what_a_run_would_refuse_is_refused_alike(name: str, slides_of_all_kinds: Path, tmp_path: Path) -> None:
    status, reason = WORDS[name]
    with pytest.raises(SlideError) as raised:
        inspect(work_of(slides_of_all_kinds / f"{name}.svs", tmp_path / "run"))
    assert raised.value.code == reason
    assert isinstance(raised.value, SlideExcluded) == (status == "excluded")


def test_a_slide_without_tissue_is_remarked_on(slides_of_all_kinds: Path, tmp_path: Path) -> None:
    plan = inspect(work_of(slides_of_all_kinds / "blank.svs", tmp_path / "run"))
    assert plan.remark is not None
    assert (plan.n_patches, plan.remark.status, plan.remark.reason) == (0, "done", "no_tissue")


def test_a_coarse_store_is_refused(tmp_path: Path) -> None:
    store = write_own(tmp_path / "s.ome.zarr", Pixels(tissue(400)), um_per_px=10.0)
    with pytest.raises(SpacingTooCoarse):
        inspect(work_of(store, tmp_path / "run"))


def test_a_damaged_store_is_refused_where_a_run_would(tmp_path: Path) -> None:
    # Large enough for a second level, on which tissue is found.
    store = write_own(tmp_path / "s.ome.zarr", Pixels(tissue(1100)), um_per_px=8.0)
    shard = store / "0" / "c" / "0" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[1000:1100] = bytes(255 - byte for byte in content[1000:1100])
    shard.write_bytes(content)
    work = work_of(store, tmp_path / "run")
    with pytest.raises(UnreadableSlide, match=r"tissue patches can't be read \(at most 1.0%"):
        inspect(work)
    tolerant = replace(work, settings=replace(work.settings, max_unreadable=1.0))
    assert inspect(tolerant).n_patches > 100


def test_a_file_with_a_lost_tile_is_refused_where_a_run_would(tmp_path: Path) -> None:
    pixels = np.repeat(np.repeat(tissue(700), 4, axis=0), 4, axis=1)
    # 1 tile of 121; it is on the first four patches, glass or not.
    path = write_spoilt(tmp_path / "s.svs", [pixels], [(0, 0)], "|MPP = 2.0")
    work = work_of(path, tmp_path / "run")
    with pytest.raises(UnreadableSlide, match=r"s: 4 of 181 tissue patches can't be read \(at most 1.0%"):
        inspect(work)
    tolerant = replace(work, settings=replace(work.settings, max_unreadable=0.03))
    plan = inspect(tolerant)
    work.run.create()
    work.run.keep_card(open_package(work.package).card)
    surveyed = slide_steps.survey(tolerant)
    assert surveyed.survey is not None
    assert plan.n_patches == len(surveyed.survey.row)
    # With its store there it is planned from that, and comes to the same.
    assert inspect(tolerant).n_patches == plan.n_patches
    with pytest.raises(UnreadableSlide, match="s: 4 of"):
        inspect(work)


def test_what_is_done_is_told_from_what_needs_a_report_or_a_scan(
    store: Path, tmp_path: Path, unscored: list[int]
) -> None:
    work = work_of(store, tmp_path / "run")
    committed(work)
    n_patches = sum(unscored)
    before = tree(tmp_path)
    plans = {
        name: inspect(each)
        for name, each in {
            "same": work,
            "threshold": work_of(store, tmp_path / "run", threshold=0.123),
            "orientations": work_of(store, tmp_path / "run", orientations=8),
            "fresh": replace(work, fresh=True),
        }.items()
    }
    assert {name: plan.action.value for name, plan in plans.items()} == {
        "same": "none",
        "threshold": "report",
        "orientations": "scan",
        "fresh": "scan",
    }
    assert {plan.n_patches for plan in plans.values()} == {n_patches}
    assert tree(tmp_path) == before
    (work.run.slide("s") / "report.pdf").unlink()
    assert inspect(work).action is SlideAction.REPORT


class Clock:
    """Moves on only where a step says that it took so long."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, unscored: list[int]) -> Clock:
    """Of a worker on which a patch takes 0.01 s, each read 0.2 s, the last step 2 s, and both longer the first time."""
    clock = Clock()
    scan, finish = slide_steps.scan, slide_steps.finish
    finished: list[str] = []

    def slow_scan(work: SlideWork, blocks: Sequence[Block]) -> list[BlockScores]:
        (block,) = blocks
        clock.now += 0.2 + 0.01 * len(block) + (0.0 if unscored else 5.0)
        return scan(work, blocks)

    def slow_finish(work: SlideWork, *arguments: Any) -> FinishedSlide:
        clock.now += 2.0 if finished else 3.5
        finished.append(work.slide_id)
        return finish(work, *arguments)

    monkeypatch.setattr(slide_steps, "scan", slow_scan)
    monkeypatch.setattr(slide_steps, "finish", slow_finish)
    monkeypatch.setattr(calibration, "time", clock)
    return clock


@pytest.mark.usefixtures("clock")
def test_a_sample_runs_the_real_steps_and_leaves_nothing(store: Path, tmp_path: Path, unscored: list[int]) -> None:
    work = replace(work_of(store, tmp_path / "run"), print_report=False)
    before = tree(tmp_path)
    sample = take_sample(SampleWork(work, 0))
    assert tree(tmp_path) == before
    n_patches = inspect(work).n_patches
    # The first few are scored twice before; then 2.5 s' worth, some of them again, each with its part of the reading.
    assert n_patches < 250
    assert unscored == [32, 32, 250]
    assert (sample.n_patches, sample.n_scored) == (n_patches, 250)
    assert sample.scan_s == pytest.approx(2.5 + 0.2 * 250 / n_patches)
    assert (sample.finish_s, sample.begin_s) == pytest.approx((2.0, 5.0 + 1.5))
    assert sample.result_bytes > 50_000
    assert (sample.store_px, sample.store_s, sample.store_bytes) == (0, 0.0, 0)


@pytest.mark.usefixtures("clock")
def test_a_sample_of_a_large_slide_scores_some_seconds_worth(tmp_path: Path, unscored: list[int]) -> None:
    store = write_own(tmp_path / "s.ome.zarr", Pixels(tissue(1000)), um_per_px=8.0)
    sample = take_sample(SampleWork(replace(work_of(store, tmp_path / "run"), print_report=False), 0))
    assert sample.n_patches > 300
    assert (sample.n_scored, unscored[2:]) == (250, [250])
    # What was read for the whole block counts as much as the part of it that was scored.
    assert sample.scan_s == pytest.approx(2.5 + 0.2 * 250 / sample.n_patches)


def test_a_sample_of_a_slide_file_stores_a_part_of_it(
    slides_of_all_kinds: Path, tmp_path: Path, unscored: list[int]
) -> None:
    work = replace(work_of(slides_of_all_kinds / "good.svs", tmp_path / "run"), print_report=False)
    sample = take_sample(SampleWork(work, 0))
    assert list(tmp_path.iterdir()) == []
    assert sample.n_patches > 30
    assert sum(unscored) > 250
    # Twenty-five squares of the size of a chunk.
    assert sample.store_px == 25 * 512 * 512
    assert sample.store_s > 0
    assert 0.1 < sample.store_bytes / sample.store_px < 5


REAL = {
    "boxes.tiff": "implausible_spacing",
    "boxes_0.dcm": "no_tissue",
    "broken.svs": "unopenable",
    "cmu-1-small-region.svs": "",
    "sm_image.dcm": "no_tissue",
    "small.svs": "no_tissue",
    "tcga-cr-7395-01a-01-ts1.svs": "no_spacing",
    "unopenable.tiff": "unopenable",
    "unreadable.svs": "unreadable",
}


@pytest.mark.parametrize(("name", "reason"), REAL.items())
def test_real_scanner_files(name: str, reason: str, slides: Path, tmp_path: Path) -> None:
    try:
        remark = inspect(work_of(slides / name, tmp_path / "run")).remark
        found = remark.reason if remark else ""
    except SlideError as error:
        found = error.code
    assert found == reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.99])
def test_a_real_file_that_was_cut_off_is_never_planned_as_whole(kept: float, slides: Path, tmp_path: Path) -> None:
    whole = (slides / "cmu-1-small-region.svs").read_bytes()
    (tmp_path / "cut.svs").write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(SlideError) as raised:
        inspect(work_of(tmp_path / "cut.svs", tmp_path / "run"))
    assert raised.value.code in {"unopenable", "unreadable"}
