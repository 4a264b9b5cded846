from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from batchscan.domain.aggregation import NEAREST_TO_CERTAIN, Aggregation, ScoredGrid

STRIDES = st.sampled_from([1.0, 0.5, 0.25])
SIGMAS = st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0, 1.7])

Cells = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@st.composite
def cells(draw: st.DrawFn, readable_only: bool = False) -> Cells:  # noqa: FBT001, FBT002 - a strategy's switch
    """(p_raw, row, col, readable) of scattered patches somewhere in a grid, in row-major order."""
    shape = (draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    state = draw(arrays(np.int8, shape, elements=st.sampled_from([0, 1, 1, 1, 1 if readable_only else 2])))
    row, col = (place.astype(np.int32) for place in np.nonzero(state))
    p = draw(arrays(np.float32, len(row), elements=st.floats(0, 1, width=32)))
    readable = state[row, col] == 1
    down, right = draw(st.integers(0, 50)), draw(st.integers(0, 50))
    return np.where(readable, p, np.float32(np.nan)), row + np.int32(down), col + np.int32(right), readable


def one_by_one(found: Cells, stride: float, sigma: float) -> np.ndarray:
    """The other route: the definition, patch by patch, over all pairs."""
    p_raw, row, col, readable = found
    means = np.full(len(p_raw), np.nan)
    for i in np.flatnonzero(readable):
        above, below = 0.0, 0.0
        for j in np.flatnonzero(readable):
            dy, dx = (float(where[i] - where[j]) * stride for where in (row, col))
            if i != j and (sigma == 0.0 or max(abs(dy), abs(dx)) > 3 * sigma + 1e-9):
                continue
            weight = math.exp(-(dx * dx + dy * dy) / (2 * sigma * sigma)) if i != j else 1.0
            above, below = above + weight * logit(float(p_raw[j])), below + weight
        means[i] = 1 / (1 + math.exp(-above / below)) if sigma else float(p_raw[i])
    return means


def logit(p: float) -> float:
    kept = min(max(p, NEAREST_TO_CERTAIN), 1 - NEAREST_TO_CERTAIN)
    return math.log(kept / (1 - kept))


def odds_mean(*weighted: tuple[float, float]) -> float:
    """The probability at the weighted mean of logits; pairs of p and weight."""
    return 1 / (1 + math.exp(-sum(logit(p) * w for p, w in weighted) / sum(w for _, w in weighted)))


def row_of(*p: float) -> Cells:
    """Patches side by side; None for one that can't be read is NaN."""
    p_raw = np.array(p, np.float32)
    return p_raw, np.zeros(len(p), np.int32), np.arange(len(p), dtype=np.int32), ~np.isnan(p_raw)


def test_three_in_a_row_by_hand() -> None:
    """Sigma 1: weights 1, e^-1/2 for the neighbour, e^-2 for the one after."""
    near, far = math.exp(-0.5), math.exp(-2)
    expected = [
        odds_mean((0.9, 1), (0.5, near), (0.2, far)),
        odds_mean((0.9, near), (0.5, 1), (0.2, near)),
        odds_mean((0.9, far), (0.5, near), (0.2, 1)),
    ]
    assert expected[1] == pytest.approx(1 / (1 + (9 / 4) ** (-near / (1 + 2 * near))))
    assert ScoredGrid(*row_of(0.9, 0.5, 0.2), stride=1.0).p_mean(1.0) == pytest.approx(expected, abs=1e-7)


def test_certainty_has_a_limit() -> None:
    """A 1 counts as .9999, so that one patch can't outvote all others."""
    expected = odds_mean((0.9999, 1), (0.3, math.exp(-0.5)))
    assert ScoredGrid(*row_of(1.0, 0.3), stride=1.0).p_mean(1.0)[0] == pytest.approx(expected, abs=1e-7)


def test_neighbours_on_the_diagonal_weigh_by_their_own_distance() -> None:
    row, col = np.array([3, 4], np.int32), np.array([8, 9], np.int32)
    near = math.exp(-(2.0 / (2 * 0.64)))
    p = ScoredGrid(np.array([0.75, 0.25]), row, col, np.ones(2, np.bool_), stride=1.0).p_mean(0.8)
    assert p == pytest.approx([odds_mean((0.75, 1), (0.25, near)), odds_mean((0.75, near), (0.25, 1))], abs=1e-12)


@pytest.mark.parametrize(("sigma", "reached"), [(1.0, [3]), (0.99, [2]), (0.34, [1]), (0.33, [])])
def test_beyond_three_sigma_nothing_counts(sigma: float, reached: list[int]) -> None:
    for distance in range(1, 5):
        found = row_of(0.0, *[math.nan] * (distance - 1), 1.0)
        p_mean = ScoredGrid(*found, stride=1.0).p_mean(sigma)
        assert (p_mean[0] > NEAREST_TO_CERTAIN * 1.01) == (distance <= max(reached, default=0)), distance


def test_the_unreadable_count_nowhere() -> None:
    """Neither as a 0 in the sum nor in the weights, and they get no score of their own."""
    p_mean = ScoredGrid(*row_of(0.25, math.nan, 0.25), stride=1.0).p_mean(1.0)
    assert p_mean == pytest.approx([0.25, math.nan, 0.25], nan_ok=True)


@settings(deadline=None)
@given(cells(), STRIDES, SIGMAS)
def test_the_average_is_the_definitions(found: Cells, stride: float, sigma: float) -> None:
    p_mean = ScoredGrid(*found, stride=stride).p_mean(sigma)
    np.testing.assert_allclose(p_mean, one_by_one(found, stride, sigma), rtol=0, atol=1e-12)
    assert (np.isnan(p_mean) == ~found[3]).all()


@given(cells(), STRIDES, SIGMAS, st.floats(0, 1, width=32))
def test_a_constant_field_stays(found: Cells, stride: float, sigma: float, p: float) -> None:
    _, row, col, readable = found
    same = np.where(readable, np.float32(p), np.float32(np.nan))
    kept = np.clip(same, NEAREST_TO_CERTAIN, 1 - NEAREST_TO_CERTAIN) if sigma else same
    assert ScoredGrid(same, row, col, readable, stride).p_idc(Aggregation(sigma)) == pytest.approx(
        kept, abs=1e-6, nan_ok=True
    )


@given(cells(), STRIDES)
def test_without_sigma_and_calibration_p_idc_is_p_raw_to_the_bit(found: Cells, stride: float) -> None:
    p_idc = ScoredGrid(*found, stride).p_idc(Aggregation())
    assert p_idc.dtype == np.float32
    assert p_idc.tobytes() == found[0].tobytes()


@given(cells(), SIGMAS)
def test_the_same_patches_in_a_grid_half_as_wide_come_to_the_same(found: Cells, sigma: float) -> None:
    p_raw, row, col, readable = found
    wide = ScoredGrid(p_raw, row, col, readable, stride=1.0).p_mean(sigma)
    narrow = ScoredGrid(p_raw, 2 * row, 2 * col, readable, stride=0.5).p_mean(sigma)
    np.testing.assert_allclose(narrow, wide, rtol=0, atol=1e-12)


@settings(deadline=None)
@given(cells(readable_only=True), STRIDES, SIGMAS, st.data())
def test_it_rises_with_every_p_raw(found: Cells, stride: float, sigma: float, data: st.DataObject) -> None:
    p_raw, row, col, readable = found
    more = data.draw(arrays(np.float64, len(p_raw), elements=st.floats(0, 0.5)))
    both = (p_raw, np.clip(p_raw + more, 0, 1))
    one, two = (ScoredGrid(p, row, col, readable, stride).p_mean(sigma) for p in both)
    assert (two - one >= -1e-12).all()


def test_the_calibration_by_hand() -> None:
    """Logit ln 3 of 3/4, halved and lowered by 1: sigmoid(ln 3 / 2 - 1)."""
    expected = math.sqrt(3) / (math.sqrt(3) + math.e)
    calibrated = Aggregation(temperature=2.0, intercept=-1.0).calibrated(np.array([0.75, math.nan]))
    assert calibrated == pytest.approx([expected, math.nan], abs=1e-12, nan_ok=True)
    p_idc = ScoredGrid(*row_of(0.75), 1.0).p_idc(Aggregation(temperature=2.0, intercept=-1.0))
    assert p_idc[0] == np.float32(expected)


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=20),
    st.floats(0.05, 20),
    st.floats(-20, 20),
)
def test_the_calibration_keeps_order_and_range(p: list[float], temperature: float, intercept: float) -> None:
    calibrated = Aggregation(temperature=temperature, intercept=intercept).calibrated(np.sort(np.array(p)))
    assert (np.diff(calibrated) >= 0).all()
    assert ((calibrated >= 0) & (calibrated <= 1)).all()


