"""Labels and a patch table become joined patches and a labelled extent; numbers by hand, or from `match_reference`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from batchscan.domain.errors import ReferenceMismatch
from batchscan.domain.geometry import PatchGrid, PatchSpec, Spacing, SpacingSource
from batchscan.domain.joined import AMBIGUOUS, IDC, NOT_IDC, UNDECIDED, UNLABELLED, CellLabels
from batchscan.domain.records import PatchTable, SlideInfo
from batchscan.evaluation.extent import measure_extent
from batchscan.evaluation.joining import (
    called_and_labelled,
    cell_tissue_mm2,
    joined_slide,
    labelled_cells,
    labelled_share,
    reference_table,
    scanned_cells,
)
from batchscan.evaluation.metrics import match_reference
from batchscan.stores.references import Reference

SPACING = Spacing(10.0, SpacingSource.VENDOR)
# 3 columns and 2 rows of 50 px, 0.25 mm2 each; the last column is cut to 20 px by the slide's edge.
GRID = PatchGrid.over(120, 100, 10.0, PatchSpec(50, 10.0, 1.0))
SLIDE = SlideInfo("S", "P", 120, 100, SPACING, "sha256:" + "0" * 64)


def scan() -> PatchTable:
    """(0, 0) positive, (0, 1) not, (1, 0) couldn't be read, (1, 2) positive; (0, 2) and (1, 1) weren't scanned."""
    row, col = np.array([[0, 0, 1, 1], [0, 1, 0, 2]], dtype=np.int32)
    p_raw = np.array([0.6, 0.4, np.nan, 0.8], dtype=np.float32)
    p_idc = np.array([0.7, 0.3, np.nan, 0.9], dtype=np.float32)
    tissue = np.array([1.0, 0.5, 0.8, 0.4], dtype=np.float32)
    return PatchTable(GRID, row, col, tissue, p_raw, p_idc, ~np.isnan(p_idc))


def labelled(*rows: tuple[float, float, float, int]) -> Reference:
    x_px, y_px, side_px, label = np.array(rows, dtype=np.float64).T
    return Reference(x_px, y_px, side_px, label == 1)


def labels(*of: int) -> CellLabels:
    return CellLabels(np.array(of, dtype=np.int8).reshape(2, 3))


def test_patch_labels_become_those_of_the_grids_cells() -> None:
    found = labelled_cells(scan(), labelled((100, 50, 50, 1), (0, 0, 50, 0), (50.4, 49.6, 50, 1)))
    assert found.of.tolist() == [[NOT_IDC, UNLABELLED, UNLABELLED], [UNLABELLED, IDC, IDC]]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ((25, 0, 50, 1), r"1 of 2 reference labels .* is \(25, 0\) px off patch|1 of 2 .* \(-25, 0\) px off"),
        ((0.3, 0, 50, 0), r"the first, at \(0.3, 0\) px, is of patch \(row 0, col 0\) as is that at \(0, 0\) px"),
    ],
)
def test_labels_off_the_grid_and_twice_on_a_patch_are_named(second: tuple[float, float, float, int], said: str) -> None:
    with pytest.raises(ReferenceMismatch, match=said) as caught:
        labelled_cells(scan(), labelled((0, 0, 50, 1), second))
    assert "\n" not in str(caught.value)


def test_every_labelled_patch_meets_what_was_said_of_it() -> None:
    of = labels(IDC, NOT_IDC, IDC, IDC, UNLABELLED, NOT_IDC)
    found = joined_slide(SLIDE, scan(), of, threshold=0.5)
    assert (found.slide_id, found.patient_id, found.side_px, found.threshold) == ("S", "P", 50.0, 0.5)
    assert list(zip(found.row.tolist(), found.col.tolist(), strict=True)) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2)]
    assert (found.x_px.tolist(), found.y_px.tolist()) == ([0, 50, 100, 0, 100], [0, 0, 0, 50, 50])
    assert found.label.tolist() == [True, False, True, True, False]
    assert found.positive.tolist() == [True, False, False, False, True]
    assert found.scanned.tolist() == [True, True, False, True, True]
    assert found.readable.tolist() == [True, True, True, False, True]
    np.testing.assert_allclose(found.p_idc, [0.7, 0.3, 0.0, np.nan, 0.9], rtol=1e-6)
    np.testing.assert_allclose(found.p_raw, [0.6, 0.4, np.nan, np.nan, 0.8], rtol=1e-6)
    # Tissue is a share of the whole cell; of (0, 2), which wasn't scanned, 20 px x 50 px are on the slide.
    np.testing.assert_allclose(found.tissue_mm2, [0.25, 0.125, 0.1, 0.2, 0.1], rtol=1e-6)
    assert [found.row.dtype, found.x_px.dtype, found.p_idc.dtype] == [np.int32, np.float64, np.float32]


def test_joined_patches_are_those_that_matching_one_by_one_finds() -> None:
    rng = np.random.default_rng(4)
    grid = PatchGrid.over(1000, 700, 10.0, PatchSpec(50, 10.0, 0.5))
    row, col = (place.astype(np.int32) for place in np.nonzero(rng.random((grid.n_rows, grid.n_cols)) < 0.7))
    p_idc = np.where(rng.random(len(row)) < 0.1, np.nan, rng.random(len(row))).astype(np.float32)
    table = PatchTable(grid, row, col, np.ones(len(row), np.float32), p_idc, p_idc, ~np.isnan(p_idc))
    of = rng.integers(0, 2, (grid.n_rows, grid.n_cols))
    rows, cols = np.nonzero(rng.random(of.shape) < 0.5)
    x_px, y_px = (np.asarray(places * 25.0, dtype=np.float64) for places in (cols, rows))
    reference = Reference(x_px, y_px, np.full(len(rows), 50.0), of[rows, cols] == 1)
    matched = match_reference(table, reference, 0.6)
    found = joined_slide(SLIDE, table, labelled_cells(table, reference), 0.6)
    np.testing.assert_array_equal(found.p_idc, matched.p_idc.astype(np.float32))
    np.testing.assert_array_equal(found.positive, matched.positive)
    np.testing.assert_array_equal(found.scanned, ~matched.dropped)
    np.testing.assert_array_equal(found.readable, matched.readable)
    np.testing.assert_array_equal(found.label, matched.label)


def test_a_scan_as_its_own_reference_has_its_own_extent() -> None:
    table = replace(scan(), readable=np.ones(4, dtype=np.bool_))
    of = np.zeros((2, 3), dtype=np.int8)
    of[table.row, table.col] = table.positive(0.5)
    predicted = measure_extent(table, SPACING, 0.5)
    reference = measure_extent(reference_table(table, CellLabels(of)), SPACING, 0.5)
    assert predicted.n_foci == reference.n_foci == 2
    for name in ("tissue_mm2", "idc_mm2", "largest_focus_mm", "perpendicular_mm", "field_extent_mm"):
        assert getattr(reference, name) == getattr(predicted, name)


def test_a_labelled_extent_has_what_wasnt_scanned_or_read_and_not_what_is_ambiguous() -> None:
    of = labels(IDC, AMBIGUOUS, IDC, IDC, UNLABELLED, NOT_IDC)
    table = reference_table(scan(), of)
    assert list(zip(table.row.tolist(), table.col.tolist(), strict=True)) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2)]
    extent = measure_extent(table, SPACING, 0.5)
    # .25 of (0, 0), .2 of (1, 0), and .1 of (0, 2), all of it that is on the slide.
    assert extent.idc_mm2 == pytest.approx(0.55)
    assert [round(focus.area_mm2, 6) for focus in extent.foci] == [0.45, 0.1]
    called, truly, area_mm2 = called_and_labelled(scan(), of, SPACING, 0.5)
    assert called.tolist() == [True, False, False, False, True]
    assert truly.tolist() == [True, False, True, True, False]
    np.testing.assert_allclose(area_mm2, [0.25, 0.125, 0.1, 0.2, 0.1], rtol=1e-6)


def test_ties_and_what_nobody_labelled_leave_tissue_uncovered() -> None:
    # Scanned: .25, .125, .2 and .1 mm2.
    assert labelled_share(scan(), labels(*[IDC] * 6)) == 1.0
    assert labelled_share(scan(), labels(IDC, AMBIGUOUS, UNLABELLED, NOT_IDC, UNLABELLED, IDC)) == 1.0
    assert labelled_share(scan(), labels(IDC, UNDECIDED, IDC, UNLABELLED, IDC, IDC)) == pytest.approx(0.35 / 0.675)
    none = np.empty(0, dtype=np.int32)
    nothing = np.empty(0, dtype=np.float32)
    empty = PatchTable(GRID, none, none, nothing, nothing, nothing, none.astype(np.bool_))
    assert labelled_share(empty, labels(*[IDC] * 6)) is None
    assert not scanned_cells(empty).any()


def test_cells_that_lie_wholly_beyond_the_slide_have_no_area() -> None:
    # With patches of 80 px every 20 px, cells go up to 10 px before the next patch's middle: the last ones start at
    # 130 px, beyond the slide's 120.
    grid = PatchGrid.over(120, 100, 10.0, PatchSpec(80, 10.0, 0.25))
    table = replace(scan(), grid=grid)
    area = cell_tissue_mm2(table, SPACING)
    assert (area[3:, -1] == 0).all()
    unscanned = ~scanned_cells(table)
    whole = float(area[unscanned].sum())
    assert whole == pytest.approx(1.2 - sum(_on_slide_mm2(grid, *place) for place in np.argwhere(~unscanned)))


def _on_slide_mm2(grid: PatchGrid, row: int, col: int) -> float:
    box = grid.cell_box(row, col)
    return max(box.width, 0.0) * max(box.height, 0.0) * 1e-4
