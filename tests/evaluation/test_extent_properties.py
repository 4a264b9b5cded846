from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import shapely
from focus_shapes import EIGHT_UM, SIDE_PX, all_positive, lengths, polygon_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapely.affinity import rotate

from batchscan.domain.geometry import PatchGrid, Spacing, SpacingSource
from batchscan.domain.records import PatchTable
from batchscan.evaluation.extent import measure_extent

grids = st.builds(
    lambda shape, step, stride, trim: PatchGrid(
        max(1, int(shape[1] * step) - trim), max(1, int(shape[0] * step) - trim), step, step / stride
    ),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.floats(7.0, 900.0),
    st.sampled_from([1.0, 0.75, 0.5, 0.25]),
    st.integers(0, 5),
)


@st.composite
def tables(draw: st.DrawFn, grid: PatchGrid | None = None) -> PatchTable:
    grid = grid or draw(grids)
    shape = (grid.n_rows, grid.n_cols)
    p_idc = draw(arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.2, 0.5, 1.0, math.nan]).map(np.float32)))
    scanned = draw(arrays(np.bool_, shape, elements=st.sampled_from([True, True, True, False])))
    fraction = draw(arrays(np.float32, shape, elements=st.floats(0.125, 1.0, width=16)))
    row, col = np.nonzero(scanned)
    p_idc = p_idc[row, col]
    place = (row.astype(np.int32), col.astype(np.int32))
    return PatchTable(grid, *place, fraction[row, col], p_idc, p_idc, ~np.isnan(p_idc))


def boxes_by_focus(table: PatchTable) -> Iterator[list[shapely.Polygon]]:
    """Flood fill, cell by cell: the other route to the foci."""
    marks = table.positive(0.5)
    todo = {}
    for r, c in zip(table.row[marks].tolist(), table.col[marks].tolist(), strict=True):
        box = table.grid.cell_box(r, c)
        if box.width > 1e-6 and box.height > 1e-6:
            todo[r, c] = shapely.box(box.x, box.y, box.right, box.bottom)
    while todo:
        stack, found = [next(iter(todo))], []
        while stack:
            r, c = stack.pop()
            if (r, c) in todo:
                found.append(todo.pop((r, c)))
                stack += [(r + dr, c + dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1)]
        yield found


@settings(max_examples=80, deadline=None)
@given(tables())
def test_foci_agree_with_a_flood_fill_and_unions_of_their_boxes(table: PatchTable) -> None:
    extent = measure_extent(table, EIGHT_UM, 0.5)
    expected = list(boxes_by_focus(table))
    assert len(extent.foci) == len(expected)
    for boxes in expected:
        union = shapely.union_all(boxes)
        focus = min(extent.foci, key=lambda focus: polygon_of(focus).symmetric_difference(union).area)
        outline = polygon_of(focus)
        assert outline.is_valid
        assert outline.symmetric_difference(union).area <= 1e-6 * union.area
        assert focus.n_patches == len(boxes)
        corners = shapely.get_coordinates(boxes)
        brute = max(math.dist(a, b) for a, b in itertools.combinations(corners, 2))
        assert focus.greatest_mm == pytest.approx(brute * 0.008)
        assert focus.centroid_px == pytest.approx((union.centroid.x, union.centroid.y))
        x, y, width, height = focus.bbox_px
        left, top, right, bottom = union.bounds
        assert x <= left + 1e-6 < x + 1 + 1e-5
        assert y <= top + 1e-6 < y + 1 + 1e-5
        assert x + width - 1 - 1e-5 < right - 1e-6 <= x + width
        assert y + height - 1 - 1e-5 < bottom - 1e-6 <= y + height


@settings(max_examples=80, deadline=None)
@given(tables())
def test_the_perpendicular_is_the_height_once_the_diameter_lies_level(table: PatchTable) -> None:
    for focus in measure_extent(table, EIGHT_UM, 0.5).foci:
        outline = polygon_of(focus)
        corners = shapely.get_coordinates(outline.convex_hull)
        pairs = [(a, b) for a, b in itertools.combinations(corners.tolist(), 2) if a != b]
        longest = max(math.dist(a, b) for a, b in pairs)
        heights = []
        for (ax, ay), (bx, by) in pairs:
            if math.hypot(bx - ax, by - ay) >= longest * (1 - 1e-9):
                level = rotate(outline, -math.degrees(math.atan2(by - ay, bx - ax)), origin=(ax, ay))
                heights.append(level.bounds[3] - level.bounds[1])
        assert focus.perpendicular_mm == pytest.approx(max(heights) * 0.008)
        assert focus.perpendicular_mm <= focus.greatest_mm * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(tables())
