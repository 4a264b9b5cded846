from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from batchscan.domain.levels import CALLS
from batchscan.evaluation.metrics import Confusion
from batchscan.evaluation.weighted import Ranked, call_measures, predictive_values

few = st.integers(0, 6)
tables = st.builds(Confusion, tp=few, fp=few, fn=few, tn=few)


@given(st.lists(tables, min_size=1, max_size=5))
def test_measures_of_rows_are_those_of_each_table(rows: list[Confusion]) -> None:
    values = call_measures(np.array([astuple(table) for table in rows], dtype=np.float64), CALLS)
    expected = [[getattr(table, name) for name in CALLS] for table in rows]
    np.testing.assert_allclose(values, np.array(expected, dtype=np.float64), atol=1e-12)


def test_millions_of_patches_do_not_overflow() -> None:
    table = Confusion(tp=30_000_000, fp=4_000_000, fn=5_000_000, tn=61_000_000)
    (values,) = call_measures(np.array([astuple(table)], dtype=np.float64), ("mcc", "kappa"))
    assert values.tolist() == pytest.approx([table.mcc, table.kappa])


def test_predictive_values_by_hand() -> None:
    # Sensitivity 0.9, specificity 0.8; of 1000 with 10 % ill: 90 found, 180 false alarms, 720 cleared, 10 missed.
    (values,) = predictive_values(np.array([[45.0, 10.0, 5.0, 40.0]]), (0.1, 0.5))
    assert values.tolist() == pytest.approx([90 / 270, 720 / 730, 0.9 / 1.1, 0.8 / 0.9])
    assert np.isnan(predictive_values(np.array([[0.0, 1.0, 0.0, 1.0]]), (0.1,))).all()


def random_counts(rows: int = 4, k: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    rising = np.linspace(0.2, 1.5, k)
    return rng.poisson(2 - rising, (rows, k)).astype(float), rng.poisson(rising, (rows, k)).astype(float)


def unrolled(negatives: np.ndarray, positives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    k = np.arange(len(negatives))
    scores = np.concatenate([np.repeat(k, negatives.astype(int)), np.repeat(k, positives.astype(int))])
    return np.repeat([0, 1], [int(negatives.sum()), int(positives.sum())]), scores


def test_areas_agree_with_scikit_learn() -> None:
    negatives, positives = random_counts()
    curves = Ranked.of(negatives, positives)
    for row in range(4):
        label, score = unrolled(negatives[row], positives[row])
        assert curves.auroc()[row] == pytest.approx(roc_auc_score(label, score))
        assert curves.auprc()[row] == pytest.approx(average_precision_score(label, score))


def test_the_roc_is_read_between_its_points() -> None:
    negatives, positives = random_counts()
    fpr = np.array([0.0, 0.013, 0.25, 0.5, 0.97, 1.0])
    heights = Ranked.of(negatives, positives).sensitivity_by_fpr(fpr)
    for row in range(4):
        x, y, _ = roc_curve(*unrolled(negatives[row], positives[row]), drop_intermediate=False)
        top = [y[x <= 0].max()]
        assert heights[row, 0] == pytest.approx(top[0])
        np.testing.assert_allclose(heights[row, 1:], np.interp(fpr[1:], x, y), atol=1e-9)


def brute(negatives: np.ndarray, positives: np.ndarray, least: float) -> tuple[float, float]:
    """Best sensitivity among scores that keep the specificity, best specificity among those that reach the other."""
    sensitivity, specificity = [], []
    for k in range(1, len(negatives)):
        one, other = positives[k:].sum() / positives.sum(), negatives[:k].sum() / negatives.sum()
        if positives[k:].sum() + negatives[k:].sum() == 0:
            continue
        if other >= least - 1e-12:
            sensitivity.append(one)
        if one >= least - 1e-12:
            specificity.append(other)
    return max(sensitivity, default=np.nan), max(specificity, default=np.nan)


def test_operating_points_agree_with_trying_every_score() -> None:
    negatives, positives = random_counts()
    least = np.array([0.5, 0.9, 0.95])
    found = Ranked.of(negatives, positives).operating(least)
    for row in range(4):
        expected = np.array([brute(negatives[row], positives[row], one) for one in least]).T.ravel()
        np.testing.assert_allclose(found[row], expected)


def test_calling_everything_or_nothing_is_no_operating_point() -> None:
    # The best score is a negative's, so nothing keeps 90 %; half the positives have the first score.
    curves = Ranked.of(np.array([[0.0, 1.0, 0.0, 1.0]]), np.array([[2.0, 0.0, 2.0, 0.0]]))
    assert np.isnan(curves.operating(np.array([0.9]))).all()
    assert curves.operating(np.array([0.5]))[0].tolist() == [0.5, 0.5]


def test_precision_is_that_of_the_first_score_to_reach_a_sensitivity() -> None:
    # From the top: 1 TP; then 1 TP + 1 FP; then 2 FP; then 2 TP.
    curves = Ranked.of(np.array([[0.0, 2.0, 1.0, 0.0]]), np.array([[2.0, 0.0, 1.0, 1.0]]))
    found = curves.precision_by_sensitivity(np.array([0.2, 0.25, 0.3, 0.5, 0.51, 1.0]))[0]
    assert found.tolist() == pytest.approx([1.0, 1.0, 2 / 3, 2 / 3, 4 / 7, 4 / 7])


def test_one_class_defines_no_curve() -> None:
    none, some = np.zeros((1, 3)), np.ones((1, 3))
    for curves in (Ranked.of(none, some), Ranked.of(some, none), Ranked.of(none, none)):
        assert np.isnan(curves.auroc()).all()
        assert np.isnan(curves.sensitivity_by_fpr(np.array([0.5]))).all()
        assert np.isnan(curves.operating(np.array([0.9]))).any()
    assert np.isnan(Ranked.of(some, none).auprc()).all()
    assert Ranked.of(none, some).auprc().tolist() == [1.0]
