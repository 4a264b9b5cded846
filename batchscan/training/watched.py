"""Patients that a training is watched on -> loss, accuracy and AUROC after each epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from batchscan.domain.records import Float32Array, Float64Array
from batchscan.training.dataset import LabelledPatches

CALLED_FROM = 0.5
"""The p_raw from which a patch counts as called IDC while a network is trained; thresholds are chosen afterwards."""

_NEAREST_TO_CERTAIN = 1e-7


@dataclass(frozen=True)
class Watched:
    """Patches that are measured after each epoch and never fitted to.

    Parameters
    ----------
    patches
        Of patients that aren't in training.
    role
        `validation`: the epoch may be chosen on them. `held out`: nothing is.
    """

    patches: LabelledPatches
    role: Literal["validation", "held out"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Weighted mean cross-entropy (nats), share called right at 0.5, and AUROC (None when a class is missing)."""

    loss: float
    accuracy: float
    auroc: float | None


def measured(label: NDArray[np.int64], p_raw: Float32Array, weights: Float64Array) -> Measured:
    """How scores (n,) stand to labels (n,), each counting with its weight (n,).

    Probabilities are kept 1e-7 away from 0 and 1 in the loss.
    """
    p = np.clip(p_raw.astype(np.float64), _NEAREST_TO_CERTAIN, 1.0 - _NEAREST_TO_CERTAIN)
    loss = np.average(-np.where(label == 1, np.log(p), np.log1p(-p)), weights=weights)
    right = np.average((p_raw >= CALLED_FROM) == (label == 1), weights=weights)
    both = len(np.unique(label)) == 2  # noqa: PLR2004 - two classes
    area = float(roc_auc_score(label, p_raw, sample_weight=weights)) if both else None
    return Measured(float(loss), min(float(right), 1.0), area)
