"""From blocks to a patch table: raw scores over orientations, then p_idc over the whole slide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_files import Pixels, noise, write_own

from batchscan.domain.aggregation import Aggregation, ScoredGrid
from batchscan.domain.errors import ModelError, SourceVanished, UnreadableSlide
from batchscan.domain.geometry import Box, PatchGrid, PatchSpec, Spacing, SpacingSource
from batchscan.domain.pixel_hash import pixel_hashes
from batchscan.domain.records import EngineInfo, PatchTable, ScanSettings, SlideInfo
from batchscan.scan import pipeline
from batchscan.scan.grid import Block, blocks, cut_patches
from batchscan.scan.pipeline import Survey, patch_table, raw_scores, read_patches, scan_block, scan_blocks, survey_slide
from batchscan.scan.quality import overview_quality
from batchscan.scan.sharpness import sharpness
from batchscan.stores.pyramids import open_store

SIDE = 10
SETTINGS = ScanSettings(PatchSpec(SIDE, 8.0, 0.5), 0.1, 0.5, 0.5, 0.02)
GLASS = np.random.default_rng(8).integers(0, 256, (80, 65, 3)).astype(np.uint8)


class CornerEngine:
    """p is the red of a patch's upper left pixel, so that turning the patch shows."""

    info = EngineInfo("keras", "f32")
    batch = 4
    network_s = 0.0

    def predict(self, patches: np.ndarray) -> np.ndarray:
        return patches[:, 0, 0, 0].astype(np.float32) / np.float32(255)


class Slide:
    """Level 0 is what the model wants, so a box is a crop, white beyond the edge; `bad` is an unreadable pixel."""

    def __init__(self, bad: tuple[int, int] | None = None) -> None:
        self.bad = bad

    def read_box(self, box: Box, um_per_px: float) -> np.ndarray:
        assert um_per_px == 8.0
        x, y, width, height = (round(side) for side in (box.x, box.y, box.width, box.height))
        if self.bad and x <= self.bad[0] < x + width and y <= self.bad[1] < y + height:
            raise UnreadableSlide("S: a bad tile")
        padded = np.pad(GLASS, ((0, height), (0, width), (0, 0)), constant_values=255)
        return padded[y : y + height, x : x + width]

    def read_around(self, box: Box, um_per_px: float) -> tuple[np.ndarray, np.ndarray]:
        pixels = self.read_box(box, um_per_px)
        return pixels, np.zeros(pixels.shape[:2], np.bool_)


def surveyed() -> Survey:
    grid = PatchGrid.over(GLASS.shape[1], GLASS.shape[0], 8.0, SETTINGS.patch)
    row, col = (place.astype(np.int32) for place in np.nonzero(np.ones((grid.n_rows, grid.n_cols))))
    info = SlideInfo("S", "P", GLASS.shape[1], GLASS.shape[0], Spacing(8.0, SpacingSource.VENDOR), "sha256:ab")
    found = tuple(blocks(row, col, SETTINGS.patch, block_px=30))
    return Survey(info, grid, row, col, np.ones(len(row), np.float32), found, {}, {})


def scanned(settings: ScanSettings, slide: Any = None, *, backwards: bool = False) -> PatchTable:
    survey = surveyed()
    slide = slide or Slide()
    scores = [scan_block(slide, survey.grid, block, settings, CornerEngine()) for block in survey.blocks]
    assert len(scores) > 4
    return patch_table(survey, scores[::-1] if backwards else scores, settings)


