"""Short cuts to tissue and quality against the plain way, bit by bit: on a real whole mount, spoilt, and on noise."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import plain_tissue
import pytest
from numpy.typing import NDArray
from plain_tissue import plain_tissue as plainly
from scipy import ndimage
from whole_mounts import whole_mount

from batchscan.domain.geometry import PatchGrid, PatchSpec
from batchscan.domain.profile import PROFILE_EDGES, histogram
from batchscan.domain.tissue_map import TissueMap
from batchscan.scan.grid import tissue_fractions
from batchscan.scan.quality import dark_matter, overexposed_share
from batchscan.scan.stain import STAINS, stain_densities, tissue_stain
from batchscan.scan.tissue import _has_structure, _outshines, find_tissue, is_greyscale

Rgb = NDArray[np.uint8]
UM_PER_PX = 16.0


@cache
def section() -> Rgb:
    return whole_mount("8863").overview(2)[260:900, 300:1000]


def seen(passes: tuple[float, float, float], rows: slice, cols: slice) -> Rgb:
    """The section with a part seen through something."""
    spoilt = section().astype(np.float64)
    spoilt[rows, cols] *= passes
    return np.rint(spoilt).astype(np.uint8)


def overviews() -> Iterator[tuple[str, Rgb, float]]:
    dice = np.random.default_rng(3)
    yield "section", section(), UM_PER_PX
    yield "coarse", section()[::2, ::2].copy(), 32.0
    yield "very coarse, hardly smoothed", section()[::3, ::3].copy(), 48.0
    yield "cream glass", seen((0.98, 0.93, 0.80), slice(None), slice(None)), UM_PER_PX
    yield "green pen", seen((0.15, 0.60, 0.52), slice(100, 140), slice(50, 600)), UM_PER_PX
    yield "black pen and an edge", seen((0.12, 0.11, 0.12), slice(600, 640), slice(None)), UM_PER_PX
    yield "noise", (section() + dice.normal(0, 12, section().shape)).clip(0, 255).astype(np.uint8), UM_PER_PX
    bright = np.maximum(section(), 180)
    bright[:300] = 255
    yield "saturated", bright, UM_PER_PX
    yield "all tissue", section()[200:300, 300:420].copy(), UM_PER_PX
    yield "anything", dice.integers(0, 256, (90, 130, 3), dtype=np.uint8).repeat(3, 0).repeat(3, 1), UM_PER_PX


NAMES = [
    *("section", "coarse", "very coarse, hardly smoothed", "cream glass", "green pen", "black pen and an edge"),
    *("noise", "saturated", "all tissue", "anything"),
]


@pytest.fixture(params=NAMES)
def overview(request: pytest.FixtureRequest) -> tuple[Rgb, float]:
    return next((pixels, um) for name, pixels, um in overviews() if name == request.param)


def test_tissue_pen_and_glass_are_those_of_the_plain_way(overview: tuple[Rgb, float]) -> None:
    expected, found = plainly(*overview), find_tissue(*overview)
    assert expected is not None
    np.testing.assert_array_equal(found.mask, expected.mask)
    np.testing.assert_array_equal(found.pen, expected.pen)
    assert found.background_rgb == expected.background_rgb


def test_the_overviews_have_what_is_compared() -> None:
    found = {name: plainly(pixels, um) for name, pixels, um in overviews()}
    assert list(found) == NAMES
    assert all(one is not None and one.mask.mean() > 0.01 for name, one in found.items() if name != "anything")
    assert [name for name, one in found.items() if one is not None and one.pen.any()][:2] == [
        "green pen",
        "black pen and an edge",
    ]


def test_structure_is_seen_in_the_same_overviews() -> None:
    """About the limit of what is no noise any more, in one channel or in all."""
    dice, found = np.random.default_rng(1), list[bool]()
    for _ in range(300):
        wave = dice.normal(0, dice.uniform(0, 20), (3, 8, 9)).repeat(7, 1).repeat(5, 2)
        wave[dice.random(3) < 0.5] = 0
        planes = (200 + wave + dice.normal(0, dice.uniform(0, 25), wave.shape)).clip(0, 255).astype(np.uint8)
        found.append(_has_structure(planes))
        assert found[-1] == plain_tissue.has_structure(planes)
    assert 0.2 < np.mean(found) < 0.8


def test_a_percentile_is_above_a_value_or_not() -> None:
    dice = np.random.default_rng(5)
    for n in [*range(1, 40), 101, 1000]:
        values = dice.integers(0, 12, n).astype(np.float32) / 3
        among = dice.random(n) < 0.8
        for value in np.unique(values):
            expected = among.any() and np.percentile(values[among], 90) > value
            assert _outshines(values, among, np.float32(value)) == expected, (n, value)


def test_grey_is_what_differs_nowhere_by_more_than_the_tolerance() -> None:
    grey = np.repeat(section()[..., 1:2], 3, axis=2)
    tinged = grey.copy()
    tinged[-1, -1, 0] ^= 3
    assert is_greyscale(tinged)
    tinged[-1, -1, 0] ^= 12
    assert not is_greyscale(tinged)


def mapped(pixels: Rgb, um_per_px: float = UM_PER_PX) -> TissueMap:
    return find_tissue(pixels, um_per_px)


@pytest.mark.parametrize("um_per_px", [16.0, 24.0, 30.4, 64.0])
def test_stain_is_the_percentile_of_each_square(um_per_px: float) -> None:
    tissue = mapped(section(), um_per_px)
    densities, side = stain_densities(section(), tissue.background_rgb), round(400 / um_per_px)
    squares = []
    for top in range(0, len(section()), side):
        for left in range(0, section().shape[1], side):
            place = slice(top, top + side), slice(left, left + side)
            inside = densities[place][tissue.mask[place]]
            if len(inside) >= 0.5 * side**2:
                squares.append(np.percentile(inside, 99.0, axis=0))
    found = tissue_stain(section(), tissue)
    expected = [float(np.percentile([one[i] for one in squares], (75.0, 50.0)[i])) for i in range(2)]
    assert found.strength == pytest.approx(expected, rel=1e-6)
    for i, name in enumerate(STAINS):
        assert found.profile[name] == counted(name, densities[tissue.mask][:, i])


def counted(name: str, values: NDArray[np.floating]) -> tuple[int, ...]:
    """Each value looked up among the edges; those beyond belong to the last bin."""
    edges = np.asarray(PROFILE_EDGES[name])
    place = np.searchsorted(edges, values[np.isfinite(values)], side="right") - 1
    return tuple(np.bincount(place.clip(0, len(edges) - 2), minlength=len(edges) - 1).tolist())


@pytest.mark.parametrize("name", PROFILE_EDGES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_are_counted_as_they_are_looked_up(name: str, dtype: type[np.floating]) -> None:
    edges = np.asarray(PROFILE_EDGES[name], dtype)
    about = [edges, np.nextafter(edges, dtype(-9)), np.nextafter(edges, dtype(9)), edges - 1, edges + 1]
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], dtype)
    values = np.concatenate([*about, odd, np.random.default_rng(0).normal(0.3, 0.4, 500).astype(dtype)])
    assert histogram(name, values) == counted(name, values)
    assert histogram(name, values[:0]) == (0,) * (len(edges) - 1)


def test_dark_matter_is_by_the_mean_of_three_densities() -> None:
    dice = np.random.default_rng(2)
    for pixels in (section(), dice.integers(30, 130, section().shape, dtype=np.uint8)):
        tissue = mapped(section())
        levels = np.log10(np.arange(1.0, 257.0)).astype(np.float32)
        glass = float(np.log10(np.asarray(tissue.background_rgb) + 1.0).mean())
        near = ndimage.maximum_filter(tissue.mask, size=13, mode="constant")
        expected = (glass - levels[pixels].mean(axis=2) > 0.5) & near & ~tissue.pen
        assert expected.any()
        np.testing.assert_array_equal(dark_matter(pixels, tissue), expected)


def test_overexposed_is_counted_as_it_is_selected() -> None:
    pixels = np.random.default_rng(4).integers(245, 256, section().shape, dtype=np.uint8)
    mask = mapped(section()).mask
    coloured = pixels[mask][(pixels[mask] < 250).any(axis=1)]
    assert overexposed_share(pixels, mask) == float((coloured == 255).any(axis=1).mean())


@pytest.mark.parametrize("um_per_px", [0.25, 0.377, 1.0])
def test_fractions_are_sums_of_pixels_and_parts_of_them(um_per_px: float) -> None:
    """Pixel by pixel: what of each lies in a cell, along and across, is multiplied."""
    mask = mapped(section()).mask[:97, :131]
    width_px, height_px = round(131 * 16 / um_per_px) - 3, round(97 * 16 / um_per_px) - 5
    grid = PatchGrid.over(width_px, height_px, um_per_px, PatchSpec(50, 8.0, 1.0))
    scale = um_per_px / UM_PER_PX

    def overlaps(edges_px: NDArray[np.float64], slide_px: int, n: int) -> NDArray[np.float64]:
        edges = np.minimum(edges_px, slide_px) * scale
        starts, ends = np.arange(n), np.arange(1.0, n + 1)
        ends[-1] += 0.5
        return (np.minimum(edges[1:, None], ends) - np.maximum(edges[:-1, None], starts)).clip(0)

    down, across = overlaps(grid.row_edges_px, height_px, 97), overlaps(grid.col_edges_px, width_px, 131)
    areas = np.outer(np.diff(grid.row_edges_px), np.diff(grid.col_edges_px)) * scale**2
    expected = (down @ mask @ across.T / areas).clip(0, 1)
    found = tissue_fractions(TissueMap(mask, mask & False, (240, 240, 240), UM_PER_PX), grid, um_per_px)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert 0.1 < found.mean() < 1
