from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from batchscan.domain.geometry import PatchGrid
from batchscan.domain.records import Int32Array
from batchscan.evaluation.outlines import CellLines, Geometries, calipers, label_cells, outline_sets, rings


def cells(*places: tuple[int, int]) -> tuple[Int32Array, Int32Array]:
    row, col = np.array(places, dtype=np.int32).T
    return row, col


def outlines(grid: PatchGrid, *places: tuple[int, int]) -> Geometries:
    row, col = cells(*places)
    return outline_sets(CellLines.of(grid), row, col, label_cells(grid, row, col))


def test_of_two_equally_long_diameters_the_one_with_the_wider_perpendicular_counts() -> None:
    # (0,0)-(7,1) and (1,-2)-(6,3) are both sqrt(50) long. Across the first, -x + 7 y runs from -15 to 18 (the
    # corner (3,3)): 33 / sqrt(50). Across the second, y - x runs from -6 to 0: 6 / sqrt(2) = 30 / sqrt(50).
    corners = np.array([(0, 0), (1, -2), (7, 1), (6, 3), (3, 3)], dtype=np.float64)
    for order in (corners, corners[::-1], np.roll(corners, 2, axis=0)):
        assert calipers(order) == pytest.approx((math.sqrt(50), 33 / math.sqrt(50)))


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=3, max_size=12, unique=True), st.floats(0.0, 6.3), st.floats(0.1, 9e4))
def test_calipers_turn_and_scale_with_the_shape(angles: list[int], turn: float, scale: float) -> None:
    corners = np.array([(math.cos(a / 3.3), 0.6 * math.sin(a / 3.3)) for a in angles])
    rotation = np.array([(math.cos(turn), -math.sin(turn)), (math.sin(turn), math.cos(turn))])
    assert calipers(corners @ rotation * scale) == pytest.approx([scale * length for length in calipers(corners)])


@settings(deadline=None)
@given(st.integers(1, 600), st.integers(1, 600), st.floats(30.0, 900.0), st.sampled_from([1.0, 0.9, 0.75, 0.5, 0.2]))
def test_lines_are_the_cells_boxes(width_px: int, height_px: int, step_px: float, stride: float) -> None:
    grid = PatchGrid(width_px, height_px, step_px, step_px / stride)
    lines = CellLines.of(grid)
    for row in range(grid.n_rows):
        for col in range(grid.n_cols):
            box = grid.cell_box(row, col)
            assert (lines.x_px[col], lines.y_px[row]) == pytest.approx((box.x, box.y), abs=1e-9)
            assert (lines.x_px[col + 1], lines.y_px[row + 1]) == pytest.approx((box.right, box.bottom), abs=1e-9)
            seen = lines.inside(np.array([row], dtype=np.int32), np.array([col], dtype=np.int32))
            assert bool(seen[0]) == (box.width > 0 and box.height > 0)


def test_labels_are_numbered_by_first_cell_and_join_corners() -> None:
    grid = PatchGrid(400, 300, 100, 100)
    row, col = cells((0, 0), (0, 3), (1, 1), (2, 2), (2, 0))
    assert label_cells(grid, row, col).tolist() == [0, 1, 0, 0, 0]


def test_cells_of_a_step_that_is_no_whole_number_leave_no_gap() -> None:
    # 400 um at 0.499 um/px: 801.603... px.
    step_px = 400 / 0.499
    grid = PatchGrid(9000, 9000, step_px, step_px)
    (outline,) = outlines(grid, *((r, c) for r in range(9) for c in range(9)))
    ((outer,),) = rings(outline)
    edge = 9 * step_px
    np.testing.assert_allclose(outer, [(0, 0), (edge, 0), (edge, edge), (0, edge), (0, 0)])


def test_a_hole_that_touches_the_outside_at_a_corner_makes_a_valid_outline() -> None:
    grid = PatchGrid(300, 300, 100, 100)
    (outline,) = outlines(grid, (0, 0), (0, 1), (1, 0), (1, 2), (2, 1))
    assert outline.is_valid
    assert outline.area == 5 * 100 * 100
    assert sum(len(polygon) - 1 for polygon in rings(outline)) == 0
    (ring,) = outlines(grid, (0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))
    assert ring.is_valid
    assert ring.area == 7 * 100 * 100
    assert not ring.contains(shapely.Point(150, 150))
