"""Measures of quality: by hand on drawn overviews, and on a real whole mount that is spoilt step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from whole_mounts import SIDE_PX, UM_PER_PX, whole_mount

from batchscan.domain.geometry import PatchGrid, PatchSpec
from batchscan.domain.quality import MEASURES, Grade, Measured, Quality, judged
from batchscan.domain.quality_limits import quality_settings
from batchscan.domain.records import PatchTable
from batchscan.domain.tissue_map import TissueMap
from batchscan.scan.quality import (
    NO_TISSUE,
    dark_matter,
    overexposed_share,
    overview_quality,
    table_profile,
    with_sharpness,
)
from batchscan.scan.sharpness import sharpness
from batchscan.scan.tissue import find_tissue
from batchscan.stores.packages import open_package

GLASS = (240, 240, 240)
PINK = (200, 120, 170)


def drawn(rows: int = 40, cols: int = 40) -> tuple[NDArray[np.uint8], TissueMap]:
    """Glass with a square of pink tissue, 20 x 20 px from (10, 10) on."""
    overview = np.full((rows, cols, 3), GLASS, np.uint8)
    overview[10:30, 10:30] = PINK
    mask = np.zeros((rows, cols), np.bool_)
    mask[10:30, 10:30] = True
    return overview, TissueMap(mask, np.zeros_like(mask), GLASS, 16.0)


def values(measured: tuple[Measured, ...]) -> dict[str, float | None]:
    return {one.name: one.value for one in measured}


def a_table(found: list[float], tissue: list[float]) -> PatchTable:
    n = len(found)
    grid = PatchGrid.over(50 * max(n, 1), 50, 8.0, PatchSpec(50, 8.0, 1.0))
    p = np.linspace(0, 1, n).astype(np.float32)
    row, col = np.zeros(n, np.int32), np.arange(n, dtype=np.int32)
    readable = np.ones(n, np.bool_)
    return PatchTable(
        grid, row, col, np.array(tissue, np.float32), p, p, readable, sharpness=np.array(found, np.float32)
    )


def test_areas_and_shares_by_hand() -> None:
    overview, tissue = drawn()
    tissue.pen[:5, :] = True
    overview[12:17, 12:16] = 20
    found = values(overview_quality(overview, tissue).measured)
    assert found["tissue_mm2"] == pytest.approx(400 * 0.016**2)
    assert found["pen_share"] == pytest.approx(200 / 600)
    assert found["dark_share"] == pytest.approx(20 / 400)
    assert found["glass_level"] == pytest.approx(240 / 255)
    assert found["overexposed_share"] == 0.0


def test_dark_matter_far_from_tissue_or_under_pen_is_none() -> None:
    overview, tissue = drawn()
    overview[0, 0] = overview[12, 12] = overview[5, 12] = 0
    tissue.pen[12, 12] = True
    dark = dark_matter(overview, tissue)
    # 100 um are 6 px at 16 um/px: row 5 is within that of row 10, row 0 isn't.
    assert np.argwhere(dark).tolist() == [[5, 12]]


def test_a_third_of_the_light_is_dark() -> None:
    overview, tissue = drawn()
    overview[12, 12], overview[13, 13] = 75, 77  # 241 / 10 ** .5 = 76.2, one grey level added
    assert np.argwhere(dark_matter(overview, tissue)).tolist() == [[12, 12]]


def test_overexposed_is_coloured_and_at_its_end() -> None:
    overview = np.array([[[255, 120, 200], [254, 120, 200], [255, 255, 255], [251, 250, 255], [255, 0, 0]]], np.uint8)
    mask = np.array([[True, True, True, True, False]])
    assert overexposed_share(overview, mask) == pytest.approx(1 / 2)
    assert overexposed_share(overview, mask & (overview[..., 1] > 200)) is None


def test_without_tissue_nothing_is_defined() -> None:
    overview = np.full((40, 40, 3), 240, np.uint8)
    none = np.zeros((40, 40), np.bool_)
    found = with_sharpness(overview_quality(overview, TissueMap(none, none, GLASS, 16.0)).measured, a_table([], []))
    assert [one.name for one in found] == list(MEASURES)
    assert {(one.value, one.undefined) for one in found} == {(None, NO_TISSUE)}
    assert judged(found, quality_settings(None)).grade is None


def test_sharpness_is_the_median_of_patches_that_are_half_tissue() -> None:
    table = a_table([0.1, 0.4, 2.0, 3.0, np.nan], [0.4, 0.5, 1.0, 1.0, 1.0])
    sharp, blurred = with_sharpness((Measured("sharpness", 9.0), Measured("pen_share", 0.0)), table)[:2]
    assert (sharp.name, sharp.value) == ("sharpness", pytest.approx(2.0))
    assert (blurred.name, blurred.value) == ("blurred_share", pytest.approx(1 / 3))
    (undefined, _) = with_sharpness((), a_table([1.0], [0.3]))
    assert undefined.value is None
    assert undefined.undefined


def test_tissue_and_scores_are_counted() -> None:
    profile = table_profile(a_table([1.0, 1.0, 1.0], [0.15, 0.95, 1.0]))
    assert profile["tissue_fraction"] == (0, 1, 0, 0, 0, 0, 0, 0, 0, 2)
    # p_raw 0, .5 and 1.
    assert np.flatnonzero(profile["p_raw"]).tolist() == [0, 10, 19]


def looked_at(pixels: NDArray[np.uint8]) -> Quality:
    """The quality of a whole mount, measured as a scan does."""
    height, width = (side // SIDE_PX * SIDE_PX for side in pixels.shape[:2])
    whole = pixels[:height, :width]
    overview = np.rint(whole.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))).astype(np.uint8)
    tissue = find_tissue(overview, 2 * UM_PER_PX)
    rows, cols = height // SIDE_PX, width // SIDE_PX
    fraction = tissue.mask.reshape(rows, SIDE_PX // 2, cols, SIDE_PX // 2).mean(axis=(1, 3)).astype(np.float32)
    row, col = np.nonzero(fraction >= 0.1)
    squares = whole.reshape(rows, SIDE_PX, cols, SIDE_PX, 3).swapaxes(1, 2)[row, col]
    grid = PatchGrid.over(width, height, UM_PER_PX, PatchSpec(SIDE_PX, UM_PER_PX, 1.0))
    ones = np.ones(len(row), np.float32)
    table = PatchTable(
        grid, row, col, fraction[row, col], ones, ones, ones > 0, sharpness=sharpness(np.ascontiguousarray(squares))
    )
    measured = with_sharpness(overview_quality(overview, tissue).measured, table)
    return judged(measured, quality_settings(open_package("published-cnn").profile()))


def levels(changed: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def blurred(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return levels(ndimage.gaussian_filter(pixels.astype(np.float32), (1.0, 1.0, 0)))


def paler(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Half the density."""
    return levels(255 * np.sqrt(pixels / 255))


