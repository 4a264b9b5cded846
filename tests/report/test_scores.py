from __future__ import annotations

from dataclasses import replace

import pytest
from report_factory import make_card, make_result, rejudged, tissue_grid

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.card import Calibration, ModelCard
from batchscan.domain.records import ScanSettings
from batchscan.report.cautions import cautions
from batchscan.report.scores import has_neighbours, other_scores, score_definitions, score_facts

PLAIN = make_result(tissue_grid()).settings
NEIGHBOURS = replace(PLAIN, orientations=4, aggregation=Aggregation(sigma=0.8, temperature=2.0, intercept=-0.5))


def card_of(settings: ScanSettings) -> ModelCard:
    """A card whose own the settings are."""
    aggregation = settings.aggregation
    context = make_card().context.model_copy(update={"orientations": settings.orientations, "sigma": aggregation.sigma})
    calibration = Calibration(
        method="none" if aggregation.is_uncalibrated else "temperature",
        note="fitted to out-of-fold predictions",
        temperature=aggregation.temperature,
        intercept=aggregation.intercept,
        before=(),
        after=(),
    )
    return make_card(context=context, calibration=calibration)


def test_a_patch_judged_alone() -> None:
    facts = score_facts(PLAIN, card_of(PLAIN))
    assert [(fact.label, fact.value, fact.note) for fact in facts] == [
        ("Orientations", "1, as the patch lies", ""),
        ("Neighbours", "not used", ""),
        ("Calibration", "none", "fitted to out-of-fold predictions"),
    ]
    assert [fact.value for fact in score_definitions(PLAIN, card_of(PLAIN))] == [
        "the network\u2019s own score of one patch, from 0 to 1; class \u201cIDC\u201d.",
        "p_raw itself: neighbours are not used.",
        "p_mean itself, not calibrated; p_idc in the files.",
    ]


def test_neighbours_and_calibration_in_patch_sides_and_micrometres() -> None:
    """A patch is 50 px of 8 um: .8 of its side are 320 um."""
    facts = score_facts(NEIGHBOURS, card_of(NEIGHBOURS))
    assert [fact.value for fact in facts] == [
        "4, turned and mirrored: their mean",
        "averaged, Gaussian with \u03c3 = 320 µm = 0.8 patch sides",
        "temperature 2, intercept \u22120.5",
    ]
    raw, mean, idc = (fact.value for fact in score_definitions(NEIGHBOURS, card_of(NEIGHBOURS)))
    assert "mean over 4 ways of turning and mirroring it" in raw
    assert "w = exp(\u2212d\u00b2 \u00f7 2\u03c3\u00b2)" in mean
    assert mean.endswith("\u03c3 = 320 µm = 0.8 patch sides; w = 0 beyond 3 \u03c3 along a row or a column.")
    assert "calibrated with T = 2, b = \u22120.5" in idc


@pytest.mark.parametrize("settings", [PLAIN, NEIGHBOURS])
def test_the_models_own_need_no_remark(settings: ScanSettings) -> None:
    assert list(other_scores(settings, card_of(settings))) == []
    assert all("set for this run" not in fact.note for fact in score_facts(settings, card_of(settings)))


def test_what_is_set_for_the_run_is_told_with_what_was_fitted_otherwise() -> None:
    card = card_of(NEIGHBOURS)
    without = replace(NEIGHBOURS, aggregation=replace(NEIGHBOURS.aggregation, sigma=0.0))
    (sentence,) = other_scores(without, card)
    assert sentence == (
        "Set for this run: neighbours with sigma 0 patch sides (the model\u2019s own: 0.8). "
        "The model\u2019s threshold, calibration and measured accuracy were obtained with its own and may not hold."
    )
    (fact,) = (fact for fact in score_facts(without, card) if fact.label == "Neighbours")
    assert fact.note == (
        "set for this run; the model\u2019s own is 0.8, and its calibration was fitted to other scores, "
        "to which its threshold belongs"
    )
    (fact,) = (fact for fact in score_facts(NEIGHBOURS, card_of(PLAIN)) if fact.label == "Neighbours")
    assert fact.note == "set for this run; the model\u2019s own is 0, and its threshold belongs to other scores"
    (both,) = other_scores(NEIGHBOURS, card_of(PLAIN))
    assert both.startswith("Set for this run: 4 orientations (the model\u2019s own: 1) and neighbours with sigma 0.8")
    assert "The model\u2019s threshold and measured accuracy were" in both


def test_page_one_tells_what_is_set_for_the_run() -> None:
    result, card = make_result(tissue_grid()), make_card()
    other = rejudged(result, Aggregation(sigma=1.0))
    (sentence,) = other_scores(other.settings, card)
    assert sentence in list(cautions(other, card))
    assert not [text for text in cautions(result, card) if "Set for this run" in text]


def test_a_stride_that_nothing_was_fitted_at_is_told() -> None:
    half = replace(NEIGHBOURS, patch=replace(NEIGHBOURS.patch, stride=0.5))
    (sentence,) = other_scores(half, card_of(NEIGHBOURS))
    assert sentence == (
        "Set for this run: a stride of 0.5 patch sides (the model\u2019s own: 1). "
        "The model\u2019s threshold, calibration and measured accuracy were obtained with its own and may not hold."
    )
    (all_three,) = other_scores(half, card_of(PLAIN))
    assert "own: 1), neighbours with sigma 0.8 patch sides (the model\u2019s own: 0) and a stride of 0.5" in all_three


@pytest.mark.parametrize(("stride", "reaches"), [(1.0, False), (0.5, True)])
def test_a_sigma_without_reach_is_said_to_have_none(stride: float, *, reaches: bool) -> None:
    """3 x .3 = .9 of a patch side: less than one step of 1, more than one of .5."""
    settings = replace(PLAIN, patch=replace(PLAIN.patch, stride=stride), aggregation=Aggregation(sigma=0.3))
    assert has_neighbours(settings) == reaches
    (fact,) = (fact for fact in score_facts(settings, card_of(settings)) if fact.label == "Neighbours")
    alone = "none within reach: \u03c3 = 120 µm = 0.3 patch sides, each patch is judged alone"
    assert (fact.value == alone) != reaches
    p_mean = score_definitions(settings, card_of(settings))[1].value
    said = "p_raw itself, kept within .0001 and .9999: \u03c3 = 120 µm = 0.3 patch sides reaches no neighbour."
    assert (p_mean == said) != reaches


def test_the_formula_of_a_calibration_without_neighbours_keeps_off_certainty() -> None:
    alone = replace(PLAIN, aggregation=Aggregation(temperature=2.0, intercept=-0.5))
    assert score_definitions(alone, card_of(alone))[2].value == (
        "1 \u00f7 (1 + exp(\u2212(ln(p_mean \u00f7 (1 \u2212 p_mean)) \u00f7 T + b))), calibrated with T = 2, "
        "b = \u22120.5, p_mean kept within .0001 and .9999; p_idc in the files."
    )
