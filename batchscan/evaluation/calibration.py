"""Probabilities and labels -> how far p is to be believed, and the temperature and intercept that correct it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from batchscan.domain.aggregation import NEAREST_TO_CERTAIN
from batchscan.domain.card import ReliabilityBin
from batchscan.domain.records import BoolArray, Float64Array

N_BINS = 15
"""Bins of equal width in p, for reliability curves and the expected calibration error."""

TEMPERATURES = (0.05, 20.0)
INTERCEPTS = (-10.0, 10.0)
_NEAREST_TO_CERTAIN_LOSS = 1e-7
_UNCHANGED = np.array([1.0, 0.0])
_RIDGE = 1e-5
_DIGITS = 4
_NEWTON_STEPS = 50
_NEWTON_DONE = 1e-9
_HALVINGS = 20


def log_loss(labels: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Weighted mean cross-entropy in nats; probabilities are kept 1e-7 away from 0 and 1.

    Parameters
    ----------
    labels
        (n,) bool or 0/1, n > 0.
    p
        (n,) float in 0-1.
    weights
        (n,) float, not all 0; None weighs all the same.
    """
    p_kept = _kept(p)
    losses = -np.where(np.asarray(labels, dtype=np.bool_), np.log(p_kept), np.log1p(-p_kept))
    return float(np.average(losses, weights=None if weights is None else np.asarray(weights, dtype=np.float64)))


def brier(labels: ArrayLike, p: ArrayLike) -> float | None:
    """Mean squared difference of p and label (Brier 1950); None without patches."""
    true, said = _both(labels, p)
    return float(np.mean((said - true) ** 2)) if len(true) else None


def ece(labels: ArrayLike, p: ArrayLike) -> float | None:
    """Expected calibration error: mean over patches of |mean p - share of IDC| of their bin, 15 bins of equal width.

    Guo 2017, https://arxiv.org/abs/1706.04599. None without patches.
    """
    bins = reliability(labels, p)
    n = sum(one.n for one in bins)
    return sum(one.n * abs(one.mean_p - one.share_idc) for one in bins) / n if n else None


def reliability(labels: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> tuple[ReliabilityBin, ...]:
    """Mean p and share of IDC, weighted, in each of 15 bins of equal width that has a patch; 1.0 is in the last.

    Parameters as `log_loss`; `n` of a bin counts patches, not weights.
    """
    true, said = _both(labels, p)
    weight = np.ones(len(said)) if weights is None else np.asarray(weights, dtype=np.float64)
    place = np.minimum((said * N_BINS).astype(np.intp), N_BINS - 1)
    count, total, p_sum, idc_sum = (
        np.bincount(place, values, minlength=N_BINS) for values in (None, weight, weight * said, weight * true)
    )
    return tuple(
        ReliabilityBin(
            low=i / N_BINS,
            high=(i + 1) / N_BINS,
            n=int(count[i]),
            mean_p=min(float(p_sum[i] / total[i]), 1.0),
            share_idc=min(float(idc_sum[i] / total[i]), 1.0),
        )
        for i in np.flatnonzero(total > 0)
    )


def fitted_calibration(
    labels: ArrayLike, p_mean: Float64Array, weights: ArrayLike | None = None
) -> tuple[float, float]:
    """Temperature and intercept with the least weighted log loss, four decimals each.

    p_idc = sigmoid(logit(p_mean) / temperature + intercept) is a logistic regression on one number: the loss is convex
    in (1 / temperature, intercept), so there is one answer. For scores that separate the classes wholly or not at all
    there would be none: 1e-5 of the squared distance from no change is added to the loss, and temperature is kept
    within 0.05-20 and the intercept within -10 and 10.

    Parameters
    ----------
    labels, weights
        As for `log_loss`.
    p_mean
        (n,) float64 in 0-1, averaged scores.
    """
    true = np.asarray(labels, dtype=np.float64)
    weight = np.ones(len(true)) if weights is None else np.asarray(weights, dtype=np.float64)
    weight = weight / weight.sum()
    p_kept = np.clip(p_mean, NEAREST_TO_CERTAIN, 1.0 - NEAREST_TO_CERTAIN)
    logit = np.log(p_kept / (1.0 - p_kept))

    def loss(slope_and_intercept: Float64Array) -> tuple[float, Float64Array]:
        z = slope_and_intercept[0] * logit + slope_and_intercept[1]
        wrong = weight * (1.0 / (1.0 + np.exp(-z)) - true)
        change = slope_and_intercept - _UNCHANGED
        value = weight @ (np.logaddexp(0.0, z) - true * z) + _RIDGE * (change @ change)
        return float(value), np.array([wrong @ logit, wrong.sum()]) + 2 * _RIDGE * change

    bounds = [(1.0 / TEMPERATURES[1], 1.0 / TEMPERATURES[0]), INTERCEPTS]
    found = minimize(
        loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13, "gtol": 1e-9}
    )
    slope, intercept = (float(value) for value in found.x)
    return round(1.0 / slope, _DIGITS), round(intercept, _DIGITS)


