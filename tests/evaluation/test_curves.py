from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from batchscan.evaluation.curves import CURVE_POINTS, PooledScores, bands, operating_points
from batchscan.evaluation.delong import areas_and_covariance
from batchscan.evaluation.intervals import Bootstrap
from batchscan.evaluation.measured import Outcomes
from batchscan.evaluation.weighted import Ranked


def pooled(label: np.ndarray, score: np.ndarray) -> PooledScores:
    values, place = np.unique(np.append(score, 0.0), return_inverse=True)
    counts = [np.bincount(place[:-1][label == one], minlength=len(values)).astype(np.float64) for one in (0, 1)]
    return PooledScores.of(values, *counts)


def drawn(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.4
    return label, np.round(np.clip(rng.normal(0.4 + 0.25 * label, 0.15), 0, 1), 3)


def test_areas_are_those_of_the_units_written_out() -> None:
    label, score = drawn(500)
    scores = pooled(label, score)
    assert scores.auroc() == pytest.approx(roc_auc_score(label, score))
    assert scores.auprc() == pytest.approx(average_precision_score(label, score))


def test_variance_of_the_area_is_delongs() -> None:
    label, score = drawn(300, seed=2)
    _, covariance = areas_and_covariance(label, score[None])
    assert pooled(label, score).auroc_variance() == pytest.approx(float(covariance[0, 0]))
    assert pooled(label[:1], score[:1]).auroc_variance() is None


def test_a_short_roc_by_hand() -> None:
    # .9: TP; .6: FP; .4: one of each; 0: FP.
    scores = pooled(np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.6, 0.4, 0.4, 0.0]))
    assert scores.roc() == ((0.0, 0.0, None), (0.0, 0.5, 0.9), (1 / 3, 0.5, 0.6), (2 / 3, 1.0, 0.4), (1.0, 1.0, 0.0))
    assert scores.pr() == ((0.0, 1.0, None), (0.5, 1.0, 0.9), (0.5, 0.5, 0.6), (1.0, 0.5, 0.4))


def test_a_long_curve_keeps_points_that_are_on_it() -> None:
    label, score = drawn(5000, seed=3)
    roc = pooled(label, score).roc()
    full = {tuple(point) for point in np.column_stack(roc_curve(label, score, drop_intermediate=False))}
    assert 150 < len(roc) <= CURVE_POINTS
    assert (roc[0][:2], roc[-1][:2]) == ((0.0, 0.0), (1.0, 1.0))
    for fpr, sensitivity, threshold in roc[1:]:
        assert (fpr, sensitivity, threshold) in full
        called = score >= threshold
        assert sensitivity == pytest.approx(called[label].mean())
        assert fpr == pytest.approx(called[~label].mean())
    steps = np.abs(np.diff(np.array([point[:2] for point in roc]), axis=0)).sum(axis=1)
    assert steps.max() < 0.03


def test_one_class_has_no_curve() -> None:
    for label in (np.zeros(4, dtype=bool), np.ones(4, dtype=bool)):
        scores = pooled(label, np.array([0.1, 0.2, 0.3, 0.4]))
        assert (scores.auroc(), scores.roc(), scores.auroc_variance()) == (None, (), None)
    assert (pooled(np.zeros(2), np.array([0.1, 0.2])).auprc(), pooled(np.zeros(2), np.array([0.1, 0.2])).pr()) == (
        None,
        (),
    )


def test_net_benefit_by_hand() -> None:
    scores = pooled(np.array([1, 1, 0, 0, 0]), np.array([0.9, 0.3, 0.5, 0.2, 0.0]))
    points = {point.threshold: point for point in scores.decision()}
    assert len(points) == 99
    # From 0.25: TP 2, FP 1 of 5, odds 1/3; from 0.5 itself: TP 1, FP 1; above 0.9 nothing is called.
    assert points[0.25].net_benefit == pytest.approx(2 / 5 - 1 / 5 / 3)
    assert points[0.5].net_benefit == pytest.approx(1 / 5 - 1 / 5)
    assert points[0.95].net_benefit == 0.0
    assert points[0.25].call_all == pytest.approx(2 / 5 - 3 / 5 / 3)
    empty = PooledScores.of(np.zeros(1), np.zeros(1), np.zeros(1))
    assert empty.decision() == ()


