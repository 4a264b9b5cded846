from __future__ import annotations

import numpy as np
import pytest
from tallied_slides import drawn_slides, labelled, tallied

from batchscan.evaluation.calibration import brier, ece
from batchscan.evaluation.metrics import Confusion, auprc, auroc, confusion
from batchscan.evaluation.tallies import (
    FINE_STEPS,
    N_SCORES,
    SCORE_LOGITS,
    SLIDE_FIGURES,
    PatientTallies,
    slide_tally,
)


def test_a_slide_by_hand() -> None:
    # Labels 1 1 0 0 1 0; the fifth was not scanned (p 0, called negative), the sixth couldn't be read.
    one = slide_tally(
        labelled("a", "x", [1, 1, 0, 0, 1, 0], [0.9, 0.3, 0.6, 0.2, 0.0, 0.0], not_scanned=[4], unreadable=[5])
    )
    assert one.confusion == Confusion(tp=1, fp=1, fn=2, tn=1)
    assert one.scores.sum(axis=1).tolist() == [2, 3]
    assert one.scores[:, 0].tolist() == [0, 1]
    assert one.squared == pytest.approx(0.1**2 + 0.7**2 + 0.6**2 + 0.2**2 + 1.0)
    # 15 bins: .9 in bin 13, .3 in 4, .6 in 9 (just above 9/15), .2 in 3 (just above 3/15), 0 in 0.
    assert one.n[1].nonzero()[0].tolist() == [0, 4, 13]
    assert one.n[0].nonzero()[0].tolist() == [3, 9]
    assert one.p_sum[1, 13] == pytest.approx(0.9)
    assert one.figures["sensitivity"] == pytest.approx(1 / 3)
    # Pairs (positive, negative): .9 beats .6 and .2; .3 beats .2; 0 beats none.
    assert one.figures["auroc"] == pytest.approx(3 / 6)


def test_a_slides_own_figures_are_those_of_its_readable_patches() -> None:
    for slide in drawn_slides(3, seed=1):
        figures = slide_tally(slide).figures
        label, p = slide.label[slide.readable], slide.p_idc[slide.readable].astype(np.float64)
        table = confusion(label, slide.positive[slide.readable])
        assert set(figures) == set(SLIDE_FIGURES)
        assert figures["auroc"] == auroc(label, p)
        assert figures["auprc"] == auprc(label, p)
        assert figures["brier"] == pytest.approx(brier(label, p))
        assert figures["ece"] == pytest.approx(ece(label, p))
        assert figures["kappa"] == table.kappa
        assert figures["mcc"] == table.mcc


def test_what_a_slide_does_not_define_is_none() -> None:
    figures = slide_tally(labelled("a", "x", [0, 0], [0.1, 0.2])).figures
    assert {name for name in SLIDE_FIGURES if figures[name] is None} == {
        *("balanced_accuracy", "sensitivity", "precision", "f1", "mcc", "kappa", "auroc", "auprc")
    }
    unread = slide_tally(labelled("a", "x", [1], [0.1], unreadable=[0])).figures
    assert all(value is None for value in unread.values())


def test_bins_of_scores_are_equal_steps_of_logit() -> None:
    p = 1 / (1 + np.exp(-np.array([SCORE_LOGITS[0], SCORE_LOGITS[700], SCORE_LOGITS[1500]])))
    scores = slide_tally(labelled("a", "x", [0, 0, 0, 0, 0], [*p, 0.0, 1.0])).scores[0]
    assert {place: int(scores[place]) for place in scores.nonzero()[0]} == {1: 2, 701: 1, 1501: 1, N_SCORES - 1: 1}


def test_patients_are_sums_of_their_slides() -> None:
    slides = drawn_slides(6, seed=2)
    slides.reverse()
    tallies = tallied(slides)
    counts = tallies.by_patient()
    assert counts.patients == tallies.patients == tuple(f"p{i:03d}" for i in range(6))
    for i, patient in enumerate(counts.patients):
        own = [slide_tally(slide) for slide in slides if slide.patient_id == patient]
        assert counts.outcomes[i].tolist() == np.sum([one.outcomes for one in own], axis=0).tolist()
        assert (counts.scores[i] == np.sum([one.scores for one in own], axis=0)).all()
        np.testing.assert_allclose(counts.p_sum[i], np.sum([one.p_sum for one in own], axis=0))
        assert counts.squared[i] == pytest.approx(sum(one.squared for one in own))
        assert counts.slide_n[i].max() == len(own)
        accuracy = SLIDE_FIGURES.index("accuracy")
        assert counts.slide_sum[i, accuracy] == pytest.approx(sum(one.figures["accuracy"] or 0 for one in own))
    total = tallies.confusion()
    assert counts.outcomes.sum(axis=0).tolist() == [total.tp, total.fp, total.fn, total.tn]


def test_undefined_figures_of_slides_are_not_averaged_in() -> None:
    counts = tallied([labelled("a", "x", [0, 0], [0.1, 0.2]), labelled("b", "x", [0, 1], [0.1, 0.9])]).by_patient()
    sensitivity, specificity = SLIDE_FIGURES.index("sensitivity"), SLIDE_FIGURES.index("specificity")
    assert counts.slide_n[0, [sensitivity, specificity]].tolist() == [1, 2]
    assert counts.slide_sum[0, [sensitivity, specificity]].tolist() == [1.0, 2.0]


def test_a_subset_is_what_its_slides_alone_come_to() -> None:
    slides = drawn_slides(5, seed=3)
    chosen = [slide for slide in slides if slide.slide_id.endswith("-0")][1:]
    part, alone = tallied(slides).subset({slide.slide_id for slide in chosen}), tallied(chosen)
    assert part.patients == alone.patients != tallied(slides).patients
    assert (part.by_patient().scores == alone.by_patient().scores).all()
    assert part.confusion() == alone.confusion()
    assert part.fine is None


def test_fine_counts_part_scores_at_thresholds_exactly() -> None:
    tallies = tallied([labelled("a", "x", [1, 0, 1], [0.5, np.nextafter(np.float32(0.5), np.float32(0)), 1.0])])
    assert tallies.fine is not None
    assert tallies.fine[1, FINE_STEPS // 2 :].sum() == 2
    assert tallies.fine[0, FINE_STEPS // 2 - 1] == 1
    assert tallies.fine[1, FINE_STEPS] == 1


def test_a_slide_counts_once() -> None:
    tallies = tallied([labelled("a", "x", [1], [0.5])])
    with pytest.raises(ValueError, match="slide a was tallied before"):
        tallies.add(labelled("a", "x", [1], [0.5]))


def test_patients_without_a_readable_patch_are_not_there() -> None:
    tallies = tallied([labelled("a", "x", [1], [0.5], unreadable=[0]), labelled("b", "y", [1], [0.5], threshold=0.4)])
    assert tallies.patients == tallies.by_patient().patients == ("y",)
    assert set(tallies.slides) == {"a", "b"}
    assert tallies.thresholds == (0.4, 0.5)
    assert PatientTallies().patients == ()