def test_parts_make_up_the_whole(table: PatchTable) -> None:
    extent = measure_extent(table, EIGHT_UM, 0.5)
    if extent.idc_mm2 is None or extent.idc_fraction is None:
        return
    answered = [table.grid.cell_box(r, c) for r, c in zip(table.row, table.col, strict=True)]
    on_slide = np.array([box.width > 1e-6 and box.height > 1e-6 for box in answered], dtype=bool)
    if on_slide.all():
        assert sum(focus.area_mm2 for focus in extent.foci) == pytest.approx(extent.idc_mm2)
    assert 0.0 <= extent.idc_fraction <= 1.0
    assert extent.idc_mm2 + extent.unreadable_mm2 <= extent.tissue_mm2 * (1 + 1e-12)
    assert [focus.area_mm2 for focus in extent.foci] == sorted((focus.area_mm2 for focus in extent.foci), reverse=True)
    if extent.foci:
        assert extent.largest_focus_mm is not None
        assert extent.field_extent_mm is not None
        assert extent.largest_focus_mm == pytest.approx(max(focus.greatest_mm for focus in extent.foci))
        assert extent.field_extent_mm >= extent.largest_focus_mm * (1 - 1e-9)
        every = shapely.get_coordinates(shapely.union_all([polygon_of(focus) for focus in extent.foci]).convex_hull)
        brute = max(math.dist(a, b) for a, b in itertools.combinations(every, 2))
        assert extent.field_extent_mm == pytest.approx(brute * 0.008)


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 400), st.integers(20, 400), st.floats(20.0, 200.0), st.integers(1, 50))
def test_the_extent_of_a_full_slide_does_not_depend_on_size_spacing_or_stride(
    width_px: int, height_px: int, side_px: float, steps: int
) -> None:
    extent = measure_extent(all_positive(PatchGrid(width_px, height_px, side_px * steps / 50, side_px)), EIGHT_UM, 0.5)
    area_mm2, diagonal_mm = width_px * height_px * 0.008**2, math.hypot(width_px, height_px) * 0.008
    (focus,) = extent.foci
    assert (extent.tissue_mm2, extent.idc_mm2, focus.area_mm2) == pytest.approx((area_mm2,) * 3, rel=1e-6)
    assert lengths(extent) == pytest.approx((diagonal_mm, 2 * area_mm2 / diagonal_mm, diagonal_mm))
    assert focus.bbox_px == (0, 0, width_px, height_px)
    assert focus.touches_edge


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_quarter_turn_changes_no_number(data: st.DataObject) -> None:
    side = data.draw(st.integers(1, 7))
    grid = PatchGrid(side * SIDE_PX, side * SIDE_PX, SIDE_PX, SIDE_PX)
    table = data.draw(tables(grid))
    turned = replace(table, row=table.col, col=(side - 1 - table.row).astype(np.int32))
    one, other = (measure_extent(each, EIGHT_UM, 0.5) for each in (table, turned))
    assert (one.tissue_mm2, one.idc_mm2, one.idc_fraction) == (other.tissue_mm2, other.idc_mm2, other.idc_fraction)
    assert (one.n_foci, one.touches_edge) == (other.n_foci, other.touches_edge)
    if one.foci:
        assert lengths(one) == pytest.approx(lengths(other))
    sizes = [sorted((f.area_mm2, f.n_patches, round(f.greatest_mm, 9)) for f in each.foci) for each in (one, other)]
    assert sizes[0] == sizes[1]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 4), st.integers(0, 4))
def test_moving_every_cell_moves_places_and_changes_no_size(data: st.DataObject, down: int, right: int) -> None:
    grid = PatchGrid(10 * SIDE_PX, 10 * SIDE_PX, SIDE_PX, SIDE_PX)
    small = data.draw(tables(PatchGrid(5 * SIDE_PX, 5 * SIDE_PX, SIDE_PX, SIDE_PX)))
    at = replace(small, grid=grid)
    here = measure_extent(at, EIGHT_UM, 0.5)
    moved = replace(at, row=(at.row + down).astype(np.int32), col=(at.col + right).astype(np.int32))
    there = measure_extent(moved, EIGHT_UM, 0.5)
    assert len(here.foci) == len(there.foci)
    for a, b in zip(here.foci, there.foci, strict=True):
        assert (a.area_mm2, a.mean_p, a.n_patches) == (b.area_mm2, b.mean_p, b.n_patches)
        assert (a.greatest_mm, a.perpendicular_mm) == pytest.approx((b.greatest_mm, b.perpendicular_mm))
        assert (b.bbox_px[0] - a.bbox_px[0], b.bbox_px[1] - a.bbox_px[1]) == (right * SIDE_PX, down * SIDE_PX)
        assert b.centroid_px == pytest.approx((a.centroid_px[0] + right * SIDE_PX, a.centroid_px[1] + down * SIDE_PX))


@settings(max_examples=60, deadline=None)
@given(tables())
def test_twice_the_spacing_is_twice_the_length_and_four_times_the_area(table: PatchTable) -> None:
    one = measure_extent(table, Spacing(0.25, SpacingSource.OPTION), 0.5)
    two = measure_extent(table, Spacing(0.5, SpacingSource.OPTION), 0.5)
    assert two.tissue_mm2 == pytest.approx(4 * one.tissue_mm2)
    assert one.idc_fraction == two.idc_fraction
    for a, b in zip(one.foci, two.foci, strict=True):
        assert b.area_mm2 == pytest.approx(4 * a.area_mm2)
        assert (b.greatest_mm, b.perpendicular_mm) == pytest.approx((2 * a.greatest_mm, 2 * a.perpendicular_mm))
        assert (b.bbox_px, b.centroid_px, b.rings_px) == (a.bbox_px, a.centroid_px, a.rings_px)


@settings(max_examples=60, deadline=None)
@given(tables())
def test_outlines_turn_as_geojson_asks_and_have_corners_only(table: PatchTable) -> None:
    for focus in measure_extent(table, EIGHT_UM, 0.5).foci:
        for outer, *holes in focus.rings_px:
            assert shapely.LinearRing(outer).is_ccw
            assert not any(shapely.LinearRing(hole).is_ccw for hole in holes)
            for ring in (outer, *holes):
                assert ring[0] == ring[-1]
                steps = np.sign(np.diff(np.array([*ring, ring[1]]), axis=0))
                assert (np.abs(steps).sum(axis=1) == 1).all()
                assert (np.abs(np.diff(steps, axis=0)).sum(axis=1) == 2).all()
