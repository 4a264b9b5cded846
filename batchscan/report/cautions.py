"""A result and its model's card become what a reader must know before trusting the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from batchscan.domain.card import ModelCard
from batchscan.domain.geometry import SpacingSource
from batchscan.domain.records import SlideResult
from batchscan.report import numbers
from batchscan.report.boundaries import boundary_flags
from batchscan.report.performance import unseen
from batchscan.report.scores import has_neighbours, other_scores
from batchscan.report.words import who_says

UNCERTAIN_ODDS = 1.5
"""A patch whose odds of IDC are within this factor of the threshold's counts as uncertain: 0.4 to 0.6 about 0.5."""
_POOR = 0.7
_N_PATIENTS_NAMED = 4
# A borderline share of the positive area from which the answer itself is in doubt.
_MATTERS = 0.05
ROUNDING = 1e-6
"""p_idc is float32: more than half a step of it, so that 0.6 is in the band about 0.5."""


def independence(result: SlideResult, card: ModelCard) -> str:
    """That the model has seen this patient, if it has; else empty."""
    patient = result.slide.patient_id
    if patient in card.training_patients:
        purpose = "train"
    elif patient in card.validation_patients:
        purpose = "validate"
    else:
        return ""
    return f"This patient was used to {purpose} the model: the numbers are not independent of it."


def accuracy(card: ModelCard) -> str:
    """What was measured on patients that neither network nor threshold were chosen on, in one sentence."""
    tests = unseen(card)
    if not tests:
        return "Accuracy of this model: not measured on any unseen patient."
    patients = [row.patient for row in tests]
    who = ", ".join(patients) if len(patients) <= _N_PATIENTS_NAMED else numbers.count(len(patients), "patient")
    whose = "On patients this model never saw"
    if card.cross_validation:
        whose = "Cross-validation, networks trained like this one on patients they never saw"
    return (
        f"{whose} ({who}): AUROC {value_range([row.auroc for row in tests])}, "
        f"sensitivity {value_range([row.sensitivity for row in tests])}, "
        f"specificity {value_range([row.specificity for row in tests])}, patch by patch."
    )


def uncertain_band(threshold: float) -> tuple[float, float]:
    """The least and the greatest p_idc of an uncertain patch."""
    other = UNCERTAIN_ODDS * (1.0 - threshold)
    return threshold / (threshold + other), UNCERTAIN_ODDS * threshold / (UNCERTAIN_ODDS * threshold + 1.0 - threshold)


def n_uncertain(result: SlideResult) -> int:
    """How many patches have p_idc within the uncertain band about the threshold."""
    p = result.table.p_idc[result.table.readable].astype(np.float64)
    low, high = uncertain_band(result.settings.threshold)
    return int(((p >= low - ROUNDING) & (p <= high + ROUNDING)).sum())


def cautions(result: SlideResult, card: ModelCard) -> Iterator[str]:
    """One sentence for each thing that limits the numbers of page one; may be none, as where there are no numbers."""
    if result.quality.refuses:
        return
    yield from boundary_flags(result)
    yield from other_scores(result.settings, card)
    yield from _averaged_away(result)
    if result.settings.threshold == card.threshold.value:
        yield from _known_errors(card)
    else:
        yield (
            f"This run's threshold is {numbers.threshold(result.settings.threshold)}, the model's own "
            f"{numbers.threshold(card.threshold.value)}: its sensitivity and specificity were measured with its own, "
            "not with this one."
        )
    if result.slide.spacing.source is SpacingSource.OPTION:
        spacing = numbers.spacing(result.slide.spacing.um_per_px)
        yield f"The spacing of {spacing} was {who_says(result.slide)}: every mm rests on it."
    yield from _unseen(result)
    if _answer_hangs_on_engine(result):
        n = result.counts.borderline
        yield (
            f"{numbers.count(n, 'patch', 'patches')} {'lies' if n == 1 else 'lie'} so close to the threshold that "
            "another engine or precision could decide otherwise, and change the answer."
        )


def n_averaged_away(result: SlideResult) -> int:
    """How many patches are positive with the same calibration and threshold, but without neighbours, and only then."""
    settings, table = result.settings, result.table
    alone = table.judged(replace(settings, aggregation=replace(settings.aggregation, sigma=0.0)))
    return int((alone.positive(settings.threshold) & ~table.positive(settings.threshold)).sum())


def _averaged_away(result: SlideResult) -> Iterator[str]:
    n = n_averaged_away(result) if has_neighbours(result.settings) else 0
    if n:
        whose, was, their = ("itself", "was", "its") if n == 1 else ("themselves", "were", "their")
        yield (
            f"{numbers.count(n, 'patch', 'patches')} {'reaches' if n == 1 else 'reach'} the threshold by {whose} and "
            f"{was} averaged below it with {their} neighbours."
        )


def value_range(values: Sequence[float | None]) -> str:
    """The least and the greatest of those that are defined, to two decimals."""
    defined = [value for value in values if value is not None]
    if not defined:
        return numbers.not_defined()
    low, high = numbers.score(min(defined)), numbers.score(max(defined))
    return low if low == high else f"{low} to {high}"


def _known_errors(card: ModelCard) -> Iterator[str]:
    tests = unseen(card)
    for measure, error in (
        ("specificity", "call too many patches IDC-positive"),
        ("sensitivity", "miss many IDC-positive patches"),
    ):
        poor = [value for row in tests if (value := getattr(row, measure)) is not None and value < _POOR]
        if poor:
            yield f"This model is known to {error} on unseen patients ({measure} {value_range(poor)})."


def _unseen(result: SlideResult) -> Iterator[str]:
    extent, counts = result.extent, result.counts
    at_edge = sum(focus.touches_edge for focus in extent.foci)
    if at_edge:
        verb, whose = ("touches", "its") if at_edge == 1 else ("touch", "their")
        yield (
            f"{numbers.count(at_edge, 'focus', 'foci')} {verb} the edge of the slide: "
            f"what lies beyond was not seen, and {whose} true dimensions may be larger."
        )
    if counts.unreadable:
        yield (
            f"{numbers.count(counts.unreadable, 'patch', 'patches')} ({numbers.area(extent.unreadable_mm2)}) "
            "could not be read; this tissue is not part of the share and may hold more."
        )


def _answer_hangs_on_engine(result: SlideResult) -> bool:
    """Whether the borderline patches alone decide if there is IDC, or a noticeable part of its area."""
    if not result.counts.borderline:
        return False
    table = result.table
    positive = table.positive(result.settings.threshold)
    in_doubt = float(table.tissue_fraction[table.borderline(result.settings)].sum())
    return in_doubt > _MATTERS * float(table.tissue_fraction[positive].sum())
