from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from scipy import stats

from batchscan.domain.levels import MEASURES
from batchscan.domain.records import Float64Array
from batchscan.evaluation.interval_limits import Method
from batchscan.evaluation.intervals import (
    COVERAGE_WORDS,
    NOT_COVERED,
    SCALES,
    Bootstrap,
    Interval,
    Statistic,
    bootstrap_weights,
    cluster_intervals,
    delong_interval,
    design_effect,
    exact,
    mcnemar,
    proportion_variance,
    wilson,
)


def share_of(hits: object, units: object) -> Statistic:
    """Pooled share, of patients' hits in their units."""
    k, n = np.asarray(hits, dtype=np.float64), np.asarray(units, dtype=np.float64)

    def statistic(weights: Float64Array) -> Float64Array:
        of = weights @ n
        share = np.divide(weights @ k, of, out=np.full(len(of), np.nan), where=of > 0)
        return np.asarray(share[:, None], dtype=np.float64)

    return statistic


def mean_of(values: Float64Array) -> Statistic:
    return share_of(values, np.ones(len(values)))


def only(intervals: tuple[Interval, ...]) -> Interval:
    (interval,) = intervals
    return interval


def ends(interval: Interval) -> tuple[float, float]:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


def test_each_draw_has_as_many_patients_as_there_are() -> None:
    weights = np.concatenate(list(bootstrap_weights(7, 3000, seed=4)))
    assert weights.shape == (3000, 7)
    assert (weights.sum(axis=1) == 7).all()
    # A patient is drawn 7 times with chance 1/7: mean 1, variance 6/7.
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(weights.var(axis=0), 6 / 7, atol=0.1)


def test_draws_depend_on_the_seed_and_not_on_the_chunks() -> None:
    whole = np.concatenate(list(bootstrap_weights(30, 250, seed=1, chunk=250)))
    parts = list(bootstrap_weights(30, 250, seed=1, chunk=99))
    assert [len(part) for part in parts] == [99, 99, 52]
    assert (np.concatenate(parts) == whole).all()
    assert (np.concatenate(list(bootstrap_weights(30, 250, seed=2))) != whole).any()


def test_a_statistic_never_gets_more_rows_than_a_chunk_and_limits_do_not_depend_on_it() -> None:
    rows = []
    statistic = share_of(range(40), [50] * 40)

    def counted(weights: Float64Array) -> Float64Array:
        rows.append(len(weights))
        return statistic(weights)

    found = cluster_intervals(counted, Bootstrap(40, 90), "share", chunk=16)
    assert max(rows) == 16
    assert sum(rows) == 1 + 90 + 40  # itself, redraws, and without each patient
    assert ends(only(found)) == pytest.approx(ends(only(cluster_intervals(statistic, Bootstrap(40, 90), "share"))))


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_percentile_and_bca_limits_are_those_of_scipy(method: Literal["percentile", "bca"]) -> None:
    values = np.random.default_rng(3).gamma(2, 0.5, 25)
    found = only(cluster_intervals(mean_of(values), Bootstrap(25, 20_000, method=method)))
    scipys = stats.bootstrap(
        (values.tolist(),), np.mean, n_resamples=20_000, method=method, rng=np.random.default_rng(8)
    ).confidence_interval
    assert ends(found) == pytest.approx((scipys.low, scipys.high), abs=0.02)


def test_expanded_percentiles_of_a_mean_reach_as_far_as_students_t() -> None:
    values = np.array([1.0, 2.0] * 6)
    found = only(cluster_intervals(mean_of(values), Bootstrap(12, 50_000, method="expanded")))
    reach = stats.t.ppf(0.975, 11) * values.std(ddof=1) / math.sqrt(12)
    assert ends(found) == pytest.approx((1.5 - reach, 1.5 + reach), abs=0.03)


def test_the_interval_of_a_mean_of_patients_alike_is_students() -> None:
    values = np.array([1.0, 2.0] * 6)
    found = only(cluster_intervals(mean_of(values), Bootstrap(12, 20_000)))
    students = stats.ttest_1samp(values, 0).confidence_interval()
    assert ends(found) == pytest.approx((students.low, students.high), rel=0.01)
    assert found.variance == pytest.approx(values.var(ddof=1) / 12, rel=0.03)
    assert found.value == 1.5
    assert (found.method, found.trusted, found.why) == ("bootstrap", True, "")
    assert (found.n_defined, found.replicates) == (20_000, 20_000)


def test_limits_stay_where_the_statistic_can_lie() -> None:
    hits, units = [20, 20, 20, 20, 19, 20, 12], [20] * 7
    share = only(cluster_intervals(share_of(hits, units), Bootstrap(7), "share"))
    assert 0 < ends(share)[0] < 131 / 140 < ends(share)[1] < 1
    assert ends(only(cluster_intervals(share_of(hits, units), Bootstrap(7), "plain")))[1] > 1


