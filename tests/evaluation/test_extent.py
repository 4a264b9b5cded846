from __future__ import annotations

import itertools
import math
import time
from typing import Any

import numpy as np
import pytest
from focus_shapes import EIGHT_UM, LENGTHS, SIDE_PX, all_positive, lengths, polygon_of

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.geometry import PatchGrid, PatchSpec
from batchscan.domain.records import Counts, Extent, Focus, PatchTable, ScanSettings
from batchscan.evaluation.extent import NO_POSITIVE, NO_TISSUE, NOTHING_READABLE, count_patches, measure_extent

ALONE = Aggregation()


def table_of(rows: list[str], grid: PatchGrid | None = None, fraction: float = 1.0) -> PatchTable:
    """A table from text: '#' is p 0.9, '.' 0.1, a digit its tenth; '?' unreadable, ' ' not scanned."""
    if grid is None:
        grid = PatchGrid(max(map(len, rows)) * SIDE_PX, len(rows) * SIDE_PX, SIDE_PX, SIDE_PX)
    p_of = {"#": 0.9, ".": 0.1, "?": math.nan} | {str(digit): digit / 10 for digit in range(10)}
    cells = [(r, c, p_of[mark]) for r, line in enumerate(rows) for c, mark in enumerate(line) if mark != " "]
    row, col, p = (np.array([cell[i] for cell in cells]) for i in range(3))
    p_idc = p.astype(np.float32)
    return PatchTable(
        grid,
        row.astype(np.int32),
        col.astype(np.int32),
        np.broadcast_to(np.float32(fraction), len(cells)).copy(),
        p_idc,
        p_idc,
        ~np.isnan(p_idc),
    )


def settings_of(tolerance: float, aggregation: Aggregation = ALONE) -> ScanSettings:
    return ScanSettings(PatchSpec(SIDE_PX, 8.0, 1.0), 0.1, 0.01, 0.5, tolerance, aggregation=aggregation)


def measure(rows: list[str], **keywords: Any) -> Extent:
    return measure_extent(table_of(rows, **keywords), EIGHT_UM, 0.5)


def the_focus(rows: list[str], **keywords: Any) -> Focus:
    (focus,) = measure(rows, **keywords).foci
    return focus


def test_areas_are_tissue_fractions_times_the_cell() -> None:
    table = table_of([".#.", ".##"])
    table.tissue_fraction[:] = [1.0, 0.5, 1.0, 0.25, 1.0, 0.75]
    extent = measure_extent(table, EIGHT_UM, 0.5)
    # Tissue: 1 + 0.5 + 1 + 0.25 + 1 + 0.75 = 4.5 cells of 0.16 mm2; positive: 0.5 + 1 + 0.75 = 2.25 cells.
    assert extent.tissue_mm2 == pytest.approx(4.5 * 0.16) == pytest.approx(0.72)
    assert extent.idc_mm2 == pytest.approx(2.25 * 0.16) == pytest.approx(0.36)
    assert extent.idc_fraction == pytest.approx(0.5)
    assert extent.unreadable_mm2 == 0.0
    assert extent.foci[0].area_mm2 == pytest.approx(0.36)


def test_the_fraction_leaves_out_what_could_not_be_read() -> None:
    extent = measure(["##..", "????"])
    # 8 cells of tissue, 4 of them not read: 2 positive of the 4 that were.
    assert extent.tissue_mm2 == pytest.approx(8 * 0.16)
    assert extent.unreadable_mm2 == pytest.approx(4 * 0.16)
    assert extent.idc_fraction == pytest.approx(2 / 4)


def test_at_half_stride_each_cell_counts_a_quarter_of_a_patch() -> None:
    # Side 50 px, step 25 px: a cell is 25 px x 8 um = 0.2 mm wide and high, 0.04 mm2.
    grid = PatchGrid(200, 200, 25, 50)
    extent = measure(["        ", " ##", " .#"], grid=grid)
    assert extent.tissue_mm2 == pytest.approx(4 * 0.04)
    assert extent.idc_mm2 == pytest.approx(3 * 0.04)
    (focus,) = extent.foci
    # Cell (row 1, col 1) is the 25 px around the centre of patch (25, 25, 50, 50): from 25 + 12.5 = 37.5 to 62.5.
    # The focus lies from 37.5 to 87.5 both ways; whole pixels around it: 37 to 88.
    assert polygon_of(focus).bounds == (37.5, 37.5, 87.5, 87.5)
    assert focus.bbox_px == (37, 37, 51, 51)
    # Three of four cells, the lower left one missing: the diagonal from (37.5, 37.5) to (87.5, 87.5).
    assert focus.greatest_mm == pytest.approx(50 * math.sqrt(2) * 0.008)
    # At right angles, x - y runs from -25 (the corners (37.5, 62.5) and (62.5, 87.5)) to 50 (the corner (87.5, 37.5)),
    # over sqrt(2).
    assert focus.perpendicular_mm == pytest.approx(75 / math.sqrt(2) * 0.008)


