"""Tissue map -> the grid's cells that are scanned, in blocks that are read at once; block pixels -> patches.

A patch is what the model looks at, its cell the part that it alone answers for (see PatchGrid). Blocks depend on the
grid and on `block_px` only, so whoever works on them, in whatever order, sees the same patches.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from batchscan.domain.errors import JobError
from batchscan.domain.geometry import Box, PatchGrid, PatchSpec
from batchscan.domain.records import BoolArray, Float32Array, Float64Array, Int32Array, Uint8Array
from batchscan.domain.tissue_map import TissueMap

BLOCK_PX = 1024
"""About the side of the square, at the model's spacing, that is read for one block.

With twice the side, a slide of 1,000 patches had most of them in one block, and all workers but one waited for it.
"""
BLOCK_PATCHES = 4000
"""A block has at most so many patches: where they overlap, they take far more memory than the pixels they are cut from.
"""


@dataclass(frozen=True)
class Block:
    """Scanned cells whose patches are cut from one read, and the rectangle of the grid that they span.

    Parameters
    ----------
    rows, cols
        (n,) int32, place of each cell in the slide's grid, row-major.
    first_row, first_col, n_rows, n_cols
        The smallest rectangle of cells that holds them.
    """

    rows: Int32Array
    cols: Int32Array
    first_row: int
    first_col: int
    n_rows: int
    n_cols: int

    def __len__(self) -> int:
        return len(self.rows)

    def read_box(self, grid: PatchGrid) -> Box:
        """What all its patches look at, level-0 pixels; it may stick out over the slide's right and lower edge."""
        overlap_px = grid.side_px - grid.step_px
        return Box(
            self.first_col * grid.step_px,
            self.first_row * grid.step_px,
            self.n_cols * grid.step_px + overlap_px,
            self.n_rows * grid.step_px + overlap_px,
        )

    def halves(self) -> tuple[Block, Block]:
        """The same cells in two blocks of about half as many, divided between two rows where there are two."""
        middle = len(self) // 2
        row_starts = np.flatnonzero(np.diff(self.rows)) + 1
        if len(row_starts):
            middle = int(row_starts[np.abs(row_starts - middle).argmin()])
        return _block(self.rows[:middle], self.cols[:middle]), _block(self.rows[middle:], self.cols[middle:])

    def size_px(self, patch: PatchSpec) -> tuple[int, int]:
        """(height, width) of `read_box` at the model's spacing."""
        step_px = _step_px(patch)
        return (self.n_rows - 1) * step_px + patch.patch_px, (self.n_cols - 1) * step_px + patch.patch_px


def check_stride(patch: PatchSpec) -> None:
    """Refuse a stride that would put patches between the model's pixels.

    Raises
    ------
    JobError
        If `stride * patch_px` isn't a whole number of pixels; the text names the nearest strides that are.
    """
    step_px = patch.stride * patch.patch_px
    if step_px > 0.5 and math.isclose(step_px, round(step_px), abs_tol=1e-6):  # noqa: PLR2004 - rounds to a pixel
        return
    nearest = sorted({max(1, math.floor(step_px)), math.ceil(step_px)})
    allowed = " or ".join(f"{pixels / patch.patch_px:.12g}" for pixels in nearest)
    raise JobError(
        f"stride {patch.stride:g} moves a patch of {patch.patch_px} px by {step_px:g} px, expected a whole number "
        f"of pixels: use a stride of {allowed}"
    )


def tissue_fractions(tissue: TissueMap, grid: PatchGrid, um_per_px: float) -> Float32Array:
    """Share of each whole cell that is tissue.

    Parameters
    ----------
    tissue
        Map of the whole slide; its first pixel's corner is the slide's. Its size is a rounded one: up to half a pixel
        beyond its right and lower edge is as the last pixel.
    grid
        Grid over the slide, level-0 pixels.
    um_per_px
        Spacing of level 0.

    Returns
    -------
    ndarray
        (n_rows, n_cols) float32 in 0-1 of the whole cell, so that fraction x whole area (`PatchGrid.cell_areas_px`)
        is an area of tissue; what lies outside the slide is no tissue. Overview pixels count by the part of them that
        lies in the cell.
    """
    scale = um_per_px / tissue.um_per_px
    row_edges, col_edges = grid.row_edges_px * scale, grid.col_edges_px * scale
    of_rows = _sums_between(tissue.mask, np.minimum(row_edges, grid.height_px * scale))
    sums = _sums_between(np.ascontiguousarray(of_rows.T), np.minimum(col_edges, grid.width_px * scale)).T
    areas = np.diff(row_edges)[:, None] * np.diff(col_edges)
    return np.asarray((sums / areas).clip(0, 1), dtype=np.float32)


def scanned_cells(fractions: Float32Array, grid: PatchGrid, min_tissue: float) -> tuple[Int32Array, Int32Array]:
    """The cells whose part inside the slide has enough tissue.

    Parameters
    ----------
    fractions
        (n_rows, n_cols) float32 of whole cells, from `tissue_fractions`.
    grid
        Their grid.
    min_tissue
        Least share of tissue in what of the cell lies on the slide: a sliver at the edge that is full of it counts.

    Returns
    -------
    (row, col), each (n,) int32 in row-major order; none that lies wholly beyond the slide.
    """
    inside = _inside(grid.row_edges_px, grid.height_px)[:, None] * _inside(grid.col_edges_px, grid.width_px)
    row, col = np.nonzero((inside > 0) & (fractions >= np.float32(min_tissue) * inside))
    return row.astype(np.int32), col.astype(np.int32)