@pytest.mark.parametrize(
    ("orientations", "corners"),
    [(1, [(0, 0)]), (2, [(0, 0), (-1, -1)]), (4, [(0, 0), (-1, -1), (0, -1), (-1, 0)]),
     (8, [(0, 0), (-1, -1), (0, -1), (-1, 0)])],
)  # fmt: skip
def test_p_raw_is_the_mean_over_the_orientations_by_hand(orientations: int, corners: list[tuple[int, int]]) -> None:
    patches = GLASS[:40, :10].reshape(4, 10, 10, 3)
    p_raw = raw_scores(patches, orientations, CornerEngine())
    expected = np.mean([patches[:, y, x, 0] / 255 for y, x in corners], axis=0)
    assert p_raw.dtype == np.float32
    np.testing.assert_allclose(p_raw, expected, rtol=0, atol=1e-7)


def test_one_orientation_is_the_engines_own_to_the_bit() -> None:
    patches = GLASS[:40, :10].reshape(4, 10, 10, 3)
    assert raw_scores(patches, 1, CornerEngine()).tobytes() == CornerEngine().predict(patches).tobytes()


def test_every_patch_gets_its_own_pixels_score_whatever_the_order_of_blocks() -> None:
    table = scanned(SETTINGS, backwards=True)
    corner = GLASS[table.row * 5, table.col * 5, 0].astype(np.float32) / np.float32(255)
    assert table.p_raw.tobytes() == corner.tobytes()
    assert table.p_idc.tobytes() == table.p_raw.tobytes()


def test_every_patch_is_known_by_the_pixels_that_the_network_saw() -> None:
    table, again = scanned(SETTINGS), scanned(replace(SETTINGS, orientations=4), backwards=True)
    white = np.pad(GLASS, ((0, SIDE), (0, SIDE), (0, 0)), constant_values=255)
    corners = zip((table.row * 5).tolist(), (table.col * 5).tolist(), strict=True)
    expected = pixel_hashes(np.stack([white[y : y + SIDE, x : x + SIDE] for y, x in corners]))
    assert table.pixel_hash is not None
    assert again.pixel_hash is not None
    assert (table.pixel_hash == expected).all()
    assert (again.pixel_hash == expected).all()
    assert len(np.unique(expected)) == len(table)


def test_every_patch_has_the_sharpness_of_its_own_pixels_and_none_where_unreadable() -> None:
    table, broken = scanned(SETTINGS, backwards=True), scanned(SETTINGS, Slide(bad=(3, 3)))
    white = np.pad(GLASS, ((0, SIDE), (0, SIDE), (0, 0)), constant_values=255)
    corners = zip((table.row * 5).tolist(), (table.col * 5).tolist(), strict=True)
    expected = sharpness(np.stack([white[y : y + SIDE, x : x + SIDE] for y, x in corners]))
    assert table.sharpness is not None
    assert broken.sharpness is not None
    np.testing.assert_array_equal(table.sharpness, expected)
    np.testing.assert_array_equal(np.isnan(broken.sharpness), ~broken.readable)
    assert not broken.readable.all()


@pytest.mark.parametrize("um_per_px", [4.0, 3.973, 8.0])
def test_patches_of_half_a_block_have_the_pixels_that_they_have_in_the_whole(um_per_px: float, tmp_path: Path) -> None:
    spacing = Spacing(um_per_px, SpacingSource.OPTION)
    store = open_store(write_own(tmp_path / "a.ome.zarr", Pixels(noise(700, 900))), spacing)
    patch = PatchSpec(25, 8.0, 1.0)
    grid = PatchGrid.over(store.width_px, store.height_px, um_per_px, patch)
    row, col = (place.ravel().astype(np.int32) for place in np.mgrid[: grid.n_rows - 1, : grid.n_cols - 1])
    (whole,) = blocks(row, col, patch)
    halves = [read_patches(store, grid, half, patch)[0] for half in whole.halves()]
    np.testing.assert_array_equal(np.concatenate(halves), read_patches(store, grid, whole, patch)[0])


