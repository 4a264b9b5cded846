"""What becomes of a slide whose scan is used again with other settings; the stores and pictures are made here."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pypdf import PdfReader
from store_files import Pixels, write_own

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.card import parse_card
from batchscan.domain.errors import SourceVanished, UnopenableSlide
from batchscan.domain.geometry import Box, PatchGrid, PatchSpec, Spacing, SpacingSource
from batchscan.domain.records import (
    EngineInfo,
    ModelInfo,
    PatchTable,
    Pictures,
    ScanSettings,
    SlideInfo,
    SlideRequest,
    SlideResult,
)
from batchscan.evaluation.extent import count_patches, measure_extent
from batchscan.report.gallery import choose_gallery
from batchscan.report.styles import ReportStyle
from batchscan.scan.grid import blocks
from batchscan.stores.pictures import read_pictures, write_pictures
from batchscan.stores.regions import write_regions
from batchscan.stores.results import REGIONS, RunFolder, read_result, write_result
from batchscan.workflow import slide_opening, slide_steps
from batchscan.workflow.slide_steps import SlideSurvey, SlideWork, finish, scan, survey

SIDE = 50
SPACING = Spacing(8.0, SpacingSource.VENDOR)
CARD = parse_card((Path(slide_steps.__file__).parents[1] / "models/published-cnn/card.json").read_bytes())
SETTINGS = ScanSettings(PatchSpec(SIDE, 8.0, 1.0), 0.1, 0.5, 0.5, 0.02)
MODEL = ModelInfo(CARD.name, CARD.version, CARD.weights_sha256)
ENGINE = EngineInfo("keras", "f32")
STORED = np.full((SIDE, SIDE, 3), 7, np.uint8)


def committed(run: RunFolder) -> SlideResult:
    """A scan of 20 x 20 patches, judged alone, with the pictures that its own gallery shows."""
    n = 20
    grid = PatchGrid.over(n * SIDE, n * SIDE, 8.0, SETTINGS.patch)
    row, col = (place.ravel().astype(np.int32) for place in np.mgrid[:n, :n])
    p = np.random.default_rng(5).random(n * n).astype(np.float32)
    ones, hashes = np.ones(n * n), np.arange(n * n, dtype=np.uint64)
    table = PatchTable(grid, row, col, ones.astype(np.float32), p, p, ones.astype(np.bool_), hashes)
    result = SlideResult(
        slide=SlideInfo("S", "P", n * SIDE, n * SIDE, SPACING, "sha256:ab"),
        model=MODEL,
        engine=ENGINE,
        settings=SETTINGS,
        counts=count_patches(table, SETTINGS),
        extent=measure_extent(table, SPACING, SETTINGS.threshold),
        qc={},
        seconds=dict.fromkeys(("read", "tissue", "infer", "write", "total"), 0.1),
        scan_digest="sha256:1",
        digest="sha256:2",
        table=table,
    )
    shown = {(item.row, item.col): STORED for item in choose_gallery(table, SETTINGS.threshold)}
    folder = run.slide("S")
    write_pictures(folder, Pictures(np.zeros((50, 50, 3), np.uint8), 160.0, np.ones((50, 50), np.bool_), shown))
    write_regions(folder / REGIONS, "S", result.extent.foci, result.model, SETTINGS, result.scan_digest)
    write_result(folder, result)
    run.keep_card(CARD)
    return result


def redone(tmp_path: Path, **changed: Any) -> tuple[SlideResult, Pictures]:
    """The same scan finished again with other settings."""
    run = RunFolder(tmp_path / "run")
    run.create()
    old = committed(run)
    work = work_on(run, **changed)
    surveyed = SlideSurvey(old.slide, old.scan_digest, "sha256:3", survey=None, unchanged=False)
    staged = finish(work, surveyed, []).staged
    assert staged is not None
    return read_result(staged), read_pictures(staged)


def work_on(run: RunFolder, **changed: Any) -> SlideWork:
    return SlideWork(
        request=SlideRequest("S", "P", run.path / "S.ome.zarr"),
        run=run,
        package="published-cnn",
        model=MODEL,
        engine=ENGINE,
        settings=replace(SETTINGS, **changed),
        finest_um_per_px=2.0,
        print_report=False,
        fresh=False,
        started=dt.datetime(2025, 11, 23, tzinfo=dt.UTC),
    )


class Store:
    """Every patch of it looks the same."""

    spacing = SPACING

    def read_each(self, boxes: list[Box], um_per_px: float) -> Any:
        assert um_per_px == SPACING.um_per_px
        assert {(box.width, box.height) for box in boxes} == {(SIDE, SIDE)}
        return [np.full((SIDE, SIDE, 3), 9, np.uint8) for _ in boxes]


def test_no_picture_is_missing_after_other_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slide_steps, "is_store", lambda _: True)
    monkeypatch.setattr(slide_steps, "open_store", lambda *_: Store())
    result, pictures = redone(tmp_path, aggregation=Aggregation(sigma=1.0))
    shown = {(item.row, item.col) for item in choose_gallery(result.table, SETTINGS.threshold)}
    assert shown <= set(pictures.patches)
    # Stored ones are used again, and others were needed.
    assert {int(pictures.patches[place][0, 0, 0]) for place in pictures.patches} == {7, 9}


def test_another_threshold_reads_only_pictures_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slide_steps, "is_store", lambda _: True)
    monkeypatch.setattr(slide_steps, "open_store", lambda *_: Store())
    result, pictures = redone(tmp_path, threshold=0.7)
    assert result.settings.threshold == 0.7
    highest = {(item.row, item.col) for item in choose_gallery(result.table, 0.7) if item.why == "highest"}
    assert {int(pictures.patches[place][0, 0, 0]) for place in highest} == {7}
    assert {(item.row, item.col) for item in choose_gallery(result.table, 0.7)} <= set(pictures.patches)
    assert result.table.pixel_hash is not None
    assert result.table.pixel_hash.tolist() == list(range(400))


@pytest.mark.parametrize("changed", [{"aggregation": Aggregation(sigma=1.0)}, {"threshold": 0.7}])
def test_without_its_slide_a_result_keeps_the_pictures_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    def gone(*_: object) -> Store:
        raise UnopenableSlide("S: is not there")

    monkeypatch.setattr(slide_steps, "is_store", lambda _: True)
    monkeypatch.setattr(slide_steps, "open_store", gone)
    result, pictures = redone(tmp_path, **changed)
    assert {name: getattr(result.settings, name) for name in changed} == changed
    # Six of the highest, six about the threshold, and the four positive ones that stand alone.
    assert len(pictures.patches) == 16
    assert {int(picture[0, 0, 0]) for picture in pictures.patches.values()} == {7}


def test_attempts_at_one_slide_never_share_a_folder(tmp_path: Path) -> None:
    """A worker that is taken for dead may still be writing when another has the slide."""
    run = RunFolder(tmp_path / "run")
    places = {slide_steps._new_place(work_on(run)) for _ in range(3)}
    assert len(places) == 3
    assert {place.parent for place in places} == {run.staging / "S"}


def test_a_slide_whose_place_is_gone_is_neither_excluded_nor_taken_for_a_vendors_file(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create()
    old = committed(run)
    with pytest.raises(SourceVanished):
        survey(work_on(run))
    found = blocks(old.table.row, old.table.col, SETTINGS.patch)[0]
    with pytest.raises(SourceVanished):
        scan(work_on(run), (found,))


def test_blocks_are_told_before_the_rest_of_the_survey_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(tmp_path / "run")
    run.create()
    run.keep_card(CARD)
    rgb = np.full((600, 800, 3), 245, np.uint8)
    rgb[100:500, 200:700] = np.add((214, 150, 190), np.random.default_rng(3).integers(-6, 7, (400, 500, 3)))
    write_own(run.path / "S.ome.zarr", Pixels(rgb), 8.0)
    told: list[Any] = []

    def tell(found: Any) -> None:
        assert not list(run.staging.iterdir())
        told.append(found)

    monkeypatch.setattr(slide_steps, "herald", lambda: tell)
    surveyed = survey(work_on(run))
    assert sum(map(len, surveyed.blocks)) == 8 * 10
    assert told == [surveyed.blocks]
    assert surveyed.pictures
    assert surveyed.pictures.is_relative_to(run.staging)


def test_a_report_is_printed_in_the_language_that_the_work_names(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create()
    old = committed(run)
    work = replace(work_on(run), print_report=True, style=ReportStyle("de"))
    surveyed = SlideSurvey(old.slide, old.scan_digest, "sha256:3", survey=None, unchanged=False)
    staged = finish(work, surveyed, []).staged
    assert staged is not None
    assert PdfReader(staged / "report.pdf").root_object["/Lang"] == "de"


def test_a_store_that_was_away_when_it_was_looked_at_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path / "run")
    run.create()
    answers = iter([False, True])
    monkeypatch.setattr(slide_opening, "is_store", lambda _: next(answers))
    (tmp_path / "run/S.ome.zarr").mkdir()
    with pytest.raises(SourceVanished, match="S: its store was away for a moment"):
        survey(work_on(run))


def test_what_is_neither_store_nor_slide_is_excluded(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create()
    (tmp_path / "run/S.ome.zarr").write_bytes(b"no slide")
    with pytest.raises(UnopenableSlide):
        survey(work_on(run))
