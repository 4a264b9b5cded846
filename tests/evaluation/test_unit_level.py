from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from batchscan.domain.card import ConfusionCounts
from batchscan.domain.joined import CohortSlide
from batchscan.domain.records import Extent, ModelInfo
from batchscan.evaluation.intervals import Bootstrap, delong_interval, wilson
from batchscan.evaluation.unit_level import (
    UNIT_MEASURES,
    SlideScore,
    Units,
    patient_units,
    slide_units,
    unit_level,
    unit_words,
)


def slide(name: str, label: int | None, mm2: float | None, mm: float | None, p: float | None) -> CohortSlide:
    """A slide as in `s1 of b`, with an area called IDC, and at most one focus."""
    slide_id, _, patient_id = name.split()
    extent = Extent(
        tissue_mm2=100.0,
        unreadable_mm2=0.0,
        idc_mm2=mm2,
        idc_fraction=None if mm2 is None else mm2 / 100,
        n_foci=None if mm2 is None else int(mm2 > 0),
        largest_focus_mm=mm,
        perpendicular_mm=mm,
        field_extent_mm=mm,
        touches_edge=False,
        foci=(),
        undefined={},
    )
    return CohortSlide(
        slide_id=slide_id,
        patient_id=patient_id,
        model=ModelInfo("m", "1", "0" * 64),
        threshold=0.5,
        fingerprint="",
        attributes={},
        slide_label=None if label is None else bool(label),
        label_source="manifest",
        predicted=extent,
        reference=None,
        dice=None,
        hausdorff95_mm=None,
        n_labelled=0,
        n_positive=0,
        n_ambiguous=0,
        n_unlabelled=0,
        n_not_scanned=0,
        n_unreadable=0,
        max_p=p,
    )


SLIDES = [
    slide("s1 of b", 1, 12.0, 4.0, 0.9),
    slide("s2 of a", 0, 0.0, None, 0.3),
    slide("s3 of b", 0, 3.0, 1.5, 0.5),
    slide("s4 of c", None, 7.0, 2.0, 0.8),
    slide("s5 of d", 1, None, None, None),
    slide("s6 of e", 1, 0.0, None, 0.2),
]


@pytest.mark.parametrize(
    ("score", "scores", "called"),
    [
        ("idc_mm2", [12.0, 0.0, 3.0, 0.0], [True, False, True, False]),
        ("largest_focus_mm", [4.0, 0.0, 1.5, 0.0], [True, False, True, False]),
        ("max_p", [0.9, 0.3, 0.5, 0.2], [True, False, True, False]),
    ],
)
def test_slides_with_a_label_and_a_score(score: SlideScore, scores: list[float], called: list[bool]) -> None:
    units = slide_units(SLIDES, score)
    assert units.ids == ("s1", "s2", "s3", "s6")
    assert units.left_out == ("s4", "s5")
    assert units.patient.tolist() == [1, 0, 1, 2]
    assert units.n_patients == 3
    assert not units.independent
    assert units.label.tolist() == [True, False, False, True]
    assert units.score.tolist() == scores
    assert units.called.tolist() == called


def test_a_stated_score_calls() -> None:
    assert slide_units(SLIDES, "idc_mm2", 3.0).called.tolist() == [True, False, True, False]
    assert slide_units(SLIDES, "idc_mm2", 3.1).called.tolist() == [True, False, False, False]
    assert slide_units(SLIDES, "max_p", 0.25).called.tolist() == [True, True, True, False]


def test_patients_are_the_most_of_their_slides() -> None:
    units = patient_units(SLIDES, "idc_mm2")
    assert units.ids == ("a", "b", "e")
    assert units.left_out == ("c", "d")
    assert units.label.tolist() == [False, True, True]
    assert units.score.tolist() == [0.0, 12.0, 0.0]
    assert units.called.tolist() == [False, True, False]
    assert units.independent


def made(n_patients: int, each: int, seed: int = 0) -> Units:
    rng = np.random.default_rng(seed)
    n = n_patients * each
    patient = np.repeat(np.arange(n_patients), each)
    label = rng.random(n) < 0.5
    score = rng.normal(1.0 + 2.0 * label, 1.5) + rng.normal(0, 1, n_patients)[patient]
    score = np.asarray(np.round(np.clip(score, 0, None), 1), dtype=np.float64)
    return Units(tuple(f"s{i}" for i in range(n)), patient, label, score, score > 1.5, n_patients)


WORDS = unit_words("slide", "idc_mm2")