def test_each_value_has_its_own_scale() -> None:
    hits = share_of([20, 20, 20, 20, 19, 20, 12], [20] * 7)

    def three(weights: Float64Array) -> Float64Array:
        return np.repeat(hits(weights), 3, axis=1)

    found = cluster_intervals(three, Bootstrap(7), ("share", "correlation", "positive"))
    alone = [only(cluster_intervals(hits, Bootstrap(7), scale)) for scale in ("share", "correlation", "positive")]
    for one, other in zip(found, alone, strict=True):
        assert ends(one) == pytest.approx(ends(other))
    assert len({ends(one) for one in alone}) == 3
    with pytest.raises(ValueError, match="2 scales for 3 values"):
        cluster_intervals(three, Bootstrap(7), ("share", "plain"))


def test_ten_clustered_patients_are_covered_where_percentiles_are_too_short() -> None:
    """Shares of patients are beta (4, 1): the mean is .8; 400 cohorts at once."""
    draw = np.random.default_rng(12)
    units = draw.integers(50, 150, (10, 400))
    hits = draw.binomial(units, draw.beta(4, 1, (10, 400)))

    def statistic(weights: Float64Array) -> Float64Array:
        return np.asarray((weights @ hits) / (weights @ units), dtype=np.float64)

    def covered(method: Method) -> float:
        found = cluster_intervals(statistic, Bootstrap(10, 400, method=method), "share")
        return float(np.mean([low <= 0.8 <= high for low, high in map(ends, found)]))

    assert covered("percentile") < 0.9
    assert covered("bca") < 0.92
    assert 0.93 <= covered("t") <= 0.98


@pytest.mark.parametrize(
    ("hits", "units", "why"),
    [
        ([3], [4], "there is one patient"),
        ([4, 9, 5, 7, 2, 3], [4, 9, 5, 7, 2, 3], "redrawing the patients doesn't change it"),
        # Only one patient has such units: drawn or not, the share is his.
        ([3, 0, 0, 0, 0, 0], [4, 0, 0, 0, 0, 0], "redrawing the patients doesn't change it"),
    ],
)
def test_no_spread_gives_no_interval_rather_than_one_that_looks_sure(
    hits: list[int], units: list[int], why: str
) -> None:
    found = only(cluster_intervals(share_of(hits, units), Bootstrap(len(hits)), "share"))
    assert found.value == sum(hits) / sum(units)
    assert (found.low, found.high, found.variance, found.method, found.trusted) == (None, None, None, "none", False)
    assert why in found.why


def test_what_is_not_defined_has_no_value() -> None:
    found = only(cluster_intervals(share_of([0, 0], [0, 0]), Bootstrap(2, 50)))
    assert (found.value, found.low, found.high, found.n_defined, found.trusted) == (None, None, None, 0, False)
    assert found.why == "it isn't defined"


def test_a_value_at_the_end_of_its_range_has_no_interval() -> None:
    # Values of both signs around 0, called a share by mistake: 0 has no logit.
    found = only(cluster_intervals(mean_of(np.array([-1.0, 1.0] * 4)), Bootstrap(8), "share"))
    assert (found.value, found.low, found.high) == (0.0, None, None)
    assert "the end of its range" in found.why


def test_four_bearing_patients_are_not_trusted_whatever_the_cohort() -> None:
    bearing = share_of([3, 5, 2, 8, *[0] * 20], [10, 9, 8, 9, *[0] * 20])
    found = only(cluster_intervals(bearing, Bootstrap(24), "share"))
    assert found.low is not None
    assert not found.trusted
    assert "4 patients bear on it" in found.why
    five = share_of([3, 5, 2, 8, 4, *[0] * 19], [10, 9, 8, 9, 10, *[0] * 19])
    assert only(cluster_intervals(five, Bootstrap(24), "share")).trusted


def test_what_most_redraws_leave_undefined_is_not_trusted() -> None:
    statistic = share_of([3, 5, 2, 8, 4, 6], [10, 9, 8, 9, 10, 11])

    def often_undefined(weights: Float64Array) -> Float64Array:
        # Without the first patient there is no value: exp(-1) of the redraws.
        return np.where(weights[:, :1] > 0, statistic(weights), np.nan)

    found = only(cluster_intervals(often_undefined, Bootstrap(6), "share"))
    assert found.value == pytest.approx(28 / 57)
    assert 0.6 < found.n_defined / found.replicates < 0.7
    assert not found.trusted
    assert f"defined in {found.n_defined} of 2000 redraws only" in found.why


def test_a_cohort_without_patients_is_refused() -> None:
    with pytest.raises(ValueError, match="no patients"):
        cluster_intervals(mean_of(np.empty(0)), Bootstrap(0))


def test_an_interval_becomes_the_record() -> None:
    record = Interval(0.5, 0.25, 0.75, "bootstrap", 10, 10, 0.01).measured(40, design_effect=3.0)
    assert (record.value, record.low, record.high, record.n) == (0.5, 0.25, 0.75, 40)
    assert (record.method, record.trusted, record.design_effect) == ("bootstrap", True, 3.0)
    assert Interval(0.5, None, None, "bootstrap", why="so").measured(4).method == "none"


def test_every_measure_has_a_scale() -> None:
    assert set(SCALES) == set(MEASURES)


