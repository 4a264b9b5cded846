"""Differences of patch measures: the values by scikit-learn, the intervals by a bootstrap written out."""

from __future__ import annotations

import numpy as np
import pytest
from joined_slides import cohort_pair, joined, slide_row
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score, roc_auc_score, roc_curve

from batchscan.domain.compared import MEASURED_AT, Rights
from batchscan.domain.joined import JoinedSlide
from batchscan.evaluation.intervals import Bootstrap, bootstrap_weights
from batchscan.evaluation.paired import PairedTallies, compared_slides, patch_differences, roc_pair
from batchscan.evaluation.pairing import LeftOver, paired_patches
from batchscan.evaluation.tallies import SLIDE_FIGURES

BOOTSTRAP = Bootstrap(12, replicates=400, seed=3)


def tallied(first: list[JoinedSlide], second: list[JoinedSlide]) -> PairedTallies:
    tallies = PairedTallies()
    for patches in paired_patches(iter(first), iter(second), LeftOver()):
        tallies.add(patches)
    return tallies


def pooled(slides: list[JoinedSlide]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts = ("label", "p_idc", "positive")
    label, p, called = (np.concatenate([getattr(one, name) for one in slides]) for name in parts)
    return label, p, called


def test_the_values_are_those_of_scikit_learn() -> None:
    first, second = cohort_pair(gain=0.6)
    level = patch_differences(tallied(first, second), BOOTSTRAP)
    assert level is not None
    (label, p, called), (_, p_2, called_2) = pooled(first), pooled(second)
    for name, measure, values in (
        ("auroc", roc_auc_score, (p, p_2)),
        ("auprc", average_precision_score, (p, p_2)),
        ("f1", f1_score, (called, called_2)),
        ("balanced_accuracy", balanced_accuracy_score, (called, called_2)),
    ):
        found, expected = level.differences[name], [measure(label, value) for value in values]
        assert (found.first, found.second) == pytest.approx(expected, abs=1e-6)
        assert found.value == pytest.approx(expected[1] - expected[0], abs=1e-6)
    assert tuple(level.differences) == MEASURED_AT["patch"]
    assert tuple(level.macro) == MEASURED_AT["patch.macro"] == SLIDE_FIGURES
    assert (level.n, level.n_patients) == (720, 12)
    assert level.differences["sensitivity"].n == int(label.sum())
    assert not level.independent
    assert all(found.p is None for found in level.differences.values())


def test_the_interval_is_that_of_differences_under_the_same_draws() -> None:
    first, second = cohort_pair(gain=0.3)
    level = patch_differences(tallied(first, second), BOOTSTRAP)
    assert level is not None
    found = level.differences["accuracy"]
    right = [np.array([(one.positive == one.label).mean() for one in side]) for side in (first, second)]
    weights = np.concatenate(list(bootstrap_weights(12, 400, seed=3)))
    # Slides are of one size, so that the accuracy of a draw is the mean over its patients.
    paired = (weights @ (right[1] - right[0])) / 12
    apart = np.sqrt(np.var(weights @ right[0] / 12) + np.var(weights @ right[1] / 12))
    assert found.low is not None
    assert found.high is not None
    half = (found.high - found.low) / 2
    # Student's t on 11 degrees of freedom at most and 4 at least, and the root of P / (P - 1).
    assert 2.2 * paired.std() < half < 1.5 * 2.78 * paired.std() * np.sqrt(12 / 11)
    assert paired.std() < 0.6 * apart
    assert found.low < found.value < found.high  # type: ignore[operator]


def test_a_better_model_is_found_to_be_better_and_the_other_way_round() -> None:
    first, second = cohort_pair(n_patients=40, gain=1.5)
    there = patch_differences(tallied(first, second), BOOTSTRAP)
    back = patch_differences(tallied(second, first), BOOTSTRAP)
    assert there is not None
    assert back is not None
    for name in ("auroc", "f1", "sensitivity"):
        one, other = there.differences[name], back.differences[name]
        assert one.low is not None
        assert one.low > 0
        assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))  # type: ignore[operator]
    assert there.differences["brier"].high is not None
    assert there.differences["brier"].high < 0


def test_the_same_model_differs_by_nothing_and_has_no_interval_of_width_0() -> None:
    first, _ = cohort_pair()
    level = patch_differences(tallied(first, first), BOOTSTRAP)
    assert level is not None
    for found in (*level.differences.values(), *level.macro.values()):
        assert (found.value, found.low, found.high, found.method) == (0, None, None, "none")
        assert "redrawing the patients doesn't change it" in found.why


