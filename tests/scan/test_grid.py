from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from batchscan.domain.errors import JobError
from batchscan.domain.geometry import Box, PatchGrid, PatchSpec
from batchscan.domain.records import BoolArray
from batchscan.domain.tissue_map import TissueMap
from batchscan.scan.grid import Block, blocks, check_stride, cut_patches, scanned_cells, tissue_fractions

WHOLE = PatchSpec(patch_px=50, um_per_px=8.0, stride=1.0)


def tissue_map(mask: BoolArray, um_per_px: float) -> TissueMap:
    return TissueMap(mask, np.zeros_like(mask), (255, 255, 255), um_per_px)


def cells_of_patches(shape: tuple[int, ...]) -> PatchGrid:
    return PatchGrid(shape[1] * 50, shape[0] * 50, 50, 50)


def overlap(low: float, high: float, first: float, last: float) -> float:
    return max(0.0, min(high, last) - max(low, first))


def fraction_by_hand(tissue: TissueMap, grid: PatchGrid, um_per_px: float, row: int, col: int) -> float:
    """Pixel by pixel, in micrometres."""
    box, pixel = grid.cell_box(row, col).scaled(um_per_px), tissue.um_per_px
    # The map's size is a rounded one: its last pixels reach half a pixel further.
    high, wide = (np.append(np.arange(1, n), n + 0.5) * pixel for n in tissue.mask.shape)
    area = sum(
        overlap(box.y, box.bottom, y * pixel, high[y]) * overlap(box.x, box.right, x * pixel, wide[x])
        for y, x in np.argwhere(tissue.mask)
    )
    first = (grid.side_px + grid.step_px) / 2
    height, width = (first if place == 0 else grid.step_px for place in (row, col))
    return float(area / (height * width * um_per_px**2))


masks = hnp.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)))


