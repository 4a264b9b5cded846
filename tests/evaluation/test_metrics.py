from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from batchscan.domain.errors import ReferenceMismatch
from batchscan.domain.geometry import PatchGrid
from batchscan.domain.records import PatchTable
from batchscan.evaluation.metrics import Confusion, auroc, confusion, match_reference
from batchscan.stores.references import Reference


def test_a_published_table() -> None:
    # 50 with and 50 without disease: TP 48, FN 2, FP 5, TN 45.
    table = Confusion(tp=48, fp=5, fn=2, tn=45)
    assert table.n == 100
    assert table.prevalence == 0.5
    assert table.accuracy == pytest.approx(93 / 100)
    assert table.precision == pytest.approx(48 / 53) == pytest.approx(0.906, abs=5e-4)
    assert table.sensitivity == pytest.approx(48 / 50) == pytest.approx(0.96)
    assert table.specificity == pytest.approx(45 / 50) == pytest.approx(0.90)
    assert table.npv == pytest.approx(45 / 47)
    assert table.f1 == pytest.approx(96 / 103) == pytest.approx(0.932, abs=5e-4)
    assert table.balanced_accuracy == pytest.approx((0.96 + 0.90) / 2)
    # (48 x 45 - 5 x 2) / sqrt(53 x 50 x 50 x 47) = 2150 / sqrt(6227500)
    assert table.mcc == pytest.approx(2150 / math.sqrt(6227500)) == pytest.approx(0.8616, abs=5e-5)
    # Chance agrees in 0.5 x 0.53 + 0.5 x 0.47 = 0.5.
    assert table.kappa == pytest.approx((0.93 - 0.5) / (1 - 0.5))


def defined(table: Confusion) -> set[str]:
    names = (
        "accuracy",
        "sensitivity",
        "specificity",
        "precision",
        "npv",
        "f1",
        "balanced_accuracy",
        "mcc",
        "kappa",
        "prevalence",
    )
    return {name for name in names if getattr(table, name) is not None}


def test_what_is_not_defined_is_none() -> None:
    assert defined(Confusion(0, 0, 0, 0)) == set()
    assert defined(Confusion(tp=0, fp=0, fn=0, tn=9)) == {"accuracy", "specificity", "npv", "prevalence"}
    assert defined(Confusion(tp=0, fp=0, fn=9, tn=0)) == {
        *("accuracy", "sensitivity", "npv", "f1", "kappa", "prevalence")
    }
    assert defined(Confusion(tp=9, fp=0, fn=0, tn=0)) == {"accuracy", "sensitivity", "precision", "f1", "prevalence"}
    assert Confusion(tp=0, fp=3, fn=4, tn=0).f1 == 0.0
    assert Confusion(tp=0, fp=0, fn=4, tn=3).kappa == 0.0


def test_confusion_counts_the_four_outcomes() -> None:
    table = confusion([1, 1, 1, 0, 0, 0, 0], [True, False, True, True, False, False, False])
    assert table == Confusion(tp=2, fp=1, fn=1, tn=3)


def test_confusion_refuses_lists_of_different_length() -> None:
    with pytest.raises(ValueError, match="must be two"):
        confusion([1, 0], [True])


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_measures_agree_with_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    true, called = zip(*pairs, strict=True)
    table = confusion(true, called)
    assert table.accuracy == pytest.approx(sklearn_metrics.accuracy_score(true, called))
    if table.f1 is not None:
        assert table.f1 == pytest.approx(sklearn_metrics.f1_score(true, called))
    if table.mcc is not None:
        assert table.mcc == pytest.approx(sklearn_metrics.matthews_corrcoef(true, called))
    if table.kappa is not None:
        assert table.kappa == pytest.approx(sklearn_metrics.cohen_kappa_score(true, called))
    if table.balanced_accuracy is not None:
        assert table.balanced_accuracy == pytest.approx(sklearn_metrics.balanced_accuracy_score(true, called))