def test_who_called_what_right() -> None:
    one, other = (
        joined("S1", [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 1]),
        joined("S1", [1, 1, 1, 1, 0, 0], [1, 0, 1, 0, 0, 0]),
    )
    tallies = tallied([one, one_more(one)], [other, one_more(other)])
    assert tallies.idc == Rights(both=2, only_first=2, only_second=2, neither=2)
    assert tallies.not_idc == Rights(both=2, only_first=0, only_second=2, neither=0)
    assert tallies.changed == {"S1": 3, "S2": 3}


def one_more(slide: JoinedSlide) -> JoinedSlide:
    return joined("S2", slide.label, slide.p_idc)


def test_means_over_slides_take_only_slides_where_both_are_defined() -> None:
    # On S2 the first calls nothing: no precision there, so that only S1 and S3 are compared.
    label = [1, 1, 0, 0]
    first = [joined("S1", label, [1, 1, 1, 0]), joined("S2", label, [0, 0, 0, 0]), joined("S3", label, [1, 0, 1, 0])]
    second = [joined("S1", label, [1, 1, 0, 0]), joined("S2", label, [1, 0, 0, 0]), joined("S3", label, [1, 0, 0, 0])]
    level = patch_differences(tallied(first, second), Bootstrap(3, 200))
    assert level is not None
    found = level.macro["precision"]
    assert (found.first, found.second) == pytest.approx(((2 / 3 + 1 / 2) / 2, 1.0))
    assert found.n == 2
    assert not found.trusted
    assert "2 patients" in found.why


def test_what_only_one_of_them_lacks_is_said_of_that_one() -> None:
    label = [1, 0, 0]
    level = patch_differences(
        tallied([joined("S1", label, [1, 0, 0])], [joined("S1", label, [0, 0, 0])]), Bootstrap(1, 200)
    )
    assert level is not None
    found = level.differences["precision"]
    assert (found.first, found.second, found.value, found.low) == (1.0, None, None, None)
    assert found.why == "in B there are no patches that were called IDC"
    one_class = patch_differences(
        tallied([joined("S1", [0, 0], [0, 1])], [joined("S1", [0, 0], [0, 1])]), Bootstrap(1, 200)
    )
    assert one_class is not None
    assert one_class.differences["auroc"].value is None
    assert roc_pair(tallied([joined("S1", [0, 0], [0, 1])], [joined("S1", [0, 0], [0, 1])])) is None


def test_nothing_in_common_is_nothing() -> None:
    tallies = tallied([joined("S1", [1, 0], [1, 0])], [joined("S2", [1, 0], [1, 0])])
    assert patch_differences(tallies, BOOTSTRAP) is None
    unread = tallied([joined("S1", [1], [np.nan])], [joined("S1", [1], [0.4])])
    assert patch_differences(unread, BOOTSTRAP) is None
    assert unread.changed == {}


def test_both_curves_are_those_of_scikit_learn() -> None:
    first, second = cohort_pair(n_patients=3, n=20)
    curves = roc_pair(tallied(first, second))
    assert curves is not None
    for found, side in ((curves.first, first), (curves.second, second)):
        label, p, _ = pooled(side)
        fpr, sensitivity, _ = roc_curve(label, p)
        assert np.array(found) == pytest.approx(np.column_stack([fpr, sensitivity]))


def test_a_slides_row_has_both_and_how_many_calls_changed() -> None:
    first, second = cohort_pair(n_patients=2, gain=0.8)
    rows = [
        {
            name: slide_row(name, found_mm2=area, reference_mm2=1.0)
            for name, area in zip(("S00", "S01"), areas, strict=True)
        }
        for areas in ((2.0, 3.0), (2.5, 3.5))
    ]
    one, other = compared_slides(tallied(first, second), rows[0], rows[1])
    assert (one.slide_id, one.patient_id, one.n) == ("S00", "P-S00", 60)
    assert one.first["auroc"] == pytest.approx(roc_auc_score(first[0].label, first[0].p_idc))
    assert one.second["auroc"] == pytest.approx(roc_auc_score(second[0].label, second[0].p_idc))
    assert one.n_changed == int((first[0].positive != second[0].positive).sum())
    assert (one.first_mm2, other.first_mm2, one.second_mm2, one.reference_mm2) == (2.0, 3.0, 2.5, 1.0)