def test_one_slide_a_patient_has_wilson_and_delong_intervals() -> None:
    units = made(40, 1)
    level = unit_level(units, "slide", Bootstrap(999, 200), (0.1, 0.5), WORDS)
    assert level is not None
    table = level.confusion
    assert table == ConfusionCounts(
        tp=int((units.label & units.called).sum()),
        fp=int((~units.label & units.called).sum()),
        fn=int((units.label & ~units.called).sum()),
        tn=int((~units.label & ~units.called).sum()),
    )
    sensitivity, peer = level.metrics["sensitivity"], wilson(table.tp, table.tp + table.fn)
    assert (sensitivity.value, sensitivity.low, sensitivity.high) == (peer.value, peer.low, peer.high)
    assert (sensitivity.method, sensitivity.n, sensitivity.trusted) == ("wilson", table.tp + table.fn, True)
    auroc, other = level.metrics["auroc"], delong_interval(units.label, units.score)
    assert (auroc.value, auroc.low, auroc.high, auroc.method) == (other.value, other.low, other.high, "delong")
    assert {name: one.method for name, one in level.metrics.items() if name not in {"sensitivity", "auroc"}} == {
        **dict.fromkeys(("accuracy", "specificity", "precision", "npv"), "wilson"),
        **dict.fromkeys(("balanced_accuracy", "f1", "mcc", "kappa", "auprc"), "bootstrap"),
    }
    assert (level.n, level.n_patients) == (40, 40)
    assert len(level.at_prevalence) == 2


def test_several_slides_a_patient_are_redrawn_by_patient() -> None:
    units = made(12, 4)
    level = unit_level(units, "slide", Bootstrap(12, 200), (), WORDS)
    assert level is not None
    assert set(level.metrics) == set(UNIT_MEASURES)
    assert {one.method for one in level.metrics.values()} == {"bootstrap"}
    assert level.metrics["auroc"].value == pytest.approx(metrics.roc_auc_score(units.label, units.score))
    assert level.metrics["auprc"].value == pytest.approx(metrics.average_precision_score(units.label, units.score))
    assert level.metrics["kappa"].value == pytest.approx(metrics.cohen_kappa_score(units.label, units.called))
    assert level.metrics["auroc"].design_effect is not None
    assert (level.n, level.n_patients) == (48, 12)
    assert (level.macro, level.reliability, level.decision) == ({}, (), ())
    assert len(level.operating) == 6


def test_a_redraw_of_slides_is_what_they_come_to() -> None:
    units = made(6, 3, seed=4)
    table = units.outcomes("slide").table
    weights = np.array([2, 0, 1, 1, 0, 2])
    rows = np.repeat(np.arange(18), weights[units.patient])
    expected = metrics.confusion_matrix(units.label[rows], units.called[rows]).ravel()
    assert (weights @ table)[[3, 1, 2, 0]].tolist() == expected.tolist()


def test_classes_that_scores_part_wholly_have_no_sure_area() -> None:
    label = np.repeat([False, True], 10)
    units = Units(tuple("abcdefghijklmnopqrst"), np.arange(20), label, np.arange(20.0), label, 20)
    level = unit_level(units, "patient", Bootstrap(20, 100), (0.1,), WORDS)
    assert level is not None
    auroc = level.metrics["auroc"]
    assert (auroc.value, auroc.low, auroc.high, auroc.method, auroc.trusted) == (1.0, None, None, "none", False)
    assert auroc.why == "the classes don't overlap at all"
    # Ten of ten: 10 / (10 + 1.96 ** 2).
    assert level.metrics["sensitivity"].low == pytest.approx(10 / (10 + 1.959964**2))
    assert level.metrics["f1"].low is None


def test_four_patients_are_not_trusted() -> None:
    units = made(4, 1, seed=1)
    level = unit_level(units, "patient", Bootstrap(4, 100), (), WORDS)
    assert level is not None
    assert not any(one.trusted for one in level.metrics.values())
    assert level.roc_band == ()


def test_what_one_class_leaves_undefined_says_why() -> None:
    units = Units(("a", "b"), np.arange(2), np.array([True, True]), np.array([1.0, 0.0]), np.array([True, False]), 2)
    level = unit_level(units, "slide", Bootstrap(2, 20), (), WORDS)
    assert level is not None
    specificity, auroc = level.metrics["specificity"], level.metrics["auroc"]
    assert (specificity.value, specificity.n, specificity.why) == (None, 0, "there are no slides without IDC")
    assert (auroc.value, auroc.why) == (None, "all slides are of one class")


def test_no_unit_no_level() -> None:
    assert unit_level(slide_units(SLIDES[3:5], "idc_mm2"), "slide", Bootstrap(1), (), WORDS) is None
    assert unit_level(patient_units([], "idc_mm2"), "patient", Bootstrap(1), (), WORDS) is None


def test_words_say_what_is_scored_and_called() -> None:
    assert WORDS.score == "area called IDC, mm2"
    assert WORDS.called == "there is a focus (score above 0)"
    patient = unit_words("patient", "max_p", 0.7)
    assert patient.score == "greatest over the patient's slides: greatest p_idc of a patch"
    assert patient.called == "on any slide, the score is at least 0.7"
