"""Counts of both classes by score -> areas, ROC and precision-recall curves, operating points, net benefit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from batchscan.domain.levels import FEWEST_PATIENTS, BandPoint, DecisionPoint, Measured, OperatingPoint
from batchscan.domain.records import BoolArray, Float64Array
from batchscan.evaluation.delong import variance_of_counts
from batchscan.evaluation.intervals import Bootstrap, Interval, cluster_intervals
from batchscan.evaluation.measured import Outcomes, trusted
from batchscan.evaluation.weighted import Ranked

CurvePoint = tuple[float, float, float | None]
RankedOf = Callable[[Float64Array], Ranked]
"""(b, P) weights, how often each patient counts -> the cohort's units by score."""

CURVE_POINTS = 201
FPR_OF_BAND: Float64Array = np.linspace(0.0, 1.0, 101)
SENSITIVITY_OF_BAND: Float64Array = np.linspace(0.01, 1.0, 100)
HELD = (0.90, 0.95, 0.99)
"""Rates that operating points hold."""

DECISIONS = tuple(i / 100 for i in range(1, 100))
"""Thresholds of the decision curve."""

_ROUNDING = 1e-12
_HELD = "the threshold was chosen so that it holds"
_NOT_HELD = "no threshold holds the other rate"


@dataclass(frozen=True)
class PooledScores:
    """Units of a cohort by score.

    Parameters
    ----------
    score
        (K,) rising. The first is that of units without any sign of IDC, whether there are any or not.
    negatives, positives
        (K,) float64, how many of each class have it.
    """

    score: Float64Array
    negatives: Float64Array
    positives: Float64Array

    @staticmethod
    def of(score: Float64Array, negatives: Float64Array, positives: Float64Array) -> PooledScores:
        """Without the scores that no unit has; the first stays."""
        kept = negatives + positives > 0
        kept[0] = True
        return PooledScores(score[kept], *(counts[kept].astype(np.float64) for counts in (negatives, positives)))

    def ranked(self) -> Ranked:
        """In one row."""
        return Ranked.of(self.negatives[None], self.positives[None])

    @property
    def both_classes(self) -> bool:
        """Whether there are units of either."""
        return bool(self.negatives.any() and self.positives.any())

    def auroc(self) -> float | None:
        """Area under the ROC curve; None with one class."""
        if not self.both_classes:
            return None
        label, score, weight = self._each()
        return float(roc_auc_score(label, score, sample_weight=weight))

    def auprc(self) -> float | None:
        """Average precision; None without positives."""
        if not self.positives.any():
            return None
        label, score, weight = self._each()
        return float(average_precision_score(label, score, sample_weight=weight))

    def roc(self) -> tuple[CurvePoint, ...]:
        """(False-positive rate, sensitivity, threshold) from (0, 0) on; none with one class."""
        if not self.both_classes:
            return ()
        label, score, weight = self._each()
        return _points(*roc_curve(label, score, sample_weight=weight))

    def pr(self) -> tuple[CurvePoint, ...]:
        """(Sensitivity, precision, threshold) from (0, 1), where nothing is called, on; none without positives."""
        if not self.positives.any():
            return ()
        label, score, weight = self._each()
        precision, sensitivity, threshold = precision_recall_curve(label, score, sample_weight=weight)
        # scikit-learn's goes on to the lowest score of all; nothing is gained once all positives are called.
        kept = slice(int(np.flatnonzero(sensitivity >= sensitivity[0])[-1]), None)
        return _points(sensitivity[kept][::-1], precision[kept][::-1], np.append(threshold, math.inf)[kept][::-1])

    def auroc_variance(self) -> float | None:
        """DeLong's variance of the area, as of independent units (doi:10.2307/2531595); None under 2 of a class."""
        return variance_of_counts(self.negatives, self.positives)

    def decision(self) -> tuple[DecisionPoint, ...]:
        """Net benefit TP / n - FP / n x t / (1 - t) at thresholds t of 0.01 to 0.99; none without units."""
        n = self.negatives.sum() + self.positives.sum()
        if not n:
            return ()
        fp, tp = (np.append(counts[::-1].cumsum()[::-1], 0.0) / n for counts in (self.negatives, self.positives))
        rows = zip(DECISIONS, np.searchsorted(self.score, DECISIONS), strict=True)
        return tuple(
            DecisionPoint(
                threshold=t,
                net_benefit=float(tp[place] - fp[place] * t / (1 - t)),
                call_all=float(tp[0] - fp[0] * t / (1 - t)),
            )
            for t, place in rows
        )

    def threshold(self, place: int) -> float | None:
        """The score at a place of `ranked`; None at 0, where nothing is called."""
        return float(self.score[len(self.score) - place]) if place else None

    def _each(self) -> tuple[BoolArray, Float64Array, Float64Array]:
        """Label, score and number of each kind of unit."""
        weight = np.concatenate([self.negatives, self.positives])
        label = np.repeat([False, True], len(self.score))
        there = weight > 0
        return label[there], np.tile(self.score, 2)[there], weight[there]