def test_a_single_cell_is_as_long_as_its_diagonal() -> None:
    extent = measure(["...", ".#.", "..."])
    assert lengths(extent) == pytest.approx((0.4 * math.sqrt(2),) * 3)
    focus = extent.foci[0]
    assert focus.bbox_px == (50, 50, 50, 50)
    assert focus.centroid_px == (75, 75)
    assert focus.rings_px == ((((50, 50), (100, 50), (100, 100), (50, 100), (50, 50)),),)
    assert (focus.n_patches, focus.touches_edge) == (1, False)


def test_a_bar_of_three_by_one() -> None:
    focus = the_focus([".....", ".###.", "....."])
    # 1.2 mm x 0.4 mm: diagonal sqrt(1.44 + 0.16) = sqrt(1.6). At right angles to it the two other corners are
    # each (1.2 x 0.4) / sqrt(1.6) away from it (height of the right triangle): twice that.
    assert focus.greatest_mm == pytest.approx(math.sqrt(1.6)) == pytest.approx(1.264911)
    assert focus.perpendicular_mm == pytest.approx(2 * 0.48 / math.sqrt(1.6)) == pytest.approx(0.758947)


def test_a_diagonal_pair_is_one_focus_of_two_polygons() -> None:
    focus = the_focus([".....", ".#...", "..#..", "....."])
    # Corners (50, 50) to (150, 150): 100 sqrt(2) px = 0.8 sqrt(2) mm. Across: x - y from -50 (the lower left corner of
    # each cell) to +50 (the upper right one): 100 / sqrt(2) px.
    assert focus.greatest_mm == pytest.approx(0.8 * math.sqrt(2))
    assert focus.perpendicular_mm == pytest.approx(100 / math.sqrt(2) * 0.008)
    assert focus.n_patches == 2
    assert len(focus.rings_px) == 2
    assert sorted(rings[0][0] for rings in focus.rings_px) == [(50, 50), (100, 100)]


def test_an_l_shape() -> None:
    focus = the_focus(["#....", "#....", "####.", "....."])
    # Hull (0,0) (50,0) (200,100) (200,150) (0,150): longest (0,0)-(200,150), a 3-4-5 triangle: 250 px = 2 mm.
    assert focus.greatest_mm == pytest.approx(2.0)
    # Across, unit normal (-3, 4)/5: (0,150) gives 120, (200,100) gives -40, (50,0) gives -30: 160 px = 1.28 mm.
    assert focus.perpendicular_mm == pytest.approx(1.28)
    # Six cells; centroid x = (25 + 25 + 25 + 75 + 125 + 175) / 6 = 75, y = (25 + 75 + 4 x 125) / 6 = 100.
    assert focus.centroid_px == pytest.approx((75, 100))
    assert focus.bbox_px == (0, 0, 200, 150)


def test_a_square_without_a_corner_is_measured_along_the_diagonal_it_has_left() -> None:
    focus = the_focus(["###.", "###.", "##..", "...."])
    # The diagonal (0,150)-(150,0) is 150 sqrt(2) px; the other one ends at (150,100) or (100,150) and is shorter.
    # Across it, x + y runs from 0 to 250, over sqrt(2).
    assert focus.greatest_mm == pytest.approx(150 * math.sqrt(2) * 0.008)
    assert focus.perpendicular_mm == pytest.approx(250 / math.sqrt(2) * 0.008)


