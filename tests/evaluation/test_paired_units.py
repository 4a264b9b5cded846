"""Differences of slides and patients: published tables for the closed forms, scikit-learn for the rest."""

from __future__ import annotations

import numpy as np
import pytest
from joined_slides import slide_row
from scipy.stats import binom
from sklearn.metrics import average_precision_score, matthews_corrcoef, roc_auc_score

from batchscan.domain.compared import EXTENTS, MEASURED_AT, Rights
from batchscan.domain.errors import NotComparable
from batchscan.domain.evaluated import SlideRow
from batchscan.evaluation.intervals import Bootstrap
from batchscan.evaluation.paired_units import (
    PairedUnits,
    extent_differences,
    newcombe,
    paired_slides,
    unit_differences,
)

BOOTSTRAP = Bootstrap(0, replicates=400, seed=1)


def units(n: int = 40, n_patients: int | None = None, seed: int = 0) -> PairedUnits:
    random = np.random.default_rng(seed)
    label = random.random(n) < 0.5
    shared = random.normal(0, 1, n)
    scores = np.stack([np.where(label, 1.0, -1.0) + shared + random.normal(0, 0.7, n) for _ in range(2)])
    patient = np.array([f"P{i % (n_patients or n):03d}" for i in range(n)])
    return PairedUnits(patient, label, scores, scores > 0)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        # Newcombe 1998 and Fagerland 2014 give the first's share less the second's: signs are turned here.
        (Rights(both=59, only_first=6, only_second=16, neither=80), 0.0046, 0.1186),  # Cavo 2012
        (Rights(both=1, only_first=1, only_second=7, neither=12), 0.026, 0.507),  # Bentur 2009
        (Rights(both=36, only_first=12, only_second=2, neither=0), -0.3404, -0.0569),  # Newcombe 1998
        (Rights(both=14, only_first=5, only_second=0, neither=22), -0.226, -0.011),  # Altman 2000, table 6.2
    ],
)
def test_newcombes_interval_is_that_of_published_tables(table: Rights, low: float, high: float) -> None:
    assert newcombe(table) == pytest.approx((low, high), abs=6e-4)


def test_newcombes_interval_covers_paired_shares() -> None:
    random = np.random.default_rng(5)
    p = [0.80, 0.03, 0.08, 0.09]
    tables = random.multinomial(30, p, size=1500)
    inside = 0
    for both, only_first, only_second, neither in tables.tolist():
        low, high = newcombe(Rights(both=both, only_first=only_first, only_second=only_second, neither=neither))
        inside += low <= p[2] - p[1] <= high
    assert inside / len(tables) > 0.94  # it is known to be too wide where the two hardly differ


def test_no_discordant_pair_still_leaves_doubt() -> None:
    low, high = newcombe(Rights(both=20, only_first=0, only_second=0, neither=0))
    assert (low, high) == pytest.approx((-0.161, 0.161), abs=1e-3)  # Wilson's limits of 20 in 20 each


def test_one_slide_a_patient_has_exact_tests() -> None:
    found = units()
    level = unit_differences(found, "slide", BOOTSTRAP)
    assert level.independent
    right = found.called == found.label
    only = int((right[0] & ~right[1] & found.label).sum()), int((~right[0] & right[1] & found.label).sum())
    sensitivity = level.differences["sensitivity"]
    n = sum(only)
    assert sensitivity.p == pytest.approx(min(1.0, 2 * binom.cdf(min(only), n, 0.5)) if n else 1.0)
    assert (sensitivity.method, sensitivity.test, sensitivity.n) == ("newcombe", "mcnemar", int(found.label.sum()))
    assert level.idc.only_first == only[0]
    assert level.idc.only_second == only[1]
    for name in ("f1", "mcc", "precision"):
        assert (level.differences[name].method, level.differences[name].p) == ("bootstrap", None)
    assert tuple(level.differences) == MEASURED_AT["slide"]


def test_areas_of_independent_units_are_delongs() -> None:
    found = units()
    area = unit_differences(found, "patient", BOOTSTRAP).differences["auroc"]
    expected = [roc_auc_score(found.label, score) for score in found.scores]
    assert (area.first, area.second) == pytest.approx(expected)
    assert (area.method, area.test) == ("delong", "delong")
    assert area.low is not None
    assert area.high is not None
    assert area.low < expected[1] - expected[0] < area.high
    # The jackknife over units is another route to the variance of the difference.
    differences = [np.subtract(*[roc_auc_score(np.delete(found.label, i), np.delete(s, i)) for s in found.scores[::-1]])
                   for i in range(40)]  # fmt: skip
    se = np.sqrt(39 / 40 * np.sum((differences - np.mean(differences)) ** 2))
    assert (area.high - area.low) / 2 == pytest.approx(1.96 * se, rel=0.1)


