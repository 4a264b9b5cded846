from __future__ import annotations

import numpy as np
import shapely

from batchscan.domain.geometry import PatchGrid, Spacing, SpacingSource
from batchscan.domain.records import Extent, Focus, PatchTable

EIGHT_UM = Spacing(8.0, SpacingSource.OPTION)
# 50 px of 8 um: a cell is 0.4 mm x 0.4 mm = 0.16 mm2.
SIDE_PX = 50
LENGTHS = ("largest_focus_mm", "perpendicular_mm", "field_extent_mm")


def polygon_of(focus: Focus) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([(outer, holes) for outer, *holes in focus.rings_px])


def all_positive(grid: PatchGrid) -> PatchTable:
    """A slide full of carcinoma: every cell that lies on it, with the share of the cell that does."""
    row_inside = np.diff(np.minimum(grid.row_edges_px, grid.height_px)) / np.diff(grid.row_edges_px)
    col_inside = np.diff(np.minimum(grid.col_edges_px, grid.width_px)) / np.diff(grid.col_edges_px)
    row, col = (each.astype(np.int32) for each in np.nonzero(np.outer(row_inside, col_inside)))
    fraction = (row_inside[row] * col_inside[col]).astype(np.float32)
    p_idc = np.full(len(row), 0.9, dtype=np.float32)
    return PatchTable(grid, row, col, fraction, p_idc, p_idc, p_idc > 0)


def lengths(extent: Extent) -> tuple[float | None, ...]:
    return tuple(getattr(extent, name) for name in LENGTHS)
