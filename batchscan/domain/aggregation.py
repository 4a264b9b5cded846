"""Raw scores on a slide's grid -> p_idc: neighbours averaged, then the scale corrected.

p_raw is the network's own probability of one patch (the mean over the orientations it was shown in). p_idc is

    p_mean = sigmoid(sum_j w_j logit(p_raw_j) / sum_j w_j)     over the readable scanned patches j,
                                                               w_j = exp(-d_j^2 / (2 sigma^2))
    p_idc  = sigmoid(logit(p_mean) / temperature + intercept)

with d_j the distance between the patches' centres in patch sides, and w_j = 0 beyond 3 sigma along a row or a column.
Sigma is thus the same length at every stride, but what lies within it isn't: at stride 1 a sigma below 1/3 reaches no
neighbour, and overlapping patches share pixels, so calibration and threshold hold for the stride they were fitted at.
Logits and not probabilities are averaged (a geometric mean of odds; measured better, docs/model.md), each kept within
logit(0.0001) and logit(0.9999), so that no patch outvotes all others.
Temperature and intercept: Platt 1999; Guo 2017, https://arxiv.org/abs/1706.04599. p_idc rises with every p_raw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

REACH_SIGMAS = 3.0
NEAREST_TO_CERTAIN = 1e-4


@dataclass(frozen=True, slots=True)
class Aggregation:
    """How raw scores become p_idc; the default changes nothing.

    Parameters
    ----------
    sigma
        Of the Gaussian weights, in patch sides; 0 judges each patch alone.
    temperature, intercept
        Of the calibration; 1 and 0 leave p_mean as it is.
    """

    sigma: float = 0.0
    temperature: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if not (0.0 <= self.sigma < math.inf and 0.0 < self.temperature < math.inf and math.isfinite(self.intercept)):
            raise ValueError(f"{self} is no aggregation: expected sigma >= 0, temperature > 0, all finite")

    @property
    def is_uncalibrated(self) -> bool:
        """Whether p_idc is p_mean itself."""
        return self.temperature == 1.0 and self.intercept == 0.0

    def calibrated(self, p_mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """p_idc of averaged scores: rising with them, same shape; NaN stays."""
        if self.is_uncalibrated:
            return p_mean
        return _probability(_logit(p_mean) / self.temperature + self.intercept)


def _logit(p: NDArray[np.floating]) -> NDArray[np.float64]:
    kept = np.clip(p.astype(np.float64), NEAREST_TO_CERTAIN, 1.0 - NEAREST_TO_CERTAIN)
    return np.asarray(np.log(kept / (1.0 - kept)), dtype=np.float64)


def _probability(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-logit)), dtype=np.float64)


def reach(sigma: float, stride: float) -> int:
    """How many steps of the grid away along a row or a column neighbours still count; 0: each patch stands alone."""
    return math.floor(REACH_SIGMAS * sigma / stride + 1e-9)


@dataclass(frozen=True)
class ScoredGrid:
    """The raw scores of a slide's patches and where in its grid they lie.

    Parameters
    ----------
    p_raw
        (n,) float in 0-1; NaN where not readable.
    row, col
        (n,) place in the grid, no two the same.
    readable
        (n,) bool; the others count nowhere.
    stride
        Step of the grid, in patch sides.
    """

    p_raw: NDArray[np.floating]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    readable: NDArray[np.bool_]
    stride: float

    def p_mean(self, sigma: float) -> NDArray[np.float64]:
        """Each patch's score averaged with its neighbours', (n,) float64 in 0-1; NaN where not readable.

        Sigma is in patch sides; 0 for none.
        """
        alone = np.where(self.readable, self.p_raw.astype(np.float64), np.nan)
        if sigma == 0.0 or not len(alone):
            return alone
        steps = reach(sigma, self.stride)
        weights = np.exp(-((np.arange(-steps, steps + 1) * self.stride) ** 2) / (2.0 * sigma**2))
        top, left = int(self.row.min()), int(self.col.min())
        shape = (int(self.row.max()) - top + 1, int(self.col.max()) - left + 1)
        place = (self.row - top, self.col - left)
        scores, there = np.zeros(shape), np.zeros(shape)
        scores[place], there[place] = np.where(self.readable, _logit(self.p_raw), 0.0), self.readable
        numerator, denominator = (_blurred(values, weights)[place] for values in (scores, there))
        return _probability(np.divide(numerator, denominator, out=alone, where=self.readable))

    def p_idc(self, aggregation: Aggregation) -> NDArray[np.float32]:
        """What each patch comes to, (n,) float32 in 0-1; NaN where not readable."""
        return aggregation.calibrated(self.p_mean(aggregation.sigma)).astype(np.float32)

    def could_flip(self, aggregation: Aggregation, *, threshold: float, tolerance: float) -> NDArray[np.bool_]:
        """(n,) bool: whether an engine within the tolerance in every p_raw could decide the patch otherwise.

        p_idc rises with every p_raw, so the least and the most it could be come of all p_raw less and plus the
        tolerance; the threshold lies between them, or on one. Not where unreadable.
        """
        p_raw = self.p_raw.astype(np.float64)
        if aggregation.sigma == 0.0 and aggregation.is_uncalibrated:
            return np.asarray((np.abs(p_raw - threshold) <= tolerance) & self.readable, dtype=np.bool_)
        least, most = (
            aggregation.calibrated(replace(self, p_raw=np.clip(p_raw + step, 0.0, 1.0)).p_mean(aggregation.sigma))
            for step in (-tolerance, tolerance)
        )
        return np.asarray(self.readable & (least <= threshold) & (threshold <= most), dtype=np.bool_)


def _blurred(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted sums along both axes, zero beyond the edge: exp(-(x^2 + y^2)) is a product, so one axis at a time."""
    steps = len(weights) // 2
    for _ in range(2):
        padded = np.pad(values, ((steps, steps), (0, 0)))
        values = np.zeros_like(values)
        for offset, weight in enumerate(weights):
            values += weight * padded[offset : offset + len(values)]
        values = values.T
    return values
