"""Raw scores on a slide's grid -> p_idc: neighbours averaged, then the scale corrected.

p_raw is the network's own probability of one patch (the mean over the orientations it was shown in). p_idc is

    p_mean = sum_j w_j p_raw_j / sum_j w_j      over the readable scanned patches j, w_j = exp(-d_j^2 / (2 sigma^2))
    p_idc  = sigmoid(logit(p_mean) / temperature + intercept)

with d_j the distance between the patches' centres in patch sides, so that a stride changes no meaning, and w_j = 0
beyond 3 sigma. Probabilities and not logits are averaged: two engines that agree within a tolerance in p_raw agree
within it in p_mean. Temperature and intercept: Platt 1999; Guo 2017, https://arxiv.org/abs/1706.04599.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from batchscan.domain.records import BoolArray, Float32Array, Float64Array, Int32Array

REACH_SIGMAS = 3.0
_NEAREST_TO_CERTAIN = 1e-7


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

    def calibrated(self, p_mean: Float64Array) -> Float64Array:
        """p_idc of averaged scores: rising with them, same shape; NaN stays."""
        if self.temperature == 1.0 and self.intercept == 0.0:
            return p_mean
        p = np.clip(p_mean, _NEAREST_TO_CERTAIN, 1.0 - _NEAREST_TO_CERTAIN)
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(-(np.log(p / (1.0 - p)) / self.temperature + self.intercept)))


def averaged(
    p_raw: Float32Array, row: Int32Array, col: Int32Array, readable: BoolArray, *, stride: float, sigma: float
) -> Float64Array:
    """Each patch's score averaged with its neighbours'.

    Parameters
    ----------
    p_raw
        (n,) float32 in 0-1; NaN where not readable.
    row, col
        (n,) place in the grid, no two the same.
    readable
        (n,) bool; the others count nowhere.
    stride
        Step of the grid, in patch sides.
    sigma
        In patch sides; 0 for none.

    Returns
    -------
    (n,) float64 in 0-1; NaN where not readable.
    """
    alone = np.where(readable, p_raw.astype(np.float64), np.nan)
    if sigma == 0.0 or not len(alone):
        return alone
    reach = math.floor(REACH_SIGMAS * sigma / stride + 1e-9)
    weights = np.exp(-((np.arange(-reach, reach + 1) * stride) ** 2) / (2.0 * sigma**2))
    top, left = int(row.min()), int(col.min())
    shape = (int(row.max()) - top + 1, int(col.max()) - left + 1)
    place = (row - top, col - left)
    scores, there = np.zeros(shape), np.zeros(shape)
    scores[place], there[place] = np.where(readable, p_raw, 0.0), readable
    numerator, denominator = (_blurred(values, weights)[place] for values in (scores, there))
    return np.asarray(np.divide(numerator, denominator, out=alone, where=readable), dtype=np.float64)


def _blurred(values: Float64Array, weights: Float64Array) -> Float64Array:
    """Weighted sums along both axes, zero beyond the edge: exp(-(x^2 + y^2)) is a product, so one axis at a time."""
    reach = len(weights) // 2
    for _ in range(2):
        padded = np.pad(values, ((reach, reach), (0, 0)))
        values = np.zeros_like(values)
        for offset, weight in enumerate(weights):
            values += weight * padded[offset : offset + len(values)]
        values = values.T
    return values


def aggregated(
    p_raw: Float32Array,
    row: Int32Array,
    col: Int32Array,
    readable: BoolArray,
    stride: float,
    aggregation: Aggregation,
) -> Float32Array:
    """p_idc of each patch, (n,) float32 in 0-1; NaN where not readable. Parameters as `averaged`."""
    p_mean = averaged(p_raw, row, col, readable, stride=stride, sigma=aggregation.sigma)
    return aggregation.calibrated(p_mean).astype(np.float32)
