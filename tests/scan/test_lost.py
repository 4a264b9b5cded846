"""An overview with squares that nobody saw: they count as tissue, and what is found beside them is as without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from batchscan.domain.geometry import Box, PatchSpec, Spacing, SpacingSource
from batchscan.domain.records import ScanSettings, SlideInfo
from batchscan.scan.lost import filled
from batchscan.scan.pipeline import Overview, Survey, survey_slide

GLASS, PINK = (245, 244, 246), (214, 150, 190)
ROWS, COLS, UM = 300, 400, 16.0
# A patch is 25 overview pixels wide.
SETTINGS = ScanSettings(PatchSpec(50, 8.0, 1.0), 0.1, 0.5, 0.5, 0.02)


def glass_with_tissue() -> np.ndarray:
    overview = np.full((ROWS, COLS, 3), GLASS, np.uint8)
    overview[100:200, 100:250] = PINK
    noise = np.random.default_rng(3).integers(-6, 7, (100, 150, 1))
    overview[100:200, 100:250] = (overview[100:200, 100:250].astype(int) + noise).astype(np.uint8)
    return overview


class Slide:
    """Gives an overview, black where `lost`."""

    def __init__(self, overview: np.ndarray, lost: np.ndarray) -> None:
        self.overview, self.lost = overview.copy(), lost
        self.overview[lost] = 0

    def read_around(self, box: Box, um_per_px: float) -> tuple[np.ndarray, np.ndarray]:
        assert (box, um_per_px) == (Box(0, 0, COLS * 2, ROWS * 2), UM)
        return self.overview, self.lost


def surveyed(overview: np.ndarray, *squares: tuple[slice, slice]) -> tuple[Survey, Overview]:
    lost = np.zeros((ROWS, COLS), np.bool_)
    for square in squares:
        lost[square] = True
    info = SlideInfo("s", "s", COLS * 2, ROWS * 2, Spacing(8.0, SpacingSource.VENDOR), "sha256:ab")
    return survey_slide(Slide(overview, lost), info, SETTINGS)


ON_GLASS = slice(25, 50), slice(300, 325)
IN_TISSUE = slice(130, 150), slice(150, 170)
ON_EDGE = slice(190, 210), slice(200, 220)
CORNER = slice(280, 300), slice(390, 400)


@pytest.mark.parametrize("square", [ON_GLASS, IN_TISSUE, ON_EDGE, CORNER])
def test_what_was_not_seen_is_tissue_and_nothing_else_changes(square: tuple[slice, slice]) -> None:
    (whole, before), (_, after) = surveyed(glass_with_tissue()), surveyed(glass_with_tissue(), square)
    expected = before.tissue.mask.copy()
    expected[square] = True
    # The rim of the tissue may go on a little differently through what wasn't seen.
    differ = expected != after.tissue.mask
    around = np.zeros_like(differ)
    around[square[0].start - 4 : square[0].stop + 4, square[1].start - 4 : square[1].stop + 4] = True
    assert not (differ & ~around).any()
    assert differ.sum() <= 10
    assert after.tissue.mask[square].all()
    assert not after.tissue.pen.any()
    assert not after.dark.any()
    assert after.tissue.background_rgb == before.tissue.background_rgb == GLASS
    # A page shows what there is.
    assert (after.pixels[square] == 0).all()
    assert len(whole.row) == 4 * 6


def test_black_squares_would_be_pen_or_dark_if_they_were_believed() -> None:
    overview = glass_with_tissue()
    for square in (IN_TISSUE, ON_EDGE, ON_GLASS):
        overview[square] = 0
    _, found = surveyed(overview)
    assert found.tissue.pen[ON_GLASS].all()
    assert (found.tissue.pen | found.dark)[IN_TISSUE].all()


def test_a_patch_of_glass_that_was_not_seen_is_asked_for() -> None:
    (whole, _), (found, _) = surveyed(glass_with_tissue()), surveyed(glass_with_tissue(), ON_GLASS)
    cells, without = (set(zip(each.row.tolist(), each.col.tolist(), strict=True)) for each in (found, whole))
    assert cells - without == {(1, 12)}
    assert without <= cells


def test_quality_is_measured_on_what_was_seen() -> None:
    whole, found = (surveyed(glass_with_tissue(), *squares)[0] for squares in ((), (IN_TISSUE, ON_GLASS)))
    values: list[dict[str, Any]] = [{one.name: one.value for one in each.measured} for each in (whole, found)]
    lost_mm2 = 20 * 20 * (UM / 1000) ** 2
    assert values[0]["tissue_mm2"] - values[1]["tissue_mm2"] == pytest.approx(lost_mm2)
    assert (values[1]["pen_share"], values[1]["dark_share"]) == (0, 0)
    assert values[1]["glass_level"] == values[0]["glass_level"]


def test_a_slide_of_which_nothing_was_seen_is_all_tissue() -> None:
    found, overview = surveyed(glass_with_tissue(), (slice(None), slice(None)))
    assert len(found.row) == 12 * 16
    assert overview.tissue.mask.all()


def test_each_lost_pixel_is_as_the_nearest_that_was_seen() -> None:
    ramp = np.arange(1, 11, dtype=np.uint8)[None, :, None].repeat(3, axis=0).repeat(3, axis=2)
    lost = np.zeros((3, 10), np.bool_)
    lost[:, 4:8] = True
    lost[:, 0] = True
    found = filled(np.where(lost[..., None], 0, ramp).astype(np.uint8), lost)
    assert found[1, :, 0].tolist() == [2, 2, 3, 4, 4, 4, 9, 9, 9, 10]
    assert filled(ramp, np.zeros_like(lost)) is ramp
