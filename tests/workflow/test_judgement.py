"""How scores are read where nobody, or only validation patients, were left out; by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scripted_trainings import patches_of

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.card import Calibration, Context, Threshold
from batchscan.training.recipe import Context as RecipeContext
from batchscan.training.recipe import Recipe
from batchscan.workflow.judgement import How, chosen_on_validation, unchosen


def test_a_recipe_alone_gives_its_first_sigma_and_a_half_that_nobody_chose() -> None:
    how = unchosen(Recipe(context=RecipeContext(orientations=4, sigmas=(0.7, 0.0))))
    assert how.aggregation == Aggregation(0.7, 1.0, 0.0)
    assert (how.context.orientations, how.threshold.value, how.calibration.method) == (4, 0.5, "none")
    assert all("ot chosen on data" in text for text in (how.context.how_chosen, how.threshold.how_chosen))


def test_validation_patients_of_one_class_each_give_a_threshold() -> None:
    patches = patches_of({"idc": "111", "not": "000"})
    p_idc = {"not": np.float32([0.1, 0.2, 0.3]), "idc": np.float32([0.7, 0.8, 0.9])}
    how = chosen_on_validation(unchosen(Recipe()), patches, p_idc, Recipe(prevalence=0.3))
    # All right from 0.301 to 0.7 itself: 400 candidates, the 201st.
    assert how.threshold.value == 0.501
    assert "validation patients alone, weighted by patient, at 30% IDC" in how.threshold.how_chosen


@pytest.mark.parametrize(("temperature", "intercept", "at"), [(1.0, 0.0, 0.3), (2.0, -0.5, 0.3), (0.5, 1.0, 0.9)])
def test_the_raw_score_at_the_threshold(temperature: float, intercept: float, at: float) -> None:
    how = How(
        Context(orientations=1, sigma=0.5, how_chosen="for a test"),
        Calibration(method="temperature", note="", temperature=temperature, intercept=intercept, before=(), after=()),
        Threshold(value=at, how_chosen="for a test", curve=()),
    )
    assert how.aggregation.calibrated(np.array([how.alone]))[0] == pytest.approx(at)


@pytest.mark.parametrize("at", [0.0, 1.0])
def test_a_threshold_at_the_end_has_a_raw_score_too(at: float) -> None:
    how = unchosen(Recipe())
    ends = How(how.context, how.calibration, Threshold(value=at, how_chosen="for a test", curve=()))
    assert ends.alone == pytest.approx(at, abs=1e-5)
