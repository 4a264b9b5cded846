"""Calibration, worked by hand or by a second route."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from batchscan.domain.aggregation import Aggregation
from batchscan.evaluation.calibration import brier, ece, fitted_calibration, log_loss, recalibration, reliability


def test_log_loss_by_hand() -> None:
    assert log_loss([1, 0], [0.5, 0.75], [1.0, 3.0]) == pytest.approx((np.log(2) + 3 * np.log(4)) / 4)
    assert log_loss([1, 0], [0.5, 0.75]) == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert log_loss([1], [0.0]) == pytest.approx(-np.log(1e-7))


def test_brier_by_hand() -> None:
    assert brier([1, 0], [0.5, 0.75]) == pytest.approx((0.25 + 0.5625) / 2)
    assert brier([], []) is None


def test_expected_calibration_error_by_hand() -> None:
    # Bins of a fifteenth: 0.30 and 0.32 lie in the fifth (0.267-0.333), 0.9 and 0.92 in the fourteenth.
    labels, p = [0, 1, 1, 1], [0.30, 0.32, 0.9, 0.92]
    assert ece(labels, p) == pytest.approx((2 * abs(0.31 - 0.5) + 2 * abs(0.91 - 1.0)) / 4)
    assert ece([], []) is None


def test_reliability_weighs_shares_and_counts_patches() -> None:
    low, high = reliability([0, 1, 1], [0.31, 0.32, 1.0], [1.0, 3.0, 5.0])
    assert (low.low, low.high, low.n) == (pytest.approx(4 / 15), pytest.approx(5 / 15), 2)
    assert low.mean_p == pytest.approx((0.31 + 3 * 0.32) / 4)
    assert low.share_idc == pytest.approx(3 / 4)
    assert (high.low, high.high, high.n, high.mean_p, high.share_idc) == (pytest.approx(14 / 15), 1.0, 1, 1.0, 1.0)


def test_two_scores_are_brought_to_their_shares() -> None:
    # Of patches scored 0.2 a half is IDC, of those scored 0.8 nine tenths: logit -1.386 -> 0, 1.386 -> 2.197.
    labels = np.repeat([True, False, True, False], [5, 5, 9, 1])
    p_mean = np.repeat([0.2, 0.8], 10)
    temperature, intercept = fitted_calibration(labels, p_mean)
    slope = np.log(9) / (2 * np.log(4))
    assert temperature == pytest.approx(1 / slope, abs=2e-4)
    assert intercept == pytest.approx(slope * np.log(4), abs=2e-4)
    p_idc = Aggregation(0.0, temperature, intercept).calibrated(np.array([0.2, 0.8]))
    np.testing.assert_allclose(p_idc, [0.5, 0.9], atol=1e-4)


def test_the_fit_is_a_logistic_regression() -> None:
    rng = np.random.default_rng(4)
    p_mean = rng.uniform(0.01, 0.99, 400)
    labels = rng.random(400) < p_mean**2
    weights = rng.uniform(0.2, 3.0, 400)
    temperature, intercept = fitted_calibration(labels, p_mean, weights)
    logit = np.log(p_mean / (1 - p_mean))[:, None]
    peer = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(logit, labels, sample_weight=weights)
    assert 1 / temperature == pytest.approx(peer.coef_[0, 0], abs=2e-3)
    assert intercept == pytest.approx(peer.intercept_[0], abs=2e-3)


def test_scores_that_separate_the_classes_wholly_stay_reasonable() -> None:
    labels, p_mean = np.repeat([False, True], 20), np.repeat([0.02, 0.97], 20)
    temperature, intercept = fitted_calibration(labels, p_mean)
    assert 0.2 < temperature < 1.0
    assert abs(intercept) < 0.5


def test_scores_that_say_the_opposite_have_a_bounded_answer() -> None:
    temperature, intercept = fitted_calibration([False, True], np.array([0.6, 0.4]))
    assert (temperature, intercept) == (20.0, 0.0)


def test_scores_count_as_the_calibration_will_take_them() -> None:
    # Aggregation keeps scores 1e-4 from certain: surer ones must not be fitted as if they were surer.
    labels = np.repeat([True, False, True, False], [9, 1, 1, 9])
    sure, surer = (np.repeat([1 - p, p], 10) for p in (1e-4, 1e-9))
    assert fitted_calibration(labels, surer) == fitted_calibration(labels, sure)
    p_idc = Aggregation(0.0, *fitted_calibration(labels, surer)).calibrated(surer)
    np.testing.assert_allclose(p_idc[[0, 10]], [0.9, 0.1], atol=2e-3)


def counted(seed: int, slope: float, intercept: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = np.linspace(-5, 5, 41)
    n = rng.poisson(30, (3, 41))
    positives = rng.binomial(n, 1 / (1 + np.exp(-(intercept + slope * logits))))
    return logits, (n - positives).astype(np.float64), positives.astype(np.float64)


def test_slope_and_intercept_are_those_of_a_logistic_regression() -> None:
    logits, negatives, positives = counted(1, slope=0.6, intercept=-0.8)
    slopes, intercepts = recalibration(logits, negatives, positives)
    for row in range(3):
        peer = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(
            np.tile(logits, 2)[:, None],
            np.repeat([0, 1], 41),
            sample_weight=np.concatenate([negatives[row], positives[row]]),
        )
        assert slopes[row] == pytest.approx(peer.coef_[0, 0], rel=1e-4)
        assert intercepts[row] == pytest.approx(peer.intercept_[0], abs=1e-4)
        assert slopes[row] == pytest.approx(0.6, abs=0.1)


def test_two_scores_recalibrate_by_hand() -> None:
    # At logit -1 a fifth is IDC, at logit 1 a half: a - b = -ln 4, a + b = 0. The slope is fitted, so the intercept
    # isn't calibration-in-the-large, which would hold the slope at 1.
    slopes, intercepts = recalibration(np.array([-1.0, 1.0]), np.array([[8.0, 5.0]]), np.array([[2.0, 5.0]]))
    assert slopes.tolist() == pytest.approx([np.log(4) / 2])
    assert intercepts.tolist() == pytest.approx([-np.log(4) / 2])


def test_perfect_probabilities_have_slope_one_and_intercept_none() -> None:
    logits = np.array([-2.0, -0.5, 1.0, 3.0])
    p = 1 / (1 + np.exp(-logits))
    slopes, intercepts = recalibration(logits, 100 * (1 - p)[None], 100 * p[None])
    assert slopes.tolist() == pytest.approx([1.0])
    assert intercepts.tolist() == pytest.approx([0.0], abs=1e-9)


def test_classes_that_do_not_overlap_have_no_recalibration() -> None:
    logits = np.array([-1.0, 0.0, 1.0])
    positives = np.array([[0, 0, 3], [0, 2, 3], [3, 1, 0], [0, 4, 0], [2, 2, 2], [0, 0, 0], [1, 0, 3]], dtype=float)
    negatives = np.array([[5, 4, 0], [5, 4, 0], [0, 4, 5], [0, 4, 0], [0, 0, 0], [1, 1, 1], [5, 4, 2]], dtype=float)
    slopes, intercepts = recalibration(logits, negatives, positives)
    # Parted wholly; but for one score; the other way round; one score alone; one class; the other; and a fit.
    assert np.isfinite(slopes).tolist() == np.isfinite(intercepts).tolist() == [False] * 6 + [True]
