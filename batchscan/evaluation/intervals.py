"""A statistic of weighted patients -> its 95 % interval; exact and closed forms where the units are independent.

A statistic is a function of how often each patient counts. A row of ones gives the estimate, rows of a multinomial draw
the bootstrap's replicates, and ones with a single 0 the jackknife. docs/intervals.md has the measured coverage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from scipy.stats import binomtest, norm

from batchscan.domain.levels import CALLS, FEWEST_PATIENTS, RANKS, Measured
from batchscan.domain.records import Float64Array
from batchscan.evaluation.delong import areas_and_covariance
from batchscan.evaluation.interval_limits import LEVEL, Method, Scale, limits, variance

Statistic = Callable[[Float64Array], Float64Array]
"""(b, P) weights, how often each patient counts -> (b, M) values, NaN where undefined."""

INTERVAL_WORDS = (
    "95 % intervals by cluster bootstrap over patients: whole patients are drawn with replacement, with all their "
    "slides and patches. An interval is Student's t times the standard deviation over the draws, on a scale without "
    "ends (the logit of a share), with the degrees of freedom of as many patients as bear on the figure, and longer on "
    "the side to which a jackknife over patients finds it skewed. In simulated cohorts such intervals cover closer to "
    "95 % than percentile and BCa intervals, which are too short (docs/intervals.md)."
)

COVERAGE_WORDS = (
    "In simulated cohorts these intervals held the true value in 93 to 97 % of cases from 10 patients on, and in 92 to "
    "97 % with 5 to 9. Exceptions: those of slides and of sensitivity at a given specificity are rather too long (93 "
    "to 99 %), limits of agreement too short below 50 patients (86 to 91 %), ICC and concordance below 100 (91 to "
    "95 %). Where the model fails altogether in one patient of ten, intervals over fewer than 50 patients, who may "
    "include none of these, are too short by far (75 to 96 %)."
)
"""What benchmarks/interval_coverage.py measured, for people."""

NOT_COVERED: Mapping[str, str] = {
    "ece": "chance makes it too great where p are nearly right, and redrawing repeats that: its interval held the true "
    "value in 36 to 97 % of simulated cohorts",
}
"""Measures whose bootstrap intervals are not to be trusted whatever the number of patients, and why."""

SCALES: Mapping[str, Scale] = {
    **dict.fromkeys((*CALLS, *RANKS, "brier", "ece"), "share"),
    "mcc": "correlation",
    "kappa": "correlation",
    "calibration_slope": "plain",
    "calibration_intercept": "plain",
}
"""Where each of `MEASURES` can lie."""

LEAST_DEFINED = 0.9
"""Share of replicates that must be defined for an interval to be trusted."""

_CHUNK = 128
_SAME = 1e-12


@dataclass(frozen=True)
class Bootstrap:
    """How patients are redrawn; the same record gives the same draws to every statistic.

    Parameters
    ----------
    n_patients
        P, the patients that weights stand for, in order.
    replicates
        How many draws.
    seed
        Of the draws.
    method
        How limits are read off the replicates, see `interval_limits`.
    """

    n_patients: int
    replicates: int = 2000
    seed: int = 0
    method: Method = "t"


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval.

    Parameters
    ----------
    value
        None when it isn't defined.
    low, high
        None when there is no interval; `why` then says why.
    method
        What `Measured.method` says.
    n_defined, replicates
        How many replicates were defined, out of how many; both 0 where nothing was redrawn.
    variance
        Of the figure: by the bootstrap, or of the closed form; None where there is none.
    trusted
        False when fewer than 5 patients bear on the value, or fewer than 90 % of the replicates were defined.
    why
        Why something is missing or not to be trusted; else empty.
    """

    value: float | None
    low: float | None
    high: float | None
    method: Literal["bootstrap", "wilson", "exact", "delong", "t", "none"]
    n_defined: int = 0
    replicates: int = 0
    variance: float | None = None
    trusted: bool = True
    why: str = ""

    def measured(self, n: int, design_effect: float | None = None) -> Measured:
        """The record of an evaluation; `n` counts the units that the value rests on."""
        return Measured(
            value=self.value,
            low=self.low,
            high=self.high,
            n=n,
            method=self.method if self.low is not None else "none",
            trusted=self.trusted,
            why=self.why,
            design_effect=design_effect,
        )


