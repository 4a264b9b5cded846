"""Probabilities and labels -> the few figures that choose an epoch and a threshold, and that stand on the card."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from batchscan.domain.card import HeldOutPerformance
from batchscan.domain.records import Float32Array, Float64Array

# Chance is 0.5 in both; below these a network is of no use, whatever it was meant for.
LEAST_AUROC, LEAST_BALANCED_ACCURACY = 0.7, 0.6


def log_loss(label: NDArray[np.int64], p_idc: Float32Array, weights: Float64Array) -> float:
    """Weighted mean cross-entropy, nats; probabilities are kept 1e-7 away from 0 and 1."""
    p = np.clip(p_idc.astype(np.float64), 1e-7, 1.0 - 1e-7)
    return float(np.average(-np.where(label == 1, np.log(p), np.log1p(-p)), weights=weights))


def auroc(label: NDArray[np.int64], p_idc: Float32Array, weights: Float64Array | None = None) -> float | None:
    """Area under the ROC curve; None when a class is missing."""
    if len(np.unique(label)) < 2:  # noqa: PLR2004 - two classes
        return None
    return float(roc_auc_score(label, p_idc, sample_weight=weights))


def balanced_accuracy(
    label: NDArray[np.int64], p_idc: Float32Array, threshold: float, weights: Float64Array
) -> float | None:
    """Mean of weighted sensitivity and specificity; None when a class is missing."""
    if len(np.unique(label)) < 2:  # noqa: PLR2004 - two classes
        return None
    right = (p_idc >= threshold) == (label == 1)
    return float(np.mean([np.average(right[label == one], weights=weights[label == one]) for one in (0, 1)]))


def near_chance(auroc: float | None, balanced_accuracy: float | None) -> bool:
    """Whether a figure that is defined says that the network hardly tells the classes apart."""
    ranks_badly = auroc is not None and auroc < LEAST_AUROC
    calls_badly = balanced_accuracy is not None and balanced_accuracy < LEAST_BALANCED_ACCURACY
    return ranks_badly or calls_badly


def best_threshold(label: NDArray[np.int64], p_idc: Float32Array, weights: Float64Array, prevalence: float) -> float:
    """The threshold, to three digits, at which F1 is greatest when `prevalence` of the patches are IDC.

    Sensitivity and false-positive rate are weighted means within their class; F1 = 2 TP / (2 TP + FP + FN) with
    TP = prevalence x sensitivity and so on. Of equal ones the middle is taken.
    """
    candidates = np.arange(0.02, 0.981, 0.001).round(3)
    called = p_idc[None, :] >= candidates[:, None].astype(np.float32)
    positive, negative = weights * (label == 1), weights * (label == 0)
    tp = prevalence * (called @ positive) / positive.sum()
    fp = (1.0 - prevalence) * (called @ negative) / negative.sum()
    f1 = 2 * tp / (tp + fp + prevalence)
    best = np.flatnonzero(f1 >= f1.max() - 1e-9)
    return float(candidates[best[len(best) // 2]])


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def performance(
    patient_id: str,
    used_for: Literal["validation", "test"],
    label: NDArray[np.int64],
    p_idc: Float32Array,
    threshold: float,
) -> HeldOutPerformance:
    """One patient's figures at a threshold; what isn't defined is None."""
    called = p_idc >= threshold
    tp, fn = int(np.sum(called & (label == 1))), int(np.sum(~called & (label == 1)))
    fp, tn = int(np.sum(called & (label == 0))), int(np.sum(~called & (label == 0)))
    sensitivity, specificity = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
    both = sensitivity is not None and specificity is not None
    return HeldOutPerformance(
        patient_id=patient_id,
        used_for=used_for,
        n_patches=len(label),
        n_positive=tp + fn,
        auroc=_rounded(auroc(label, p_idc)),
        f1=_rounded(_ratio(2 * tp, 2 * tp + fp + fn)) if both else None,
        balanced_accuracy=_rounded((sensitivity + specificity) / 2) if both else None,  # type: ignore[operator]
        sensitivity=_rounded(sensitivity),
        specificity=_rounded(specificity),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