def test_several_slides_a_patient_have_neither_test_nor_closed_form() -> None:
    found = units(40, n_patients=10)
    level = unit_differences(found, "slide", BOOTSTRAP)
    assert (level.n, level.n_patients, level.independent) == (40, 10, False)
    assert {one.method for one in level.differences.values()} == {"bootstrap"}
    assert all(one.p is None and one.test == "none" for one in level.differences.values())
    for name, measure, values in (
        ("auprc", average_precision_score, found.scores),
        ("mcc", matthews_corrcoef, found.called),
    ):
        one = level.differences[name]
        assert (one.first, one.second) == pytest.approx([measure(found.label, value) for value in values])


def test_equal_scores_are_ties() -> None:
    label = np.array([True, True, False, False, True, False])
    scores = np.array([[0.0, 0, 0, 1, 2, 2], [1, 1, 1, 1, 1, 1]])
    found = PairedUnits(np.array(list("aabbcc")), label, scores, scores > 0)
    one = unit_differences(found, "slide", BOOTSTRAP).differences["auroc"]
    assert (one.first, one.second) == pytest.approx((roc_auc_score(label, scores[0]), 0.5))


def test_patients_take_the_greatest_of_their_slides() -> None:
    slides = PairedUnits(
        np.array(["b", "a", "b"]),
        np.array([False, False, True]),
        np.array([[0.2, 0.1, 0.5], [0.9, 0.3, 0.4]]),
        np.array([[False, False, True], [True, False, False]]),
    )
    found = slides.by_patient()
    assert found.patient.tolist() == ["a", "b"]
    assert found.label.tolist() == [False, True]
    assert found.scores.tolist() == [[0.1, 0.5], [0.3, 0.9]]
    assert found.called.tolist() == [[False, True], [False, True]]


def test_fewer_than_five_are_not_to_be_trusted_and_one_class_is_not_defined() -> None:
    few = unit_differences(units(4, seed=2), "patient", BOOTSTRAP).differences
    assert not few["accuracy"].trusted
    assert "4 patients" in few["accuracy"].why
    found = units(10)
    alike = PairedUnits(found.patient, np.zeros(10, np.bool_), found.scores, found.called)
    differences = unit_differences(alike, "patient", BOOTSTRAP).differences
    assert differences["sensitivity"].value is None
    assert differences["sensitivity"].why == "there are no patients with IDC"
    assert differences["auroc"].value is None
    assert differences["specificity"].n == 10


def rows(**of_slide: dict[str, object]) -> dict[str, SlideRow]:
    return {name: slide_row(name, **fields) for name, fields in of_slide.items()}  # type: ignore[arg-type]


def test_slides_that_both_rank_and_call_are_paired() -> None:
    ranked: dict[str, object] = {"slide_label": True, "score": 2.0, "called": True}
    one = rows(S1=ranked, S2=ranked, S3=ranked, S4={"score": 1.0, "called": True})
    other = rows(
        S1={**ranked, "score": 0.0, "called": False}, S2={**ranked, "score": None}, S4=ranked | {"slide_label": None}
    )
    found = paired_slides(one, other)
    assert found is not None
    assert found.patient.tolist() == ["P-S1"]
    assert found.scores.tolist() == [[2.0], [0.0]]
    assert found.called.tolist() == [[True], [False]]
    assert paired_slides(one, {}) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"slide_label": False}, "slide S1 has label IDC in A and not IDC in B"),
        ({"patient_id": "P2"}, "slide S1 has patient P-S1 in A and P2 in B"),
    ],
)
def test_another_label_or_patient_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(NotComparable, match=said):
        paired_slides(rows(S1={"slide_label": True}), rows(S1={"slide_label": True, **change}))


def test_errors_of_extents_lose_their_sign_and_count_where_both_have_them() -> None:
    one = rows(
        S1={"found_mm2": 8.0, "reference_mm2": 10.0, "dice": 0.8},
        S2={"found_mm2": 7.0, "reference_mm2": 4.0, "dice": None},
        S3={"found_mm2": 7.0, "reference_mm2": None, "dice": 0.5},
        # Without a focus its greatest diameter is 0, not unknown.
        S4={"found_mm2": 0.0, "reference_mm2": 2.5, "found_largest_mm": None, "reference_largest_mm": 6.0},
    )
    other = rows(
        S1={"found_mm2": 11.0, "reference_mm2": 10.0, "dice": 0.9},
        S2={"found_mm2": 9.0, "reference_mm2": 4.0, "dice": 0.2},
        S3={"found_mm2": 7.0, "reference_mm2": None, "dice": 0.7},
        S4={"found_mm2": 5.0, "reference_mm2": 2.5, "found_largest_mm": 5.0, "reference_largest_mm": 6.0},
    )
    found = extent_differences(one, other, BOOTSTRAP)
    assert tuple(found) == EXTENTS
    lengths = found["largest_focus_error_mm"]
    assert (lengths.first, lengths.second, lengths.n) == (6.0, 1.0, 1)
    area = found["area_error_mm2"]
    assert [area.first, area.second, area.value] == pytest.approx([2.5, 8.5 / 3, 1 / 3])
    assert area.n == 3
    assert found["dice"].value == pytest.approx(0.15)
    assert not area.trusted
    assert found["hausdorff95_mm"].value is None
    assert found["hausdorff95_mm"].why == "it isn't defined for both on any slide"
    assert extent_differences({}, other, BOOTSTRAP) == {}