def test_p_idc_is_the_aggregation_over_all_blocks_of_the_slide() -> None:
    aggregation = Aggregation(sigma=0.8, temperature=1.5, intercept=-0.25)
    table = scanned(replace(SETTINGS, orientations=4, aggregation=aggregation))
    expected = ScoredGrid(table.p_raw, table.row, table.col, table.readable, 0.5).p_idc(aggregation)
    assert table.p_idc.tobytes() == expected.tobytes()
    assert (np.abs(table.p_idc - table.p_raw) > 0.05).any()
    again = scanned(replace(SETTINGS, orientations=4, aggregation=aggregation), backwards=True)
    assert (again.p_raw.tobytes(), again.p_idc.tobytes()) == (table.p_raw.tobytes(), table.p_idc.tobytes())


def test_unreadable_patches_have_neither_score_and_lend_none() -> None:
    settings = replace(SETTINGS, aggregation=Aggregation(sigma=0.8))
    table = scanned(settings, Slide(bad=(32, 32)))
    covers = (abs(table.row * 5 + 4.5 - 32) < 5) & (abs(table.col * 5 + 4.5 - 32) < 5)
    assert (table.readable == ~covers).all()
    assert covers.sum() == 4
    assert np.isnan(table.p_raw[covers]).all()
    assert np.isnan(table.p_idc[covers]).all()
    assert np.isfinite(table.p_idc[~covers]).all()
    assert table.pixel_hash is not None
    assert ((table.pixel_hash == 0) == covers).all()


class GoingAway(Slide):
    """A damaged block, and then the place of the slide is gone before its patches are tried one by one."""

    def read_box(self, box: Box, um_per_px: float) -> np.ndarray:
        assert um_per_px == 8.0
        if box.width > SIDE:
            raise UnreadableSlide("S: a bad tile")
        raise SourceVanished("S: can't be reached")


def test_a_slide_that_goes_away_has_no_unreadable_patches_but_no_scores_at_all() -> None:
    with pytest.raises(SourceVanished):
        scanned(SETTINGS, GoingAway())


class LostEngine(CornerEngine):
    """No finite score for the patch that begins on this pixel."""

    def __init__(self, lost: float) -> None:
        self.lost = lost

    def predict(self, patches: np.ndarray) -> np.ndarray:
        p = super().predict(patches)
        return np.where((patches[:, 0, 0] == GLASS[20, 30]).all(axis=1), np.float32(self.lost), p).astype(np.float32)


@pytest.mark.parametrize("lost", [np.nan, np.inf])
@pytest.mark.parametrize("bad", [None, (12, 2)])
def test_a_score_that_is_no_number_never_passes_for_negative(lost: float, bad: tuple[int, int] | None) -> None:
    survey, store = surveyed(), Slide(bad)
    stopped = []
    for block in survey.blocks:
        try:
            scan_block(store, survey.grid, block, SETTINGS, LostEngine(lost))  # type: ignore[arg-type]
        except ModelError as error:
            stopped.append((block, str(error)))
    ((block, said),) = stopped
    assert (4, 6) in zip(block.rows.tolist(), block.cols.tolist(), strict=True)
    assert said.startswith("engine keras (f32): the network's score is no finite number for 1 of ")


def test_a_block_that_was_read_whole_is_not_copied_for_the_engine() -> None:
    seen: list[np.ndarray] = []

    class Looking(CornerEngine):
        def predict(self, patches: np.ndarray) -> np.ndarray:
            seen.append(patches)
            return super().predict(patches)

    cut: list[np.ndarray] = []

    def keep(*words: Any) -> np.ndarray:
        cut.append(cut_patches(*words))
        return cut[-1]

    survey = surveyed()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("batchscan.scan.pipeline.cut_patches", keep)
        scan_block(Slide(), survey.grid, survey.blocks[0], SETTINGS, Looking())  # type: ignore[arg-type]
    assert np.shares_memory(seen[0], cut[0])


class Timed(CornerEngine):
    """A tenth of a second a patch."""

    def __init__(self) -> None:
        self.network_s, self.asked = 5.0, []

    def predict(self, patches: np.ndarray) -> np.ndarray:
        self.asked.append(len(patches))
        self.network_s += 0.1 * len(patches)
        return super().predict(patches)


