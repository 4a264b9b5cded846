"""What people outlined on a scanned slide (QuPath GeoJSON) -> what each cell is, by how much of its tissue they cover.

Training labels cells in another way (`annotations.annotated_cells`): it takes only what an outline decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.geometry import PatchGrid
from batchscan.domain.joined import AMBIGUOUS, IDC, NOT_IDC, UNDECIDED, UNLABELLED, CellLabels
from batchscan.domain.records import BoolArray, Float64Array
from batchscan.stores.annotations import KINDS, LEAST_SHARE, check_agreement, covered_areas, read_outlines, shares
from batchscan.stores.regions import Geometry

# Areas are sums of many parts.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class OutlineRule:
    """How much of a cell's tissue outlines of IDC must cover.

    Parameters
    ----------
    low, high
        The cell isn't IDC up to `low`, and is from `high` on, both in 0-1; between, it is ambiguous.
    complete
        Whether all IDC of the slide is outlined. If not, only outlines of other tissue say what isn't IDC.
    """

    low: float = 0.25
    high: float = 0.5
    complete: bool = True

    @property
    def words(self) -> str:
        """The rule for people."""
        high, low = f"{self.high:.0%}", f"{self.low:.0%}"
        negative = f"a scanned cell of which they cover at most {low} is not IDC"
        if not self.complete:
            negative += f" if outlines of other tissue cover at least {high}, and without a label otherwise"
        return (
            f"A cell of which outlines of IDC cover at least {high} of the tissue is IDC; {negative}; one between is "
            f"ambiguous and left out. Cells of which at least {LEAST_SHARE:.0%} are outlined as to be ignored or "
            "necrosis are left out."
        )


@dataclass(frozen=True)
class TissueMask:
    """Where a scan found tissue.

    Parameters
    ----------
    mask
        (rows, cols) bool of the whole slide, True where there is tissue; its first pixel's corner is the slide's.
    pixel_px
        Side of its pixels, level-0 pixels.
    """

    mask: BoolArray
    pixel_px: float


def outlined_cells(
    path: Path,
    grid: PatchGrid,
    scanned: BoolArray,
    tissue: TissueMask | None,
    rule: OutlineRule,
    downsample: float = 1.0,
) -> CellLabels:
    """Label the cells of a slide's grid by the outlines of a GeoJSON file.

    Shares are of the cell's tissue, as far as it lies on the slide; of its area where it has none, or no mask is there.
    A cell that wasn't scanned is IDC or without a label: glass that nobody looked at is no true negative.

    Parameters
    ----------
    path
        QuPath's export or a run's regions.geojson. If complete, one without any outline says that there is no IDC.
    grid
        That was scanned.
    scanned
        (n_rows, n_cols) bool.
    tissue
        Of the same slide.
    rule
        From which share on a cell is what.
    downsample
        Pixels of the file's frame along a side of one of the grid's.

    Raises
    ------
    ReferenceFileError
        If the file can't be read, an outline has no class that is known or lies off the slide, or outlines of IDC and
        of other tissue overlap; the first few are named.
    """
    outlines = read_outlines(path, grid, downsample)
    lattice = _Lattice.over(grid, tissue)
    idc, other, ignored = (lattice.shares(outlines.get(kind)) for kind in KINDS)
    check_agreement(path, idc, other, ignored, grid)
    high, low = rule.high - _ROUNDING, rule.low + _ROUNDING
    most, little = (idc >= high) & (other < high), idc <= low
    of = np.full(scanned.shape, UNLABELLED, dtype=np.int8)
    if rule.complete:
        of[scanned] = np.where(little, NOT_IDC, AMBIGUOUS)[scanned]
    else:
        partly = (other > low) | ~little
        of[scanned] = np.where(little & (other >= high), NOT_IDC, np.where(partly, UNDECIDED, UNLABELLED))[scanned]
    of[most] = IDC
    of[(ignored >= LEAST_SHARE - _ROUNDING) & (scanned | most)] = UNDECIDED
    return CellLabels(of)


@dataclass(frozen=True)
class _Lattice:
    """The lines of the cells and those of the mask's pixels, over one another.

    Parameters
    ----------
    x_px, y_px
        Lines, level-0 pixels, rising.
    cols, rows
        (n_cols + 1,) and (n_rows + 1,) intp: which of them are the cells'.
    tissue
        (rows, cols) bool of each rectangle between the lines.
    """

    x_px: Float64Array
    y_px: Float64Array
    cols: NDArray[np.intp]
    rows: NDArray[np.intp]
    tissue: BoolArray

    @classmethod
    def over(cls, grid: PatchGrid, tissue: TissueMask | None) -> _Lattice:
        """Lines up to the slide's edge."""
        mask, pixel_px = (tissue.mask, tissue.pixel_px) if tissue else (np.ones((1, 1), dtype=np.bool_), np.inf)
        x_px, cols, of_x = _lines(grid.col_edges_px, grid.width_px, pixel_px, mask.shape[1])
        y_px, rows, of_y = _lines(grid.row_edges_px, grid.height_px, pixel_px, mask.shape[0])
        return cls(x_px, y_px, cols, rows, mask[np.ix_(of_y, of_x)])

    def shares(self, outline: Geometry | None) -> Float64Array:
        """(n_rows, n_cols) float64 in 0-1: of each cell's tissue, or of its area where it has none."""
        covered = covered_areas(outline, self.x_px, self.y_px)
        area = np.outer(np.diff(self.y_px), np.diff(self.x_px))
        of_area = shares(self._by_cell(covered), self._by_cell(area))
        whole = self._by_cell(area * self.tissue)
        return np.where(whole > 0, shares(self._by_cell(covered * self.tissue), whole), of_area)

    def _by_cell(self, parts: Float64Array) -> Float64Array:
        """Sums over the rectangles of each cell; 0 for one that lies wholly beyond the slide."""
        return _sums(_sums(parts, self.rows).T, self.cols).T


def _sums(parts: Float64Array, starts: NDArray[np.intp]) -> Float64Array:
    """Sums of the rows from each start to the next; 0 where there are none."""
    some = np.diff(starts) > 0
    sums = np.zeros((len(some), parts.shape[1]))
    sums[some] = np.add.reduceat(parts, starts[:-1][some], axis=0)
    return sums


def _lines(
    cells_px: Float64Array, slide_px: int, pixel_px: float, n_pixels: int
) -> tuple[Float64Array, NDArray[np.intp], NDArray[np.intp]]:
    """Lines from 0 to the slide's edge, which of them are the cells', and the pixel between each and the next."""
    cells_px = np.minimum(cells_px, slide_px)
    pixels_px = np.arange(1, n_pixels) * pixel_px if n_pixels > 1 else np.empty(0)
    lines_px = np.unique(np.concatenate([cells_px, pixels_px[pixels_px < slide_px]]))
    pixel = np.floor((lines_px[:-1] + lines_px[1:]) / 2 / pixel_px).astype(np.intp)
    return lines_px, np.searchsorted(lines_px, cells_px), np.minimum(pixel, n_pixels - 1)
