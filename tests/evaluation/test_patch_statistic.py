"""Statistics of patches as functions of how often patients count, against the same patches written out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn import metrics
from sklearn.linear_model import LogisticRegression
from tallied_slides import drawn_slides, labelled, tallied, written_out

from batchscan.domain.levels import MEASURES
from batchscan.evaluation.calibration import ece
from batchscan.evaluation.patch_level import patch_statistic

SLIDES = drawn_slides(8, seed=5)
TALLIES = tallied(SLIDES)


def second_route(p: list[float], label: list[bool], called: list[bool]) -> dict[str, float]:
    return {
        "accuracy": metrics.accuracy_score(label, called),
        "balanced_accuracy": metrics.balanced_accuracy_score(label, called),
        "sensitivity": metrics.recall_score(label, called),
        "specificity": metrics.recall_score(label, called, pos_label=False),
        "precision": metrics.precision_score(label, called),
        "npv": metrics.precision_score(label, called, pos_label=False),
        "f1": metrics.f1_score(label, called),
        "mcc": metrics.matthews_corrcoef(label, called),
        "kappa": metrics.cohen_kappa_score(label, called),
        "auroc": metrics.roc_auc_score(label, p),
        "auprc": metrics.average_precision_score(label, p),
        "brier": metrics.brier_score_loss(label, p),
        "ece": ece(label, p) or 0.0,
    }


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_redraw_is_what_its_patches_come_to(seed: int) -> None:
    drawn = np.random.default_rng(seed).integers(0, 8, 8)
    weights = np.bincount(drawn, minlength=8).astype(np.float64)
    values = dict(zip(MEASURES, patch_statistic(TALLIES, MEASURES)(weights[None])[0], strict=True))
    times = Counter(TALLIES.patients[i] for i in drawn)
    expected = second_route(*written_out(SLIDES, times))
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, abs={"auroc": 1e-4, "auprc": 2e-3}.get(name, 1e-9)), name


def test_slope_and_intercept_leave_out_what_was_not_scanned() -> None:
    slope, intercept = patch_statistic(TALLIES, ("calibration_slope", "calibration_intercept"))(np.ones((1, 8)))[0]
    use = [slide.readable & slide.scanned for slide in SLIDES]
    p = np.concatenate([slide.p_idc[keep] for slide, keep in zip(SLIDES, use, strict=True)]).astype(np.float64)
    label = np.concatenate([slide.label[keep] for slide, keep in zip(SLIDES, use, strict=True)])
    peer = LogisticRegression(C=1e12, tol=1e-10).fit(np.log(p / (1 - p))[:, None], label)
    assert slope == pytest.approx(peer.coef_[0, 0], abs=1e-3)
    assert intercept == pytest.approx(peer.intercept_[0], abs=1e-3)


def test_values_come_in_the_order_asked_for_a_row_a_weighting() -> None:
    names = ("ece", "auroc", "accuracy", "calibration_slope", "brier", "f1")
    weights = np.random.default_rng(3).integers(0, 3, (5, 8)).astype(np.float64)
    together = patch_statistic(TALLIES, names)(weights)
    assert together.shape == (5, 6)
    for m, name in enumerate(names):
        for row in range(5):
            alone = patch_statistic(TALLIES, (name,))(weights[row : row + 1])
            assert together[row, m] == pytest.approx(alone[0, 0], rel=1e-9)


def test_a_redraw_without_a_class_defines_no_rank() -> None:
    tallies = tallied([labelled("a", "x", [0, 0, 0], [0.1, 0.2, 0.3]), labelled("b", "y", [1, 0, 1], [0.9, 0.4, 0.3])])
    names = ("auroc", "sensitivity", "calibration_slope", "specificity")
    without, both = patch_statistic(tallies, names)(np.array([[2.0, 0.0], [1.0, 1.0]]))
    assert np.isnan(without).tolist() == [True, True, True, False]
    assert np.isfinite(both).all()


def test_unknown_measures_are_refused() -> None:
    with pytest.raises(ValueError, match="sharpness"):
        patch_statistic(TALLIES, ("auroc", "sharpness"))
