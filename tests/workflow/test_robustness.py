"""Slides are scored again with their pixels changed; networks are scripted, so that what is expected comes by hand."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cohort_runs import MODEL, PATCH, SPACING, labels_csv, make_manifest, make_run, result
from PIL import Image
from sklearn.metrics import brier_score_loss, roc_auc_score
from store_files import WHOLE, Pixels, noise, write_own

from batchscan.domain.aggregation import Aggregation, ScoredGrid
from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.errors import ModelError, UnreadableSlide
from batchscan.domain.evaluated import Perturbed
from batchscan.domain.geometry import Box, PatchGrid
from batchscan.domain.joined import IDC, NOT_IDC, UNLABELLED, CellLabels, JoinedSlide
from batchscan.domain.records import EngineInfo, PatchTable, ScanSettings, SlideResult
from batchscan.evaluation.joining import joined_slide
from batchscan.scan.engines import open_engine
from batchscan.scan.grid import blocks
from batchscan.scan.pipeline import scan_block
from batchscan.stores.damage import Damage
from batchscan.stores.packages import open_package
from batchscan.stores.pyramids import SlideStore, open_store
from batchscan.workflow import robustness
from batchscan.workflow.cohort import CohortOptions, open_cohort
from batchscan.workflow.robustness import (
    PERTURBATIONS,
    PatchesRescored,
    Perturbation,
    RobustnessSweep,
    SweepBegun,
    swept,
)

BY_NAME = {one.name: one for one in PERTURBATIONS}
SAME = Perturbation("same", "nothing")
EVERY = [(row, col) for row in range(3) for col in range(4)]
PACKAGE: Any = SimpleNamespace(info=MODEL)


@dataclass
class RedEngine:
    """p is the mean red of a patch; remembers what it was shown, and what it said."""

    info: EngineInfo = field(default_factory=lambda: EngineInfo("keras", "f32"))
    batch: int = 4
    network_s: float = 0.0
    shown: list[Any] = field(default_factory=list)
    said: list[Any] = field(default_factory=list)

    def predict(self, patches: Any) -> Any:
        p = (patches[..., 0].mean(axis=(1, 2)) / 255).astype(np.float32)
        self.shown.append(patches)
        self.said.append(p)
        return p


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> RedEngine:
    """What every package is opened with."""
    opened = RedEngine()
    monkeypatch.setattr(robustness, "open_engine", lambda *_: opened)
    return opened


def glass(rows: int = 300, cols: int = 350) -> Any:
    """No two patches alike, and each with texture: darker to the right, noise on top."""
    ramp = np.linspace(220, 40, cols)[None, :, None] + np.linspace(-30, 20, rows)[:, None, None]
    return np.clip(ramp + noise(rows, cols) // 8, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Slide:
    """A store of 12 patches with the scan of it by `engine`; `absent` cells have no tissue."""

    store: SlideStore
    result: SlideResult

    @classmethod
    def scanned(
        cls,
        folder: Path,
        engine: Any,
        pixels: Any = None,
        settings: ScanSettings | None = None,
        um_per_px: float = SPACING.um_per_px,
        absent: Sequence[tuple[int, int]] = (),
        damage: Damage = WHOLE,
    ) -> Slide:
        folder.mkdir(exist_ok=True)
        path = folder / "S.ome.zarr"
        store = open_store(write_own(path, Pixels(glass() if pixels is None else pixels), um_per_px, damage=damage))
        settings = settings or ScanSettings(PATCH, 0.1, 0.5, 0.5, 0.02)
        grid = PatchGrid.over(store.width_px, store.height_px, um_per_px, settings.patch)
        cells = [(y, x) for y in range(grid.n_rows) for x in range(grid.n_cols) if (y, x) not in absent]
        row, col = np.array(cells, dtype=np.int32).T
        (block,) = blocks(row, col, settings.patch)
        scores = scan_block(store, grid, block, settings, engine)
        ones = np.ones(len(row), np.float32)
        table = PatchTable(grid, row, col, ones, scores.p_raw, scores.p_raw, scores.readable).judged(settings)
        base = result("S")
        info = replace(
            base.slide,
            fingerprint=store.fingerprint,
            width_px=store.width_px,
            height_px=store.height_px,
            spacing=store.spacing,
        )
        return cls(store, replace(base, slide=info, engine=engine.info, settings=settings, table=table))

    def joined(self, labels: dict[tuple[int, int], int], threshold: float = 0.5) -> JoinedSlide:
        table = self.result.table
        of = np.full((table.grid.n_rows, table.grid.n_cols), UNLABELLED, dtype=np.int8)
        for place, label in labels.items():
            of[place] = IDC if label else NOT_IDC
        return joined_slide(self.result.slide, table, CellLabels(of), threshold)

    def swept(self, joined: JoinedSlide, *perturbations: Perturbation) -> tuple[Perturbed, ...]:
        sweep = RobustnessSweep([PACKAGE], 1, perturbations)
        list(sweep.add(joined, self.result, self.store))
        return sweep.found()


def _labels(n_idc: int = 5) -> dict[tuple[int, int], int]:
    return {place: int(i % 12 < n_idc) for i, place in enumerate(EVERY)}


def test_unchanged_pixels_give_the_stored_scores_to_the_bit(tmp_path: Path, engine: RedEngine) -> None:
    settings = ScanSettings(PATCH, 0.1, 0.5, 0.5, 0.02, orientations=2, aggregation=Aggregation(0.8, 1.5, -0.25))
    slide = Slide.scanned(tmp_path, engine, settings=settings)
    engine.said.clear()
    before, same = slide.swept(slide.joined(_labels()), SAME)
    assert np.mean(engine.said, axis=0).astype(np.float32).tobytes() == slide.result.table.p_raw.tobytes()
    assert (before.name, before.flipped, before.change) == ("unchanged", None, {})
    assert (same.figures, same.flipped, set(same.change.values())) == (before.figures, 0.0, {0.0})
    assert (before.n_patches, same.n_patches) == (12, 12)


def test_figures_are_those_of_the_changed_scores_by_hand(tmp_path: Path, engine: RedEngine) -> None:
    slide, labels = Slide.scanned(tmp_path, engine), _labels()
    before, halved = slide.swept(slide.joined(labels), Perturbation("half", "", lambda patches: patches // 2))
    true = [labels[place] for place in EVERY]
    stored = slide.result.table.p_raw
    p = [float((_patch(slide, *place)[..., 0] // 2).mean() / 255) for place in EVERY]
    assert halved.figures["brier"] == pytest.approx(brier_score_loss(true, p), abs=1e-7)
    assert before.figures["brier"] == pytest.approx(brier_score_loss(true, stored), abs=1e-7)
    assert before.figures["auroc"] == pytest.approx(roc_auc_score(true, stored), abs=1e-4)
    assert 0 < int((stored >= 0.5).sum()) < 12
    # All p are halved, so that nothing is called any more.
    assert (halved.figures["sensitivity"], halved.figures["specificity"], halved.figures["f1"]) == (0.0, 1.0, 0.0)
    assert halved.flipped == pytest.approx((stored >= 0.5).mean())
    assert halved.change["sensitivity"] == pytest.approx(-(before.figures["sensitivity"] or 0))


def _patch(slide: Slide, row: int, col: int) -> Any:
    return slide.store.read_box(slide.result.table.grid.patch_box(row, col), PATCH.um_per_px)


def _seen(name: str, slide: Slide) -> Any:
    """(12, p, p, 3): what the network is shown of each patch under a perturbation."""
    shown: list[Any] = []

    def look(patches: Any) -> Any:
        shown.append(patches)
        return patches

    slide.swept(slide.joined(_labels()), replace(BY_NAME[name], change=look))
    (patches,) = shown
    return patches


@pytest.mark.parametrize(("name", "fifths", "outside_px"), [("spacing_plus_10", 11, 5), ("spacing_minus_10", 9, -5)])
def test_another_spacing_reads_a_wider_or_narrower_box_about_the_same_middle(
    tmp_path: Path, engine: RedEngine, name: str, fifths: int, outside_px: int
) -> None:
    pixels = glass()
    slide = Slide.scanned(tmp_path, engine, pixels)
    # A patch is 100 px of the slide, of 2 x 2 px each of its 50; so it is 110 of 2.2 x 2.2, or 90 of 1.8 x 1.8.
    white = np.pad(pixels, ((10, 210), (10, 210), (0, 0)), constant_values=255).astype(np.float64)
    for (row, col), found in zip(EVERY, _seen(name, slide), strict=True):
        y, x = 10 + 100 * row - outside_px, 10 + 100 * col - outside_px
        side = 100 + 2 * outside_px
        box = white[y : y + side, x : x + side].repeat(5, axis=0).repeat(5, axis=1)
        expected = box.reshape(50, fifths, 50, fifths, 3).mean(axis=(1, 3))
        assert np.abs(found - expected).max() <= 0.51, (row, col)
        assert np.abs(found - _patch(slide, row, col).astype(float)).max() > 8
    if outside_px > 0:
        # The patch in the corner now has 5 of its 110 px above and left of the slide: two whole pixels of 50.
        assert (_seen(name, slide)[0][:2] == 255).all()
        assert (_seen(name, slide)[0][:, :2] == 255).all()


def test_where_no_finer_pixels_are_stored_those_that_are_get_enlarged(tmp_path: Path, engine: RedEngine) -> None:
    ramp = np.broadcast_to((np.arange(200) + 20)[None, :, None], (150, 200, 3)).astype(np.uint8)
    slide = Slide.scanned(tmp_path, engine, ramp, um_per_px=PATCH.um_per_px)
    seen = _seen("spacing_minus_10", slide).astype(float)
    assert seen.shape == (12, 50, 50, 3)
    for col in range(4):
        row_of_pixels = seen[4 + col, 25, :, 0]
        # The middle stays where it is; from pixel to pixel red rises by .9 in place of 1.
        assert row_of_pixels[24:26].mean() == pytest.approx(50 * col + 20 + 24.5, abs=1)
        assert (row_of_pixels[45] - row_of_pixels[5]) / 40 == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("stain_minus_25", lambda before, after: after.mean() > before.mean() + 5),
        ("stain_plus_25", lambda before, after: after.mean() < before.mean() - 5),
        ("light_minus_10", lambda before, after: after.mean() == pytest.approx(0.9 * before.mean(), abs=1)),
        ("blur_1", lambda before, after: after.std() < before.std() - 5),
        ("jpeg_50", lambda before, after: (after[0] == _jpeg(before[0], 50)).all() and (after != before).any()),
    ],
)
def test_each_change_is_what_its_words_say(name: str, holds: Callable[[Any, Any], bool]) -> None:
    before = np.clip(noise(40, 50).astype(int) // 3 + (110, 60, 120), 0, 255).astype(np.uint8)[:, :40][None]
    after = BY_NAME[name].change(before)
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    assert holds(before, after)


def _jpeg(pixels: Any, quality: int) -> Any:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def test_a_shifted_stain_pales_haematoxylin_and_darkens_eosin() -> None:
    # Optical densities of Ruifrok and Johnston's two stains, a row each.
    density = 0.8 * np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    before, expected = (np.rint(256 * np.exp(-density * amount) - 1) for amount in (1.0, np.array([[0.75], [1.25]])))
    after = BY_NAME["stain_shift"].change(before.astype(np.uint8)[None, None])
    assert np.abs(after[0, 0] - expected).max() <= 2
    assert (np.abs(after[0, 0] - before).max(axis=1) > 10).all()


def test_neighbours_that_have_no_label_are_changed_too(tmp_path: Path, engine: RedEngine) -> None:
    settings = ScanSettings(PATCH, 0.1, 0.5, 0.5, 0.02, aggregation=Aggregation(sigma=1.0))
    slide = Slide.scanned(tmp_path, engine, settings=settings)
    _, halved = slide.swept(slide.joined({(1, 1): 1}), Perturbation("half", "", lambda patches: patches // 2))
    table = slide.result.table
    p_raw = np.array([(_patch(slide, *place)[..., 0] // 2).mean() / 255 for place in EVERY], dtype=np.float32)
    p_idc = ScoredGrid(p_raw, table.row, table.col, table.readable, 1.0).p_idc(settings.aggregation)
    assert halved.n_patches == 1
    assert halved.figures["brier"] == pytest.approx((1.0 - float(p_idc[5])) ** 2, abs=1e-6)
    assert (halved.figures["auroc"], halved.figures["specificity"], halved.change["auroc"]) == (None, None, None)


def test_calls_are_made_at_the_threshold_of_the_evaluation(tmp_path: Path, engine: RedEngine) -> None:
    slide = Slide.scanned(tmp_path, engine)
    halve = Perturbation("half", "", lambda patches: patches // 2)
    _, own = slide.swept(slide.joined(_labels()), halve)
    _, tuned = slide.swept(slide.joined(_labels(), threshold=0.01), halve)
    assert (own.figures["sensitivity"], tuned.figures["sensitivity"]) == (0.0, 1.0)
    assert tuned.flipped == 0.0


def test_what_was_not_scanned_stays_negative_and_what_was_not_read_is_left_out(
    tmp_path: Path, engine: RedEngine
) -> None:
    slide = Slide.scanned(tmp_path, engine, absent=[(2, 0)])
    table = slide.result.table
    unread = table.row * 4 + table.col == 3
    nan = np.where(unread, np.nan, table.p_raw).astype(np.float32)
    slide = replace(slide, result=replace(slide.result, table=replace(table, p_raw=nan, p_idc=nan, readable=~unread)))
    engine.shown.clear()
    _, white = slide.swept(
        slide.joined({**dict.fromkeys(EVERY, 0), (2, 0): 1, (2, 1): 1}), Perturbation("white", "", np.ones_like)
    )
    assert [len(patches) for patches in engine.shown] == [10]
    # All but (2, 0) and (0, 3) now have p 1 / 255.
    assert white.n_patches == 11
    assert white.figures["brier"] == pytest.approx((9 * (1 / 255) ** 2 + (254 / 255) ** 2 + 1) / 11, abs=1e-6)
    assert white.figures["sensitivity"] == 0.0


def test_slides_add_up_and_progress_counts_every_rescored_patch(tmp_path: Path, engine: RedEngine) -> None:
    first, second = Slide.scanned(tmp_path / "a", engine), Slide.scanned(tmp_path / "b", engine, glass()[::-1].copy())
    other = replace(second, result=replace(second.result, slide=replace(second.result.slide, slide_id="T")))
    sweep = RobustnessSweep([PACKAGE], 1, [SAME, replace(SAME, name="again")])
    assert sum(sweep.add(first.joined(_labels()), first.result, first.store)) == 24
    list(sweep.add(other.joined(_labels()), other.result, other.store))
    alone = [slide.swept(slide.joined(_labels()), SAME)[0].figures["brier"] or 0.0 for slide in (first, second)]
    assert [one.n_patches for one in sweep.found()] == [24, 24, 24]
    assert sweep.found()[0].figures["brier"] == pytest.approx(np.mean(alone))
    assert RobustnessSweep([PACKAGE], 1).found() == ()


class BrokenStore:
    """Nothing of it can be read right of `x_px`."""

    def __init__(self, store: SlideStore, x_px: float) -> None:
        self.store, self.x_px, self.spacing = store, x_px, store.spacing

    def read_box(self, box: Box, um_per_px: float) -> Any:
        if box.right > self.x_px:
            raise UnreadableSlide("/secret/S.ome.zarr: level 0 can't be decoded")
        return self.store.read_box(box, um_per_px)

    def read_around(self, box: Box, um_per_px: float) -> Any:
        pixels = self.read_box(box, um_per_px)
        return pixels, np.zeros(pixels.shape[:2], np.bool_)


@pytest.mark.parametrize(("name", "x_px"), [("blur_1", 350), ("spacing_plus_10", 400)])
def test_a_slide_that_breaks_is_named_and_does_not_count(
    tmp_path: Path, engine: RedEngine, name: str, x_px: float
) -> None:
    slide = Slide.scanned(tmp_path, engine)
    sweep = RobustnessSweep([PACKAGE], 1, [SAME, BY_NAME[name]])
    broken: Any = BrokenStore(slide.store, x_px)
    with pytest.raises(UnreadableSlide, match=r"^S: pixels that the scan could read.* leave --robustness out$"):
        list(sweep.add(slide.joined(_labels()), slide.result, broken))
    assert sweep.found() == ()


def test_a_lost_patch_does_not_stop_the_sweep_of_its_neighbours(tmp_path: Path, engine: RedEngine) -> None:
    side = round(PATCH.side_um / SPACING.um_per_px)
    slide = Slide.scanned(tmp_path, engine, damage=Damage((Box(side, side, side, side),)))
    assert np.flatnonzero(~slide.result.table.readable).tolist() == [EVERY.index((1, 1))]
    _, wider = slide.swept(slide.joined(_labels()), BY_NAME["spacing_plus_10"])
    assert wider.n_patches == 11


def test_a_score_that_is_no_number_does_not_pass_for_negative(tmp_path: Path, engine: RedEngine) -> None:
    slide = Slide.scanned(tmp_path, engine)
    engine.predict = lambda patches: np.full(len(patches), np.nan, np.float32)  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="S: idc-cnn has no finite score for some patches changed by same"):
        slide.swept(slide.joined(_labels()), SAME)


def test_a_model_that_is_missing_or_computes_otherwise_is_named(tmp_path: Path, engine: RedEngine) -> None:
    slide = Slide.scanned(tmp_path, engine)
    with pytest.raises(ModelError, match=r"idc-cnn 1 \(sha256 5e5e5e5e5e5e\), which .* name its package with --model"):
        list(RobustnessSweep([], 1).add(slide.joined(_labels()), slide.result, slide.store))
    engine.info = EngineInfo("keras", "bf16")
    with pytest.raises(ModelError, match="scanned by keras in f32, but here it computes in bf16"):
        slide.swept(slide.joined(_labels()), SAME)


@pytest.mark.parametrize("package", ["published-cnn", "gone"])
def test_a_sweep_finds_stores_and_models_where_the_run_did(
    tmp_path: Path, engine: RedEngine, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(name: str) -> Any:
        if name == "gone":
            raise ModelError("no model 'gone'")
        return PACKAGE

    monkeypatch.setattr(robustness, "open_package", opened)
    slide = Slide.scanned(tmp_path, engine)
    run = make_run(tmp_path / "run", [slide.result])
    (run / "run.json").write_text(json.dumps({"job": {"model": {"package": package}}}))
    manifest = make_manifest(tmp_path, {"slide_id": "S", "reference": labels_csv(tmp_path / "r.csv", _labels())})
    cohort = open_cohort([run], manifest, CohortOptions())
    sweep = swept(cohort.slides(), 12, [], 1)
    if package == "gone":
        with pytest.raises(ModelError, match="name its package with --model"):
            list(sweep)
        return
    events = []
    try:
        while True:
            events.append(next(sweep))
    except StopIteration as stop:
        found = stop.value
    assert events[0] == SweepBegun(12 * len(PERTURBATIONS))
    assert sum(one.n_patches for one in events if isinstance(one, PatchesRescored)) == 12 * len(PERTURBATIONS)
    assert [one.name for one in found] == ["unchanged", *BY_NAME]


def test_the_shipped_model_says_the_same_of_the_same_pixels_and_else_of_changed_ones(tmp_path: Path) -> None:
    package = open_package(DEFAULT_MODEL)
    golden = package.golden()
    mosaic = golden.patches[:16].reshape(4, 4, 50, 50, 3).swapaxes(1, 2).reshape(200, 200, 3)
    settings = ScanSettings(PATCH, 0.1, 0.5, 0.5, package.card.engine_tolerance)
    slide = Slide.scanned(tmp_path, open_engine(package, "openvino"), mosaic, settings, PATCH.um_per_px)
    slide = replace(slide, result=replace(slide.result, model=package.info))
    labels = {(i // 4, i % 4): int(p >= 0.5) for i, p in enumerate(golden.p_idc[:16])}
    sweep = RobustnessSweep([package], 1, [SAME, *PERTURBATIONS])
    list(sweep.add(slide.joined(labels), slide.result, slide.store))
    before, same, *changed = sweep.found()
    np.testing.assert_allclose(slide.result.table.p_raw, golden.p_idc[:16], atol=package.card.engine_tolerance)
    assert (same.figures, same.flipped) == (before.figures, 0.0)
    assert len({one.figures["brier"] for one in (before, *changed)}) == 9