def recalibration(
    logits: Float64Array, negatives: Float64Array, positives: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Calibration slope and intercept: b and a of logit P(IDC) = a + b logit p, fitted together by maximum likelihood.

    1 and 0 are right; a slope below 1 says that p are too extreme (Cox 1958, doi:10.1093/biomet/45.3-4.562). This
    intercept is not calibration-in-the-large, which holds the slope at 1. Fitted by Newton's method.

    Parameters
    ----------
    logits
        (K,) logit p, rising.
    negatives, positives
        (b, K) how many not IDC, and IDC, each stands for; a row a fit.

    Returns
    -------
    (b,) slopes and (b,) intercepts; NaN where the scores part the classes wholly, so that there is no answer
    (Albert 1984, doi:10.1093/biomet/71.1.1).
    """
    known = _overlap(negatives, positives)
    fitted = np.full((len(known), 2), np.nan)
    if known.any():
        fitted[known] = _logistic_fits(logits, (negatives + positives)[known], positives[known])
    return fitted[:, 1], fitted[:, 0]


def _overlap(negatives: Float64Array, positives: Float64Array) -> BoolArray:
    """(b,) whether some negative scores above some positive, and some positive above some negative."""
    n_bins = negatives.shape[1]
    lowest = [np.argmax(counts > 0, axis=1) for counts in (negatives, positives)]
    highest = [n_bins - 1 - np.argmax(counts[:, ::-1] > 0, axis=1) for counts in (negatives, positives)]
    both = (negatives.sum(axis=1) > 0) & (positives.sum(axis=1) > 0)
    return np.asarray(both & (lowest[0] < highest[1]) & (lowest[1] < highest[0]), dtype=np.bool_)


def _logistic_fits(logits: Float64Array, total: Float64Array, positives: Float64Array) -> Float64Array:
    """(b, 2) intercepts and slopes; NaN where Newton's method doesn't settle."""
    powers = np.stack([np.ones_like(logits), logits, logits**2], axis=1)
    share = positives.sum(axis=1) / total.sum(axis=1)
    fitted = np.stack([np.log(share / (1 - share)), np.zeros(len(share))], axis=1)
    loss = _losses(fitted, logits, total, positives)
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-_lines(fitted, logits)))
        slope = (positives - total * p) @ powers[:, :2]
        h0, h1, h2 = ((total * p * (1 - p)) @ powers).T
        step = np.stack([h2 * slope[:, 0] - h1 * slope[:, 1], h0 * slope[:, 1] - h1 * slope[:, 0]], axis=1)
        step /= (h0 * h2 - h1**2)[:, None]
        for _ in range(_HALVINGS):
            ahead = _losses(fitted + step, logits, total, positives)
            worse = ahead > loss * (1 + _NEWTON_DONE)
            if not worse.any():
                break
            step[worse] /= 2
        fitted, loss = fitted + step, ahead
        left = np.abs(step).max(axis=1)
        if left.max() < _NEWTON_DONE:
            break
    return np.where(left[:, None] < _NEWTON_DONE, fitted, np.nan)


def _lines(fitted: Float64Array, logits: Float64Array) -> Float64Array:
    return np.asarray(fitted[:, :1] + fitted[:, 1:] * logits, dtype=np.float64)


def _losses(fitted: Float64Array, logits: Float64Array, total: Float64Array, positives: Float64Array) -> Float64Array:
    lines = _lines(fitted, logits)
    return np.asarray(np.sum(total * np.logaddexp(0.0, lines) - positives * lines, axis=1), dtype=np.float64)


def _kept(p: ArrayLike) -> Float64Array:
    return np.clip(np.asarray(p, dtype=np.float64), _NEAREST_TO_CERTAIN_LOSS, 1.0 - _NEAREST_TO_CERTAIN_LOSS)


def _both(labels: ArrayLike, p: ArrayLike) -> tuple[BoolArray, Float64Array]:
    return np.asarray(labels, dtype=np.bool_), np.asarray(p, dtype=np.float64)
