"""A statistic's bootstrap replicates and jackknife values -> the limits of its 95 % interval, by one of four methods.

docs/intervals.md has the coverage of each, measured; `t` is the one to use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm, t

from batchscan.domain.records import BoolArray, Float64Array

Method = Literal["t", "percentile", "expanded", "bca"]
Scale = Literal["share", "correlation", "positive", "plain"]
"""Where a statistic can lie: 0 to 1, -1 to 1, above 0, or anywhere. `t` works on logit, artanh, log, or as it is."""

LEVEL = 0.95
FEWEST_DEGREES = 4
MOST_STRETCH = 1.5

_TAIL = (1 - LEVEL) / 2
_EDGE = 1e-9
_ENDS: Mapping[Scale, tuple[float, float]] = {
    "share": (0.0, 1.0),
    "correlation": (-1.0, 1.0),
    "positive": (0.0, np.inf),
    "plain": (-np.inf, np.inf),
}


def limits(
    method: Method, values: Float64Array, replicates: Float64Array, jackknife: Float64Array, scales: Sequence[Scale]
) -> tuple[Float64Array, Float64Array]:
    """Low and high of M statistics.

    Parameters
    ----------
    method
        - `t`: on the statistic's scale, the value less and plus Student's t times the replicates' standard deviation
          (`variance`), with `effective_patients` less 1 degrees of freedom, 4 at least. Where the jackknife says that
          the estimate is skewed, the limit on the longer side moves out by Hall's transformation (1992, J. R. Statist.
          Soc. B 54, 221-228), by half as far again at most; no limit moves in.
        - `percentile` and `bca`: Efron 1987, doi:10.1080/01621459.1987.10478410.
        - `expanded`: percentiles further out, as far as Student's t with P - 1 degrees of freedom is from the normal,
          and for what a resample loses (Hesterberg 2015, doi:10.1080/00031305.2015.1089789).
    values
        (M,) the statistics themselves.
    replicates
        (R, M), NaN where undefined.
    jackknife
        (P, M) each statistic without one patient, NaN where undefined.
    scales
        M of them; only `t` looks at them.

    Returns
    -------
    (M,) low and (M,) high; NaN where a statistic or its spread is undefined, and with `t` at the very end of its range.
    """
    if method == "t":
        return _student(values, replicates, jackknife, scales)
    reach = np.full(values.shape, norm.ppf(1 - _TAIL))
    if method == "expanded":
        most = max(len(jackknife) - 1, 1)
        reach = np.full(values.shape, t.ppf(1 - _TAIL, most) * np.sqrt(1 + 1 / most))
    lower, upper = -reach, reach
    if method == "bca":
        bias, acceleration = _bias(values, replicates), _skewness(_influence(values, jackknife)) / 6
        lower, upper = (bias + (bias + z) / np.maximum(1 - acceleration * (bias + z), _EDGE) for z in (-reach, reach))
    ordered = np.sort(replicates, axis=0)
    return _quantile(ordered, norm.cdf(lower)), _quantile(ordered, norm.cdf(upper))


def variance(replicates: Float64Array, n_patients: int) -> Float64Array:
    """Of the defined ones of (R, M) replicates, (M,), with P / (P - 1) for what a resample of P patients loses."""
    defined = np.isfinite(replicates)
    n = defined.sum(axis=0)
    mean = np.where(defined, replicates, 0.0).sum(axis=0) / np.maximum(n, 1)
    squares = (np.where(defined, replicates - mean, 0.0) ** 2).sum(axis=0)
    spread = np.divide(squares, n - 1, out=np.full(squares.shape, np.nan), where=n > 1)
    return np.asarray(spread * n_patients / max(n_patients - 1, 1), dtype=np.float64)


def effective_patients(influence: Float64Array) -> Float64Array:
    """As how many patients of equal bearing the P count, from their (P, M) influences: (M,), at most P.

    A variance that rests on normal influences of unequal spread has the degrees of freedom of Satterthwaite (1946,
    doi:10.2307/3002019), with fourth moments for the squared variances. 2 fewer make it unbiased for equal spread.
    """
    squares, fourths = (influence**2).sum(axis=0), (influence**4).sum(axis=0)
    n = np.divide(3 * squares**2, fourths, out=np.full(squares.shape, np.inf), where=fourths > 0)
    return np.asarray(np.minimum(n - 2, len(influence)), dtype=np.float64)


def _student(
    values: Float64Array, replicates: Float64Array, jackknife: Float64Array, scales: Sequence[Scale]
) -> tuple[Float64Array, Float64Array]:
    low, high = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    for scale in _ENDS:
        kept = np.array([one == scale for one in scales]) & _inside(values, scale)
        if not kept.any():
            continue
        middle = _forward(values[kept], scale)
        influence = _influence(middle, _forward(_off_the_ends(jackknife[:, kept], scale), scale))
        error = np.sqrt(variance(replicates[:, kept], len(jackknife))) * _slope(values[kept], scale)
        down, up = _reaches(influence)
        low[kept], high[kept] = _back(middle - error * down, scale), _back(middle + error * up, scale)
    return low, high


class _Reaches(NamedTuple):
    down: Float64Array
    up: Float64Array


def _reaches(influence: Float64Array) -> _Reaches:
    """How many standard errors the limits lie below and above."""
    most = max(len(influence) - 1, 1)
    degrees = np.clip(effective_patients(influence) - 1, min(FEWEST_DEGREES, most), most)
    reach = np.asarray(t.ppf(1 - _TAIL, degrees), dtype=np.float64)
    skewness = _skewness(influence)
    # The transformation's limit where there is no skewness is the reach itself.
    safe = np.where(np.abs(skewness) < _EDGE, _EDGE, skewness)
    down, up = (sign * 3 / safe * (np.cbrt(1 + safe * (sign * reach - safe / 6)) - 1) for sign in (1.0, -1.0))
    return _Reaches(np.clip(down, reach, MOST_STRETCH * reach), np.clip(up, reach, MOST_STRETCH * reach))


def _influence(values: Float64Array, jackknife: Float64Array) -> Float64Array:
    """How far each patient pulls, about a mean of 0; one without whom the statistic is undefined: not at all."""
    filled = np.where(np.isfinite(jackknife), jackknife, values)
    return np.asarray(filled.mean(axis=0) - filled, dtype=np.float64)


def _skewness(influence: Float64Array) -> Float64Array:
    """Of the statistic, not of the influences, which is the square root of P times as much."""
    squares = (influence**2).sum(axis=0)
    cubes = (influence**3).sum(axis=0)
    skewness = np.divide(cubes, squares**1.5, out=np.zeros(squares.shape), where=squares > 0)
    return np.asarray(skewness, dtype=np.float64)


def _bias(values: Float64Array, replicates: Float64Array) -> Float64Array:
    """Normal quantile of the share of replicates below the value, ties counting half."""
    n = np.maximum(np.isfinite(replicates).sum(axis=0), 1)
    below = ((replicates < values).sum(axis=0) + (replicates == values).sum(axis=0) / 2) / n
    return np.asarray(norm.ppf(np.clip(below, 0.5 / n, 1 - 0.5 / n)), dtype=np.float64)


def _quantile(ordered: Float64Array, level: Float64Array) -> Float64Array:
    """Linear between order statistics, as numpy's; `ordered` (R, M) has its NaN last."""
    last = np.maximum(np.isfinite(ordered).sum(axis=0) - 1, 0)
    place = level * last
    below = np.floor(place).astype(np.intp)
    column = np.arange(ordered.shape[1])
    low, high = ordered[below, column], ordered[np.minimum(below + 1, last), column]
    return np.asarray(low + (place - below) * (high - low), dtype=np.float64)


