"""Weighted counts, a row a weighting of the patients -> measures, a row each; NaN where one isn't defined.

The same formulae as in `metrics`, for thousands of redraws at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.records import Float64Array

# Rates are compared with what is wanted up to rounding: a hundredth of a patch in ten million.
_SAME = 1e-9


def ratio(part: Float64Array, whole: Float64Array) -> Float64Array:
    """`part` / `whole`, NaN where the whole is 0 or NaN."""
    shape = np.broadcast_shapes(part.shape, whole.shape)
    quotient: Float64Array = np.full(shape, np.nan)
    np.divide(part, whole, out=quotient, where=np.broadcast_to(np.abs(whole) > 0, shape))
    return quotient


def call_measures(outcomes: Float64Array, names: Sequence[str]) -> Float64Array:
    """Measures of confusion tables.

    Parameters
    ----------
    outcomes
        (b, 4): TP, FP, FN, TN.
    names
        M out of `domain.levels.CALLS`.

    Returns
    -------
    (b, M) float64.
    """
    return np.stack([_CALLS[name](*outcomes.T) for name in names], axis=1)


def _balanced_accuracy(tp: Float64Array, fp: Float64Array, fn: Float64Array, tn: Float64Array) -> Float64Array:
    return (ratio(tp, tp + fn) + ratio(tn, tn + fp)) / 2


def _mcc(tp: Float64Array, fp: Float64Array, fn: Float64Array, tn: Float64Array) -> Float64Array:
    # By twos: the product of all four may be too large a number to be exact, and these give 1 where all is right.
    margins = np.sqrt((tp + fp) * (tn + fn)) * np.sqrt((tp + fn) * (tn + fp))
    return ratio(tp * tn - fp * fn, margins)


def _kappa(tp: Float64Array, fp: Float64Array, fn: Float64Array, tn: Float64Array) -> Float64Array:
    n = tp + fp + fn + tn
    chance = (tp + fp) * (tp + fn) + (tn + fn) * (tn + fp)
    return ratio(n * (tp + tn) - chance, n * n - chance)


_CALLS: Mapping[str, Callable[[Float64Array, Float64Array, Float64Array, Float64Array], Float64Array]] = {
    "accuracy": lambda tp, fp, fn, tn: ratio(tp + tn, tp + fp + fn + tn),
    "balanced_accuracy": _balanced_accuracy,
    "sensitivity": lambda tp, _fp, fn, _tn: ratio(tp, tp + fn),
    "specificity": lambda _tp, fp, _fn, tn: ratio(tn, tn + fp),
    "precision": lambda tp, fp, _fn, _tn: ratio(tp, tp + fp),
    "npv": lambda _tp, _fp, fn, tn: ratio(tn, tn + fn),
    "f1": lambda tp, fp, fn, _tn: ratio(2 * tp, 2 * tp + fp + fn),
    "mcc": _mcc,
    "kappa": _kappa,
}


def predictive_values(outcomes: Float64Array, prevalences: Sequence[float]) -> Float64Array:
    """PPV and NPV by Bayes' rule where each of the prevalences holds, (b, 2 x prevalences): PPV, NPV, PPV ...

    Parameters as `call_measures`.
    """
    sensitivity, specificity = call_measures(outcomes, ("sensitivity", "specificity")).T
    columns = []
    for share in prevalences:
        found, false_alarms = sensitivity * share, (1 - specificity) * (1 - share)
        missed, cleared = (1 - sensitivity) * share, specificity * (1 - share)
        columns += [ratio(found, found + false_alarms), ratio(cleared, cleared + missed)]
    return np.stack(columns, axis=1) if columns else np.empty((len(outcomes), 0))


@dataclass(frozen=True)
class Ranked:
    """How many of each class are called from each score up, the highest first.

    Parameters
    ----------
    fp, tp
        (b, K + 1) float64, rising from 0 (nothing is called) to all (everything is).
    """

    fp: Float64Array
    tp: Float64Array

    @staticmethod
    def of(negatives: Float64Array, positives: Float64Array) -> Ranked:
        """From (b, K) counts of each class by rising score."""
        return Ranked(_from_the_top(negatives), _from_the_top(positives))

    def auroc(self) -> Float64Array:
        """(b,) area under the ROC curve, equal scores counting half; NaN with one class."""
        doubled = np.sum(np.diff(self.fp) * (self.tp[:, 1:] + self.tp[:, :-1]), axis=1)
        return ratio(doubled, 2 * self.fp[:, -1] * self.tp[:, -1])

    def auprc(self) -> Float64Array:
        """(b,) average precision; NaN without positives."""
        precision = np.nan_to_num(self.precision()[:, 1:])
        return ratio(np.sum(np.diff(self.tp) * precision, axis=1), self.tp[:, -1])

    def precision(self) -> Float64Array:
        """(b, K + 1); NaN where nothing is called."""
        return ratio(self.tp, self.tp + self.fp)

    def sensitivity_by_fpr(self, fpr: Float64Array) -> Float64Array:
        """(b, G) height of the ROC curve at G false-positive rates, linear between its points."""
        x, y = (ratio(counts, counts[:, -1:]) for counts in (self.fp, self.tp))
        below = _last_up_to(x, fpr)
        above = np.minimum(below + 1, x.shape[1] - 1)
        x0, x1 = np.take_along_axis(x, below, axis=1), np.take_along_axis(x, above, axis=1)
        y0, y1 = np.take_along_axis(y, below, axis=1), np.take_along_axis(y, above, axis=1)
        heights = y0 + np.clip(np.nan_to_num(ratio(fpr - x0, x1 - x0)), 0, 1) * (y1 - y0)
        return np.where(np.isfinite(x[:, -1:]), heights, np.nan)

    def precision_by_sensitivity(self, sensitivity: Float64Array) -> Float64Array:
        """(b, G) precision at the highest score that reaches each sensitivity."""
        reached = _first_from(ratio(self.tp, self.tp[:, -1:]), sensitivity)
        return np.take_along_axis(self.precision(), reached, axis=1)

    def at_specificity(self, least: Float64Array) -> NDArray[np.intp]:
        """(b, G) place of the lowest score from which calling keeps each specificity; 0 where none does.

        The first of the K scores is never taken: it is that of units without any sign of IDC.
        """
        places = _last_up_to(ratio(self.fp, self.fp[:, -1:]), 1 - least)
        return places.clip(max=self.fp.shape[1] - 2)

    def at_sensitivity(self, least: Float64Array) -> NDArray[np.intp]:
        """(b, G) place of the highest score from which calling reaches each sensitivity.

        0 where only the first of the K scores does.
        """
        places = _first_from(ratio(self.tp, self.tp[:, -1:]), least)
        return np.where(places == self.tp.shape[1] - 1, 0, places)

    def operating(self, least: Float64Array) -> Float64Array:
        """(b, 2 G): sensitivity where each specificity is kept, then specificity where each sensitivity is reached."""
        sensitivity, fpr = (ratio(counts, counts[:, -1:]) for counts in (self.tp, self.fp))
        held = np.concatenate([self.at_specificity(least), self.at_sensitivity(least)], axis=1)
        rates = np.concatenate(
            [
                np.take_along_axis(sensitivity, held[:, : len(least)], axis=1),
                1 - np.take_along_axis(fpr, held[:, len(least) :], axis=1),
            ],
            axis=1,
        )
        return np.where(np.take_along_axis(self.tp + self.fp, held, axis=1) > 0, rates, np.nan)


def _from_the_top(counts: Float64Array) -> Float64Array:
    return np.cumsum(np.pad(counts[:, ::-1], ((0, 0), (1, 0))), axis=1)


def _last_up_to(rows: Float64Array, wanted: Float64Array) -> NDArray[np.intp]:
    """(b, G) place of the last element of each rising row in 0-1 that is <= each wanted; 0 in rows of NaN."""
    return np.where(np.isfinite(rows[:, -1:]), _search(rows, wanted + _SAME, "right") - 1, 0)


def _first_from(rows: Float64Array, wanted: Float64Array) -> NDArray[np.intp]:
    """(b, G) place of the first element of each rising row in 0-1 that is >= each wanted; 0 in rows of NaN."""
    places = _search(rows, wanted - _SAME, "left").clip(max=rows.shape[1] - 1)
    return np.where(np.isfinite(rows[:, -1:]), places, 0)


def _search(rows: Float64Array, wanted: Float64Array, side: Literal["left", "right"]) -> NDArray[np.intp]:
    """`searchsorted` in each row: two apart they are one rising row, in which none meets another."""
    row = np.arange(len(rows))[:, None]
    apart = (np.nan_to_num(rows) + 2 * row).ravel()
    return np.asarray(np.searchsorted(apart, wanted + 2 * row, side=side) - row * rows.shape[1], dtype=np.intp)
