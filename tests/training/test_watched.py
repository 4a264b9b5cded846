"""What an epoch is measured by, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from batchscan.training.watched import measured


def test_loss_accuracy_and_area_by_hand() -> None:
    # Called wrongly are the second and the third, weighing 1 and 2 of 8.
    label = np.array([0, 0, 1, 1])
    p_raw = np.array([0.3, 0.6, 0.4, 0.9], dtype=np.float32)
    weights = np.array([1.0, 1.0, 2.0, 4.0])
    found = measured(label, p_raw, weights)
    loss = -(np.log(0.7) + np.log(0.4) + 2 * np.log(0.4) + 4 * np.log(0.9)) / 8
    assert found.loss == pytest.approx(loss, abs=1e-6)
    assert found.accuracy == pytest.approx(5 / 8)
    # Pairs (negative, positive) weigh 2, 4, 2 and 4; out of order is (.6, .4), weighing 2.
    assert found.auroc == pytest.approx(10 / 12)


def test_one_class_has_no_area() -> None:
    found = measured(np.ones(2, int), np.array([0.5, 0.0], dtype=np.float32), np.ones(2))
    assert (found.auroc, found.accuracy) == (None, 0.5)
    assert found.loss == pytest.approx((np.log(2) - np.log(1e-7)) / 2)
