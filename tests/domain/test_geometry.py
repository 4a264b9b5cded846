from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
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


def test_the_first_cells_begin_at_the_slides_edge_and_the_last_ones_end_at_it() -> None:
    # Side 50, step 25: centres at 25, 50, 75, ... so borders midway at 37.5, 62.5, ...; 5 columns start in 110 px.
    grid = PatchGrid.over(110, 30, 8.0, PatchSpec(50, 8.0, 0.5))
    assert grid.col_edges_px.tolist() == [0, 37.5, 62.5, 87.5, 112.5, 137.5]
    assert grid.row_edges_px.tolist() == [0, 37.5, 62.5]
    assert grid.cell_box(0, 0) == Box(0, 0, 37.5, 30)
    assert grid.cell_box(0, 3) == Box(87.5, 0, 22.5, 30)
    assert (grid.cell_box(0, 4).width, grid.cell_box(1, 0).height) == (0, 0)
    row, col = np.array([0, 1, 1], np.int32), np.array([0, 0, 3], np.int32)
    # Whole cells: 37.5 x 37.5, 37.5 wide and 25 high, 25 x 25.
    assert grid.cell_areas_px(row, col).tolist() == [1406.25, 937.5, 625]


def test_a_border_that_rounding_sets_beside_the_slides_edge_lies_on_it() -> None:
    # Side 60, step 20: borders at 40, 60, 80 and 100, the slide's edge; a hair less a step leaves no fifth column.
    grid = PatchGrid(100, 100, 20 - 1e-9, 60)
    assert grid.n_cols == 5
    assert grid.cell_box(0, 3).right == 100
    assert grid.cell_box(0, 4).width == 0
    # Ten steps of 800 px less 0.00005 px end 0.0005 px short of the slide: too little for an eleventh column.
    grid = PatchGrid(8000, 8000, 800 - 5e-5, 800 - 5e-5)
    assert grid.n_rows == 10
    assert grid.cell_box(9, 0).bottom == pytest.approx(8000, abs=1e-9)


def test_without_overlap_a_whole_cell_is_the_patch() -> None:
    grid = PatchGrid.over(101, 50, 8.0, PATCH)
    assert grid.col_edges_px.tolist() == [0, 50, 100, 150]
    assert grid.cell_areas_px(np.zeros(3, np.int32), np.arange(3, dtype=np.int32)).tolist() == [2500, 2500, 2500]


@settings(deadline=None)
@given(
    width=st.integers(1, 1000),
    height=st.integers(1, 1000),
    um_per_px=st.floats(0.1, 8.0),
    steps=st.integers(1, 50),
)
def test_patches_cover_the_slide_and_cells_tile_it(width: int, height: int, um_per_px: float, steps: int) -> None:
    grid = PatchGrid.over(width, height, um_per_px, PatchSpec(50, 8.0, steps / 50))
    last = grid.patch_box(grid.n_rows - 1, grid.n_cols - 1)
    assert last.right >= width - 1e-6 * grid.side_px
    assert last.bottom >= height - 1e-6 * grid.side_px
    assert last.x < width
    assert last.y < height
    columns = [grid.cell_box(0, col) for col in range(grid.n_cols)]
    rows = [grid.cell_box(row, 0) for row in range(grid.n_rows)]
    assert (columns[0].x, columns[-1].right) == (0, width)
    assert (rows[0].y, rows[-1].bottom) == (0, height)
    assert [box.right for box in columns[:-1]] == pytest.approx([box.x for box in columns[1:]], abs=1e-9)
    assert [box.bottom for box in rows[:-1]] == pytest.approx([box.y for box in rows[1:]], abs=1e-9)
    area = sum(box.width for box in columns) * sum(box.height for box in rows)
    assert area == pytest.approx(width * height, rel=1e-9)


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
