from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from batchscan.domain.records import Float64Array
from batchscan.evaluation.delong import areas_and_covariance, variance_of_counts
from batchscan.evaluation.intervals import delong_difference


def brute_force(labels: Float64Array, scores: Float64Array) -> tuple[Float64Array, Float64Array]:
    """DeLong 1988, equation by equation: every positive against every negative."""
    positive, negative = scores[:, labels == 1], scores[:, labels == 0]
    kernel = (positive[:, :, None] > negative[:, None]) + 0.5 * (positive[:, :, None] == negative[:, None])
    v10, v01 = kernel.mean(axis=2), kernel.mean(axis=1)
    area = kernel.mean(axis=(1, 2))
    s10 = (v10 - area[:, None]) @ (v10 - area[:, None]).T / (v10.shape[1] - 1)
    s01 = (v01 - area[:, None]) @ (v01 - area[:, None]).T / (v01.shape[1] - 1)
    return area, s10 / v10.shape[1] + s01 / v01.shape[1]


# Scores in steps, so that there are ties within and between the classes.
units = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=12)


@given(units, units)
def test_areas_and_covariance_are_those_of_all_pairs(ones: list[tuple[int, int]], zeros: list[tuple[int, int]]) -> None:
    labels = np.array([1.0] * len(ones) + [0.0] * len(zeros))
    scores = np.array([*ones, *zeros], dtype=np.float64).T / 6
    areas, covariance = areas_and_covariance(labels, scores)
    expected_areas, expected_covariance = brute_force(labels, scores)
    np.testing.assert_allclose(areas, expected_areas)
    np.testing.assert_allclose(areas, [roc_auc_score(labels, score) for score in scores])
    np.testing.assert_allclose(covariance, expected_covariance, atol=1e-12)


@given(units, units)
def test_the_variance_from_counts_is_the_same(ones: list[tuple[int, int]], zeros: list[tuple[int, int]]) -> None:
    scores = [np.array([first for first, _ in group]) for group in (zeros, ones)]
    labels = np.repeat([0.0, 1.0], [len(zeros), len(ones)])
    _, covariance = brute_force(labels, np.concatenate(scores)[None].astype(np.float64))
    counts = [np.bincount(score, minlength=7) for score in scores]
    assert variance_of_counts(*counts) == pytest.approx(covariance[0, 0], abs=1e-12)


def test_a_class_of_one_has_no_variance() -> None:
    areas, covariance = areas_and_covariance([1, 0, 0], [[0.5, 0.2, 0.7]])
    assert areas == [0.5]
    assert np.isnan(covariance).all()
    assert variance_of_counts([1, 1], [0, 1]) is None


def test_the_difference_of_two_areas() -> None:
    draw = np.random.default_rng(9)
    labels = np.repeat([0.0, 1.0], [30, 25])
    common = draw.normal(size=55) + labels
    first, second = common + draw.normal(size=55), common + 0.3 * draw.normal(size=55)
    found = delong_difference(labels, first, second)
    area, covariance = brute_force(labels, np.stack([first, second]))
    contrast = np.array([-1.0, 1.0])
    se = np.sqrt(contrast @ covariance @ contrast)
    assert found is not None
    assert (found.first, found.second) == pytest.approx(tuple(area))
    assert found.difference == pytest.approx(area[1] - area[0])
    assert found.se == pytest.approx(se)
    assert found.p == pytest.approx(2 * stats.norm.cdf(-abs(area[1] - area[0]) / se))
    assert (found.low, found.high) == pytest.approx(stats.norm.interval(0.95, area[1] - area[0], se))


def test_a_score_does_not_differ_from_itself_and_one_class_has_no_areas() -> None:
    labels, scores = [0, 1, 0, 1, 1, 0], [0.2, 0.4, 0.5, 0.1, 0.9, 0.3]
    found = delong_difference(labels, scores, scores)
    assert found is not None
    assert (found.difference, found.se, found.p, found.low, found.high) == (0.0, None, None, None, None)
    assert delong_difference([1, 1], [0.1, 0.2], [0.3, 0.4]) is None