def folded(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Three layers in every other band."""
    out = pixels.copy()
    for top in range(0, len(out), 200):
        out[top : top + 100] = levels(255 * (out[top : top + 100] / 255.0) ** 3)
    return out


def penned(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    out = pixels.copy()
    out[:, 600:1400] = levels(out[:, 600:1400] * np.array([0.12, 0.25, 0.8]))
    return out


SPOILT: list[tuple[Callable[[NDArray[np.uint8]], NDArray[np.uint8]], str]] = [
    (blurred, "blur"),
    (paler, "haematoxylin_pale"),
    (folded, "haematoxylin_dark"),
    (penned, "pen"),
    (lambda pixels: levels(pixels * 0.6), "underexposed"),
    (lambda pixels: levels(pixels * 1.7), "overexposed"),
]


def test_a_real_slide_is_analysable_and_its_dark_eosin_is_noticed() -> None:
    quality = looked_at(whole_mount("8863").pixels)
    assert quality.grade is Grade.REVIEW
    assert quality.findings == ("eosin_dark",)


@pytest.mark.parametrize(("spoil", "code"), SPOILT, ids=[code for _, code in SPOILT])
def test_a_real_slide_that_is_spoilt_is_not_analysable(
    spoil: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], code: str
) -> None:
    quality = looked_at(spoil(whole_mount("8863").pixels))
    assert quality.grade is Grade.NOT_ANALYSABLE
    assert code in quality.refusals