def blocks(row: Int32Array, col: Int32Array, patch: PatchSpec, block_px: int = BLOCK_PX) -> tuple[Block, ...]:
    """Every cell in exactly one block: tiles of the grid, as many whole steps wide as fit.

    A tile is at most `block_px` wide, unless one cell is more, and has at most `BLOCK_PATCHES` cells.

    Parameters
    ----------
    row, col
        (n,) int32 cells of a slide's grid.
    patch
        The model's patches.
    block_px
        Side of a tile at the model's spacing; a tile is at least one cell.

    Returns
    -------
    tuple of Block
        Row-major by tile, and row-major within each.
    """
    cells = max(1, min(block_px // _step_px(patch), math.isqrt(BLOCK_PATCHES)))
    order = np.lexsort((col, row, col // cells, row // cells))
    row, col = row[order], col[order]
    starts = np.flatnonzero((np.diff(row // cells) != 0) | (np.diff(col // cells) != 0)) + 1
    pairs = zip(np.split(row, starts), np.split(col, starts), strict=True)
    return tuple(_block(rows, cols) for rows, cols in pairs if len(rows))


def cut_patches(pixels: Uint8Array, block: Block, patch: PatchSpec) -> Uint8Array:
    """The block's patches, in the order of its cells.

    Parameters
    ----------
    pixels
        (height, width, 3) uint8 of `block.read_box` at the model's spacing: `block.size_px(patch)`.
    block, patch
        Which cells, and the model's patches.

    Returns
    -------
    ndarray
        (n, patch_px, patch_px, 3) uint8, contiguous.

    Raises
    ------
    ValueError
        If `pixels` isn't of the block's size.
    """
    if pixels.shape != (*block.size_px(patch), 3):
        raise ValueError(f"pixels of shape {pixels.shape}, expected {(*block.size_px(patch), 3)}")
    last_channel = np.moveaxis(_windows(pixels, patch), 2, -1)
    return np.ascontiguousarray(last_channel[block.rows - block.first_row, block.cols - block.first_col])


def cells_with(lost: BoolArray, block: Block, patch: PatchSpec) -> BoolArray:
    """Which of the block's patches have anything of what is marked.

    Parameters
    ----------
    lost
        (height, width) bool, in the frame that `cut_patches` has pixels in.
    block, patch
        Which cells, and the model's patches.

    Returns
    -------
    (n,) bool, in the order of its cells.
    """
    windows = _windows(lost, patch)
    return np.asarray(windows[block.rows - block.first_row, block.cols - block.first_col].any(axis=(1, 2)))


def _windows(pixels: NDArray[Any], patch: PatchSpec) -> NDArray[Any]:
    """Each patch's part, by row and column of the block, without copying."""
    step_px = _step_px(patch)
    return sliding_window_view(pixels, (patch.patch_px, patch.patch_px), axis=(0, 1))[::step_px, ::step_px]


def _step_px(patch: PatchSpec) -> int:
    check_stride(patch)
    return round(patch.stride * patch.patch_px)


def _block(rows: Int32Array, cols: Int32Array) -> Block:
    first_row, first_col = int(rows.min()), int(cols.min())
    return Block(rows, cols, first_row, first_col, int(rows.max()) - first_row + 1, int(cols.max()) - first_col + 1)


def _inside(edges_px: Float64Array, slide_px: int) -> Float32Array:
    """(n,) float32 in 0-1: the part of each of n intervals that lies on the slide."""
    return np.asarray(np.diff(np.minimum(edges_px, slide_px)) / np.diff(edges_px), dtype=np.float32)


def _sums_between(values: BoolArray | Float64Array, edges: Float64Array) -> Float64Array:
    """(n, width) sums of the rows of `values` between each two of n + 1 edges, rows cut by an edge counted in part.

    The running sum of piecewise constant values is piecewise linear: interpolating it is exact. The last row is taken
    to reach half a row further: the height is a rounded one.
    """
    height, width = values.shape
    if height == 0:
        return np.zeros((len(edges) - 1, width))
    place = edges.clip(0, height + 0.5)
    whole = np.minimum(place.astype(np.intp), height - 1)
    # Whole numbers may be summed up in any order.
    running = _counts_above(values, whole) if values.dtype == np.bool_ else np.cumsum(values, axis=0)[whole - 1]
    running[whole == 0] = 0
    return np.diff(running + (place - whole)[:, None] * values[whole], axis=0)


def _counts_above(mask: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """(n, width): how many of a column's values are True above each of n rows, which are sorted."""
    between = [
        np.add.reduce(mask[start:stop].view(np.uint8), axis=0, dtype=np.uint32)
        for start, stop in itertools.pairwise([0, *rows.tolist()])
    ]
    return np.cumsum(between, axis=0, dtype=np.int64)
