"""How sure an area is: its range over the uncertain band, the sum of probabilities, the card's own agreement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from report_factory import UNREADABLE, make_card, make_fold, make_result, rejudged

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.card import CrossValidation, ModelCard
from batchscan.domain.records import SlideResult
from batchscan.report.certainty import AreaBand, area_agreement, area_band, expected_mm2, how_sure, labelled_band


def graded() -> SlideResult:
    """One cell of 0.16 mm2 each with p .3, .4, .5, .6 and .7, half tissue; one that can't be read."""
    return make_result(np.array([[0.3, 0.4, 0.5, 0.6, 0.7, UNREADABLE]]), tissue_fraction=0.5)


def test_the_range_is_that_at_either_end_of_the_band() -> None:
    """About 0.5 the band is .4 to .6: four cells reach .4, one is beyond .6."""
    band = area_band(graded())
    assert band is not None
    assert (band.low_mm2, band.high_mm2) == pytest.approx((0.08, 4 * 0.08))


def test_without_an_area_there_is_no_range() -> None:
    nothing = make_result(np.full((2, 2), np.nan))
    assert area_band(nothing) is None
    assert expected_mm2(nothing) is None
    assert [fact.label for fact in how_sure(nothing, make_card())] == ["Patch by patch"]


def test_calibrated_probabilities_add_up() -> None:
    """p of .5 stays .5 at any temperature: three cells of 0.16 mm2."""
    result = make_result(np.array([[0.5, 0.5, 0.5, UNREADABLE]]))
    assert expected_mm2(result) is None
    assert expected_mm2(rejudged(result, Aggregation(temperature=2.0))) == pytest.approx(3 * 0.16 * 0.5)


def test_a_sum_that_the_threshold_does_not_explain_is_said_to_be_apart() -> None:
    # Of cells of 0.16 mm2: within the band's two to three, two and a half; beside one of 1, three of a third.
    within = make_result(np.array([[0.9, 0.9, 0.5, 0.2]]))
    apart = make_result(np.array([[0.9, 0.3, 0.3, 0.3]]))
    for result, end in ((within, "add up to."), (apart, "add up to: not within the range above.")):
        found = rejudged(result, Aggregation(temperature=0.999))
        said = next(fact.value for fact in how_sure(found, make_card()) if fact.label == "Calibration")
        assert said.endswith(end)


def card_with(*errors: float | None, **changes: Any) -> ModelCard:
    folds = tuple(
        make_fold(f"S{i}", 100, 10, auroc=0.9, **({} if error is None else {"idc_mm2_error": error}))
        for i, error in enumerate(errors)
    )
    cross = CrossValidation(command="x", seconds=1.0, seeds=(1,), note="a test", slides=folds, pooled=folds[0])
    return make_card(cross_validation=cross, **changes)


def test_limits_of_agreement_by_hand() -> None:
    """Errors of 1, 2 and 6: mean 3, standard deviation sqrt((4 + 1 + 9) / 2) = 2.6458."""
    found = area_agreement(card_with(1.0, 2.0, 6.0))
    assert found is not None
    assert found.n == 3
    assert found.bias_mm2 == pytest.approx(3.0)
    assert found.limits_mm2 == pytest.approx((3 - 1.96 * 7**0.5, 3 + 1.96 * 7**0.5))
    words = {fact.label: fact.value for fact in how_sure(graded(), card_with(1.0, 2.0, 6.0))}
    assert words["Agreement"] == (
        "found \u2212 labelled \u22122.2 to +8.2 mm² (95 %), +3.0 mm² on average: 3 slides, too few to be sure of that."
    )


def test_limits_come_to_a_range_on_a_slide_like_those_they_are_of() -> None:
    """Of 0.24 mm2 found in 0.48 of tissue, where up to 0.1 less and 0.2 more than labelled is found: .04 to .34."""
    found = graded()
    assert (found.extent.idc_mm2, found.extent.tissue_mm2) == pytest.approx((0.24, 0.48))
    assert labelled_band(found, (-0.1, 0.2)) == AreaBand(pytest.approx(0.04), pytest.approx(0.34))
    assert labelled_band(found, (-1.0, 0.5)) == AreaBand(0.0, pytest.approx(0.48))  # no more than there is tissue
    assert labelled_band(found, (0.3, 0.5)) is None  # less than nothing would be labelled
    assert labelled_band(make_result(np.full((5, 5), np.nan)), (-1.0, 1.0)) is None


def test_the_range_is_told_of_enough_slides_and_none_of_a_known_one() -> None:
    enough = card_with(*([-0.05, 0.05] * 10))
    assert agreement(graded(), enough).endswith("20 slides. On such a slide 0.14 to 0.34 mm² would be labelled.")
    assert "On such a slide" not in agreement(graded(), card_with(-0.05, 0.05, 0.05))
    assert agreement(named("S1", "P"), enough).endswith("20 slides, this one among them.")
    other = replace(graded(), settings=replace(graded().settings, threshold=0.45))
    assert agreement(other, enough).endswith("20 slides.")


@pytest.mark.parametrize(
    ("slide_id", "patient_id", "agreed", "by_patch"),
    [
        ("S1", "P", ", this one among them", ", this one among them"),
        ("S", "S1", ", one of this patient among them", ", this one among them"),
        ("S", "P", "", ""),
        ("S10", "P", "", ""),
    ],
)
def test_a_slide_that_the_cards_figures_are_of_says_so(
    slide_id: str, patient_id: str, agreed: str, by_patch: str
) -> None:
    words = {fact.label: fact.value for fact in how_sure(named(slide_id, patient_id), card_with(1.0, 2.0, 6.0))}
    assert words["Agreement"].endswith(f": 3 slides{agreed}, too few to be sure of that.")
    assert words["Patch by patch"].endswith(f"3 patients never seen{by_patch}).")


def agreement(result: SlideResult, card: ModelCard) -> str:
    return next(fact.value for fact in how_sure(result, card) if fact.label == "Agreement")


def named(slide_id: str, patient_id: str) -> SlideResult:
    found = graded()
    return replace(found, slide=replace(found.slide, slide_id=slide_id, patient_id=patient_id))


def test_two_slides_have_no_limits_and_a_card_without_areas_says_so() -> None:
    two = area_agreement(card_with(1.0, 2.0))
    assert two is not None
    assert two.limits_mm2 is None
    words = {fact.label: fact.value for fact in how_sure(graded(), card_with(1.0, 2.0))}
    assert words["Agreement"].startswith("no limits: on the 2 slides of its cross-validation")
    assert area_agreement(card_with(None, None)) is None
    assert area_agreement(make_card()) is None
    none = {fact.label: fact.value for fact in how_sure(graded(), make_card())}
    assert none["Agreement"] == "no limits: the model\u2019s card holds no comparison of areas with labels."
    assert none["Calibration"].startswith("none: p(IDC) is a score and no risk")


def test_the_range_is_printed_with_its_band() -> None:
    words = {fact.label: fact.value for fact in how_sure(replace(graded(), qc={}), make_card())}
    assert words["Threshold"] == (
        "0.08 to 0.32 mm² with the threshold at either end of the uncertain band, p 0.40 to 0.60."
    )
