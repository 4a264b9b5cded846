"""A result's settings and its model's card become the words on how p_raw, p_mean and p(IDC) came about."""

from __future__ import annotations

from collections.abc import Iterator

from batchscan.domain.aggregation import REACH_SIGMAS, Aggregation, reach
from batchscan.domain.card import ModelCard
from batchscan.domain.geometry import PatchSpec
from batchscan.domain.records import ScanSettings
from batchscan.report import numbers
from batchscan.report.language import say
from batchscan.report.words import Fact, in_english


def has_neighbours(settings: ScanSettings) -> bool:
    """Whether any patch can be averaged with another."""
    return reach(settings.aggregation.sigma, settings.patch.stride) > 0


def score_facts(settings: ScanSettings, card: ModelCard) -> tuple[Fact, ...]:
    """Orientations, neighbours and calibration as they were applied, and what of it isn't the model's own."""
    aggregation, context = settings.aggregation, card.context
    orientations = say("orientations-one")
    if settings.orientations > 1:
        orientations = say("orientations-mean", count=str(settings.orientations))
    turned = _unlike(settings.orientations, context.orientations, card)
    averaged = _unlike(aggregation.sigma, context.sigma, card)
    return (
        Fact(say("orientations-label"), orientations, turned),
        Fact(say("neighbours"), _neighbours(aggregation.sigma, settings.patch), averaged),
        _calibration(aggregation, card),
    )


def _calibration(aggregation: Aggregation, card: ModelCard) -> Fact:
    if aggregation.is_uncalibrated:
        return in_english(say("calibration"), say("calibration-none"), card.calibration.note)
    return Fact(say("calibration"), say("calibration-fitted", **_fit(aggregation)), say("calibration-how"))


def score_definitions(settings: ScanSettings, card: ModelCard) -> tuple[Fact, ...]:
    """What p_raw, p_mean and p(IDC) mean, with the formula that was used."""
    return _definitions(settings.aggregation, settings.orientations, settings.patch, card)


def model_score_definitions(card: ModelCard) -> tuple[Fact, ...]:
    """The same, as the model's own card has it."""
    patch = PatchSpec(card.patch_px, card.scale.um_per_px, 1.0)
    return _definitions(card.aggregation, card.context.orientations, patch, card)


def _definitions(aggregation: Aggregation, orientations: int, patch: PatchSpec, card: ModelCard) -> tuple[Fact, ...]:
    classes = {"class": card.classes[1]}
    raw = say("means-raw", **classes)
    if orientations > 1:
        raw = say("means-raw-orientations", count=str(orientations), **classes)
    return Fact("p_raw", raw), Fact("p_mean", _mean(aggregation, patch)), Fact("p(IDC)", _calibrated(aggregation))


def _mean(aggregation: Aggregation, patch: PatchSpec) -> str:
    if not aggregation.sigma:
        return say("means-mean-alone")
    sigma = _sigma(aggregation.sigma, patch)
    if not reach(aggregation.sigma, patch.stride):
        return say("means-mean-beyond", sigma=sigma)
    return say("means-mean", sigma=sigma, reach=numbers.setting(REACH_SIGMAS))


def _calibrated(aggregation: Aggregation) -> str:
    if aggregation.is_uncalibrated:
        return say("means-p")
    # Without neighbours it is this formula that keeps p_mean from the ends.
    alone = "" if aggregation.sigma else "-alone"
    return say(f"means-p-calibrated{alone}", **_fit(aggregation))


def _fit(aggregation: Aggregation) -> dict[str, str]:
    return {
        "temperature": numbers.setting(aggregation.temperature, digits=4),
        "intercept": numbers.setting(aggregation.intercept, digits=4),
    }


def other_scores(settings: ScanSettings, card: ModelCard) -> Iterator[str]:
    """One sentence if patches were scored otherwise than the model's card says; else nothing."""
    changed = list(_changed(settings, card))
    if changed:
        listed = say("and").join(filter(None, (", ".join(changed[:-1]), changed[-1])))
        calibrated = "" if card.aggregation.is_uncalibrated else "-calibrated"
        yield say(f"caution-other-scores{calibrated}", changed=listed)


def _changed(settings: ScanSettings, card: ModelCard) -> Iterator[str]:
    sigma, stride = settings.aggregation.sigma, settings.patch.stride
    if settings.orientations != card.context.orientations:
        orientations = numbers.counted(settings.orientations, "orientations")
        yield say("changed-orientations", orientations=orientations, own=str(card.context.orientations))
    if sigma != card.context.sigma:
        yield say("changed-neighbours", sigma=numbers.setting(sigma), own=numbers.setting(card.context.sigma))
    if stride != 1:
        yield say("changed-stride", stride=numbers.setting(stride))


def _unlike(used: float, own: float, card: ModelCard) -> str:
    if used == own:
        return ""
    calibrated = "" if card.aggregation.is_uncalibrated else "-calibrated"
    return say(f"unlike-own{calibrated}", own=numbers.setting(own))


def _neighbours(sigma: float, patch: PatchSpec) -> str:
    if not sigma:
        return say("neighbours-none")
    name = "neighbours-averaged" if reach(sigma, patch.stride) else "neighbours-beyond"
    return say(name, sigma=_sigma(sigma, patch))


def _sigma(sigma: float, patch: PatchSpec) -> str:
    return say("sigma", um=numbers.micrometres(sigma * patch.side_um), sides=numbers.setting(sigma))