def test_a_plus() -> None:
    focus = the_focus([".#.", "###", ".#."])
    # Four equal diameters: (0,50)-(150,100) and its mirror images, sqrt(150^2 + 50^2) px.
    assert focus.greatest_mm == pytest.approx(math.hypot(150, 50) * 0.008)
    # Direction (3, 1)/sqrt(10), normal (-1, 3)/sqrt(10): (50,150) gives 400, (100,0) gives -100: 500 / sqrt(10) px.
    assert focus.perpendicular_mm == pytest.approx(500 / math.sqrt(10) * 0.008)


def test_holes_are_kept_and_do_not_change_the_lengths() -> None:
    focus = the_focus(["###", "#.#", "###"])
    ((outer, hole),) = focus.rings_px
    assert set(outer) == {(0, 0), (150, 0), (150, 150), (0, 150)}
    assert set(hole) == {(50, 50), (100, 50), (100, 100), (50, 100)}
    assert focus.n_patches == 8
    assert focus.area_mm2 == pytest.approx(8 * 0.16)
    assert focus.greatest_mm == pytest.approx(1.2 * math.sqrt(2))


def test_largest_focus_and_field_extent_are_different_things() -> None:
    extent = measure(["##......#", ".........", "........."])
    # Foci: two cells (0.8 x 0.4 mm) and one; the field runs from (0, 0) to (450, 50) px = 3.6 mm x 0.4 mm.
    assert extent.n_foci == 2
    assert extent.largest_focus_mm == pytest.approx(math.hypot(0.8, 0.4))
    assert extent.perpendicular_mm == pytest.approx(2 * 0.8 * 0.4 / math.hypot(0.8, 0.4))
    assert extent.field_extent_mm == pytest.approx(math.hypot(3.6, 0.4))


def test_the_largest_focus_is_the_longest_not_the_one_of_most_area() -> None:
    extent = measure(["###.....", "###.....", "###.....", "........", "#######."])
    assert [focus.n_patches for focus in extent.foci] == [9, 7]
    assert extent.largest_focus_mm == extent.foci[1].greatest_mm == pytest.approx(math.hypot(2.8, 0.4))
    assert extent.perpendicular_mm == extent.foci[1].perpendicular_mm


def test_foci_of_equal_length_give_the_widest_perpendicular_of_them() -> None:
    # 7 x 1 cells and 5 x 5 cells: both diagonals are sqrt(50) cells.
    extent = measure(["#######", ".......", "#####..", "#####..", "#####..", "#####..", "#####.."])
    assert extent.largest_focus_mm == pytest.approx(math.sqrt(50) * 0.4)
    assert extent.perpendicular_mm == pytest.approx(math.sqrt(50) * 0.4)


def test_foci_come_by_area_then_by_place() -> None:
    extent = measure(["#..#.##", ".......", "#......"])
    assert [focus.bbox_px[:2] for focus in extent.foci] == [(250, 0), (0, 0), (150, 0), (0, 100)]


def test_mean_p_is_over_the_focus_alone() -> None:
    focus = the_focus(["....", ".68.", "...."])
    assert focus.mean_p == pytest.approx(0.7)


def test_the_threshold_itself_is_positive() -> None:
    assert measure(["5."]).n_foci == 1
    assert measure(["4."]).n_foci == 0


def test_an_unreadable_cell_parts_two_foci() -> None:
    assert measure(["#?#"]).n_foci == 2
    assert measure(["###"]).n_foci == 1


@pytest.mark.parametrize(("row", "col"), list(itertools.product(range(4), range(4))))
def test_only_cells_of_the_border_touch_the_edge(row: int, col: int) -> None:
    marks = [["."] * 4 for _ in range(4)]
    marks[row][col] = "#"
    extent = measure(["".join(line) for line in marks])
    assert extent.touches_edge is extent.foci[0].touches_edge is (row in (0, 3) or col in (0, 3))


def test_a_cell_that_sticks_out_is_clipped_but_counts_whole_tissue() -> None:
    # 120 x 70 px slide: column 2 has 20 px, row 1 has 20 px on the slide.
    grid = PatchGrid(120, 70, 50, 50)
    extent = measure([".#.", ".##"], grid=grid, fraction=0.5)
    (focus,) = extent.foci
    assert focus.area_mm2 == pytest.approx(3 * 0.5 * 0.16)
    assert focus.bbox_px == (50, 0, 70, 70)
    assert focus.touches_edge
    # Clipped: 50 x 50 at (75, 25), 50 x 20 at (75, 60), 20 x 20 at (110, 60): 2500, 1000, 400 of 3900 px2.
    assert focus.centroid_px == pytest.approx(((3500 * 75 + 400 * 110) / 3900, (2500 * 25 + 1400 * 60) / 3900))
    assert focus.greatest_mm == pytest.approx(math.hypot(70, 70) * 0.008)