def test_the_average_comes_before_the_calibration() -> None:
    aggregation = Aggregation(sigma=1.0, temperature=0.5, intercept=0.25)
    found = row_of(0.9, 0.2, 0.1)
    p_mean = one_by_one(found, 1.0, 1.0)
    expected = [1 / (1 + math.exp(-(math.log(p / (1 - p)) / 0.5 + 0.25))) for p in p_mean]
    assert ScoredGrid(*found, 1.0).p_idc(aggregation) == pytest.approx(expected, abs=1e-6)


def flips(found: Cells, aggregation: Aggregation, threshold: float, tolerance: float) -> np.ndarray:
    return ScoredGrid(*found, 1.0).could_flip(aggregation, threshold=threshold, tolerance=tolerance)


def test_what_a_tolerance_could_flip_by_hand() -> None:
    """p_idc is 1/2 where p_raw is .8; .1 more or less reaches from .7 to .9."""
    aggregation = Aggregation(intercept=-math.log(4))
    found = row_of(0.69, 0.71, 0.8, 0.89, 0.91, math.nan)
    assert flips(found, aggregation, 0.5, 0.1).tolist() == [False, True, True, True, False, False]
    assert not flips(found, aggregation, 0.9999, 0.05).any()


def test_with_neighbours_each_may_be_off_by_the_tolerance() -> None:
    """Weights 1 and e^-1/2: at .1 more each, .35 and .8 bring the first over 1/2; at .05 more, .3 and .75 don't."""
    found = row_of(0.25, 0.7)
    near = math.exp(-0.5)
    assert odds_mean((0.35, 1), (0.8, near)) > 0.5 > odds_mean((0.3, 1), (0.75, near))
    assert flips(found, Aggregation(sigma=1.0), 0.5, 0.1).tolist()[0] is True
    assert flips(found, Aggregation(sigma=1.0), 0.5, 0.05).tolist()[0] is False


