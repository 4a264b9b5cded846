"""Labels and predictions of patches -> confusion table and what is read from it; None where a measure isn't defined."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from batchscan.domain.errors import ReferenceMismatch
from batchscan.domain.records import BoolArray, Float64Array, PatchTable
from batchscan.stores.references import Reference

# Labels written in whole pixels may be this far from a grid whose step isn't whole.
_ROUNDING_PX = 0.5 + 1e-6


@dataclass(frozen=True, slots=True)
class Confusion:
    """How many were called right and wrong; positive = IDC = class 1.

    Parameters
    ----------
    tp, fp, fn, tn
        True positives, false positives, false negatives, true negatives.
    """

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def n(self) -> int:
        """How many there are."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def prevalence(self) -> float | None:
        """Share of positives among all; None without any."""
        return _ratio(self.tp + self.fn, self.n)

    @property
    def accuracy(self) -> float | None:
        """Share called right; None without any."""
        return _ratio(self.tp + self.tn, self.n)

    @property
    def sensitivity(self) -> float | None:
        """Recall, TP / (TP + FN); None without positives."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float | None:
        """TN / (TN + FP); None without negatives."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def precision(self) -> float | None:
        """TP / (TP + FP); None when nothing was called positive."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def npv(self) -> float | None:
        """Negative predictive value, TN / (TN + FN); None when nothing was called negative."""
        return _ratio(self.tn, self.tn + self.fn)

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN); None when there is no positive and none was called."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of sensitivity and specificity; None when either isn't defined."""
        if self.sensitivity is None or self.specificity is None:
            return None
        return (self.sensitivity + self.specificity) / 2

    @property
    def mcc(self) -> float | None:
        """Matthews correlation coefficient (doi:10.1016/0005-2795(75)90109-9); None when a row or column is empty."""
        margins = (self.tp + self.fp) * (self.tp + self.fn) * (self.tn + self.fp) * (self.tn + self.fn)
        return (self.tp * self.tn - self.fp * self.fn) / math.sqrt(margins) if margins else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa (doi:10.1177/001316446002000104): agreement beyond chance, by the most there could be.

        None when chance alone agrees always: with nothing, or all of one class and all called so.
        """
        called, true = self.tp + self.fp, self.tp + self.fn
        chance = called * true + (self.n - called) * (self.n - true)
        return _ratio(self.n * (self.tp + self.tn) - chance, self.n**2 - chance)


@dataclass(frozen=True)
class MatchedLabels:
    """Reference labels beside what the scan said of the same patches, in the reference's order.

    Parameters
    ----------
    label
        (n,) bool, True = IDC.
    p_idc
        (n,) float64; 0 where the tissue mask dropped the patch, NaN where it couldn't be read.
    positive
        (n,) bool: p_idc reached the threshold.
    dropped
        (n,) bool: the tissue mask dropped the patch; it counts as predicted negative.
    readable
        (n,) bool: False where the patch couldn't be read; such a patch has no prediction and is left out of measures.
    """

    label: BoolArray
    p_idc: Float64Array
    positive: BoolArray
    dropped: BoolArray
    readable: BoolArray

    def confusion(self) -> Confusion:
        """Of the readable patches."""
        return confusion(self.label[self.readable], self.positive[self.readable])

    def auroc(self) -> float | None:
        """Of the readable patches."""
        return auroc(self.label[self.readable], self.p_idc[self.readable])


def confusion(labels: ArrayLike, positive: ArrayLike) -> Confusion:
    """Count the four outcomes.

    Parameters
    ----------
    labels, positive
        (n,) bool or 0/1: what is true, what was called.

    Raises
    ------
    ValueError
        If the two differ in length.
    """
    true, called = np.asarray(labels, dtype=np.bool_), np.asarray(positive, dtype=np.bool_)
    if true.shape != called.shape or true.ndim != 1:
        raise ValueError(f"{true.shape} labels for {called.shape} predictions: they must be two (n,) arrays")
    return Confusion(
        tp=int((true & called).sum()),
        fp=int((~true & called).sum()),
        fn=int((true & ~called).sum()),
        tn=int((~true & ~called).sum()),
    )


def auroc(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Area under the ROC curve: how often a positive scores above a negative, ties counting half.

    Parameters
    ----------
    labels
        (n,) bool or 0/1.
    scores
        (n,) float, finite.

    Returns
    -------
    The area, or None when there is only one class.
    """
    true = np.asarray(labels, dtype=np.bool_)
    if true.all() or not true.any():
        return None
    return float(roc_auc_score(true, np.asarray(scores, dtype=np.float64)))