def bootstrap_weights(n_patients: int, replicates: int, seed: int, chunk: int = _CHUNK) -> Iterator[Float64Array]:
    """How often each patient is drawn, (chunk, P) at a time; the draws don't depend on `chunk`."""
    draw = np.random.default_rng(seed)
    share = np.full(n_patients, 1 / n_patients)
    for start in range(0, replicates, chunk):
        yield draw.multinomial(n_patients, share, size=min(chunk, replicates - start)).astype(np.float64)


def cluster_intervals(
    statistic: Statistic, bootstrap: Bootstrap, scales: Scale | Sequence[Scale] = "plain", chunk: int = _CHUNK
) -> tuple[Interval, ...]:
    """Intervals of a statistic's M values, over patients.

    Parameters
    ----------
    statistic
        Called with at most `chunk` rows of weights at a time.
    bootstrap
        How patients are redrawn.
    scales
        Where the values can lie, one for all or one each: limits stay inside. `SCALES` has those of the measures; a
        difference of two is `plain`.

    Returns
    -------
    M intervals. One has no limits when its value is undefined or at the end of its range, with a single patient, and
    where no redraw changes the value: its spread is then unknown, not 0.

    Raises
    ------
    ValueError
        Without patients, or if there are not as many scales as values.
    """
    values, replicates, jackknife = redrawn(statistic, bootstrap, chunk)
    scale = [scales] * len(values) if isinstance(scales, str) else list(scales)
    if len(scale) != len(values):
        raise ValueError(f"{len(scale)} scales for {len(values)} values")
    low, high = limits(bootstrap.method, values, replicates, jackknife, scale)
    spread = variance(replicates, bootstrap.n_patients)
    return tuple(
        _interval(float(value), (float(low[m]), float(high[m])), float(spread[m]), replicates[:, m], jackknife[:, m])
        for m, value in enumerate(values)
    )


class Redrawn(NamedTuple):
    """(M,) values of a statistic, its (R, M) bootstrap replicates and (P, M) jackknife values; NaN where undefined."""

    values: Float64Array
    replicates: Float64Array
    jackknife: Float64Array


def redrawn(statistic: Statistic, bootstrap: Bootstrap, chunk: int = _CHUNK) -> Redrawn:
    """The statistic of the patients as they are, of redrawn ones, and without each patient in turn."""
    n = bootstrap.n_patients
    if n == 0:
        raise ValueError("no patients: there is nothing to redraw")
    weights = bootstrap_weights(n, bootstrap.replicates, bootstrap.seed, chunk)
    return Redrawn(
        statistic(np.ones((1, n)))[0],
        np.concatenate([statistic(rows) for rows in weights]),
        np.concatenate([statistic(rows) for rows in _leave_one_out(n, chunk)]),
    )


def _leave_one_out(n: int, chunk: int) -> Iterator[Float64Array]:
    for start in range(0, n, chunk):
        left_out = np.arange(start, min(start + chunk, n))
        rows = np.ones((len(left_out), n))
        rows[np.arange(len(left_out)), left_out] = 0.0
        yield rows


def _interval(
    value: float, ends: tuple[float, float], spread: float, replicates: Float64Array, jackknife: Float64Array
) -> Interval:
    drawn, defined = len(replicates), int(np.isfinite(replicates).sum())
    if not math.isfinite(value):
        return Interval(None, None, None, "none", defined, drawn, trusted=False, why="it isn't defined")
    why = _why_no_limits(value, ends, replicates, jackknife)
    if why:
        return Interval(value, None, None, "none", defined, drawn, trusted=False, why=why)
    bearing = _n_bearing(value, jackknife)
    if bearing < FEWEST_PATIENTS:
        why = f"{bearing} patients bear on it: an interval over fewer than {FEWEST_PATIENTS} can't be trusted"
    elif defined < LEAST_DEFINED * drawn:
        why = f"it is defined in {defined} of {drawn} redraws only"
    return Interval(value, *ends, "bootstrap", defined, drawn, spread, not why, why)


def _why_no_limits(value: float, ends: tuple[float, float], replicates: Float64Array, jackknife: Float64Array) -> str:
    defined = replicates[np.isfinite(replicates)]
    if len(jackknife) < 2:  # noqa: PLR2004 - no spread without two
        return "there is one patient: nothing can be redrawn"
    if len(defined) < 2 or np.ptp(defined) <= _SAME * max(1.0, abs(value)):  # noqa: PLR2004
        return "redrawing the patients doesn't change it: how far it spreads isn't known"
    return "" if np.isfinite(ends).all() else "it lies at the end of its range: how far it spreads isn't known"