def test_with_overlap_the_first_cells_go_on_to_the_edge() -> None:
    # Side 50 px, step 25 px: the first cell of an axis is 37.5 px long, the others are 25 px.
    grid = PatchGrid(200, 200, 25, 50)
    assert measure(["   ", " # ", "   "], grid=grid).touches_edge is False
    assert measure([" # "], grid=grid).touches_edge is True
    extent = measure(["    ", "##  "], grid=grid)
    (focus,) = extent.foci
    assert focus.touches_edge
    # From x 0 to 62.5 and y 37.5 to 62.5: 62.5 x 25 px of 8 um.
    assert polygon_of(focus).bounds == (0, 37.5, 62.5, 62.5)
    assert focus.area_mm2 == pytest.approx(62.5 * 25 * 0.008**2) == pytest.approx(0.1)
    assert extent.idc_mm2 == pytest.approx(0.1)
    assert focus.greatest_mm == pytest.approx(math.hypot(62.5, 25) * 0.008)


@pytest.mark.parametrize("stride", [1.0, 0.5, 0.2, 0.1])
def test_a_slide_full_of_carcinoma_is_measured_from_edge_to_edge_at_any_stride(stride: float) -> None:
    # 8 mm x 8 mm: 64 mm2.
    extent = measure_extent(all_positive(PatchGrid(1000, 1000, 50 * stride, 50)), EIGHT_UM, 0.5)
    assert extent.tissue_mm2 == pytest.approx(64.0, rel=1e-6)
    assert extent.idc_mm2 == pytest.approx(64.0, rel=1e-6)
    assert extent.foci[0].area_mm2 == pytest.approx(64.0, rel=1e-6)
    assert extent.foci[0].bbox_px == (0, 0, 1000, 1000)
    assert extent.foci[0].centroid_px == pytest.approx((500, 500))
    assert lengths(extent) == pytest.approx((8 * math.sqrt(2),) * 3)


@pytest.mark.parametrize("beyond", ["#", ".", "?", " "], ids=["idc", "other", "unread", "glass"])
def test_a_focus_touches_the_edge_across_a_sliver_of_tissue(beyond: str) -> None:
    # 104 px: the last column is 4 px = 32 um wide, 46 of 50 px of its patches are padding.
    across, along = PatchGrid(104, 150, 50, 50), PatchGrid(150, 104, 50, 50)
    touches = beyond != " "
    assert measure(["   ", f" #{beyond}", "   "], grid=across).touches_edge is touches
    assert measure(["   ", " # ", f" {beyond} "], grid=along).touches_edge is touches


def test_a_cell_whose_patch_lies_half_on_the_slide_parts_a_focus_from_the_edge() -> None:
    # The last column is 25 of 50 px wide: half of its patch. With a pixel less it is a sliver.
    assert measure(["   ", " #.", "   "], grid=PatchGrid(125, 150, 50, 50)).touches_edge is False
    assert measure(["   ", " #.", "   "], grid=PatchGrid(124, 150, 50, 50)).touches_edge is True
    # Step 25, side 50: centres at 25, 50, 75, 100; of 99 px the last column, from 87.5 on, is a sliver.
    assert measure(["    ", "  #."], grid=PatchGrid(99, 200, 25, 50)).touches_edge is True
    assert measure(["    ", "  #."], grid=PatchGrid(100, 200, 25, 50)).touches_edge is False
    assert measure(["    ", " #.."], grid=PatchGrid(99, 200, 25, 50)).touches_edge is False


def test_with_overlap_a_cell_wholly_off_the_slide_has_no_outline() -> None:
    # 210 px wide, step 25: column 8 starts at 200, its cell at 212.5, beyond the slide.
    grid = PatchGrid(210, 200, 25, 50)
    assert grid.n_cols == 9
    assert grid.cell_box(1, 8).width == 0
    extent = measure(["", "       ##"], grid=grid)
    (focus,) = extent.foci
    assert focus.n_patches == 1
    assert focus.bbox_px == (187, 37, 23, 26)
    assert focus.area_mm2 == pytest.approx(25 * 25 * 0.008**2)
    assert focus.touches_edge