def _inside(x: Float64Array, scale: Scale) -> BoolArray:
    lowest, highest = _ENDS[scale]
    return (x > lowest) & (x < highest)


def _off_the_ends(x: Float64Array, scale: Scale) -> Float64Array:
    lowest, highest = _ENDS[scale]
    return np.clip(x, lowest + _EDGE, highest - _EDGE)


def _forward(x: Float64Array, scale: Scale) -> Float64Array:
    match scale:
        case "share":
            return np.asarray(logit(x), dtype=np.float64)
        case "correlation":
            return np.asarray(np.arctanh(x), dtype=np.float64)
        case "positive":
            return np.asarray(np.log(x), dtype=np.float64)
        case "plain":
            return x


def _back(y: Float64Array, scale: Scale) -> Float64Array:
    match scale:
        case "share":
            return np.asarray(expit(y), dtype=np.float64)
        case "correlation":
            return np.asarray(np.tanh(y), dtype=np.float64)
        case "positive":
            return np.asarray(np.exp(y), dtype=np.float64)
        case "plain":
            return y


def _slope(x: Float64Array, scale: Scale) -> Float64Array:
    """Derivative of `_forward`."""
    match scale:
        case "share":
            return 1 / (x * (1 - x))
        case "correlation":
            return 1 / (1 - x**2)
        case "positive":
            return 1 / x
        case "plain":
            return np.ones(x.shape)