def auprc(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Average precision: the precision at each positive, from the best score down, averaged; None without positives.

    Parameters as `auroc`. Steps, not trapezia, which flatter (https://doi.org/10.1145/1143844.1143874).
    """
    true = np.asarray(labels, dtype=np.bool_)
    return float(average_precision_score(true, np.asarray(scores, dtype=np.float64))) if true.any() else None


def match_reference(table: PatchTable, reference: Reference, threshold: float) -> MatchedLabels:
    """What the scan said of each labelled patch; a label belongs to the patch that looks at exactly its square.

    Parameters
    ----------
    table
        The scanned patches. Grid cells that aren't in it were dropped by the tissue mask.
    reference
        Labelled patches in the same level-0 frame; corners may be rounded to whole pixels.
    threshold
        A readable patch is positive when p_idc >= threshold.

    Raises
    ------
    ReferenceMismatch
        If a label's square isn't a patch of the grid; the text names the first one and its offset.
    """
    row, col = _grid_places(table, reference)
    place_of_cell = np.full((table.grid.n_rows, table.grid.n_cols), -1, dtype=np.intp)
    place_of_cell[table.row, table.col] = np.arange(len(table))
    place = place_of_cell[row, col]
    dropped = place < 0
    scanned = place[~dropped]
    p_idc = np.zeros(len(reference), dtype=np.float64)
    readable = np.ones(len(reference), dtype=np.bool_)
    positive = np.zeros(len(reference), dtype=np.bool_)
    p_idc[~dropped] = table.p_idc[scanned]
    readable[~dropped] = table.readable[scanned]
    positive[~dropped] = table.positive(threshold)[scanned]
    return MatchedLabels(reference.label, p_idc, positive, dropped, readable)


def _grid_places(table: PatchTable, reference: Reference) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    grid = table.grid
    col = np.rint(reference.x_px / grid.step_px)
    row = np.rint(reference.y_px / grid.step_px)
    off_x = reference.x_px - col * grid.step_px
    off_y = reference.y_px - row * grid.step_px
    off_side = reference.side_px - grid.side_px
    aligned = np.maximum.reduce([np.abs(off_x), np.abs(off_y), np.abs(off_side)]) <= _ROUNDING_PX
    on_grid = (row >= 0) & (row < grid.n_rows) & (col >= 0) & (col < grid.n_cols)
    wrong = np.flatnonzero(~(aligned & on_grid))
    if len(wrong):
        i = wrong[0]
        place = f"(row {row[i]:.0f}, col {col[i]:.0f})"
        where = f"({off_x[i]:g}, {off_y[i]:g}) px off patch {place}" if on_grid[i] else f"beyond the grid, at {place}"
        raise ReferenceMismatch(
            f"{len(wrong)} of {len(reference)} reference labels don't lie on the scanned grid: the first, at "
            f"({reference.x_px[i]:g}, {reference.y_px[i]:g}) px with side {reference.side_px[i]:g} px, is "
            f"{where}; "
            f"the grid has {grid.n_rows} rows and {grid.n_cols} columns of {grid.side_px:g} px patches, "
            f"{grid.step_px:g} px apart from (0, 0); give labels of this slide, at its level-0 spacing, on this grid"
        )
    return row.astype(np.intp), col.astype(np.intp)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
