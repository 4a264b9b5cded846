"""Thresholds over several slides, worked by hand."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from batchscan.evaluation.thresholds import Part, best_mean_threshold, best_threshold_at, threshold_curve


def part(label: str, *p_idc: float) -> Part:
    return np.array([letter == "1" for letter in label]), np.array(p_idc, dtype=np.float32)


def test_the_middle_of_the_best_stretch_is_taken() -> None:
    # All right above 0.3 up to 0.7 itself: 0.301 ... 0.7, 400 candidates, the 201st.
    assert best_mean_threshold([part("0011", 0.1, 0.3, 0.7, 0.9)], "f1") == 0.501


def test_slides_count_the_same_whatever_their_size() -> None:
    # The small slide is all right up to 0.2 and finds nothing above; the large one has, below 0.5, a false positive
    # for each of its ten IDC patches (F1 2/3) and none above (F1 1). Low: (1 + 2/3) / 2; high: (0 + 1) / 2.
    small = part("01", 0.1, 0.2)
    large = part("1" * 10 + "0" * 10, *[0.9] * 10, *[0.5] * 10)
    low = best_mean_threshold([small, large], "f1")
    assert 0.1 < low <= 0.2
    # The patches of both together would be served best above 0.5: F1 20/21 there, 22/32 below.
    pooled = (np.concatenate([small[0], large[0]]), np.concatenate([small[1], large[1]]))
    assert best_mean_threshold([pooled], "f1") > 0.5


def test_balanced_accuracy_is_served_elsewhere_than_f1() -> None:
    # IDC at 0.5 and 0.9; of the others three at 0.6 and sixteen at 0.1. From 0.1 to 0.5 both are found: sensitivity 1,
    # specificity 16/19, F1 4/7. From 0.6 to 0.9: sensitivity 1/2, specificity 1, F1 2/3.
    slide = part("11" + "0" * 19, 0.5, 0.9, *[0.6] * 3, *[0.1] * 16)
    assert 0.1 < best_mean_threshold([slide], "balanced_accuracy") <= 0.5
    assert 0.6 < best_mean_threshold([slide], "f1") <= 0.9


def test_the_threshold_itself_is_positive_in_float32() -> None:
    curve = threshold_curve([part("01", 0.1, 0.3)])
    by_threshold = {point.threshold: point for point in curve}
    assert by_threshold[0.3].sensitivity == 1.0
    assert by_threshold[0.31].sensitivity == 0.0


def test_the_curve_by_hand() -> None:
    curve = threshold_curve([part("0011", 0.2, 0.6, 0.4, 0.8), part("01", 0.2, 0.9)])
    assert len(curve) == 101
    assert (curve[0].threshold, curve[-1].threshold) == (0.0, 1.0)
    half = curve[50]
    # First slide: TP 1, FN 1, FP 1, TN 1; second: all right.
    assert (half.sensitivity, half.specificity, half.f1) == (0.75, 0.75, 0.75)
    assert (curve[0].sensitivity, curve[0].specificity, curve[0].f1) == (1.0, 0.0, pytest.approx(2 / 3, abs=1e-5))
    assert (curve[-1].sensitivity, curve[-1].specificity, curve[-1].f1) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize("parts", [[], [part("11", 0.1, 0.2)], [part("00", 0.1, 0.2)]])
def test_nothing_is_chosen_on_one_class(parts: list[Part]) -> None:
    with pytest.raises(ValueError, match=r"no slides|needs both"):
        best_mean_threshold(parts, "f1")


def test_weighted_patches_at_a_prevalence() -> None:
    label, p = np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.7, 0.9], dtype=np.float32)
    assert best_threshold_at(label, p, np.ones(4), 0.3) == 0.501


def test_prevalence_moves_the_threshold() -> None:
    label = np.array([0] * 10 + [1] * 10)
    p = np.concatenate([np.linspace(0.05, 0.6, 10), np.linspace(0.4, 0.95, 10)]).astype(np.float32)
    rare, common = (best_threshold_at(label, p, np.ones(20), prevalence) for prevalence in (0.05, 0.8))
    assert rare > 0.58
    assert common < 0.42


@pytest.mark.parametrize("seed", range(5))
def test_the_weighted_threshold_is_that_of_the_sums_written_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    label = (rng.random(400) < 0.4).astype(np.int64)
    # Many ties, many of them at thresholds.
    p = (np.round(np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 1) * 200) / 200).astype(np.float32)
    weights = rng.uniform(0.1, 3.0, 400)
    best: dict[float, float] = {}
    for step in range(1, 1000):
        called = p >= np.float32(step / 1000)
        sensitivity, false = (weights[called & (label == one)].sum() / weights[label == one].sum() for one in (1, 0))
        best[step / 1000] = 2 * 0.2 * sensitivity / (0.2 * sensitivity + 0.8 * false + 0.2)
    equals = [threshold for threshold, f1 in best.items() if f1 >= max(best.values()) - 1e-9]
    assert best_threshold_at(label, p, weights, 0.2) == equals[len(equals) // 2]


def test_a_large_set_needs_no_table_of_patches_by_thresholds() -> None:
    label = np.arange(200_000) % 2
    p = np.linspace(0, 1, 200_000, dtype=np.float32)
    tracemalloc.start()
    try:
        best_threshold_at(label, p, np.ones(200_000), 0.3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * len(label)
