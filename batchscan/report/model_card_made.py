"""A model card becomes its sections on how the model was made, how it judges a patch, and what each number means."""

from __future__ import annotations

import re
from collections.abc import Sequence

from batchscan.domain.card import ModelCard
from batchscan.report import measures, numbers
from batchscan.report.blocks import Block, Bullets, Facts, Section, Words
from batchscan.report.language import say
from batchscan.report.recipes import recipe_table
from batchscan.report.scores import model_score_definitions
from batchscan.report.words import Fact


def judgement(card: ModelCard) -> Facts:
    """How a patch's pixels become a call, in steps."""
    side = numbers.micrometres(card.patch_px * card.scale.um_per_px)
    return Facts(
        (
            Fact("Patch", f"{side} \u00d7 {side}", f"{card.patch_px} px at {numbers.spacing(card.scale.um_per_px)}"),
            Fact("Orientations", _orientations(card)),
            Fact("Neighbours", _neighbours(card)),
            Fact("Calibration", _calibration(card)),
            Fact(
                "Threshold",
                f"p(IDC) \u2265 {numbers.threshold(card.threshold.value)}",
                "a patch is called IDC from there",
            ),
            Fact("Spacing", _sentence(card.scale.how_known)),
        ),
        "How it judges a patch",
    )


def limits(card: ModelCard) -> Bullets:
    """What the card warns of."""
    # ".942" would be broken after its point at a line's end.
    written = tuple(re.sub(r"(?<![\w.])\.(?=\d)", "0.", limit) for limit in card.limits)
    return Bullets(written or ("The card names none: that is no proof that there are none.",))


def training(card: ModelCard) -> Section:
    """What it was trained on and how."""
    blocks: list[Block] = [
        Facts(
            (
                Fact("Data", card.training_data),
                Fact(*_people("Fitted to", card.training_patients)),
                Fact(*_people("Validation", card.validation_patients)),
                Fact("Classes", f"{card.classes[1]} (positive), {card.classes[0]}"),
                Fact("Architecture", card.architecture),
                Fact("Input", _input(card)),
                Fact("Context", _sentence(card.context.how_chosen)),
                Fact("Threshold", _sentence(card.threshold.how_chosen)),
                Fact("Calibration", _sentence(card.calibration.note)),
                Fact("Started from", _parent(card)),
                *((Fact("Slides are compared with", card.profile_note),) if card.profile_note else ()),
                Fact(
                    "Engines",
                    f"p_raw within {card.engine_tolerance:g} of the package\u2019s golden patches{_bf16(card)}",
                    "each proves it before it is used",
                ),
            ),
        )
    ]
    table = recipe_table(card.recipe)
    blocks.append(table or Words("Recipe: not recorded on this card."))
    return Section("How it was made", tuple(blocks))


def _bf16(card: ModelCard) -> str:
    return f", in bf16 within {card.bf16_tolerance:g}" if card.bf16_tolerance else ""


def definitions(card: ModelCard) -> Section:
    """What each number of the page means."""
    names = measures.FORMULAS if card.cross_validation else measures.OF_ONE_NETWORK
    formulas = (Fact(measures.LABELS[name], measures.FORMULAS[name]) for name in names)
    comparisons = _comparisons() if card.cross_validation else ()
    facts = (*model_score_definitions(card), *_counts(), *formulas, *comparisons, _NOT_DEFINED)
    return Section("What each number means", (Facts(facts, columns=2),))


_NOT_DEFINED = Fact("Not defined", "a measure that has no value, as where a class is missing; never taken for 0.")


def _people(label: str, patients: Sequence[str]) -> tuple[str, str]:
    if not patients:
        return label, "nobody"
    return label, f"{numbers.count(len(patients), 'patient')}: {', '.join(patients)}"


def _input(card: ModelCard) -> str:
    side, seen = f"{card.patch_px} \u00d7 {card.patch_px} px", f"{card.input_px} \u00d7 {card.input_px} px"
    return (
        side
        if side == seen
        else f"{side}, enlarged to {seen}"
        if card.input_px > card.patch_px
        else f"{side}, shrunk to {seen}"
    )


def _parent(card: ModelCard) -> str:
    parent = card.parent
    if parent is None:
        return "weights drawn at random; no other model"
    return f"the weights of {parent.name} {parent.version}, sha256 {parent.sha256}"


def _orientations(card: ModelCard) -> str:
    n = card.context.orientations
    if n == 1:
        return "1: a patch is looked at as it lies."
    return (
        f"{n} of the 8 ways to turn and mirror a patch are looked at and the scores averaged: how a section lies on "
        f"the glass then matters less. Takes {n} times as long in the engine."
    )


def _neighbours(card: ModelCard) -> str:
    sigma = card.context.sigma
    if not sigma:
        return "Not used: a patch is judged alone."
    reach = numbers.micrometres(sigma * card.patch_px * card.scale.um_per_px)
    return (
        f"A patch\u2019s score is averaged with those around it, Gaussian weights, \u03c3 = {sigma:g} patch sides = "
        f"{reach}. Single odd patches may be smoothed away, and so may foci of one or two patches."
    )


def _calibration(card: ModelCard) -> str:
    calibration = card.calibration
    if calibration.method == "none":
        return "None: p(IDC) is a score between 0 and 1, not a probability."
    return (
        f"By temperature {calibration.temperature:.4g} and intercept {_signed(calibration.intercept)}, so that p(IDC) "
        "can be read as a probability on slides like those of the training."
    )


def _counts() -> tuple[Fact, ...]:
    return (
        Fact("TP, FN", "IDC patches called IDC (true positives), and not (false negatives)."),
        Fact("TN, FP", "other patches not called IDC (true negatives), and called IDC (false positives)."),
    )


def _comparisons() -> tuple[Fact, ...]:
    return (
        Fact("Left-out slide", f"one that no network that judges it was trained on; {say('untouched')}."),
        Fact(
            "Seed", "number that a training\u2019s chance follows from; the range over seeds is that of chance alone."
        ),
        Fact("Out-of-fold", "said of a slide by a network that was not trained on it."),
    )


def _signed(value: float) -> str:
    return f"{value:.4g}".replace("-", "\u2212")


def _sentence(text: str) -> str:
    """With a capital, unless its first word is a name of the files (`p_idc`)."""
    return text if "_" in text.partition(" ")[0] else text[:1].upper() + text[1:]
