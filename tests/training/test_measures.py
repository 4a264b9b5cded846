"""Figures on the card, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from batchscan.training.measures import auroc, balanced_accuracy, best_threshold, log_loss, near_chance, performance

LABEL = np.array([0, 0, 0, 0, 1, 1])
P = np.array([0.1, 0.2, 0.3, 0.8, 0.7, 0.9], dtype=np.float32)


def test_performance_by_hand() -> None:
    # At 0.5: TP 2, FP 1, TN 3, FN 0. AUROC: of 8 pairs 7 are in order.
    found = performance("x", "test", LABEL, P, 0.5)
    assert (found.n_patches, found.n_positive) == (6, 2)
    assert (found.auroc, found.f1) == (0.875, 0.8)
    assert (found.sensitivity, found.specificity, found.balanced_accuracy) == (1.0, 0.75, 0.875)


def test_the_threshold_itself_is_positive() -> None:
    p = np.array([0.2, 0.5], dtype=np.float32)
    assert performance("x", "test", np.array([0, 1]), p, 0.5).sensitivity == 1.0


def test_one_class_leaves_undefined_what_is_undefined() -> None:
    found = performance("x", "validation", np.ones(2, int), P[4:], 0.8)
    assert found.sensitivity == 0.5
    assert (found.auroc, found.f1, found.balanced_accuracy, found.specificity) == (None, None, None, None)
    assert auroc(np.ones(2, int), P[4:]) is None


def test_log_loss_by_hand() -> None:
    loss = log_loss(np.array([1, 0]), np.array([0.5, 0.75], dtype=np.float32), np.array([1.0, 3.0]))
    assert loss == pytest.approx((np.log(2) + 3 * np.log(4)) / 4)
    assert log_loss(np.array([1]), np.array([0.0], dtype=np.float32), np.ones(1)) == pytest.approx(-np.log(1e-7))


def test_the_best_threshold_is_in_the_middle_of_the_best_stretch() -> None:
    # All right between 0.3 (negative) and 0.7 (positive).
    label, p = np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.7, 0.9], dtype=np.float32)
    assert best_threshold(label, p, np.ones(4), 0.3) == pytest.approx(0.5, abs=0.002)


def test_prevalence_moves_the_threshold() -> None:
    label = np.array([0] * 10 + [1] * 10)
    p = np.concatenate([np.linspace(0.05, 0.6, 10), np.linspace(0.4, 0.95, 10)]).astype(np.float32)
    rare, common = (best_threshold(label, p, np.ones(20), prevalence) for prevalence in (0.05, 0.8))
    assert rare > 0.58
    assert common < 0.42


def test_balanced_accuracy_by_hand() -> None:
    # At 0.5 all IDC is found; of the rest, weighing 1, 1, 1 and 3, the last is called wrongly.
    weights = np.array([1.0, 1.0, 1.0, 3.0, 1.0, 5.0])
    assert balanced_accuracy(LABEL, P, 0.5, weights) == pytest.approx((1.0 + 3 / 6) / 2)
    assert balanced_accuracy(LABEL[:4], P[:4], 0.5, weights[:4]) is None


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