@pytest.mark.parametrize("bad", [None, (12, 2)])
def test_blocks_together_are_one_question_to_the_engine_and_have_the_scores_of_each_alone(
    bad: tuple[int, int] | None,
) -> None:
    survey, engine, beats = surveyed(), Timed(), []
    found = scan_blocks(Slide(bad), survey.grid, survey.blocks, SETTINGS, engine, lambda: beats.append(engine.asked[:]))  # type: ignore[arg-type]
    assert engine.asked == [sum(int(each.readable.sum()) for each in found)]
    # It gets on with each block that was read, and when the network has ended.
    assert beats == [[]] * len(survey.blocks) + [engine.asked]
    for block, together in zip(survey.blocks, found, strict=True):
        alone = scan_block(Slide(bad), survey.grid, block, SETTINGS, CornerEngine())  # type: ignore[arg-type]
        for name in ("row", "col", "p_raw", "readable", "pixel_hash", "sharpness"):
            np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))
        assert together.seconds["infer"] == pytest.approx(0.1 * together.readable.sum())
    assert scan_blocks(Slide(), survey.grid, [], SETTINGS, engine) == []  # type: ignore[arg-type]


def test_many_patches_are_scored_with_signs_of_life_and_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchscan.scan.pipeline._ASKED_AT_ONCE", 20)
    monkeypatch.setattr("batchscan.scan.pipeline._TOGETHER_BYTES", 2 * 25 * SIDE * SIDE * 3)
    survey, engine, beats = surveyed(), Timed(), []
    sizes = [len(block) for block in survey.blocks]
    found = scan_blocks(Slide(), survey.grid, survey.blocks, SETTINGS, engine, lambda: beats.append(1))  # type: ignore[arg-type]
    assert [len(each.row) for each in found] == sizes
    assert max(engine.asked) == 20
    assert sum(engine.asked) == sum(sizes)
    assert len(engine.asked) > sum(sizes) / 20
    assert len(beats) == len(sizes) + len(engine.asked)


class Wide:
    """Tissue on a wide slide, most of it in the second tile of 40 x 40 patches."""

    def read_around(self, box: Box, um_per_px: float) -> tuple[np.ndarray, np.ndarray]:
        assert (box, um_per_px) == (Box(0, 0, 4000, 200), 16.0)
        overview = np.full((100, 2000, 3), 245, np.uint8)
        noise = np.random.default_rng(3).integers(-6, 7, (100, 600, 3))
        overview[:, 900:1500] = np.add((214, 150, 190), noise)
        return overview, np.zeros((100, 2000), np.bool_)


def test_the_largest_block_goes_first() -> None:
    info = SlideInfo("S", "P", 4000, 200, Spacing(8.0, SpacingSource.VENDOR), "sha256:ab")
    told: list[tuple[Block, ...]] = []
    survey, _ = survey_slide(Wide(), info, replace(SETTINGS, patch=PatchSpec(50, 8.0, 1.0)), told.append)
    assert told == [survey.blocks]
    assert [(block.first_col, len(block)) for block in survey.blocks] == [(40, 4 * 20), (36, 4 * 4)]


def test_blocks_are_told_before_the_slides_quality_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which takes as long again, while whoever waits for them may scan."""
    happened: list[str] = []

    def measured(*words: Any) -> Any:
        happened.append("measured")
        return overview_quality(*words)

    monkeypatch.setattr(pipeline, "overview_quality", measured)
    info = SlideInfo("S", "P", 4000, 200, Spacing(8.0, SpacingSource.VENDOR), "sha256:ab")
    settings = replace(SETTINGS, patch=PatchSpec(50, 8.0, 1.0))
    survey_slide(Wide(), info, settings, lambda _: happened.append("told"))
    assert happened == ["told", "measured"]
