from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image
from report_factory import UNREADABLE, make_pictures, make_result, tissue_grid

from batchscan.domain.records import SlideResult
from batchscan.report import figures
from batchscan.report.layout import picture_layout

DOTS_PER_MM = 200 / 25.4


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def at(result: SlideResult, row: float, col: float) -> tuple[int, int]:
    """(row, col) of the picture's dot in the middle of a grid cell."""
    grid = result.table.grid
    layout = picture_layout(grid.width_px, grid.height_px)
    x_mm = layout.margins.left + layout.width_mm * (col + 0.5) / grid.n_cols
    y_mm = layout.margins.top + layout.height_mm * (row + 0.5) / grid.n_rows
    return round(y_mm * DOTS_PER_MM), round(x_mm * DOTS_PER_MM)


@pytest.fixture
def ramp() -> SlideResult:
    """Columns of p 0, 0.25, 0.45, 0.55 and 1, then one that was not scanned."""
    return make_result(np.tile([0.0, 0.25, 0.45, 0.55, 1.0, np.nan], (6, 1)))


def test_the_same_record_gives_the_same_bytes(ramp: SlideResult) -> None:
    pictures = make_pictures(ramp)
    assert figures.overview_jpeg(ramp, pictures) == figures.overview_jpeg(ramp, pictures)
    assert figures.heatmap_png(ramp, pictures) == figures.heatmap_png(ramp, pictures)


def test_matplotlibrc_of_the_user_changes_nothing(ramp: SlideResult) -> None:
    pictures = make_pictures(ramp)
    before = figures.heatmap_png(ramp, pictures)
    with plt.rc_context({"savefig.bbox": "tight", "savefig.facecolor": "red", "savefig.dpi": 30, "font.size": 30}):
        assert figures.heatmap_png(ramp, pictures) == before


def test_darker_is_more_probable_and_unscanned_has_no_colour(ramp: SlideResult) -> None:
    glass = np.full((60, 60, 3), 250, np.uint8)
    picture = pixels(figures.heatmap_png(ramp, make_pictures(ramp, glass, shrink=5)))
    cells = [picture[at(ramp, 3, col)] for col in range(6)]
    luminance = [cell @ np.array([0.2126, 0.7152, 0.0722]) for cell in cells[:5]]
    assert luminance == sorted(luminance, reverse=True)
    assert luminance[0] - luminance[4] > 80
    assert np.ptp(cells[5]) == 0
    assert np.ptp(cells[0]) > 50


def test_cells_lie_where_their_tissue_lies() -> None:
    p = np.zeros((8, 10))
    p[2, 7] = 1.0
    result = make_result(p)
    picture = pixels(figures.heatmap_png(result, make_pictures(result)))
    dark = picture[at(result, 2, 7)].sum()
    for neighbour in ((1, 7), (3, 7), (2, 6), (2, 8), (7, 2)):
        assert picture[at(result, *neighbour)].sum() - dark > 100


def test_foci_are_outlined_and_numbered_in_black_and_white() -> None:
    p = tissue_grid()
    p[10:16, 8:14] = 0.9
    result = make_result(p)
    plain = replace(result, extent=replace(result.extent, foci=()))
    pictures = make_pictures(result)
    drawn, bare = pixels(figures.overview_jpeg(result, pictures)), pixels(figures.overview_jpeg(plain, pictures))
    changed = (drawn != bare).any(axis=2)
    y, x = np.nonzero(changed)
    top, left = at(result, 9.5, 7.5)
    bottom, right = at(result, 15.5, 13.5)
    assert abs(y.max() - bottom) <= 5
    assert abs(x.min() - left) <= 5
    assert y.min() < top
    assert x.max() > right
    assert drawn[changed].max(axis=1).min() < 60
    # Well within the focus, and clear of its number in the middle.
    assert not changed[at(result, 14, 12)]


def test_the_number_of_the_last_coordinate_is_whole() -> None:
    """A slide of 3,000 pixels that is as wide as its paper: its last number is as wide as the one before."""
    result = make_result(np.full((30, 60), 0.1))
    above = pixels(figures.heatmap_png(result, make_pictures(result)))[: round(2.4 * DOTS_PER_MM)]
    inked = np.flatnonzero((above < 160).any(axis=(0, 2)))
    numbers = np.split(inked, np.flatnonzero(np.diff(inked) > DOTS_PER_MM) + 1)
    widths = [number[-1] - number[0] for number in numbers]
    assert len(widths) == 4
    assert abs(widths[-1] - widths[-2]) <= 2


def test_a_hole_is_dashed_and_thinner_than_a_focus() -> None:
    p = np.full((24, 24), 0.1)
    p[4:20, 4:20] = 0.9
    p[9:15, 9:15] = 0.1
    result = make_result(p)
    glass = np.full((120, 120, 3), 250, np.uint8)
    picture = pixels(figures.overview_jpeg(result, make_pictures(result, glass, shrink=10)))
    dark = picture.max(axis=2) < 140
    top, left = at(result, 8.5, 8.5)
    inside = slice(left + 10, at(result, 14.5, 14.5)[1] - 10)
    outer = at(result, 3.5, 8.5)[0]
    assert dark[outer - 4 : outer + 5, inside].any(axis=0).all()
    assert 0.3 < dark[top - 4 : top + 5, inside].any(axis=0).mean() < 0.9
    assert dark[top - 4 : top + 5, inside].sum(axis=0).max() < dark[outer - 4 : outer + 5, inside].sum(axis=0).max()


def test_without_a_probability_there_is_no_legend() -> None:
    glass = np.full((60, 60, 3), 250, np.uint8)

    def colourful(p: float) -> int:
        result = make_result(np.full((6, 6), p))
        picture = pixels(figures.heatmap_png(result, make_pictures(result, glass, shrink=5)))
        return int((np.ptp(picture, axis=2) > 40).sum())

    assert colourful(np.nan) == 0
    assert colourful(0.1) > 0


def test_unreadable_cells_are_hatched() -> None:
    p = np.full((6, 6), 0.2)
    p[2:4, 2:4] = UNREADABLE
    result = make_result(p)
    picture = pixels(figures.heatmap_png(result, make_pictures(result)))
    (top, left), (bottom, right) = at(result, 2, 2), at(result, 3, 3)
    patch = picture[top:bottom, left:right]
    assert np.ptp(patch, axis=2).max() < 25
    assert (patch.min(axis=2) > 250).mean() > 0.3
    assert (patch.max(axis=2) < 180).mean() > 0.05


@pytest.mark.parametrize("shape", [(1, 1), (80, 4), (4, 80), (1, 1600), (900, 1)])
def test_any_shape_of_slide_has_pictures(shape: tuple[int, int]) -> None:
    result = make_result(np.full(shape, 0.6))
    for draw in (figures.overview_jpeg, figures.heatmap_png):
        assert pixels(draw(result, make_pictures(result))).std() > 0


def test_a_patch_is_shrunk_but_never_enlarged() -> None:
    small = np.random.default_rng(0).integers(0, 255, (50, 50, 3)).astype(np.uint8)
    assert (pixels(figures.patch_png(small)) == small).all()
    large = np.zeros((960, 960, 3), np.uint8)
    large[:480] = 200
    shrunk = pixels(figures.patch_png(large))
    assert shrunk.shape == (240, 240, 3)
    assert (shrunk[:120] == 200).all()
    assert (shrunk[120:] == 0).all()