def test_no_tissue_leaves_everything_undefined_with_its_reason() -> None:
    none = np.empty(0, dtype=np.int32)
    no_p = np.empty(0, dtype=np.float32)
    empty = PatchTable(PatchGrid(120, 70, 50, 50), none, none, no_p, no_p, no_p, np.empty(0, dtype=np.bool_))
    extent = measure_extent(empty, EIGHT_UM, 0.5)
    assert (extent.tissue_mm2, extent.unreadable_mm2, extent.foci) == (0.0, 0.0, ())
    undefined = {"idc_mm2", "idc_fraction", "n_foci", "touches_edge", *LENGTHS}
    assert all(getattr(extent, name) is None for name in undefined)
    assert extent.undefined == dict.fromkeys(undefined, NO_TISSUE)
    assert count_patches(empty, settings_of(0.1)) == Counts(grid=6, tissue=0, positive=0, borderline=0, unreadable=0)


def test_all_unreadable_is_not_the_same_as_no_tissue() -> None:
    extent = measure(["??"])
    assert extent.tissue_mm2 == extent.unreadable_mm2 == pytest.approx(0.32)
    assert extent.idc_mm2 is extent.idc_fraction is extent.n_foci is extent.touches_edge is None
    assert set(extent.undefined.values()) == {NOTHING_READABLE}
    assert len(extent.undefined) == 7


def test_tissue_without_a_positive_patch_is_a_zero_but_has_no_lengths() -> None:
    extent = measure(["..", ".?"])
    assert (extent.idc_mm2, extent.idc_fraction, extent.n_foci, extent.touches_edge) == (0.0, 0.0, 0, False)
    assert lengths(extent) == (None, None, None)
    assert extent.undefined == dict.fromkeys(LENGTHS, NO_POSITIVE)


def test_a_defined_extent_has_no_reasons() -> None:
    assert measure(["#"]).undefined == {}
    assert None not in lengths(measure(["#"]))


def test_counts() -> None:
    # Threshold 0.5, tolerance 0.15: borderline are 0.4, 0.5 and 0.6; the unreadable one is not.
    counts = count_patches(table_of(["4563", "?..#", "    "]), settings_of(0.15))
    assert counts == Counts(grid=12, tissue=8, positive=3, borderline=3, unreadable=1)


def test_borderline_is_what_the_engine_could_flip_after_the_calibration() -> None:
    # p_idc is 1/2 where p_mean is .8: a difference of .15 in p_mean flips .7 and .9 as well, but not .6.
    settings = settings_of(0.15, Aggregation(intercept=-math.log(4)))
    table = table_of(["5678", "9???"]).judged(settings)
    assert count_patches(table, settings) == Counts(grid=8, tissue=8, positive=2, borderline=3, unreadable=3)


def test_borderline_goes_by_the_neighbours_average() -> None:
    # Alone .1 and .9. Together, if both are off by .2: logits of .3 and 1 (kept at .9999) come to more than 0.
    table = table_of(["19"])
    near = math.exp(-1 / 2)
    assert math.log(0.3 / 0.7) + near * math.log(0.9999 / 0.0001) > 0
    assert math.log(0.12 / 0.88) + near * math.log(0.92 / 0.08) < 0
    assert count_patches(table, settings_of(0.2)).borderline == 0
    assert count_patches(table, settings_of(0.2, Aggregation(sigma=1.0))).borderline == 2
    assert count_patches(table, settings_of(0.02, Aggregation(sigma=1.0))).borderline == 0


def test_a_hundred_thousand_cells_with_thousands_of_foci_take_seconds() -> None:
    rng = np.random.default_rng(7)
    side = 320
    row, col = np.divmod(np.arange(side * side, dtype=np.int32), np.int32(side))
    p_idc = np.where(rng.random(side * side) < 0.3, 0.9, 0.1).astype(np.float32)
    table = PatchTable(PatchGrid(side * 50, side * 50, 50, 50), row, col, np.ones_like(p_idc), p_idc, p_idc, p_idc > 0)
    started = time.perf_counter()
    extent = measure_extent(table, EIGHT_UM, 0.5)
    assert time.perf_counter() - started < 20
    assert len(extent.foci) > 4000
    assert sum(focus.n_patches for focus in extent.foci) == int((p_idc > 0.5).sum())
