"""Reference labels beside a scan's patch table -> joined patches, and what is labelled in the geometry of the scan."""

from __future__ import annotations

import numpy as np

from batchscan.domain.errors import ReferenceMismatch
from batchscan.domain.geometry import PatchGrid, Spacing
from batchscan.domain.joined import AMBIGUOUS, IDC, NOT_IDC, UNLABELLED, CellLabels, JoinedSlide
from batchscan.domain.records import BoolArray, Float64Array, PatchTable, SlideInfo
from batchscan.evaluation.metrics import match_reference
from batchscan.stores.references import Reference


def labelled_cells(table: PatchTable, reference: Reference) -> CellLabels:
    """Patch labels by the cells of the grid that was scanned.

    Raises
    ------
    ReferenceMismatch
        If a label's square isn't a patch of the grid, or two are of the same one; the text names the first.
    """
    match_reference(table, reference, threshold=1.0)
    grid = table.grid
    row, col = (np.rint(corner / grid.step_px).astype(np.intp) for corner in (reference.y_px, reference.x_px))
    _, first, of_cell, count = np.unique(
        row * grid.n_cols + col, return_index=True, return_inverse=True, return_counts=True
    )
    if (count > 1).any():
        i = int(np.flatnonzero((count > 1)[of_cell])[0])
        j = int(np.setdiff1d(np.flatnonzero(of_cell == of_cell[i]), first)[0])
        raise ReferenceMismatch(
            f"{int((count - 1).sum())} reference labels are of a patch that has one already: the first, at "
            f"({reference.x_px[j]:g}, {reference.y_px[j]:g}) px, is of patch (row {row[j]}, col {col[j]}) as is "
            f"that at ({reference.x_px[i]:g}, {reference.y_px[i]:g}) px; leave one label a patch"
        )
    of = np.full((grid.n_rows, grid.n_cols), UNLABELLED, dtype=np.int8)
    of[row, col] = np.where(reference.label, IDC, NOT_IDC)
    return CellLabels(of)


def scanned_cells(table: PatchTable) -> BoolArray:
    """(n_rows, n_cols) bool: which cells of the grid were scanned."""
    scanned = np.zeros((table.grid.n_rows, table.grid.n_cols), dtype=np.bool_)
    scanned[table.row, table.col] = True
    return scanned


def cell_tissue_mm2(table: PatchTable, spacing: Spacing) -> Float64Array:
    """(n_rows, n_cols) float64: tissue area of each cell; of one not scanned, all of it that is on the slide."""
    area_px = _on_slide_px(table.grid)
    area_px[table.row, table.col] = table.tissue_fraction * table.grid.cell_areas_px(table.row, table.col)
    return area_px * spacing.mm2(1.0)


def labelled_share(table: PatchTable, labels: CellLabels) -> float | None:
    """Share of the scanned tissue area of which somebody says what it is, ambiguous cells included; None without any.

    Ties and what is to be ignored are not said.
    """
    area_px = table.tissue_fraction * table.grid.cell_areas_px(table.row, table.col)
    whole = float(area_px.sum())
    said = labels.of[table.row, table.col] >= AMBIGUOUS
    return min(float(area_px[said].sum()) / whole, 1.0) if whole > 0 else None


def joined_slide(slide: SlideInfo, table: PatchTable, labels: CellLabels, threshold: float) -> JoinedSlide:
    """What was scanned of each labelled patch, and what was said of it.

    Parameters
    ----------
    slide
        Whose table it is.
    table
        The scanned patches. Labelled cells that aren't in it were dropped by the tissue mask: p_idc 0, not positive.
    labels
        Of the same grid.
    threshold
        A readable patch is positive when p_idc >= threshold.
    """
    row, col = np.nonzero(labels.decided)
    place = np.full(labels.of.shape, -1, dtype=np.intp)
    place[table.row, table.col] = np.arange(len(table))
    scanned = place[row, col] >= 0
    of = place[row, col][scanned]
    p_raw, p_idc = np.full(len(row), np.nan, dtype=np.float32), np.zeros(len(row), dtype=np.float32)
    positive, readable = np.zeros(len(row), dtype=np.bool_), np.ones(len(row), dtype=np.bool_)
    p_raw[scanned], p_idc[scanned] = table.p_raw[of], table.p_idc[of]
    positive[scanned], readable[scanned] = table.positive(threshold)[of], table.readable[of]
    return JoinedSlide(
        slide_id=slide.slide_id,
        patient_id=slide.patient_id,
        row=row.astype(np.int32),
        col=col.astype(np.int32),
        x_px=np.asarray(col * table.grid.step_px, dtype=np.float64),
        y_px=np.asarray(row * table.grid.step_px, dtype=np.float64),
        label=labels.idc[row, col],
        p_raw=p_raw,
        p_idc=p_idc,
        positive=positive,
        scanned=scanned,
        readable=readable,
        tissue_mm2=cell_tissue_mm2(table, slide.spacing)[row, col],
        side_px=table.grid.side_px,
        threshold=threshold,
    )


def reference_table(table: PatchTable, labels: CellLabels) -> PatchTable:
    """The cells that were scanned or are labelled IDC as a table in which p_idc is 1 where the label is IDC, else 0.

    The labelled extent is `measure_extent` of it, at any threshold between. What wasn't scanned of the labelled IDC
    counts with all of the cell that is on the slide, and what couldn't be read can be labelled all the same.
    """
    fraction = np.zeros(labels.of.shape, dtype=np.float32)
    missed = labels.idc & ~scanned_cells(table)
    fraction[missed] = (_on_slide_px(table.grid) / _whole_px(table.grid))[missed]
    fraction[table.row, table.col] = table.tissue_fraction
    row, col = (places.astype(np.int32) for places in np.nonzero(missed | scanned_cells(table)))
    p_idc = labels.idc[row, col].astype(np.float32)
    readable = np.ones(len(row), dtype=np.bool_)
    return PatchTable(table.grid, row, col, fraction[row, col], p_idc, p_idc, readable)


def called_and_labelled(
    table: PatchTable, labels: CellLabels, spacing: Spacing, threshold: float
) -> tuple[BoolArray, BoolArray, Float64Array]:
    """Of all cells that are called or labelled IDC or were scanned: called, labelled, tissue area in mm2; (n,) each."""
    reference = reference_table(table, labels)
    called = np.zeros(labels.of.shape, dtype=np.bool_)
    called[table.row, table.col] = table.positive(threshold)
    where = (reference.row, reference.col)
    return called[where], labels.idc[where], cell_tissue_mm2(table, spacing)[where]


def _on_slide_px(grid: PatchGrid) -> Float64Array:
    """(n_rows, n_cols) float64: area of each cell that lies on the slide, square pixels; 0 beyond."""
    high = np.diff(np.minimum(grid.row_edges_px, grid.height_px))
    wide = np.diff(np.minimum(grid.col_edges_px, grid.width_px))
    return np.outer(high, wide)


def _whole_px(grid: PatchGrid) -> Float64Array:
    return np.outer(np.diff(grid.row_edges_px), np.diff(grid.col_edges_px))
