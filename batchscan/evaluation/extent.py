"""A slide's patch table -> its areas, foci and lengths: the numbers of the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from batchscan.domain.geometry import Spacing, ceil_px, floor_px
from batchscan.domain.records import (
    BoolArray,
    Counts,
    Extent,
    Float64Array,
    Focus,
    Int32Array,
    PatchTable,
    ScanSettings,
)
from batchscan.evaluation.outlines import (
    CellLines,
    calipers,
    hull_corners,
    label_cells,
    outline_sets,
    rings,
)

NO_TISSUE = "no tissue was found on the slide"
NOTHING_READABLE = "none of the slide's tissue could be read"
NO_POSITIVE = "no patch reached the threshold"

_LENGTHS = ("largest_focus_mm", "perpendicular_mm", "field_extent_mm")
_FINDINGS = ("idc_mm2", "idc_fraction", "n_foci", *_LENGTHS, "touches_edge")
# Focus diameters this close (relative) differ by rounding alone.
_TIE = 1e-9


def count_patches(table: PatchTable, settings: ScanSettings) -> Counts:
    """How many patches the grid has, how many were scanned, and what became of them.

    A readable patch is positive when p_idc >= threshold. It is borderline when another engine, within the
    tolerance in every p_raw, could flip it (`domain/aggregation.py`).
    """
    return Counts(
        grid=table.grid.n_rows * table.grid.n_cols,
        tissue=len(table),
        positive=int(table.positive(settings.threshold).sum()),
        borderline=int(table.borderline(settings).sum()),
        unreadable=int((~table.readable).sum()),
    )


def measure_extent(table: PatchTable, spacing: Spacing, threshold: float) -> Extent:
    """Areas, foci and lengths of one slide.

    Areas are tissue: the sum over cells of `tissue_fraction` x the whole cell's area, each cell once whatever the
    overlap. Lengths, boxes and outlines are those of the cells, clipped to the slide. A focus is an 8-connected set
    of positive cells; an unreadable cell is not positive and so can part two foci. It touches the slide's edge when
    one of its cells does, or when all that lies between is a cell with tissue whose patch is mostly padding.

    Parameters
    ----------
    table
        The scanned patches.
    spacing
        Of the table's grid, that is of level 0.
    threshold
        A readable patch is positive when p_idc >= threshold.

    Returns
    -------
    Extent. What is not defined is None, with the reason in `undefined`: everything but the tissue's own areas when
    there is no tissue or none of it could be read, the lengths when no patch is positive. In that last case
    `touches_edge` is False: there is no focus that could.
    """
    tissue_px = table.tissue_fraction * table.grid.cell_areas_px(table.row, table.col)
    tissue_mm2 = spacing.mm2(_sum(tissue_px))
    analysed_mm2 = spacing.mm2(_sum(tissue_px[table.readable]))
    unreadable_mm2 = spacing.mm2(_sum(tissue_px[~table.readable]))
    if analysed_mm2 <= 0.0:
        return _undefined(tissue_mm2, unreadable_mm2)
    positive = table.positive(threshold)
    idc_mm2 = spacing.mm2(_sum(tissue_px[positive]))
    foci, field_extent_mm = _foci(table, positive, spacing)
    largest = _greatest(foci)
    return Extent(
        tissue_mm2=tissue_mm2,
        unreadable_mm2=unreadable_mm2,
        idc_mm2=idc_mm2,
        idc_fraction=idc_mm2 / analysed_mm2,
        n_foci=len(foci),
        largest_focus_mm=largest.greatest_mm if largest else None,
        perpendicular_mm=largest.perpendicular_mm if largest else None,
        field_extent_mm=field_extent_mm,
        touches_edge=any(focus.touches_edge for focus in foci),
        foci=foci,
        undefined={} if largest else dict.fromkeys(_LENGTHS, NO_POSITIVE),
    )


def _sum(areas: Float64Array) -> float:
    # Correctly rounded: a part never exceeds the whole, and the order of cells doesn't matter.
    return math.fsum(areas.tolist())


def _undefined(tissue_mm2: float, unreadable_mm2: float) -> Extent:
    reason = NOTHING_READABLE if tissue_mm2 > 0.0 else NO_TISSUE
    return Extent(
        tissue_mm2=tissue_mm2,
        unreadable_mm2=unreadable_mm2,
        idc_mm2=None,
        idc_fraction=None,
        n_foci=None,
        largest_focus_mm=None,
        perpendicular_mm=None,
        field_extent_mm=None,
        touches_edge=None,
        foci=(),
        undefined=dict.fromkeys(_FINDINGS, reason),
    )


def withheld_counts(counts: Counts) -> Counts:
    """Those of a slide that is not analysable: what was scanned, and nothing of what was called."""
    return replace(counts, positive=None, borderline=None)


def withheld_extent(reason: str) -> Extent:
    """That of a slide that is not analysable: no number is defined, each for this reason."""
    names = ("tissue_mm2", "unreadable_mm2", *_FINDINGS)
    return Extent(**dict.fromkeys(names), foci=(), undefined=dict.fromkeys(names, reason))


def _greatest(foci: Sequence[Focus]) -> Focus | None:
    """The focus that has the greatest diameter; among equals the one with the widest perpendicular, then the first."""
    if not foci:
        return None
    bound = max(focus.greatest_mm for focus in foci) * (1 - _TIE)
    return max((focus for focus in foci if focus.greatest_mm >= bound), key=lambda focus: focus.perpendicular_mm)


def _foci(table: PatchTable, positive: BoolArray, spacing: Spacing) -> tuple[tuple[Focus, ...], float | None]:
    """The foci, largest area first (ties: first in row-major order), and the greatest diameter over all of them."""
    lines = CellLines.of(table.grid)
    # With overlap the last patches' cells may lie wholly off the slide: they have no outline.
    keep = positive & lines.inside(table.row, table.col)
    row, col = table.row[keep], table.col[keep]
    if not len(row):
        return (), None
    label = label_cells(table.grid, row, col)
    outlines = outline_sets(lines, row, col, label)
    n_patches = np.bincount(label)
    tissue_px = table.tissue_fraction[keep] * table.grid.cell_areas_px(row, col)
    area_mm2 = np.bincount(label, tissue_px) * spacing.mm2(1.0)
    mean_p = np.bincount(label, table.p_idc[keep]) / n_patches
    at_edge = np.bincount(label, lines.outermost(row, col) | _beside_sliver(table, row, col)) > 0
    foci = []
    for i in np.argsort(-area_mm2, kind="stable"):
        greatest_px, perpendicular_px = calipers(hull_corners(outlines[i : i + 1]))
        centroid = outlines[i].centroid
        foci.append(
            Focus(
                area_mm2=float(area_mm2[i]),
                greatest_mm=spacing.mm(greatest_px),
                perpendicular_mm=spacing.mm(perpendicular_px),
                bbox_px=_whole_box(*outlines[i].bounds),
                centroid_px=(centroid.x, centroid.y),
                mean_p=float(mean_p[i]),
                n_patches=int(n_patches[i]),
                touches_edge=bool(at_edge[i]),
                rings_px=rings(outlines[i]),
            )
        )
    return tuple(foci), spacing.mm(calipers(hull_corners(outlines))[0])


def _beside_sliver(table: PatchTable, row: Int32Array, col: Int32Array) -> BoolArray:
    """(n,) bool: whether the scanned cell right of or below a cell is one whose patch has its centre off the slide.

    The white beyond the edge decides such a patch, not the tissue in it: that it is negative ends no focus.
    """
    grid = table.grid
    scanned = np.zeros((grid.n_rows + 1, grid.n_cols + 1), dtype=np.bool_)
    scanned[table.row, table.col] = True
    right = (col + 1) * grid.step_px + grid.side_px / 2 > grid.width_px
    below = (row + 1) * grid.step_px + grid.side_px / 2 > grid.height_px
    return np.asarray((right & scanned[row, col + 1]) | (below & scanned[row + 1, col]), dtype=np.bool_)


def _whole_box(left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
    x, y = floor_px(left), floor_px(top)
    return x, y, ceil_px(right) - x, ceil_px(bottom) - y