@given(
    mask=masks,
    width_px=st.integers(1, 60),
    height_px=st.integers(1, 60),
    um_per_px=st.floats(0.3, 3.0),
    overview_um_per_px=st.floats(1.0, 20.0),
    patch_px=st.integers(8, 20),
    stride=st.sampled_from([1.0, 0.5, 0.25]),
)
def test_fractions_are_those_counted_pixel_by_pixel(
    mask: BoolArray,
    width_px: int,
    height_px: int,
    um_per_px: float,
    overview_um_per_px: float,
    patch_px: int,
    stride: float,
) -> None:
    tissue = tissue_map(mask, overview_um_per_px)
    grid = PatchGrid.over(width_px, height_px, um_per_px, PatchSpec(patch_px, 1.0, stride))
    fractions = tissue_fractions(tissue, grid, um_per_px)
    assert fractions.dtype == np.float32
    assert fractions.shape == (grid.n_rows, grid.n_cols)
    for row, col in {(0, 0), (grid.n_rows - 1, grid.n_cols - 1), (grid.n_rows // 2, grid.n_cols // 3)}:
        assert fractions[row, col] == pytest.approx(fraction_by_hand(tissue, grid, um_per_px, row, col), abs=1e-5)


@given(mask=masks, um_per_px=st.floats(0.3, 3.0), patch_px=st.integers(1, 20))
def test_fractions_times_cell_area_is_the_area_of_tissue(mask: BoolArray, um_per_px: float, patch_px: int) -> None:
    rows, cols = mask.shape
    tissue = tissue_map(mask, um_per_px * 4)
    grid = PatchGrid.over(cols * 4, rows * 4, um_per_px, PatchSpec(patch_px, um_per_px, 1.0))
    area_px = float(tissue_fractions(tissue, grid, um_per_px).sum(dtype=np.float64)) * grid.step_px**2
    assert area_px == pytest.approx(mask.sum() * 16, rel=1e-5, abs=1e-3)


def test_what_sticks_out_over_the_slide_is_no_tissue() -> None:
    # 75 px wide and 50 high: the second patch is half outside, though the overview goes on there.
    grid = PatchGrid.over(75, 50, 8.0, WHOLE)
    fractions = tissue_fractions(tissue_map(np.ones((10, 10), dtype=np.bool_), 80.0), grid, 8.0)
    assert fractions.tolist() == [[1.0, 0.5]]


def test_a_cell_is_the_middle_of_its_patch_and_the_first_ones_go_on_to_the_edge_when_patches_overlap() -> None:
    # Patches of 4 px every 2, centres at 2, 4 and 6: cells begin at 0, 3 and 5, whole ones are 3, 2 and 2 wide.
    mask = np.zeros((6, 6), dtype=np.bool_)
    mask[0:4, 3:6] = True
    grid = PatchGrid.over(6, 6, 1.0, PatchSpec(4, 1.0, 0.5))
    # Rows 0-2 are all of cell row 0, row 3 half of cell row 1; columns 3-4 all of cell column 1, column 5 half of 2.
    expected = np.array([[0, 1, 0.5], [0, 0.5, 0.25], [0, 0, 0]])
    np.testing.assert_allclose(tissue_fractions(tissue_map(mask, 1.0), grid, 1.0), expected)


def tissue_px(tissue: TissueMap, grid: PatchGrid, um_per_px: float, min_tissue: float) -> float:
    """Area of tissue of the scanned cells, level-0 pixels."""
    fractions = tissue_fractions(tissue, grid, um_per_px)
    row, col = scanned_cells(fractions, grid, min_tissue)
    return float((fractions[row, col] * grid.cell_areas_px(row, col)).sum())


@pytest.mark.parametrize("stride", [1.0, 0.5, 0.1, 0.02])
def test_a_slide_full_of_tissue_has_its_own_area_at_any_stride(stride: float) -> None:
    # 8 mm x 8 mm: 1000 px of 8 um, a map of 500 px of 16 um.
    grid = PatchGrid.over(1000, 1000, 8.0, PatchSpec(50, 8.0, stride))
    area_px = tissue_px(tissue_map(np.ones((500, 500), dtype=np.bool_), 16.0), grid, 8.0, 0.1)
    assert area_px * 0.008**2 == pytest.approx(64.0, rel=1e-6)


@settings(deadline=None)
@given(
    width_px=st.integers(20, 600),
    height_px=st.integers(20, 600),
    um_per_px=st.floats(0.2, 8.0),
    steps=st.integers(1, 50),
    min_tissue=st.floats(0.01, 0.99),
)
def test_a_full_slide_of_any_size_and_spacing_has_its_own_area(
    width_px: int, height_px: int, um_per_px: float, steps: int, min_tissue: float
) -> None:
    shape = round(height_px * um_per_px / 4), round(width_px * um_per_px / 4)
    grid = PatchGrid.over(width_px, height_px, um_per_px, PatchSpec(50, 8.0, steps / 50))
    area_px = tissue_px(tissue_map(np.ones(shape, dtype=np.bool_), 4.0), grid, um_per_px, min_tissue)
    assert area_px == pytest.approx(width_px * height_px, rel=1e-6)


def test_a_map_without_pixels_has_no_tissue() -> None:
    grid = PatchGrid.over(100, 100, 8.0, WHOLE)
    fractions = tissue_fractions(tissue_map(np.zeros((0, 0), dtype=np.bool_), 16.0), grid, 8.0)
    np.testing.assert_array_equal(fractions, np.zeros((2, 2)))


def test_scanned_cells_hold_the_least_fraction_and_come_row_by_row() -> None:
    fractions = np.array([[0.0, 0.1, 0.2], [0.5, 0.09, 1.0]], dtype=np.float32)
    row, col = scanned_cells(fractions, cells_of_patches((2, 3)), 0.1)
    assert row.tolist() == [0, 0, 1, 1]
    assert col.tolist() == [1, 2, 0, 2]
    assert row.dtype == col.dtype == np.int32


def test_a_sliver_at_the_edge_is_judged_by_its_part_on_the_slide() -> None:
    # 104 x 102 px: the last column is 4 px of 50 wide (8 % of a cell), the last row 2 px high (4 %).
    grid = PatchGrid.over(104, 102, 8.0, WHOLE)
    mask = np.ones((51, 52), dtype=np.bool_)
    # Of 50 px each: rows 0-9 of the last column's map (20 of its 100 px) and nothing of the lower left sliver.
    mask[10:50, 50:] = False
    mask[50:, :25] = False
    fractions = tissue_fractions(tissue_map(mask, 16.0), grid, 8.0)
    # Upper right: 20 x 4 px of tissue; lower right corner 4 x 2.
    expected = [[1, 1, 80 / 2500], [1, 1, 0], [0, 0.04, 8 / 2500]]
    np.testing.assert_allclose(fractions, expected, rtol=1e-6)
    # Inside shares: 80 of 200 px = 0.4, 0, then 0, 1 and 1.
    row, col = scanned_cells(fractions, grid, 0.39)
    assert [*zip(row.tolist(), col.tolist(), strict=True)] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 1), (2, 2)]
    row, col = scanned_cells(fractions, grid, 0.41)
    assert (0, 2) not in zip(row.tolist(), col.tolist(), strict=True)


