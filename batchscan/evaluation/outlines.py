"""Cells of a patch grid -> the outline of each connected set of them, and its caliper diameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import pdist

from batchscan.domain.geometry import PatchGrid
from batchscan.domain.records import BoolArray, Float64Array, Int32Array

Rings = tuple[tuple[tuple[tuple[float, float], ...], ...], ...]
Geometries = NDArray[np.object_]

_EIGHT_CONNECTED = np.ones((3, 3), dtype=np.int8)
# Two diameters of the same lattice shape differ by rounding alone when they are this close.
_TIE = 1e-9


@dataclass(frozen=True)
class CellLines:
    """The lines between the cells of a grid, clipped to the slide: neighbours share theirs exactly.

    Parameters
    ----------
    x_px
        (n_cols + 1,) float64: column `col` lies between x_px[col] and x_px[col + 1], level-0 pixels.
    y_px
        (n_rows + 1,) float64, the same for rows.
    """

    x_px: Float64Array
    y_px: Float64Array

    @classmethod
    def of(cls, grid: PatchGrid) -> CellLines:
        """The lines of a grid: those of `PatchGrid.cell_box`."""
        return cls(np.minimum(grid.col_edges_px, grid.width_px), np.minimum(grid.row_edges_px, grid.height_px))

    def inside(self, row: Int32Array, col: Int32Array) -> BoolArray:
        """(n,) bool: whether anything of the cell lies on the slide."""
        wide = np.diff(self.x_px) > 0
        high = np.diff(self.y_px) > 0
        return np.asarray(high[row] & wide[col], dtype=np.bool_)

    def outermost(self, row: Int32Array, col: Int32Array) -> BoolArray:
        """(n,) bool: whether the cell reaches one of the slide's four edges."""
        beyond = (self.x_px[col + 1] == self.x_px[-1]) | (self.y_px[row + 1] == self.y_px[-1])
        return np.asarray((row == 0) | (col == 0) | beyond, dtype=np.bool_)


def label_cells(grid: PatchGrid, row: Int32Array, col: Int32Array) -> NDArray[np.intp]:
    """Which 8-connected set each cell belongs to.

    Returns
    -------
    (n,) intp from 0, numbered by the sets' first cells in row-major order.
    """
    cells = np.zeros((grid.n_rows, grid.n_cols), dtype=np.bool_)
    cells[row, col] = True
    labels = np.empty(cells.shape, dtype=np.int32)
    ndimage.label(cells, structure=_EIGHT_CONNECTED, output=labels)
    return np.asarray(labels[row, col], dtype=np.intp) - 1


def outline_sets(lines: CellLines, row: Int32Array, col: Int32Array, label: NDArray[np.intp]) -> Geometries:
    """The union of each set's cells, clipped to the slide.

    The union is taken on whole cell numbers, so it is exact; corners become pixels last.

    Parameters
    ----------
    row, col, label
        (n,) each; cells that lie on the slide, `label` from `label_cells`.

    Returns
    -------
    (n_sets,) shapely Polygon or MultiPolygon in level-0 pixels. Cells that touch only at a corner are separate
    polygons of one MultiPolygon. Rings turn as GeoJSON asks (RFC 7946: outer ones counter-clockwise), start at their
    leftmost, then uppermost corner, and have no point between two corners.
    """
    order = np.argsort(label, kind="stable")
    squares = shapely.box(col[order], row[order], col[order] + 1, row[order] + 1)
    starts = np.flatnonzero(np.diff(label[order])) + 1
    unions = np.array([shapely.coverage_union_all(part) for part in np.split(squares, starts)], dtype=object)
    tidy = shapely.reverse(shapely.simplify(shapely.normalize(unions), 0.0))

    def to_px(corners: Float64Array) -> Float64Array:
        at = corners.astype(np.intp)
        return np.column_stack((lines.x_px[at[:, 0]], lines.y_px[at[:, 1]]))

    return np.asarray(shapely.transform(tidy, to_px), dtype=object)


def rings(geometry: Any) -> Rings:
    """A shapely Polygon or MultiPolygon as closed rings of (x, y): a tuple a polygon, its outer ring first."""
    return tuple(
        tuple(
            tuple((float(x), float(y)) for x, y in shapely.get_coordinates(ring))
            for ring in (polygon.exterior, *polygon.interiors)
        )
        for polygon in getattr(geometry, "geoms", (geometry,))
    )


def hull_corners(geometries: Geometries) -> Float64Array:
    """(n, 2) float64 corners (x, y) of the convex hull of all the geometries together; at least three."""
    hull = shapely.convex_hull(shapely.geometrycollections(shapely.convex_hull(geometries)))
    return np.asarray(shapely.get_coordinates(hull)[:-1], dtype=np.float64)


def calipers(corners: Float64Array) -> tuple[float, float]:
    """The greatest caliper (Feret) diameter of a convex shape, and its width at right angles to it.

    The greatest distance between two parallel tangents is the greatest distance between two corners (Shamos 1978).
    Where several diameters are equally long (to 1e-9), the widest perpendicular is taken, so that neither the
    order of corners nor a quarter turn decides and the shape is never understated.

    Parameters
    ----------
    corners
        (n, 2) float64, n >= 2, the hull's corners.

    Returns
    -------
    greatest, perpendicular in the corners' unit.
    """
    distance = pdist(corners)
    longest = np.flatnonzero(distance >= distance.max() * (1 - _TIE))
    first, second = np.triu_indices(len(corners), 1)
    along = corners[second[longest]] - corners[first[longest]]
    across = np.column_stack((-along[:, 1], along[:, 0])) / distance[longest, None]
    width = np.ptp(corners @ across.T, axis=0)
    return float(distance.max()), float(width.max())