@given(arrays(np.float32, 9, elements=st.floats(0, 1, width=32)), st.floats(0, 1), st.floats(0, 0.5))
def test_alone_and_uncalibrated_it_is_the_distance_to_the_threshold(
    p: np.ndarray, threshold: float, tolerance: float
) -> None:
    found = flips(row_of(*p.tolist()), Aggregation(), threshold, tolerance)
    assert found.tolist() == [abs(float(each) - threshold) <= tolerance for each in p]


@settings(deadline=None)
@given(cells(readable_only=True), st.floats(0.2, 5), st.floats(-3, 3), st.floats(0.05, 0.95), st.data())
def test_who_could_not_flip_does_not(
    found: Cells, temperature: float, intercept: float, threshold: float, data: st.DataObject
) -> None:
    """Another engine within the tolerance decides every patch alike that isn't said to be in doubt."""
    tolerance = 0.02
    aggregation = Aggregation(0.8, temperature, intercept)
    p_raw, row, col, readable = found
    apart = data.draw(arrays(np.float64, len(p_raw), elements=st.floats(-tolerance, tolerance)))
    both = (p_raw, np.clip(p_raw + apart, 0, 1))
    means = [ScoredGrid(p, row, col, readable, stride=1.0).p_mean(0.8) for p in both]
    one, two = (aggregation.calibrated(p_mean) >= threshold for p_mean in means)
    could = flips(found, aggregation, threshold, tolerance + 1e-7)
    assert (one == two)[~could].all()


def test_a_slide_without_patches_has_no_scores() -> None:
    assert len(ScoredGrid(*row_of(), 1.0).p_idc(Aggregation(sigma=1.0))) == 0


@pytest.mark.parametrize("wrong", [{"sigma": -0.1}, {"sigma": math.inf}, {"temperature": 0.0}, {"intercept": math.nan}])
def test_what_is_no_aggregation_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="is no aggregation"):
        Aggregation(**wrong)
