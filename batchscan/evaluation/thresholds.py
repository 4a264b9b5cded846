"""Labels and p_idc of several slides -> the threshold that serves them best on average, and the curve behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.card import ThresholdPoint
from batchscan.domain.records import BoolArray, Float32Array, Float64Array

Part = tuple[BoolArray, Float32Array]
"""(n,) label and (n,) p_idc of one slide as one network saw it; both classes are there."""

CANDIDATES = np.arange(1, 1000) / 1000
_CURVE = np.arange(101) / 100
_TIE = 1e-9
_DIGITS = 5


Serves = Literal["balanced_accuracy", "f1"]


def best_mean_threshold(parts: Sequence[Part], serves: Serves) -> float:
    """The threshold, to three digits, with the greatest measure averaged over parts; the middle one of equals.

    Parameters
    ----------
    parts
        At least one; each counts the same, however many patches it has.
    serves
        The measure. Where balanced accuracy is greatest doesn't move with a slide's share of IDC (Youden 1950,
        https://doi.org/10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3); where F1 is, does.

    Raises
    ------
    ValueError
        If there is none, or one lacks a class.
    """
    sensitivity, specificity, f1 = _mean_rates(parts, CANDIDATES)
    return _middle_of_best(f1 if serves == "f1" else (sensitivity + specificity) / 2)


def threshold_curve(parts: Sequence[Part]) -> tuple[ThresholdPoint, ...]:
    """Mean sensitivity, specificity and F1 at 0.00, 0.01 ... 1.00; parameters and errors as `best_mean_threshold`."""
    rows = zip(_CURVE, *_mean_rates(parts, _CURVE), strict=True)
    return tuple(
        ThresholdPoint(threshold=float(t), sensitivity=float(s), specificity=float(c), f1=float(f))
        for t, s, c, f in (np.round(row, _DIGITS) for row in rows)
    )


def best_threshold_at(label: NDArray[np.int64], p_idc: Float32Array, weights: Float64Array, prevalence: float) -> float:
    """The threshold, to three digits, at which F1 is greatest when `prevalence` of the patches are IDC.

    Sensitivity and false-positive rate are weighted means within their class; F1 = 2 TP / (2 TP + FP + FN) with
    TP = prevalence x sensitivity and so on. The middle one of equals. For patches that are no whole slides.
    """
    order = np.argsort(p_idc)
    below = np.searchsorted(p_idc[order], CANDIDATES.astype(np.float32))
    positive, negative = (weights * (label == one) for one in (1, 0))
    tp = prevalence * _from(below, positive[order]) / positive.sum()
    fp = (1.0 - prevalence) * _from(below, negative[order]) / negative.sum()
    return _middle_of_best(2 * tp / (tp + fp + prevalence))


def _from(starts: NDArray[np.intp], weights: Float64Array) -> Float64Array:
    """Sum of the weights from each start on; one behind the last has none."""
    return np.append(np.cumsum(weights[::-1])[::-1], 0.0)[starts]


def _middle_of_best(measure: Float64Array) -> float:
    best = np.flatnonzero(measure >= measure.max() - _TIE)
    return float(CANDIDATES[best[len(best) // 2]])


def _mean_rates(parts: Sequence[Part], thresholds: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Sensitivity, specificity and F1 at each threshold, the mean over parts."""
    rates = np.array([_rates(label, p_idc, thresholds) for label, p_idc in parts])
    if not len(rates):
        raise ValueError("no slides to choose a threshold on")
    sensitivity, specificity, f1 = rates.mean(axis=0)
    return sensitivity, specificity, f1


def _rates(label: BoolArray, p_idc: Float32Array, thresholds: Float64Array) -> Float64Array:
    n_idc, n_other = int(label.sum()), int((~label).sum())
    if not n_idc or not n_other:
        raise ValueError(f"{n_idc} IDC patches and {n_other} others: a threshold needs both")
    # As PatchTable.positive compares: in float32, and the threshold itself is positive.
    at = thresholds.astype(np.float32)
    tp, fp = (n - np.searchsorted(np.sort(p), at) for n, p in ((n_idc, p_idc[label]), (n_other, p_idc[~label])))
    return np.array([tp / n_idc, 1.0 - fp / n_other, 2 * tp / (tp + fp + n_idc)])