def test_a_sliver_that_the_map_rounds_away_is_as_what_lies_beside_it() -> None:
    # 101 px of 8 um are 50.5 px of 16 um, which a map rounds to 50: pixel 100 of the slide is not on it.
    grid = PatchGrid.over(101, 50, 8.0, WHOLE)
    fractions = tissue_fractions(tissue_map(np.ones((25, 50), dtype=np.bool_), 16.0), grid, 8.0)
    np.testing.assert_allclose(fractions, [[1, 1, 1 / 50]], rtol=1e-6)
    assert scanned_cells(fractions, grid, 0.1)[1].tolist() == [0, 1, 2]


def test_a_cell_wholly_beyond_the_slide_is_never_scanned() -> None:
    # 210 px, step 25: patch 8 starts at 200, but its cell at 212.5.
    grid = PatchGrid(210, 50, 25, 50)
    fractions = np.ones((grid.n_rows, grid.n_cols), dtype=np.float32)
    row, col = scanned_cells(fractions, grid, 0.1)
    assert (grid.n_rows, grid.n_cols) == (2, 9)
    assert (row.max(), col.max()) == (1, 7)


cells = hnp.arrays(np.bool_, st.tuples(st.integers(1, 30), st.integers(1, 30)))


@given(scanned=cells, stride=st.sampled_from([1.0, 0.5]), block_px=st.integers(1, 600))
def test_every_scanned_cell_is_in_exactly_one_block(scanned: BoolArray, stride: float, block_px: int) -> None:
    row, col = scanned_cells(scanned.astype(np.float32), cells_of_patches(scanned.shape), 0.5)
    patch = PatchSpec(50, 8.0, stride)
    found = blocks(row, col, patch, block_px)
    places = [(int(r), int(c)) for block in found for r, c in zip(block.rows, block.cols, strict=True)]
    assert sorted(places) == list(zip(row.tolist(), col.tolist(), strict=True))
    side = max(1, block_px // round(50 * stride))
    tiles = [(block.first_row // side, block.first_col // side) for block in found]
    assert tiles == sorted(set(tiles))
    for block in found:
        assert (block.rows.min(), block.cols.min()) == (block.first_row, block.first_col)
        assert (np.ptp(block.rows) + 1, np.ptp(block.cols) + 1) == (block.n_rows, block.n_cols)
        assert len({*zip(block.rows // side, block.cols // side, strict=True)}) == 1
        assert np.all(np.diff(block.rows.astype(np.int64) * 1000 + block.cols) > 0)


def test_blocks_do_not_depend_on_the_order_of_the_cells() -> None:
    rng = np.random.default_rng(0)
    row, col = scanned_cells((rng.random((90, 70)) < 0.3).astype(np.float32), cells_of_patches((90, 70)), 0.5)
    shuffled = rng.permutation(len(row))
    for one, other in zip(blocks(row, col, WHOLE), blocks(row[shuffled], col[shuffled], WHOLE), strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_array_equal(one.cols, other.cols)


@pytest.mark.parametrize(("stride", "per_side"), [(1.0, 20), (0.5, 40), (0.1, 63), (0.02, 63)])
def test_a_block_is_bounded_in_patches_too(stride: float, per_side: int) -> None:
    """1024 px are 20 whole steps of 50 px (400 patches), but 204 of 5 px: 4000 patches allow 63 x 63."""
    row, col = (place.ravel().astype(np.int32) for place in np.mgrid[:130, :130])
    found = blocks(row, col, PatchSpec(50, 8.0, stride))
    assert max(map(len, found)) == per_side**2
    assert sum(map(len, found)) == 130 * 130


@given(scanned=cells)
def test_halves_are_the_same_cells_divided_between_rows(scanned: BoolArray) -> None:
    row, col = scanned_cells(scanned.astype(np.float32), cells_of_patches(scanned.shape), 0.5)
    for block in blocks(row, col, WHOLE):
        if len(block) == 1:
            continue
        first, second = block.halves()
        assert [*first.rows, *second.rows] == block.rows.tolist()
        assert [*first.cols, *second.cols] == block.cols.tolist()
        assert min(len(first), len(second)) > 0
        assert (first.rows[-1] < second.rows[0]) == (block.n_rows > 1)
        for half in (first, second):
            assert (half.rows.min(), half.cols.min()) == (half.first_row, half.first_col)
            assert (np.ptp(half.rows) + 1, np.ptp(half.cols) + 1) == (half.n_rows, half.n_cols)


def test_no_cells_no_blocks() -> None:
    none = np.zeros(0, dtype=np.int32)
    assert blocks(none, none, WHOLE) == ()


def test_a_block_is_read_with_all_its_patches() -> None:
    # Level 0 at 2 um/px: a patch of 50 px at 8 um/px is 200 px there, every 100.
    patch = PatchSpec(50, 8.0, 0.5)
    grid = PatchGrid.over(10_000, 10_000, 2.0, patch)
    block = Block(np.array([3, 5], np.int32), np.array([7, 4], np.int32), first_row=3, first_col=4, n_rows=3, n_cols=4)
    assert block.read_box(grid) == Box(400.0, 300.0, 500.0, 400.0)
    assert block.size_px(patch) == (100, 125)


@given(scanned=cells, stride=st.sampled_from([1.0, 0.5, 0.25]), seed=st.integers(0, 99))
def test_patches_are_what_slicing_the_slide_gives(scanned: BoolArray, stride: float, seed: int) -> None:
    patch = PatchSpec(8, 8.0, stride)
    step = round(8 * stride)
    rows, cols = scanned.shape
    slide = np.random.default_rng(seed).integers(0, 256, (rows * step + 8, cols * step + 8, 3), dtype=np.uint8)
    row, col = scanned_cells(scanned.astype(np.float32), cells_of_patches(scanned.shape), 0.5)
    for block in blocks(row, col, patch, block_px=32):
        height, width = block.size_px(patch)
        top, left = block.first_row * step, block.first_col * step
        patches = cut_patches(slide[top : top + height, left : left + width], block, patch)
        expected = [
            slide[r * step : r * step + 8, c * step : c * step + 8] for r, c in zip(block.rows, block.cols, strict=True)
        ]
        np.testing.assert_array_equal(patches, expected)
        assert patches.flags.c_contiguous


def test_pixels_of_another_size_are_refused() -> None:
    (block,) = blocks(np.zeros(1, np.int32), np.zeros(1, np.int32), WHOLE)
    with pytest.raises(ValueError, match=r"\(50, 49, 3\), expected \(50, 50, 3\)"):
        cut_patches(np.zeros((50, 49, 3), np.uint8), block, WHOLE)


@pytest.mark.parametrize("stride", [1.0, 0.5, 0.2, 0.02, 0.3])
def test_strides_of_whole_pixels_are_allowed(stride: float) -> None:
    check_stride(PatchSpec(50, 8.0, stride))


@pytest.mark.parametrize(
    ("stride", "nearest"), [(0.25, "0.24 or 0.26"), (0.33, "0.32 or 0.34"), (0.001, "0.02"), (0.999, "0.98 or 1")]
)
def test_a_stride_between_pixels_names_the_nearest_allowed(stride: float, nearest: str) -> None:
    with pytest.raises(JobError, match=rf"stride {stride:g} .* use a stride of {nearest}$"):
        check_stride(PatchSpec(50, 8.0, stride))
