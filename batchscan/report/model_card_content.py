"""A model card becomes what its page says: the numbers of page one, then section by section; no layout."""

from __future__ import annotations

from dataclasses import dataclass

from batchscan import __version__
from batchscan.domain.card import FoldFigures, ModelCard
from batchscan.report import measures, model_card_made, model_card_measured, numbers
from batchscan.report.blocks import Block, Section
from batchscan.report.cautions import accuracy
from batchscan.report.language import say
from batchscan.report.words import Fact

_FIRST = ("auroc", "f1", "sensitivity", "specificity")


@dataclass(frozen=True, slots=True)
class ModelCardContent:
    """Everything that the page says.

    Parameters
    ----------
    title, identity
        Name and version; licence and the whole sha256.
    accuracy
        How good it was on patients that it had not seen, in one sentence.
    figures
        The numbers of page one.
    judgement, limits
        How a patch is judged; what the card warns of.
    sections
        Everything else, in order.
    """

    title: str
    identity: tuple[Fact, ...]
    digest_short: str
    version: str
    research_use: str
    intended_use: str
    accuracy: str
    figures: tuple[Fact, ...]
    judgement: Block
    limits: Block
    sections: tuple[Section, ...]


def model_card_content(card: ModelCard, batchscan_version: str = __version__) -> ModelCardContent:
    """What the page of a card says; what was not measured is said to be so."""
    return ModelCardContent(
        title=f"{card.name} {card.version}",
        identity=(
            Fact("Version", card.version),
            Fact("Licence", card.licence),
            Fact("Weights", f"sha256 {card.weights_sha256}"),
        ),
        digest_short=card.weights_sha256[:12],
        version=batchscan_version,
        research_use=say("research-use"),
        intended_use=card.intended_use,
        accuracy=accuracy(card),
        figures=(*_accuracies(card), *_facts(card)),
        judgement=model_card_made.judgement(card),
        limits=model_card_made.limits(card),
        sections=(
            model_card_measured.cross_validation(card),
            model_card_measured.own_patients(card),
            model_card_measured.curves(card),
            model_card_measured.failures(card),
            model_card_made.training(card),
            model_card_made.definitions(card),
        ),
    )


def _accuracies(card: ModelCard) -> tuple[Fact, ...]:
    """Of all left-out slides together; else of the test patients."""
    if card.cross_validation:
        return tuple(_pooled(name, card.cross_validation.pooled) for name in _FIRST)
    tests = [one for one in card.performance if one.used_for == "test"]
    if not tests:
        return (Fact("Accuracy", "not measured", "on patients that the model never saw"),)
    return tuple(_tested(name, [getattr(one, name) for one in tests]) for name in _FIRST)


def _pooled(name: str, fold: FoldFigures) -> Fact:
    (cell,) = measures.column(name, [fold])
    return Fact(measures.LABELS[name], cell.value, f"{cell.note} over seeds" if cell.note else "one seed")


def _tested(name: str, values: list[float | None]) -> Fact:
    defined = sorted(value for value in values if value is not None)
    note = "one patient, one training" if len(values) == 1 else f"{len(defined)} patients, one training"
    if not defined:
        return Fact(measures.LABELS[name], numbers.not_defined())
    words = [numbers.probability(value) for value in (defined[0], defined[-1])]
    return Fact(measures.LABELS[name], words[0] if len(defined) == 1 else "\u2013".join(words), note)


def _facts(card: ModelCard) -> tuple[Fact, ...]:
    n_slides = len(card.cross_validation.slides) if card.cross_validation else 0
    side = numbers.micrometres(card.patch_px * card.scale.um_per_px)
    return (
        Fact(
            "Cross-validation",
            numbers.count(n_slides, "left-out slide") if n_slides else "not measured",
            f"{numbers.count(card.cross_validation.pooled.n_patches)} patches" if card.cross_validation else "",
        ),
        Fact(
            "Fitted to",
            numbers.count(len(card.training_patients), "patient"),
            "named under \u201cHow it was made\u201d",
        ),
        Fact("Threshold", f"p \u2265 {numbers.threshold(card.threshold.value)}", "called IDC from there up"),
        Fact("Patch", f"{side} wide", f"{card.patch_px} px at {numbers.spacing(card.scale.um_per_px)}"),
    )
