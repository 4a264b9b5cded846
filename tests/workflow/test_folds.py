"""Which networks a nested cross-validation needs, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from scripted_trainings import SIDE, patches_of, relabelled

from batchscan.domain.aggregation import Aggregation, ScoredGrid
from batchscan.domain.errors import PatchSetError
from batchscan.training.dataset import LabelledPatches
from batchscan.training.recipe import Recipe
from batchscan.workflow.folds import Plan, Scores, Slide, Training, planned, split_for

BOTH = "01" * 20
FIVE = patches_of({"a": BOTH, "b": BOTH, "c": BOTH, "few": "0" * 30 + "1" * 19, "more": "0" * 30 + "1"})


def left_out(plan: Plan) -> list[tuple[str, int]]:
    return [("".join(sorted(training.left_out)), training.seed) for training in plan.trainings()]


def test_three_slides_need_six_trainings_a_seed_and_the_packages() -> None:
    plan = planned(FIVE, Recipe(cv_seeds=2), (), 5)
    assert plan.folds == ("a", "b", "c")
    one_seed = ["a", "b", "c", "ab", "ac", "bc"]
    assert left_out(plan) == [("", 5), *((who, 5) for who in one_seed), *((who, 6) for who in one_seed)]


def test_a_held_out_fold_is_the_packages_own_training() -> None:
    plan = planned(FIVE, Recipe(cv_seeds=1), ("b",), 0)
    assert left_out(plan) == [(who, 0) for who in ["b", "a", "c", "ab", "ac", "bc"]]


def test_who_is_held_out_is_left_out_of_all_that_the_package_rests_on() -> None:
    plan = planned(FIVE, Recipe(cv_seeds=2), ("b", "few"), 0)
    resting = [training for _, training in plan.choosing(plan.holdout)]
    assert [("".join(sorted(one.left_out)), one.seed) for one in resting] == [
        ("abfew", 0),
        ("abfew", 1),
        ("bcfew", 0),
        ("bcfew", 1),
    ]
    assert plan.package == Training(frozenset({"b", "few"}), 0)
    assert set(resting) <= set(plan.trainings())


def test_what_is_chosen_for_a_slide_rests_on_pairs_without_it() -> None:
    plan = planned(FIVE, Recipe(cv_seeds=1), (), 0)
    assert plan.choosing(frozenset({"a"})) == (
        ("b", Training(frozenset("ab"), 0)),
        ("c", Training(frozenset("ac"), 0)),
    )
    assert plan.measuring("a") == (Training(frozenset("a"), 0),)


def test_the_recipe_may_name_slides_with_fewer_patches() -> None:
    assert planned(FIVE, Recipe(folds=("few", "a", "few")), (), 0).folds == ("few", "a")


def stacked(patches: LabelledPatches) -> LabelledPatches:
    return LabelledPatches(patches.pixels, patches.label, patches.patient, patches.x_px * 0, patches.y_px, SIDE)


@pytest.mark.parametrize(
    ("patches", "recipe", "holdout", "words"),
    [
        (FIVE, Recipe(folds=("a", "z")), (), r"folds of the recipe .* names z, which the patch set doesn't have"),
        (
            patches_of({"a": BOTH, "b": BOTH, "c": "0" * 30}),
            Recipe(folds=("a", "c")),
            (),
            "c, which has 30 patches without IDC and 0 with",
        ),
        (patches_of({"a": BOTH, "b": "01" * 19}), Recipe(), (), r"has 1 slides to leave out \(a\): two at least"),
        (
            patches_of(dict.fromkeys("abcdefghi", BOTH)),
            Recipe(),
            (),
            "9 slides and every two .* 45 trainings a seed",
        ),
        (FIVE, Recipe(), ("a", "b", "c"), r"--holdout names every slide .*hold fewer out"),
        (stacked(FIVE), Recipe(), (), "patient a has patches in one place"),
        (
            patches_of({"a": BOTH, "b": BOTH, "c": "0" * 30}),
            Recipe(),
            (),
            r"also trains without a, b, seed 0: .*patches of class 0 only",
        ),
        (FIVE, Recipe(), ("b", "few", "more"), "without a, b, few, more, seed 0: .* single patient"),
    ],
)
def test_what_cannot_serve_is_named(
    patches: LabelledPatches, recipe: Recipe, holdout: tuple[str, ...], words: str
) -> None:
    with pytest.raises(PatchSetError, match=words):
        planned(patches, recipe, holdout, 0)


def test_many_slides_are_left_out_when_they_are_named() -> None:
    names = "abcdefghi"
    assert len(planned(patches_of(dict.fromkeys(names, BOTH)), Recipe(folds=tuple(names)), (), 0).folds) == 9


def test_only_the_best_epoch_needs_patients_to_choose_on() -> None:
    training = Training(frozenset({"a"}), 0)
    assert split_for(FIVE, Recipe(), training).validation == ()
    best = split_for(FIVE, Recipe(keep="best"), training)
    assert best.validation
    assert "a" not in (*best.training, *best.validation)


def test_a_slides_scores_become_what_a_scan_would_say() -> None:
    patches = patches_of({"z": "01", "a": "010101011"}, width=3)
    shifted = LabelledPatches(
        patches.pixels, patches.label, patches.patient, patches.x_px + 3 * SIDE, patches.y_px + SIDE, SIDE
    )
    slide = Slide.of(shifted, "a")
    assert slide.rows.tolist() == list(range(2, 11))
    assert slide.row.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert slide.col.tolist() == [0, 1, 2] * 3
    p_raw = np.linspace(0.05, 0.95, 9, dtype=np.float32)
    how = Aggregation(0.5, 1.5, -0.2)
    expected = ScoredGrid(p_raw, slide.row, slide.col, np.ones(9, np.bool_), 1.0).p_idc(how)
    found = slide.p_idc(Scores(np.arange(11), np.concatenate([np.float32([0.5, 0.5]), p_raw]), 0.0), how)
    np.testing.assert_array_equal(found, expected)
    # The middle one by hand: four sides at distance 1 and four corners at the root of 2, the same on opposite sides.
    assert slide.p_mean(Scores(np.arange(2, 11), p_raw, 0.0), 0.5)[4] == pytest.approx(0.5)


def test_scores_of_someone_who_was_trained_on_are_refused() -> None:
    scores = Scores(np.arange(40), np.zeros(40, np.float32), 0.0)
    with pytest.raises(KeyError, match="wasn't left out"):
        scores.of(np.arange(40, 80))
    with pytest.raises(KeyError, match="wasn't left out"):
        Scores(np.arange(0), np.zeros(0, np.float32), 0.0).of(np.arange(2))


def test_labels_of_left_out_slides_change_no_plan() -> None:
    # 21 and 40: turned around it has other counts, and what is drawn by counts would be drawn otherwise.
    uneven = patches_of({"a": "0" * 21 + "1" * 40, "b": BOTH, "c": BOTH, "d": "01" * 15, "e": "01" * 12})
    other = relabelled(uneven, "a", 1 - uneven.label[uneven.patient == "a"])
    assert other.counts()["a"] == (40, 21)
    for recipe in (Recipe(), Recipe(keep="best", folds=("a", "b", "c"))):
        plan = planned(uneven, recipe, (), 0)
        assert planned(other, recipe, (), 0) == plan
        for training in plan.trainings():
            if "a" in training.left_out:
                assert split_for(other, recipe, training) == split_for(uneven, recipe, training)
