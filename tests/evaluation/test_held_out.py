"""Figures of a left-out slide, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from batchscan.domain.card import MEASURES
from batchscan.evaluation.held_out import (
    Judged,
    fold_figures,
    measured,
    measured_together,
    near_chance,
    performance,
    pooled_figures,
    roc_points,
    spread,
    worst_calls,
)
from batchscan.evaluation.metrics import auprc

LABEL = np.array([0, 0, 0, 0, 1, 1], dtype=np.bool_)
P = np.array([0.1, 0.2, 0.3, 0.8, 0.7, 0.9], dtype=np.float32)
CELL_MM2 = 0.16


def test_every_measure_by_hand() -> None:
    found = measured(Judged.at(LABEL, P, 0.5), CELL_MM2)
    assert tuple(found) == MEASURES
    # At 0.5: TP 2, FP 1, TN 3, FN 0. AUROC: of 8 pairs 7 are in order.
    assert found == {
        "auroc": pytest.approx(7 / 8),
        "auprc": pytest.approx((1 / 1 + 2 / 3) / 2),
        "f1": pytest.approx(4 / 5),
        "balanced_accuracy": pytest.approx((1 + 3 / 4) / 2),
        "sensitivity": 1.0,
        "specificity": 0.75,
        "brier": pytest.approx((0.01 + 0.04 + 0.09 + 0.64 + 0.09 + 0.01) / 6),
        # Each patch has a bin of its own.
        "ece": pytest.approx((0.1 + 0.2 + 0.3 + 0.8 + 0.3 + 0.1) / 6),
        "idc_mm2_error": pytest.approx(0.16),
        "idc_mm2_relative_error": pytest.approx(0.5),
        "idc_mm2_absolute_error": pytest.approx(0.16),
    }


def test_the_threshold_itself_is_positive() -> None:
    p = np.array([0.2, 0.3], dtype=np.float32)
    assert Judged.at(LABEL[3:5], p, 0.3).positive.tolist() == [False, True]


def test_what_one_class_leaves_undefined_is_none() -> None:
    found = measured(Judged.at(LABEL[:4], P[:4], 0.9), CELL_MM2)
    assert {name for name, value in found.items() if value is None} == {
        "auroc",
        "auprc",
        "f1",
        "balanced_accuracy",
        "sensitivity",
        "idc_mm2_relative_error",
    }
    assert (found["specificity"], found["idc_mm2_error"]) == (1.0, 0.0)


def test_average_precision_counts_steps() -> None:
    # Positives at ranks 1 and 4: precisions 1 and 1/2.
    assert auprc([1, 0, 0, 1], [0.9, 0.8, 0.7, 0.6]) == pytest.approx(0.75)
    assert auprc([0, 0], [0.1, 0.2]) is None


def test_slides_are_pooled_with_their_own_thresholds() -> None:
    pooled = Judged.together([Judged.at(LABEL, P, 0.5), Judged.at(LABEL, P, 0.85)])
    counts = pooled.confusion()
    # At 0.85 one IDC patch is missed and nothing is called wrongly.
    assert (counts.tp, counts.fp, counts.fn, counts.tn) == (3, 1, 1, 7)


def test_seeds_give_mean_and_range() -> None:
    found = fold_figures("8863", [Judged.at(LABEL, P, 0.5), Judged.at(LABEL, P, 0.85)], (0.5, 0.85), CELL_MM2)
    assert (found.slide, found.n_patches, found.n_positive, found.thresholds) == ("8863", 6, 2, (0.5, 0.85))
    sensitivity = found.figures["sensitivity"]
    assert (sensitivity.mean, sensitivity.low, sensitivity.high, sensitivity.n) == (0.75, 0.5, 1.0, 2)
    area = found.figures["idc_mm2_error"]
    assert (area.mean, area.low, area.high) == (0.0, -0.16, 0.16)
    assert [(one.tp, one.fp, one.fn, one.tn) for one in found.confusions] == [(2, 1, 0, 3), (1, 0, 1, 4)]


def test_errors_of_area_do_not_cancel_between_slides_or_seeds() -> None:
    # At 0.5 one patch too many, at 0.85 one too few; a third slide is right.
    over, under, right = (Judged.at(LABEL, P, threshold) for threshold in (0.5, 0.85, 0.75))
    assert right.confusion().fp == right.confusion().fn == 1
    together = measured_together([over, under, right], CELL_MM2)
    assert together["idc_mm2_absolute_error"] == pytest.approx((0.16 + 0.16 + 0.0) / 3)
    assert (together["idc_mm2_error"], together["idc_mm2_relative_error"]) == (None, None)
    pooled = pooled_figures("pooled", [[over, under], [right, right]], CELL_MM2)
    found = pooled.figures["idc_mm2_absolute_error"]
    assert (found.mean, found.low, found.high) == pytest.approx((0.08, 0.0, 0.16))
    assert not {"idc_mm2_error", "idc_mm2_relative_error"} & set(pooled.figures)
    assert (pooled.n_patches, pooled.thresholds, pooled.confusions[0].fp) == (12, (), 1)
    one = fold_figures("8863", [over, under], (0.5, 0.85), CELL_MM2)
    assert (one.figures["idc_mm2_error"].mean, one.figures["idc_mm2_absolute_error"].mean) == (0.0, 0.16)


def test_a_measure_that_no_seed_defines_is_missing() -> None:
    found = fold_figures("x", [Judged.at(LABEL[:4], P[:4], 0.9)], (0.9,), CELL_MM2)
    assert "auroc" not in found.figures
    assert "specificity" in found.figures
    assert found.roc == ()
    assert spread([None, 0.5, None]) is not None
    assert spread([None]) is None


def test_the_roc_rises_through_the_curves_own_points() -> None:
    assert roc_points(Judged.at(LABEL, P, 0.5)) == ((0.0, 0.0), (0.0, 0.5), (0.25, 0.5), (0.25, 1.0), (1.0, 1.0))


def test_a_long_roc_is_thinned_to_points_that_lie_on_it() -> None:
    rng = np.random.default_rng(0)
    label = rng.random(4000) < 0.4
    p = np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 1).astype(np.float32)
    points = roc_points(Judged.at(label, p, 0.5))
    assert 80 < len(points) <= 101
    assert (points[0], points[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert list(points) == sorted(points)
    true = {
        (round(float((p[~label] >= t).mean()), 5), round(float((p[label] >= t).mean()), 5)) for t in [*np.unique(p), 2]
    }
    assert set(points) <= true
    # All distances at once: of a curve of this length that fits, of one of a large set it wouldn't.
    false_positive, sensitivity, _ = roc_curve(label, p)
    along = false_positive + sensitivity
    nearest = np.unique(np.abs(along[:, None] - np.linspace(0, along[-1], 101)).argmin(axis=0))
    expected = np.round(np.column_stack([false_positive, sensitivity])[nearest], 5)
    np.testing.assert_array_equal(np.array(points), expected)


def test_performance_by_hand() -> None:
    found = performance("x", "test", Judged.at(LABEL, P, 0.5))
    assert (found.n_patches, found.n_positive) == (6, 2)
    assert (found.auroc, found.f1) == (0.875, 0.8)
    assert (found.sensitivity, found.specificity, found.balanced_accuracy) == (1.0, 0.75, 0.875)


def test_performance_on_one_class() -> None:
    found = performance("x", "validation", Judged.at(LABEL[4:], P[4:], 0.8))
    assert found.sensitivity == 0.5
    assert (found.auroc, found.f1, found.balanced_accuracy, found.specificity) == (None, None, None, None)


def test_the_surest_mistakes_come_first() -> None:
    label = np.array([0, 0, 0, 1, 1, 1], dtype=np.bool_)
    p = np.array([0.6, 0.9, 0.2, 0.4, 0.1, 0.8], dtype=np.float32)
    judged = Judged.at(label, p, 0.5)
    assert worst_calls(judged, "positive", 12) == [1, 0]
    assert worst_calls(judged, "negative", 12) == [4, 3]
    assert worst_calls(judged, "negative", 1) == [4]


@pytest.mark.parametrize(
    ("area", "balanced", "doubtful"),
    [
        (0.69, 0.9, True),
        (0.9, 0.59, True),
        (0.7, 0.6, False),
        (None, 0.5, True),
        (0.5, None, True),
        (None, None, False),
    ],
)
def test_either_figure_shows_a_network_near_chance(
    area: float | None, balanced: float | None, *, doubtful: bool
) -> None:
    assert near_chance(area, balanced) is doubtful
