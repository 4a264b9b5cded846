"""A result's settings and its model's card become the words on how p_raw, p_mean and p(IDC) came about."""

from __future__ import annotations

from collections.abc import Iterator

from batchscan.domain.aggregation import REACH_SIGMAS, Aggregation, reach
from batchscan.domain.card import ModelCard
from batchscan.domain.geometry import PatchSpec
from batchscan.domain.records import ScanSettings
from batchscan.report import numbers
from batchscan.report.words import Fact

# What the formulas do before they take a logarithm (domain.aggregation.NEAREST_TO_CERTAIN).
_KEPT = "kept within .0001 and .9999"


def has_neighbours(settings: ScanSettings) -> bool:
    """Whether any patch can be averaged with another."""
    return reach(settings.aggregation.sigma, settings.patch.stride) > 0


_FITTED = "fitted to scores of slides that their networks had not seen"


def score_facts(settings: ScanSettings, card: ModelCard) -> tuple[Fact, ...]:
    """Orientations, neighbours and calibration as they were applied, and what of it isn't the model's own."""
    aggregation, context = settings.aggregation, card.context
    orientations = "1, as the patch lies"
    if settings.orientations > 1:
        orientations = f"{settings.orientations}, turned and mirrored: their mean"
    calibration = "none"
    if not aggregation.is_uncalibrated:
        calibration = f"temperature {aggregation.temperature:.4g}, intercept {_signed(aggregation.intercept)}"
    return (
        Fact("Orientations", orientations, _unlike(settings.orientations, context.orientations, card)),
        Fact(
            "Neighbours",
            _neighbours(aggregation.sigma, settings.patch),
            _unlike(aggregation.sigma, context.sigma, card),
        ),
        Fact("Calibration", calibration, card.calibration.note if aggregation.is_uncalibrated else _FITTED),
    )


def score_definitions(settings: ScanSettings, card: ModelCard) -> tuple[Fact, ...]:
    """What p_raw, p_mean and p(IDC) mean, with the formula that was used."""
    return _definitions(settings.aggregation, settings.orientations, settings.patch, card)


def model_score_definitions(card: ModelCard) -> tuple[Fact, ...]:
    """The same, as the model's own card has it."""
    patch = PatchSpec(card.patch_px, card.scale.um_per_px, 1.0)
    return _definitions(card.aggregation, card.context.orientations, patch, card)


def _definitions(aggregation: Aggregation, orientations: int, patch: PatchSpec, card: ModelCard) -> tuple[Fact, ...]:
    mean_of = ""
    if orientations > 1:
        mean_of = f", mean over {orientations} ways of turning and mirroring it"
    p_mean = "p_raw itself: neighbours are not used."
    if aggregation.sigma and not reach(aggregation.sigma, patch.stride):
        p_mean = f"p_raw itself, {_KEPT}: \u03c3 = {_sigma(aggregation.sigma, patch)} reaches no neighbour."
    elif aggregation.sigma:
        p_mean = (
            "the mean of the odds\u2019 logarithms: logit p_mean = \u03a3 w logit p_raw \u00f7 \u03a3 w, logit p = "
            "ln(p \u00f7 (1 \u2212 p)), over "
            f"the patch and its readable neighbours, p_raw {_KEPT}; w = exp(\u2212d\u00b2 \u00f7 "
            f"2\u03c3\u00b2), d from centre to centre, \u03c3 = {_sigma(aggregation.sigma, patch)}; w = 0 "
            f"beyond {REACH_SIGMAS:g} \u03c3 along a row or a column."
        )
    p_idc = "p_mean itself, not calibrated"
    if not aggregation.is_uncalibrated:
        kept = "" if aggregation.sigma else f", p_mean {_KEPT}"
        p_idc = (
            "1 \u00f7 (1 + exp(\u2212(ln(p_mean \u00f7 (1 \u2212 p_mean)) \u00f7 T + b))), calibrated with "
            f"T = {aggregation.temperature:.4g}, b = {_signed(aggregation.intercept)}{kept}"
        )
    return (
        Fact(
            "p_raw",
            f"the network\u2019s own score of one patch, from 0 to 1{mean_of}; class \u201c{card.classes[1]}\u201d.",
        ),
        Fact("p_mean", p_mean),
        Fact("p(IDC)", f"{p_idc}; p_idc in the files."),
    )


def other_scores(settings: ScanSettings, card: ModelCard) -> Iterator[str]:
    """One sentence if patches were scored otherwise than the model's card says; else nothing."""
    changed = []
    if settings.orientations != card.context.orientations:
        own = card.context.orientations
        changed.append(f"{numbers.count(settings.orientations, 'orientation')} (the model\u2019s own: {own})")
    if settings.aggregation.sigma != card.context.sigma:
        sigma, own_sigma = settings.aggregation.sigma, card.context.sigma
        changed.append(f"neighbours with sigma {sigma:g} patch sides (the model\u2019s own: {own_sigma:g})")
    if settings.patch.stride != 1:
        changed.append(f"a stride of {settings.patch.stride:g} patch sides (the model\u2019s own: 1)")
    if changed:
        yield (
            f"Set for this run: {_listed(changed)}. The model\u2019s {_fitted(card)} and measured accuracy were "
            "obtained with its own and may not hold."
        )


def _fitted(card: ModelCard) -> str:
    return "threshold" if card.aggregation.is_uncalibrated else "threshold, calibration"


def _unlike(used: float, own: float, card: ModelCard) -> str:
    if used == own:
        return ""
    worth = "its threshold belongs to other scores"
    if not card.aggregation.is_uncalibrated:
        worth = "its calibration was fitted to other scores, to which its threshold belongs"
    return f"set for this run; the model\u2019s own is {own:g}, and {worth}"


def _neighbours(sigma: float, patch: PatchSpec) -> str:
    if not sigma:
        return "not used"
    if not reach(sigma, patch.stride):
        return f"none within reach: \u03c3 = {_sigma(sigma, patch)}, each patch is judged alone"
    return f"averaged, Gaussian with \u03c3 = {_sigma(sigma, patch)}"


def _listed(items: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))


def _sigma(sigma: float, patch: PatchSpec) -> str:
    return f"{numbers.micrometres(sigma * patch.side_um)} = {sigma:g} patch sides"


def _signed(value: float) -> str:
    return f"{value:.4g}".replace("-", "\u2212")