@pytest.mark.parametrize(
    ("k", "n", "wilsons", "clopper_pearsons"),
    [  # Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_proportions_have_the_published_limits(
    k: int, n: int, wilsons: tuple[float, float], clopper_pearsons: tuple[float, float]
) -> None:
    assert ends(wilson(k, n)) == pytest.approx(wilsons, abs=5.1e-5)
    assert ends(exact(k, n)) == pytest.approx(clopper_pearsons, abs=5.1e-5)
    assert wilson(k, n).value == k / n
    assert (wilson(k, n).method, exact(k, n).method) == ("wilson", "exact")


def test_a_proportion_of_few_or_no_units_says_so() -> None:
    assert (exact(0, 0).value, exact(0, 0).low, exact(0, 0).why) == (None, None, "there are no such units")
    assert not wilson(4, 4).trusted
    assert wilson(5, 5).trusted


def test_delongs_interval_is_made_on_the_logit_scale() -> None:
    # Areas of the pairs by hand: wins of the positives are 1, .75, 1, .5 of 4 negatives; of the negatives they lose to
    # 1, 1, .75, .5 of the positives.
    labels, scores = [1, 1, 1, 1, 0, 0, 0, 0], [9.0, 4.0, 8.0, 3.0, 1.0, 2.0, 3.5, 5.0]
    wins, losses = np.array([1, 0.75, 1, 0.5]), np.array([1, 1, 0.75, 0.5])
    area, variance = wins.mean(), wins.var(ddof=1) / 4 + losses.var(ddof=1) / 4
    found = delong_interval(labels, scores)
    reach = 1.959964 * math.sqrt(variance) / (area * (1 - area))
    middle = math.log(area / (1 - area))
    expected = [1 / (1 + math.exp(-(middle + sign * reach))) for sign in (-1, 1)]
    assert found.value == area
    assert ends(found) == pytest.approx(expected)
    assert found.variance == pytest.approx(variance)
    assert not found.trusted
    assert "a class has 4 patients" in found.why


@pytest.mark.parametrize(
    ("labels", "scores", "value", "why"),
    [
        ([1, 1], [0.1, 0.2], None, "there is only one class"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], 1.0, "don't overlap"),
        ([0, 0, 1], [0.1, 0.3, 0.2], 0.5, "too few"),
    ],
)
def test_delong_without_a_variance_gives_no_limits(
    labels: list[int], scores: list[float], value: float | None, why: str
) -> None:
    found = delong_interval(labels, scores)
    assert (found.value, found.low, found.high, found.trusted) == (value, None, None, False)
    assert why in found.why


def test_mcnemar_by_hand() -> None:
    # 3 against 10 of 13 tosses: 2 (1 + 13 + 78 + 286) / 2**13.
    assert mcnemar(3, 10) == pytest.approx(2 * 378 / 8192)
    assert mcnemar(10, 3) == mcnemar(3, 10)
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(4, 4) == 1.0


def test_patients_whose_patches_are_all_alike_have_the_patches_of_one_as_design_effect() -> None:
    found = only(cluster_intervals(share_of([25, 0] * 20, [25] * 40), Bootstrap(40), "share"))
    effect = design_effect(found.variance, proportion_variance(0.5, 40 * 25))
    assert effect == pytest.approx(25, rel=0.08)
    assert design_effect(None, 1.0) is None
    assert design_effect(1.0, 0.0) is None


def test_the_words_on_coverage_are_those_of_the_measured_tables() -> None:
    page = (Path(__file__).parents[2] / "docs" / "intervals.md").read_text("utf-8")
    tables, failing = page.split("## Coverage of the method used")[1].split("Failing in a tenth of the patients:")
    failing, others = failing.split("Calibration of patches, the difference")
    held = {name: _covered(tables, name) for name in ("auroc", "f1", "mcc", "sensitivity", "brier")}
    assert all(row[1:].min() > 93 and row[1:].max() < 97 and row[0].min() > 92 for row in held.values())
    assert "93 to 97 % of cases from 10 patients on, and in 92 to 97 % with 5 to 9" in COVERAGE_WORDS
    spread = {name: _covered(others, name) for name in ("lower limit of agreement", "ICC(A,1)", "concordance")}
    assert np.rint(spread["lower limit of agreement"][:3].max()) == 91
    assert np.rint(spread["lower limit of agreement"][:3].min()) == 86
    assert np.rint(min(spread["ICC(A,1)"].min(), spread["concordance"].min())) == 91
    assert np.rint(_covered(failing, "auroc")[:3].min()) == 75
    ece = np.concatenate([_covered(tables, "ece"), _covered(failing, "ece")], axis=1)
    assert f"{ece.min():.0f} to {ece.max():.0f} %" in NOT_COVERED["ece"]


def _covered(text: str, name: str) -> Float64Array:
    """(sizes of cohort, tables): coverage of one measure."""
    rows = [line.split("|")[2:-1] for line in text.splitlines() if line.startswith(f"| {name} |")]
    return np.array(rows, dtype=np.float64).T