class Cohort:
    """Patients with 30 units each, whose scores differ from patient to patient."""

    def __init__(self, n_patients: int, *, top: float = 1.0) -> None:
        rng = np.random.default_rng(11)
        self.patient = np.repeat(np.arange(n_patients), 30)
        self.label = rng.random(30 * n_patients) < 0.4
        shift = rng.normal(0, 0.05, n_patients)[self.patient]
        self.score = np.round(np.clip(rng.normal(0.35 + 0.3 * self.label, 0.12) + shift, 0, top), 2)
        self.scores = pooled(self.label, self.score)
        self.n_patients = n_patients
        called = self.score >= 0.5
        table = np.zeros((n_patients, 4), dtype=np.int64)
        np.add.at(table, (self.patient, 2 * (~called).astype(int) + ~self.label), 1)
        self.outcomes = Outcomes("patches", table)

    def ranked(self, weights: np.ndarray) -> Ranked:
        """Counted unit by unit."""
        place = np.searchsorted(self.scores.score, self.score)
        negatives, positives = np.zeros((2, len(weights), len(self.scores.score)))
        for row, weight in enumerate(weights[:, self.patient]):
            np.add.at(negatives[row], place[~self.label], weight[~self.label])
            np.add.at(positives[row], place[self.label], weight[self.label])
        return Ranked.of(negatives, positives)


def test_bands_lie_around_the_curve() -> None:
    cohort = Cohort(12)
    roc_band, pr_band = bands(cohort.ranked, cohort.outcomes, Bootstrap(12, 100))
    fpr, sensitivity, _ = roc_curve(cohort.label, cohort.score)
    inside = [point.low <= np.interp(point.x, fpr, sensitivity) <= point.high for point in roc_band if 0 < point.x < 1]
    assert len(inside) > 50
    assert np.mean(inside) > 0.95
    precision, reached, _ = precision_recall_curve(cohort.label, cohort.score)
    assert len(pr_band) > 50
    for point in pr_band:
        # The highest score that reaches the sensitivity is the last of scikit-learn's falling ones that does.
        assert point.low <= precision[np.flatnonzero(reached >= point.x - 1e-9)[-1]] <= point.high


def test_four_patients_make_no_band() -> None:
    cohort = Cohort(4)
    assert bands(cohort.ranked, cohort.outcomes, Bootstrap(4, 20)) == ((), ())


def test_operating_points_hold_what_they_say() -> None:
    cohort = Cohort(10)
    points = operating_points(cohort.scores, cohort.ranked, cohort.outcomes, Bootstrap(10, 100))
    assert [(point.held, point.at_least) for point in points] == [
        (held, rate) for held in ("specificity", "sensitivity") for rate in (0.90, 0.95, 0.99)
    ]
    candidates = np.unique(cohort.score[cohort.score > 0])
    rates = {
        t: ((cohort.score >= t)[cohort.label].mean(), (cohort.score < t)[~cohort.label].mean()) for t in candidates
    }
    for point in points:
        assert point.post_hoc
        assert point.threshold is not None
        assert (point.sensitivity.value, point.specificity.value) == pytest.approx(rates[point.threshold])
        held, free = point.specificity, point.sensitivity
        holding = [t for t in candidates if rates[t][1] >= point.at_least]
        chosen = min(holding, default=None)
        if point.held == "sensitivity":
            held, free = free, held
            chosen = max(t for t in candidates if rates[t][0] >= point.at_least)
        assert point.threshold == chosen
        assert (held.low, held.method, held.why) == (None, "none", "the threshold was chosen so that it holds")
        assert free.low is not None
        assert free.high is not None
        assert free.value is not None
        assert free.low <= free.value <= free.high
        assert (point.sensitivity.n, point.specificity.n) == (int(cohort.label.sum()), int((~cohort.label).sum()))


def test_a_rate_that_no_threshold_holds() -> None:
    # The surest two are negatives, a fifth of the positives have no score at all.
    label = np.array([0, 0, 1, 1, 1, 1, 1, 0, 0])
    score = np.array([0.9, 0.9, 0.8, 0.8, 0.7, 0.7, 0.0, 0.1, 0.0])
    place = {one: i for i, one in enumerate([0.0, 0.1, 0.7, 0.8, 0.9])}

    def ranked(weights: np.ndarray) -> Ranked:
        counts = np.zeros((2, len(weights), 5))
        for i in range(9):
            counts[label[i], :, place[score[i]]] += weights[:, i]
        return Ranked.of(*counts)

    outcomes = Outcomes("patches", np.eye(4, dtype=np.int64)[[1, 1, 0, 0, 0, 0, 2, 3, 3]])
    for point in operating_points(pooled(label, score), ranked, outcomes, Bootstrap(9, 50)):
        assert point.threshold is None
        assert (point.sensitivity.value, point.specificity.value) == (None, None)
        assert point.sensitivity.why == "no threshold holds the other rate"