def test_auroc_by_hand() -> None:
    # Pairs (positive, negative): .9 beats .5 and .1; .5 ties .5 and beats .1: (2 + 0.5 + 1) / 4.
    assert auroc([1, 0, 1, 0], [0.9, 0.5, 0.5, 0.1]) == pytest.approx(3.5 / 4)


@pytest.mark.parametrize("labels", [[1, 1], [0, 0], []])
def test_auroc_of_one_class_is_not_defined(labels: list[int]) -> None:
    assert auroc(labels, [0.5] * len(labels)) is None


def scanned(side_px: float = 50.0, step_px: float = 50.0) -> PatchTable:
    """3 x 3 patches; (0, 0) was dropped by the tissue mask, (2, 2) couldn't be read, (1, 1) is positive."""
    row, col = np.divmod(np.arange(1, 9, dtype=np.int32), np.int32(3))
    p_idc = np.array([0.1, 0.2, 0.3, 0.9, 0.4, 0.5, 0.45, np.nan], dtype=np.float32)
    grid = PatchGrid(math.ceil(3 * step_px), math.ceil(3 * step_px), step_px, side_px)
    return PatchTable(grid, row, col, np.ones(8, dtype=np.float32), p_idc, p_idc, ~np.isnan(p_idc))


def labelled(*rows: tuple[float, float, float, int]) -> Reference:
    x_px, y_px, side_px, label = np.array(rows, dtype=np.float64).T
    return Reference(x_px, y_px, side_px, label == 1)


def test_labels_meet_their_patches() -> None:
    reference = labelled((50, 50, 50, 1), (0, 0, 50, 1), (100, 100, 50, 1), (0, 100, 50, 0), (50, 0, 50, 0))
    matched = match_reference(scanned(), reference, threshold=0.5)
    # (50, 50) is (1, 1): 0.9. (0, 0) was dropped: 0. (100, 100) couldn't be read. (0, 100) is (2, 0): 0.5.
    np.testing.assert_allclose(matched.p_idc, [0.9, 0.0, math.nan, 0.5, 0.1], rtol=1e-6)
    assert matched.positive.tolist() == [True, False, False, True, False]
    assert matched.dropped.tolist() == [False, True, False, False, False]
    assert matched.readable.tolist() == [True, True, False, True, True]
    assert matched.confusion() == Confusion(tp=1, fp=1, fn=1, tn=1)
    # Readable: positives .9 and 0; negatives .5 and .1. Pairs won: .9 twice, 0 never.
    assert matched.auroc() == pytest.approx(2 / 4)


def test_labels_rounded_to_whole_pixels_fit_a_grid_that_is_not_whole() -> None:
    step_px = 400 / 0.499  # 801.603...
    reference = labelled((802, 802, 802, 1), (1603, 802, 802, 0))
    matched = match_reference(scanned(side_px=step_px, step_px=step_px), reference, 0.5)
    np.testing.assert_allclose(matched.p_idc, [0.9, 0.4], rtol=1e-6)


def test_with_overlap_a_label_meets_the_patch_that_looks_at_its_square() -> None:
    matched = match_reference(scanned(side_px=50.0, step_px=25.0), labelled((25, 25, 50, 1)), 0.5)
    np.testing.assert_allclose(matched.p_idc, [0.9], rtol=1e-6)


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ((51, 101, 50, 1), r"\(51, 101\).*\(1, 1\) px off patch \(row 2, col 1\)"),
        ((50, 50, 100, 1), "side 100 px"),
        ((150, 0, 50, 1), "col 3"),
        ((1e300, 0, 50, 1), "don't lie on the scanned grid"),
    ],
)
def test_a_label_off_the_grid_is_named_with_its_offset(row: tuple[float, float, float, int], named: str) -> None:
    with pytest.raises(ReferenceMismatch, match=named) as caught:
        match_reference(scanned(), labelled((0, 0, 50, 0), row), 0.5)
    assert "1 of 2 reference labels" in str(caught.value)
    assert "\n" not in str(caught.value)
