"""What is chosen and measured by scripted networks; above all that nothing about a slide rests on the slide."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scripted_trainings import Scripted, noisy, patches_of, relabelled

from batchscan.training.dataset import LabelledPatches
from batchscan.training.recipe import Context, Recipe
from batchscan.workflow.cross_validation import CONTEXTS, CrossValidated, card_record, cross_validated
from batchscan.workflow.folds import Training, planned
from batchscan.workflow.judgement import Chosen

RECIPE = Recipe(cv_seeds=2, context=Context(sigmas=(0.0, 0.5, 1.0)))
HALVES = "0" * 21 + "1" * 21
PATCHES = patches_of({"a": HALVES, "b": HALVES, "c": HALVES, "d": "0" * 20, "e": "1" * 20})
FOLDS = ("a", "b", "c")

PRaw = Callable[[Training, LabelledPatches], NDArray[np.float64]]


def found(
    p_raw: PRaw = noisy, patches: LabelledPatches = PATCHES, holdout: tuple[str, ...] = (), recipe: Recipe = RECIPE
) -> CrossValidated:
    # Scores are of networks that learnt the labels as they were: whatever the test changes, they stay.
    return cross_validated(planned(patches, recipe, holdout, 0), patches, Scripted(PATCHES, p_raw), recipe)


def choices(one: CrossValidated, slide: str) -> list[tuple[object, ...]]:
    (fold,) = (fold for fold in one.folds if fold.slide.name == slide)
    return [said(fold.chosen[context]) for context in CONTEXTS]


def said(chosen: Chosen) -> tuple[object, ...]:
    return chosen.how.context, chosen.how.calibration, chosen.how.threshold


def scrambled(when: Callable[[Training], bool]) -> PRaw:
    def p_raw(training: Training, left_out: LabelledPatches) -> NDArray[np.float64]:
        scores = noisy(training, left_out)
        return 1.0 - scores if when(training) else scores

    return p_raw


@pytest.mark.parametrize("slide", FOLDS)
def test_labels_of_a_slide_decide_nothing_that_is_chosen_for_it(slide: str) -> None:
    turned = relabelled(PATCHES, slide, 1 - PATCHES.label[PATCHES.patient == slide])
    before, after = found(), found(patches=turned)
    assert choices(after, slide) == choices(before, slide)
    for other in set(FOLDS) - {slide}:
        assert choices(after, other) != choices(before, other)


@pytest.mark.parametrize("slide", FOLDS)
def test_networks_that_saw_a_slide_decide_nothing_that_is_chosen_for_it(slide: str) -> None:
    poisoned = found(scrambled(lambda training: slide not in training.left_out))
    assert choices(poisoned, slide) == choices(found(), slide)
    assert choices(found(scrambled(lambda training: slide in training.left_out)), slide) != choices(found(), slide)


@pytest.mark.parametrize("slide", FOLDS)
def test_networks_that_were_fitted_to_the_slides_chosen_on_decide_nothing(slide: str) -> None:
    # net({slide}) was fitted to the others: its scores of the slide are measured, and choose nothing.
    alone = found(scrambled(lambda training: training.left_out == {slide}))
    assert choices(alone, slide) == choices(found(), slide)
    for other in set(FOLDS) - {slide}:
        assert choices(alone, other) == choices(found(), other)


def test_nothing_about_the_package_rests_on_who_is_held_out() -> None:
    before = found(holdout=("b",))
    turned = relabelled(PATCHES, "b", 1 - PATCHES.label[PATCHES.patient == "b"])
    saw_it = scrambled(lambda training: "b" not in training.left_out)
    assert said(found(holdout=("b",), patches=turned).package) == said(before.package)
    assert said(found(saw_it, holdout=("b",)).package) == said(before.package)
    assert {part.slide.name for part in before.package.parts} == {"a", "c"}
    assert all("b" in part.training.left_out for part in before.package.parts)
    assert said(found(scrambled(lambda training: "b" in training.left_out), holdout=("b",)).package) != said(
        before.package
    )


def test_without_a_holdout_the_package_is_chosen_on_every_slide() -> None:
    package = found().package
    assert [(part.slide.name, set(part.training.left_out), part.training.seed) for part in package.parts] == [
        (name, {name}, seed) for name in FOLDS for seed in (0, 1)
    ]


def test_every_part_is_of_a_network_that_did_not_see_its_slide() -> None:
    for holdout in ((), ("a",), ("d",)):
        one = found(holdout=holdout)
        for fold in one.folds:
            assert [part.training for part in fold.parts] == [
                Training(frozenset({fold.slide.name}), seed) for seed in (0, 1)
            ]
            for part in fold.chosen["neighbours"].parts:
                assert part.training.left_out == {fold.slide.name, part.slide.name}


def test_each_training_is_done_once() -> None:
    plan = planned(PATCHES, RECIPE, ("a",), 0)
    scripted = Scripted(PATCHES, noisy)
    one = cross_validated(plan, PATCHES, scripted, RECIPE)
    assert scripted.asked == list(plan.trainings())
    assert len(set(scripted.asked)) == len(scripted.asked) == 12
    assert one.seconds == 24.0


def test_neighbours_are_taken_where_they_help() -> None:
    # IDC lies together: noise is averaged away.
    assert found().package.how.context.sigma > 0.0
    scattered = patches_of(dict.fromkeys("abc", "01" * 21) | {"d": "0" * 20, "e": "1" * 20}, width=7)
    plan = planned(scattered, RECIPE, (), 0)
    assert cross_validated(plan, scattered, Scripted(scattered, noisy), RECIPE).package.how.context.sigma == 0.0


def test_alone_is_judged_without_neighbours_and_with_a_threshold_of_its_own() -> None:
    one = found()
    for fold in one.folds:
        assert fold.chosen["alone"].how.context.sigma == 0.0
        assert fold.chosen["neighbours"].how.context.sigma > 0.0
        alone, beside = fold.judged("alone")[0], fold.judged("neighbours")[0]
        assert not np.array_equal(alone.p_idc, beside.p_idc)


def sure(training: Training, left_out: LabelledPatches) -> NDArray[np.float64]:
    """0.9 for IDC and 0.2 for the rest; seed 1 misses the first IDC patch of each patient."""
    p_raw = np.where(left_out.label == 1, 0.9, 0.2)
    if training.seed == 1:
        for patient in left_out.patients():
            p_raw[np.flatnonzero((left_out.patient == patient) & (left_out.label == 1))[:1]] = 0.1
    return p_raw


PLAIN = Recipe(cv_seeds=2, calibration="none", um_per_px=8.0, context=Context(sigmas=(0.0,)))


def test_figures_by_hand() -> None:
    # Uncalibrated and alone; F1 is best anywhere above 0.2 up to 0.9: 700 candidates from 0.201, the 351st is 0.551.
    one = found(sure, recipe=PLAIN)
    record = card_record(one, 0.16, "batchscan train")
    assert one.package.how.threshold.value == 0.551
    assert (record.seeds, record.seconds, record.command) == ((0, 1), 24.0 + 2.0, "batchscan train")
    slide = record.slides[0]
    assert (slide.slide, slide.n_patches, slide.n_positive, slide.thresholds) == ("a", 42, 21, (0.551, 0.551))
    sensitivity, area = slide.figures["sensitivity"], slide.figures["idc_mm2_error"]
    assert (sensitivity.low, sensitivity.high) == (round(20 / 21, 9), 1.0)
    assert sensitivity.mean == pytest.approx((1 + 20 / 21) / 2, abs=1e-5)
    assert (area.low, area.high) == (-0.16, 0.0)
    assert record.pooled.slide == "pooled"
    assert (record.pooled.n_patches, record.pooled.n_positive, record.pooled.thresholds) == (126, 63, ())
    assert [(c.tp, c.fp, c.fn, c.tn) for c in record.pooled.confusions] == [(63, 0, 0, 63), (60, 0, 3, 63)]
    # In seed 1 each slide lacks a patch.
    pooled = record.pooled.figures["idc_mm2_absolute_error"]
    assert (pooled.low, pooled.high) == pytest.approx((0.0, 0.16))
    assert "idc_mm2_error" not in record.pooled.figures
    # Brier: (21 x 0.04 + 21 x 0.01) / 42; in seed 1 one patch has 0.81 in place of 0.01.
    assert slide.figures["brier"].low == pytest.approx(0.025, abs=1e-5)
    assert slide.figures["brier"].high == pytest.approx(0.025 + 0.8 / 42, abs=1e-5)


def test_uncalibrated_scores_stay_and_are_called_scores() -> None:
    package = found(sure, recipe=PLAIN).package.how
    assert (package.calibration.method, package.calibration.temperature, package.calibration.intercept) == (
        "none",
        1.0,
        0.0,
    )
    assert "not calibrated" in package.calibration.note
    assert package.calibration.before == package.calibration.after


def test_a_small_slide_counts_as_much_as_a_large_one() -> None:
    # b has ten times a's patches. Chosen for c: half of b's IDC-free patches have 0.7, all of a's 0.2; both have 0.6
    # for half of their IDC and 0.9 for the rest. Up to 0.6: F1 1 for a, 0.8 for b; above 0.7: 2/3 for both.
    sizes = {"a": "0" * 20 + "1" * 20, "b": "0" * 200 + "1" * 200, "c": HALVES, "d": "0" * 20, "e": "1" * 20}
    patches = patches_of(sizes)

    def p_raw(_: Training, left_out: LabelledPatches) -> NDArray[np.float64]:
        odd = np.arange(len(left_out)) % 2 == 1
        rest = np.where(odd & (left_out.patient == "b"), 0.7, 0.2)
        return np.where(left_out.label == 1, np.where(odd, 0.6, 0.9), rest)

    one = cross_validated(planned(patches, PLAIN, (), 0), patches, Scripted(patches, p_raw), PLAIN)
    (fold,) = (fold for fold in one.folds if fold.slide.name == "c")
    point = fold.chosen["neighbours"].how.threshold.curve[50]
    assert point.f1 == pytest.approx((1.0 + 0.8) / 2)
    assert point.specificity == pytest.approx((1.0 + 0.5) / 2)
    assert 0.2 < fold.chosen["neighbours"].how.threshold.value <= 0.6


def test_calibration_brings_scores_to_shares() -> None:
    def timid(_: Training, left_out: LabelledPatches) -> NDArray[np.float64]:
        rng = np.random.default_rng(len(left_out))
        share = rng.uniform(0.05, 0.95, len(left_out))
        # Scores that hardly differ where the truth does.
        return 1 / (1 + np.exp(-np.log(share / (1 - share)) / 4 - (left_out.label - 0.5)))

    package = found(timid).package.how
    assert package.calibration.temperature < 0.5
    before, after = (
        sum(b.n * abs(b.mean_p - b.share_idc) for b in bins) / sum(b.n for b in bins)
        for bins in (package.calibration.before, package.calibration.after)
    )
    assert after < before


def test_two_slides_are_said_to_be_little() -> None:
    two = patches_of({"a": HALVES, "b": HALVES, "d": "0" * 20, "e": "1" * 20})
    one = cross_validated(planned(two, RECIPE, (), 0), two, Scripted(two, noisy), RECIPE)
    assert "One slide is little to choose on" in card_record(one, 0.16, "x").note
    assert "little" not in card_record(found(), 0.16, "x").note


def test_the_note_says_that_no_tissue_mask_was_applied() -> None:
    assert "tissue mask leaves some out" in card_record(found(), 0.16, "x").note


def test_the_card_says_on_whom_it_was_chosen() -> None:
    package = found(holdout=("b",)).package.how
    assert package.threshold.how_chosen == (
        "Greatest mean balanced accuracy over a, c and 2 seeds, each as networks scored it that had seen neither it "
        "nor b."
    )
    assert package.context.how_chosen.startswith("Of sigma 0, 0.5, 1 the one with the least log loss")