def _points(x: Float64Array, y: Float64Array, threshold: Float64Array) -> tuple[CurvePoint, ...]:
    """Of a longer curve, 201 points that lie evenly along it; none is made up."""
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    kept = np.arange(len(x))
    if len(x) > CURVE_POINTS:
        wanted = np.linspace(0.0, along[-1], CURVE_POINTS)
        kept = np.unique(np.clip(np.searchsorted(along, wanted - _ROUNDING), 0, len(x) - 1))
    rows = zip(x[kept], y[kept], threshold[kept], strict=True)
    return tuple((float(a), float(b), float(t) if math.isfinite(t) else None) for a, b, t in rows)


def bands(ranked: RankedOf, outcomes: Outcomes, bootstrap: Bootstrap) -> tuple[tuple[BandPoint, ...], ...]:
    """Pointwise 95 % intervals of the ROC and precision-recall curves; none with under 5 patients of a class."""
    if outcomes.n_patients("auroc") < FEWEST_PATIENTS:
        return (), ()
    n_roc = len(FPR_OF_BAND)

    def heights(weights: Float64Array) -> Float64Array:
        curves = ranked(weights)
        both = (curves.sensitivity_by_fpr(FPR_OF_BAND), curves.precision_by_sensitivity(SENSITIVITY_OF_BAND))
        return np.concatenate(both, axis=1)

    found = cluster_intervals(heights, bootstrap, "share")
    return _band(FPR_OF_BAND, found[:n_roc]), _band(SENSITIVITY_OF_BAND, found[n_roc:])


def _band(x: Float64Array, intervals: tuple[Interval, ...]) -> tuple[BandPoint, ...]:
    return tuple(
        BandPoint(x=float(at), low=one.low, high=one.high)
        for at, one in zip(x, intervals, strict=True)
        if one.low is not None and one.high is not None
    )


def operating_points(
    scores: PooledScores, ranked: RankedOf, outcomes: Outcomes, bootstrap: Bootstrap
) -> tuple[OperatingPoint, ...]:
    """Sensitivity at specificities of 90, 95 and 99 %, and the reverse; none with one class.

    Each redraw of patients chooses its own threshold, so the interval of the other rate counts that choice in. The
    rate that is held has none.
    """
    if not scores.both_classes:
        return ()
    least = np.array(HELD)
    found = cluster_intervals(lambda weights: ranked(weights).operating(least), bootstrap, "share")
    pooled = scores.ranked()
    places = np.concatenate([pooled.at_specificity(least)[0], pooled.at_sensitivity(least)[0]])
    values = pooled.operating(least)[0]
    tp, fp = pooled.tp[0, places], pooled.fp[0, places]
    n_idc, n_other = pooled.tp[0, -1], pooled.fp[0, -1]
    points = []
    for i, (place, value, interval) in enumerate(zip(places, values, found, strict=True)):
        threshold = scores.threshold(int(place)) if math.isfinite(value) else None
        free = replace(interval, value=float(value)) if threshold is not None else None
        rates = {"sensitivity": float(tp[i] / n_idc), "specificity": float(1 - fp[i] / n_other)}
        points.append(_point(outcomes, HELD[i % len(HELD)], threshold, rates, free, holds_specificity=i < len(HELD)))
    return tuple(points)


def _point(
    outcomes: Outcomes,
    at_least: float,
    threshold: float | None,
    rates: Mapping[str, float],
    free: Interval | None,
    *,
    holds_specificity: bool,
) -> OperatingPoint:
    held, other = ("specificity", "sensitivity") if holds_specificity else ("sensitivity", "specificity")
    made = {name: Measured(value=None, n=outcomes.n(name), trusted=False, why=_NOT_HELD) for name in (held, other)}
    if free is not None:
        made[held] = Measured(value=rates[held], n=outcomes.n(held), why=_HELD)
        made[other] = trusted(outcomes, "auroc", free, n=outcomes.n(other))
    return OperatingPoint(
        held="specificity" if holds_specificity else "sensitivity",
        at_least=at_least,
        threshold=threshold,
        sensitivity=made["sensitivity"],
        specificity=made["specificity"],
    )
