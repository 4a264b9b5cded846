"""Pixels, micrometres and boxes: the only place where one becomes the other, or where a coordinate is rounded.

Frames: a *box* is (x, y, width, height) in level-0 pixels of the slide store unless a name says otherwise;
arrays are (row, col[, channel]). x grows to the right and with col, y grows down and with row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import ImplausibleSpacing

PLAUSIBLE_UM_PER_PX = (0.05, 20.0)
UM_PER_MM = 1000.0
# What is narrower is the noise of floating point.
_HAIR_PX = 1e-6


class SpacingSource(StrEnum):
    """Who says what the spacing is."""

    VENDOR = "vendor"
    OME_ZARR = "ome-zarr"
    MANIFEST = "manifest"
    OPTION = "option"


@dataclass(frozen=True, slots=True)
class Spacing:
    """Micrometres a pixel, and who says so.

    Raises
    ------
    ImplausibleSpacing
        If the value is outside 0.05-20 um/px.
    """

    um_per_px: float
    source: SpacingSource

    def __post_init__(self) -> None:
        low, high = PLAUSIBLE_UM_PER_PX
        if not low <= self.um_per_px <= high:
            raise ImplausibleSpacing(
                f"spacing {self.um_per_px:g} um/px (from {self.source}) is outside the plausible "
                f"{low:g}-{high:g} um/px: give the true one with --um-per-px or the manifest's um_per_px column"
            )

    def mm2(self, area_px: float) -> float:
        """Square millimetres of an area in square pixels of this spacing."""
        return area_px * (self.um_per_px / UM_PER_MM) ** 2

    def mm(self, length_px: float) -> float:
        """Millimetres of a length in pixels of this spacing."""
        return length_px * self.um_per_px / UM_PER_MM


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; the frame is the owner's (level-0 pixels unless its name says otherwise)."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """x of the first column beyond the box."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """y of the first row beyond the box."""
        return self.y + self.height

    def scaled(self, factor: float) -> Box:
        """The same rectangle in a frame whose pixels are 1/factor as large."""
        return Box(self.x * factor, self.y * factor, self.width * factor, self.height * factor)

    def clipped(self, width: float, height: float) -> Box:
        """The part inside (0, 0, width, height); an empty box has width or height 0."""
        x, y = min(max(self.x, 0.0), width), min(max(self.y, 0.0), height)
        return Box(x, y, max(0.0, min(self.right, width) - x), max(0.0, min(self.bottom, height) - y))


def floor_px(value: float) -> int:
    """The pixel a coordinate lies in; a hair under a whole number (1e-6) counts as it."""
    return math.floor(value + _HAIR_PX)


def ceil_px(value: float) -> int:
    """The first whole pixel at or after a coordinate; a hair over a whole number (1e-6) counts as it."""
    return math.ceil(value - _HAIR_PX)


def round_px(value: float) -> int:
    """The nearest whole number of pixels; a half goes to the even one."""
    return round(value)


@dataclass(frozen=True, slots=True)
class PatchSpec:
    """What the model looks at: squares of `patch_px` pixels at `um_per_px`, `stride` of a side apart.

    Parameters
    ----------
    patch_px
        Side of a patch in pixels at `um_per_px`.
    um_per_px
        The model's spacing, micrometres a pixel.
    stride
        Distance between neighbouring patches as a fraction of the side, in (0, 1]; 1.0 is no overlap.
    """

    patch_px: int
    um_per_px: float
    stride: float

    def __post_init__(self) -> None:
        if self.patch_px < 1 or not 0.0 < self.stride <= 1.0:
            raise ValueError(f"no such patches: {self}")

    @property
    def side_um(self) -> float:
        """Side of a patch in micrometres."""
        return self.patch_px * self.um_per_px

    def cells_mm2(self, n_patches: int) -> float:
        """Area of the cells of so many patches, square millimetres; but for a grid's first row and column exactly."""
        return n_patches * (self.side_um * self.stride / UM_PER_MM) ** 2


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """The grid of patches over one slide, anchored at level-0 pixel (0, 0).

    Patch (row, col) covers the level-0 box (col * step_px, row * step_px, side_px, side_px). Its *cell* is the
    part that it alone answers for: up to midway between its centre and its neighbours', and in the first row and
    column up to the slide's edge. Cells tile the slide without gap or overlap, whatever the stride.

    A *whole* cell is not cut off at the slide's right and lower edge; what sticks out there is white padding. It is
    `step_px` wide and high, in the first row or column larger by (side_px - step_px) / 2; at stride 1 it is the
    patch. A cell's tissue fraction is of the whole cell, so an area of tissue is the sum over cells of tissue
    fraction x whole area. With a stride below 1 the cells of the last patches may lie wholly beyond the slide.

    Parameters
    ----------
    width_px, height_px
        The slide's size, level-0 pixels.
    step_px, side_px
        Distance between patches and side of a patch, level-0 pixels, not rounded.
    """

    width_px: int
    height_px: int
    step_px: float
    side_px: float

    @classmethod
    def over(cls, width_px: int, height_px: int, um_per_px: float, patch: PatchSpec) -> PatchGrid:
        """The grid over a slide of `width_px` x `height_px` level-0 pixels of `um_per_px`."""
        side_px = patch.side_um / um_per_px
        return cls(width_px, height_px, side_px * patch.stride, side_px)

    @property
    def n_cols(self) -> int:
        """Columns: as many as start inside the slide."""
        return max(1, ceil_px(self.width_px / self.step_px))

    @property
    def n_rows(self) -> int:
        """Rows: as many as start inside the slide."""
        return max(1, ceil_px(self.height_px / self.step_px))

    def patch_box(self, row: int, col: int) -> Box:
        """What patch (row, col) looks at; it may stick out over the slide's right and lower edge."""
        return Box(col * self.step_px, row * self.step_px, self.side_px, self.side_px)

    @property
    def row_edges_px(self) -> NDArray[np.float64]:
        """(n_rows + 1,) float64: whole cells of `row` lie between [row] and [row + 1], level-0 pixels from 0 on."""
        return self._edges_px(self.n_rows, self.height_px)

    @property
    def col_edges_px(self) -> NDArray[np.float64]:
        """(n_cols + 1,) float64, the same for columns."""
        return self._edges_px(self.n_cols, self.width_px)

    def _edges_px(self, n_cells: int, slide_px: int) -> NDArray[np.float64]:
        edges = np.arange(n_cells + 1, dtype=np.float64)
        edges = edges * self.step_px + (self.side_px - self.step_px) / 2
        edges[0] = 0.0
        edges[np.abs(edges - slide_px) <= _HAIR_PX] = slide_px
        edges[-1] = max(edges[-1], slide_px)
        return edges

    def cell_areas_px(self, row: NDArray[np.int32], col: NDArray[np.int32]) -> NDArray[np.float64]:
        """(n,) float64: areas of whole cells, square level-0 pixels."""
        areas = np.diff(self.row_edges_px)[row] * np.diff(self.col_edges_px)[col]
        return np.asarray(areas, dtype=np.float64)

    def cell_box(self, row: int, col: int) -> Box:
        """What of the slide patch (row, col) alone answers for: its cell, clipped to the slide."""
        top, bottom = self.row_edges_px[row : row + 2].tolist()
        left, right = self.col_edges_px[col : col + 2].tolist()
        return Box(left, top, right - left, bottom - top).clipped(self.width_px, self.height_px)
