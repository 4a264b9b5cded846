from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm, t

from batchscan.domain.records import Float64Array
from batchscan.evaluation.interval_limits import Method, Scale, effective_patients, limits, variance


def column(*values: float) -> Float64Array:
    return np.array(values)[:, None]


def both(method: Method, replicates: Float64Array, jackknife: Float64Array, scale: Scale) -> tuple[float, float]:
    low, high = limits(method, np.array([0.6]), replicates, jackknife, [scale])
    return float(low[0]), float(high[0])


SPREAD = column(0.5, 0.7, 0.6, 0.55, 0.65)
"""Standard deviation (.05**2 + .05**2 + .1**2 + .1**2) / 4 under the root: .0790569."""
SD = np.sqrt(0.025 / 4)
ALIKE = column(*[0.59, 0.61] * 5)


@pytest.mark.parametrize(
    ("scale", "forward", "back", "slope"),
    [
        ("plain", lambda x: x, lambda y: y, 1.0),
        ("share", lambda x: np.log(x / (1 - x)), lambda y: 1 / (1 + np.exp(-y)), 1 / (0.6 * 0.4)),
        ("correlation", np.arctanh, np.tanh, 1 / (1 - 0.36)),
        ("positive", np.log, np.exp, 1 / 0.6),
    ],
)
def test_students_limits_by_hand(scale: Scale, forward, back, slope: float) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    # Ten patients of nearly equal pull: 9 degrees of freedom, hardly any skewness (none on the plain scale).
    reach = t.ppf(0.975, 9) * SD * np.sqrt(10 / 9) * slope
    expected = back(forward(0.6) - reach), back(forward(0.6) + reach)
    assert both("t", SPREAD, ALIKE, scale) == pytest.approx(expected, rel=0.003)


def test_variance_is_made_up_for_what_a_resample_loses_and_skips_the_undefined() -> None:
    replicates = np.concatenate([SPREAD, column(np.nan)])
    assert variance(replicates, 10) == pytest.approx(SD**2 * 10 / 9)
    assert np.isnan(variance(column(np.nan, 0.5), 10)).all()


def test_effective_patients() -> None:
    # Equal pulls: 3 n - 2, no more than there are. One that pulls alone: 3 - 2.
    assert effective_patients(column(*[1, -1] * 5)) == [10]
    assert effective_patients(column(1, *[0] * 9)) == [1]
    # (sum of squares)**2 = (2 * 4 + 6)**2 = 196, sum of fourths 2 * 16 + 6 = 38.
    assert effective_patients(column(2, -2, 1, -1, 1, -1, 1, -1, *[0] * 92)) == pytest.approx(3 * 196 / 38 - 2)
    normal = np.random.default_rng(2).normal(size=(20, 4000))
    assert effective_patients(normal).mean() == pytest.approx(18, abs=2)  # cut at 20, so less than 20


def hall(x: float, skewness: float) -> float:
    """Hall's transformation, of which the limits need the inverse."""
    return x + skewness * x**2 / 3 + skewness**2 * x**3 / 27 + skewness / 6


@pytest.mark.parametrize("sign", [1, -1])
def test_the_limit_on_the_longer_side_moves_out_and_no_limit_moves_in(sign: int) -> None:
    pulls = np.array([3.0, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1]) * 0.01
    pulls = sign * (pulls - pulls.mean())
    squares, cubes = (pulls**2).sum(), (pulls**3).sum()
    skewness = cubes / squares**1.5
    degrees = 3 * squares**2 / (pulls**4).sum() - 3
    assert 4 < degrees < 11
    reach = t.ppf(0.975, degrees)
    # Pulls above the mean reach far: the value may be too low by more than it may be too high.
    far = abs(float(brentq(lambda x: hall(x, skewness) + sign * reach, -40, 40)))
    assert reach < far < 1.5 * reach
    error = SD * np.sqrt(12 / 11)
    low, high = both("t", SPREAD, (0.6 - pulls)[:, None], "plain")
    below, above = (reach, far) if sign > 0 else (far, reach)
    assert (low, high) == pytest.approx((0.6 - below * error, 0.6 + above * error))


def test_one_patient_alone_stretches_an_interval_only_so_far() -> None:
    # All pull comes from one of 12: 4 degrees of freedom, and half as far again on one side.
    low, high = both("t", SPREAD, column(0.5, *[0.6] * 11), "plain")
    reach = t.ppf(0.975, 4) * SD * np.sqrt(12 / 11)
    assert (0.6 - low, high - 0.6) == pytest.approx((reach, 1.5 * reach))


def test_few_patients_have_fewer_degrees_than_four() -> None:
    low, high = both("t", SPREAD, column(0.59, 0.61), "plain")
    assert (high - low) / 2 == pytest.approx(t.ppf(0.975, 1) * SD * np.sqrt(2))


def test_without_a_patient_undefined_counts_as_no_pull() -> None:
    with_gap = both("t", SPREAD, np.concatenate([ALIKE[:-2], column(np.nan, np.nan)]), "plain")
    without_pull = both("t", SPREAD, np.concatenate([ALIKE[:-2], column(0.6, 0.6)]), "plain")
    assert with_gap == without_pull


def test_without_a_patient_at_the_end_of_the_range_limits_stay_finite() -> None:
    low, high = both("t", SPREAD, column(1.0, *[0.59] * 11), "share")
    assert 0 < low < 0.6 < high < 1


@pytest.mark.parametrize(("scale", "end"), [("share", 1.0), ("correlation", -1.0), ("positive", 0.0)])
def test_at_the_end_of_its_range_a_statistic_has_no_students_limits(scale: Scale, end: float) -> None:
    low, high = limits("t", np.array([end]), SPREAD, ALIKE, [scale])
    assert np.isnan([*low, *high]).all()


def test_percentiles_leave_out_the_undefined() -> None:
    replicates = np.random.default_rng(5).normal(size=(501, 2))
    holes = np.concatenate([replicates, np.full((100, 2), np.nan)])
    values, jackknife = np.zeros(2), np.zeros((9, 2))
    low, high = limits("percentile", values, holes, jackknife, ["plain"] * 2)
    np.testing.assert_allclose([low, high], np.quantile(replicates, [0.025, 0.975], axis=0))


def test_bca_by_hand() -> None:
    replicates = np.random.default_rng(6).gamma(4, size=1001)[:, None]
    jackknife = np.random.default_rng(7).gamma(2, size=15)[:, None]
    value = np.array([4.2])
    bias = norm.ppf((replicates < 4.2).mean())
    pull = (jackknife.mean() - jackknife).ravel()
    acceleration = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)
    levels = [float(norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))) for z in (-1.959964, 1.959964)]
    low, high = limits("bca", value, replicates, jackknife, ["plain"])
    assert [low[0], high[0]] == pytest.approx(np.quantile(replicates, levels).tolist())
