from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscan.domain.errors import ImplausibleSpacing
from batchscan.domain.geometry import Box, PatchGrid, PatchSpec, Spacing, SpacingSource, ceil_px, floor_px

PATCH = PatchSpec(50, 8.0, 1.0)


@pytest.mark.parametrize("um_per_px", [0.05, 0.25, 20.0])
def test_a_plausible_spacing_is_kept_as_it_is(um_per_px: float) -> None:
    assert Spacing(um_per_px, SpacingSource.VENDOR).um_per_px == um_per_px


@pytest.mark.parametrize("um_per_px", [0.0, -1.0, 0.0499, 20.01, 352.8, math.nan, math.inf])
def test_an_implausible_spacing_is_refused_with_the_remedy(um_per_px: float) -> None:
    with pytest.raises(ImplausibleSpacing, match="--um-per-px"):
        Spacing(um_per_px, SpacingSource.VENDOR)


def test_areas_and_lengths_in_mm() -> None:
    spacing = Spacing(8.0, SpacingSource.OPTION)
    assert spacing.mm2(50 * 50) == pytest.approx(0.16)  # 400 um x 400 um
    assert spacing.mm(125) == pytest.approx(1.0)


def test_a_grid_starts_at_zero_and_keeps_cells_that_stick_out() -> None:
    grid = PatchGrid.over(101, 50, 8.0, PATCH)
    assert (grid.n_cols, grid.n_rows) == (3, 1)
    assert grid.patch_box(0, 2) == Box(100, 0, 50, 50)
    assert grid.cell_box(0, 2) == Box(100, 0, 1, 50)


def test_a_patch_keeps_its_size_in_micrometres_at_any_spacing() -> None:
    grid = PatchGrid.over(10_000, 10_000, 0.499, PATCH)
    assert grid.side_px == pytest.approx(400 / 0.499)


def test_cells_of_overlapping_patches_lie_around_their_centres() -> None:
    grid = PatchGrid.over(200, 200, 8.0, PatchSpec(50, 8.0, 0.5))
    assert grid.patch_box(1, 2) == Box(50, 25, 50, 50)
    assert grid.cell_box(1, 2) == Box(62.5, 37.5, 25, 25)


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    um_per_px=st.floats(0.1, 8.0),
    steps=st.integers(1, 50),
)
def test_patches_cover_the_slide_and_cells_never_overlap(width: int, height: int, um_per_px: float, steps: int) -> None:
    grid = PatchGrid.over(width, height, um_per_px, PatchSpec(50, 8.0, steps / 50))
    last = grid.patch_box(grid.n_rows - 1, grid.n_cols - 1)
    assert last.right >= width - 1e-6 * grid.side_px
    assert last.bottom >= height - 1e-6 * grid.side_px
    assert last.x < width
    assert last.y < height
    first, second = grid.cell_box(0, 0), grid.cell_box(0, 1)
    assert first.right <= second.x + 1e-9 * width


def test_a_box_is_scaled_and_clipped() -> None:
    assert Box(10, 20, 30, 40).scaled(0.5) == Box(5, 10, 15, 20)
    assert Box(-5, 10, 20, 100).clipped(12, 50) == Box(0, 10, 12, 40)
    assert Box(60, 0, 5, 5).clipped(50, 50).width == 0


def test_rounding_forgives_the_noise_of_floating_point_only() -> None:
    assert (floor_px(2.9999999), floor_px(2.99)) == (3, 2)
    assert (ceil_px(3.0000001), ceil_px(3.01)) == (3, 4)


@pytest.mark.parametrize(("patch_px", "stride"), [(0, 1.0), (50, 0.0), (50, 1.01)])
def test_there_are_no_such_patches(patch_px: int, stride: float) -> None:
    with pytest.raises(ValueError, match="no such patches"):
        PatchSpec(patch_px, 8.0, stride)
