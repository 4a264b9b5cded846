"""What becomes of a slide whose scan is used again with other settings; the stores and pictures are made here."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.card import parse_card
from batchscan.domain.errors import SlideChanged, SourceVanished
from batchscan.domain.geometry import PatchGrid, PatchSpec, Spacing, SpacingSource
from batchscan.domain.quality import Limits, Measured, QualitySettings, judged
from batchscan.domain.records import (
    EngineInfo,
    ModelInfo,
    PatchTable,
    Pictures,
    ScanSettings,
    SlideInfo,
    SlideRequest,
    SlideResult,
    SlideStatus,
)
from batchscan.evaluation.extent import count_patches, measure_extent
from batchscan.report.gallery import choose_gallery
from batchscan.scan.grid import blocks
from batchscan.stores.pictures import read_pictures, write_pictures
from batchscan.stores.regions import write_regions
from batchscan.stores.results import REGIONS, RunFolder, read_result, write_result
from batchscan.workflow import slide_steps
from batchscan.workflow.slide_steps import FinishedSlide, SlideSurvey, SlideWork, finish, scan, survey

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


def redone(tmp_path: Path) -> tuple[SlideResult, Pictures]:
    """The same scan finished again with neighbours."""
    run = RunFolder(tmp_path / "run")
    run.create()
    old = committed(run)
    work = work_on(run, aggregation=Aggregation(sigma=1.0))
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


def test_another_judgement_of_a_scan_reads_no_pixel_and_keeps_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object) -> None:
        raise AssertionError("the slide is opened")

    monkeypatch.setattr(slide_steps, "open_store", opened)
    result, pictures = redone(tmp_path)
    assert result.settings.aggregation.sigma == 1.0
    assert len(pictures.patches) == 12
    assert {int(picture[0, 0, 0]) for picture in pictures.patches.values()} == {7}
    assert result.table.pixel_hash is not None
    assert result.table.pixel_hash.tolist() == list(range(400))


def with_limit(most_pen: float) -> QualitySettings:
    return QualitySettings(limits={"pen_share": Limits(refuse_above=most_pen)})


def judged_again(run: RunFolder, quality: QualitySettings, n: int) -> tuple[SlideResult, FinishedSlide, list[Any]]:
    """The committed scan finished again with other limits, and committed; no store is there to be read."""
    surveyed = SlideSurvey(read_result(run.slide("S")).slide, "sha256:1", f"sha256:{n}", survey=None, unchanged=False)
    finished = finish(work_on(run, quality=quality), surveyed, [])
    assert finished.staged is not None
    run.commit(finished.staged, "S")
    return read_result(run.slide("S")), finished, json.loads((run.slide("S") / REGIONS).read_text())["features"]


def test_changed_limits_judge_the_measured_values_again(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create()
    old = committed(run)
    quality = judged([Measured("pen_share", 0.3)], QualitySettings())
    write_result(run.slide("S"), replace(old, quality=quality, profile={"eosin_od": (1, 2)}))
    result, finished, regions = judged_again(run, with_limit(0.2), 3)
    assert (finished.outcome.status, finished.outcome.reason) == (SlideStatus.DONE, "not_analysable")
    assert "the slide is not analysable (pen)" in finished.outcome.sentence
    assert regions == []
    values = {name: getattr(result.extent, name) for name in (field.name for field in fields(result.extent))}
    foci, undefined = values.pop("foci"), values.pop("undefined")
    assert foci == ()
    assert set(values.values()) == {None}
    assert undefined == dict.fromkeys(values, "the slide is not analysable (pen)")
    assert (result.counts.positive, result.counts.borderline, result.counts.tissue) == (None, None, 400)
    assert (finished.numbers["qc_grade"], finished.numbers["qc_findings"]) == ("not_analysable", "pen")
    assert {finished.numbers[name] for name in values} == {None}
    assert finished.profile["eosin_od"] == (1, 2)
    assert sum(finished.profile["p_raw"]) == 400
    # And back: nothing was lost by it.
    result, finished, regions = judged_again(run, with_limit(0.4), 4)
    assert (finished.outcome.reason, result.extent, result.counts) == ("", old.extent, old.counts)
    assert len(regions) == result.extent.n_foci
    assert (finished.numbers["qc_grade"], finished.numbers["qc_findings"]) == ("good", "")


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
        scan(work_on(run), found)


def test_a_store_that_is_replaced_during_its_scan_is_noticed(tmp_path: Path) -> None:
    class Store:
        fingerprint = "sha256:other"

    work, info = work_on(RunFolder(tmp_path)), SlideInfo("S", "P", 500, 400, SPACING, "sha256:ab")
    with pytest.raises(SlideChanged, match="S: its store was replaced or written to"):
        slide_steps._check_unchanged(work, info, Store())  # type: ignore[arg-type]
    slide_steps._check_unchanged(work, replace(info, fingerprint="sha256:other"), Store())  # type: ignore[arg-type]
