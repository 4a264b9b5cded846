"""Scores of independent units -> areas under ROC curves with their variances and covariances (DeLong)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from batchscan.domain.records import Float64Array


def areas_and_covariance(labels: ArrayLike, scores: ArrayLike) -> tuple[Float64Array, Float64Array]:
    """Area under the ROC curve of each of k scores of the same units, and their covariance.

    DeLong 1988 (doi:10.2307/2531595) by midranks (Sun and Xu 2014, doi:10.1109/LSP.2014.2337313).

    Parameters
    ----------
    labels
        (n,) bool or 0/1, with at least one of each.
    scores
        (k, n) float, finite.

    Returns
    -------
    (k,) areas and their (k, k) covariance; the covariance is NaN with fewer than two units of a class.
    """
    true = np.asarray(labels, dtype=np.bool_)
    score = np.asarray(scores, dtype=np.float64)
    n_true, n_false = int(true.sum()), int((~true).sum())
    ranks = rankdata(score, axis=1)
    # How often a positive beats the negatives, and a negative is beaten by the positives; ties count half.
    wins = (ranks[:, true] - rankdata(score[:, true], axis=1)) / n_false
    losses = 1.0 - (ranks[:, ~true] - rankdata(score[:, ~true], axis=1)) / n_true
    k = len(score)
    if min(n_true, n_false) < 2:  # noqa: PLR2004 - one value has no variance
        return wins.mean(axis=1), np.full((k, k), np.nan)
    return wins.mean(axis=1), (np.cov(wins) / n_true + np.cov(losses) / n_false).reshape(k, k)


def variance_of_counts(negatives: ArrayLike, positives: ArrayLike) -> float | None:
    """Variance that the area would have if all units were independent, from counts in ordered bins of the score.

    Units of one bin are ties. It is what a design effect divides by.

    Parameters
    ----------
    negatives, positives
        (k,) counts, least score first.

    Returns
    -------
    The variance, or None with fewer than two units of a class.
    """
    zeros, ones = np.asarray(negatives, dtype=np.float64), np.asarray(positives, dtype=np.float64)
    n_zeros, n_ones = zeros.sum(), ones.sum()
    if min(n_zeros, n_ones) < 2:  # noqa: PLR2004 - one value has no variance
        return None
    wins = (np.cumsum(zeros) - zeros / 2) / n_zeros
    losses = 1.0 - (np.cumsum(ones) - ones / 2) / n_ones
    return _variance_of_mean(wins, ones) + _variance_of_mean(losses, zeros)


def _variance_of_mean(values: Float64Array, counts: Float64Array) -> float:
    n = counts.sum()
    mean = (counts @ values) / n
    return float(counts @ (values - mean) ** 2 / (n - 1) / n)