def _n_bearing(value: float, jackknife: Float64Array) -> int:
    """How many patients change the value, or make it undefined, when they are left out."""
    return int((~(np.abs(jackknife - value) <= _SAME * max(1.0, abs(value)))).sum())


def wilson(k: int, n: int) -> Interval:
    """Share of `k` in `n` independent units with Wilson's interval (doi:10.1080/01621459.1927.10502953)."""
    return _proportion(k, n, "wilson")


def exact(k: int, n: int) -> Interval:
    """Share of `k` in `n` independent units with Clopper and Pearson's interval (doi:10.1093/biomet/26.4.404)."""
    return _proportion(k, n, "exact")


def _proportion(k: int, n: int, method: Literal["wilson", "exact"]) -> Interval:
    if n == 0:
        return Interval(None, None, None, "none", trusted=False, why="there are no such units")
    ends = binomtest(k, n).proportion_ci(LEVEL, method=method)
    few = f"it rests on {n} patients: fewer than {FEWEST_PATIENTS}" if n < FEWEST_PATIENTS else ""
    spread = proportion_variance(k / n, n)
    return Interval(k / n, float(ends.low), float(ends.high), method, 0, 0, spread, not few, few)


def delong_interval(labels: ArrayLike, scores: ArrayLike) -> Interval:
    """Area under the ROC curve of independent units, DeLong's variance, limits on the logit scale.

    Parameters
    ----------
    labels
        (n,) bool or 0/1.
    scores
        (n,) float, finite.
    """
    true = np.asarray(labels, dtype=np.bool_)
    fewest = int(min(true.sum(), (~true).sum()))
    if fewest == 0:
        return Interval(None, None, None, "none", trusted=False, why="there is only one class")
    areas, covariance = areas_and_covariance(true, np.asarray(scores, dtype=np.float64)[None])
    area, spread = float(areas[0]), float(covariance[0, 0])
    if not spread > 0:
        why = "there are too few units of a class" if math.isnan(spread) else "the classes don't overlap at all"
        return Interval(area, None, None, "none", trusted=False, why=why)
    reach = norm.ppf((1 + LEVEL) / 2) * math.sqrt(spread) / (area * (1 - area))
    low, high = expit(logit(area) - reach), expit(logit(area) + reach)
    few = f"a class has {fewest} patients: fewer than {FEWEST_PATIENTS}" if fewest < FEWEST_PATIENTS else ""
    return Interval(area, float(low), float(high), "delong", 0, 0, spread, not few, few)


@dataclass(frozen=True)
class AreaDifference:
    """How far the area of one score is from that of another on the same independent units: `second` less `first`.

    `p` is two-sided, of no difference; `se`, `p`, `low` and `high` are None where the difference has no variance.
    """

    first: float
    second: float
    difference: float
    se: float | None
    p: float | None
    low: float | None
    high: float | None


def delong_difference(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> AreaDifference | None:
    """Paired difference of two areas under the ROC curve (DeLong 1988, doi:10.2307/2531595); None with one class.

    Parameters
    ----------
    labels
        (n,) bool or 0/1.
    first, second
        (n,) float, finite: two scores of the same units.
    """
    true = np.asarray(labels, dtype=np.bool_)
    if true.all() or not true.any():
        return None
    scores = np.stack([np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)])
    areas, covariance = areas_and_covariance(true, scores)
    difference = float(areas[1] - areas[0])
    spread = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if not spread > 1e-15:  # noqa: PLR2004 - what rounding leaves of 0
        return AreaDifference(float(areas[0]), float(areas[1]), difference, None, None, None, None)
    se = math.sqrt(spread)
    reach = norm.ppf((1 + LEVEL) / 2) * se
    p = float(2 * norm.sf(abs(difference) / se))
    return AreaDifference(float(areas[0]), float(areas[1]), difference, se, p, difference - reach, difference + reach)


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of McNemar's test: units that only the first, and only the second, got right.

    Independent units only (doi:10.1007/BF02295996). 1 where the two never differ.
    """
    n = only_first + only_second
    return float(binomtest(only_first, n).pvalue) if n else 1.0


def proportion_variance(value: float, n: int) -> float:
    """Variance that a share would have if its `n` units were independent."""
    return value * (1 - value) / n


def design_effect(variance: float | None, independent_variance: float | None) -> float | None:
    """Variance over patients by that of independent units (Kish 1965); None where either is missing or 0."""
    if variance is None or not independent_variance:
        return None
    return variance / independent_variance
