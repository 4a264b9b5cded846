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
from batchscan.report.language import say
from batchscan.report.performance import ever_unseen, unseen
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
        return say("seen-in-training")
    return say("seen-in-validation") if patient in card.validation_patients else ""


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
        limit, own = map(numbers.threshold, (result.settings.threshold, card.threshold.value))
        yield say("caution-threshold", limit=limit, own=own)
    if result.slide.spacing.source is SpacingSource.OPTION:
        spacing = numbers.spacing(result.slide.spacing.um_per_px)
        yield say("caution-spacing", spacing=spacing, who=who_says(result.slide))
    yield from _unseen(result)
    if _answer_hangs_on_engine(result):
        yield numbers.counted(result.counts.borderline, "caution-borderline")


def n_averaged_away(result: SlideResult) -> int:
    """How many patches are positive with the same calibration and threshold, but without neighbours, and only then."""
    settings, table = result.settings, result.table
    alone = table.judged(replace(settings, aggregation=replace(settings.aggregation, sigma=0.0)))
    return int((alone.positive(settings.threshold) & ~table.positive(settings.threshold)).sum())


def _averaged_away(result: SlideResult) -> Iterator[str]:
    n = n_averaged_away(result) if has_neighbours(result.settings) else 0
    if n:
        yield numbers.counted(n, "caution-averaged")


def value_range(values: Sequence[float | None]) -> str:
    """The least and the greatest of those that are defined, to two decimals."""
    defined = [value for value in values if value is not None]
    if not defined:
        return numbers.not_defined()
    low, high = numbers.score(min(defined)), numbers.score(max(defined))
    return low if low == high else say("range", low=low, high=high)


def _known_errors(card: ModelCard) -> Iterator[str]:
    tests = ever_unseen(card)
    for measure, message in (("specificity", "caution-false-positives"), ("sensitivity", "caution-false-negatives")):
        poor = [value for row in tests if (value := getattr(row, measure)) is not None and value < _POOR]
        if poor:
            yield say(message, values=value_range(poor))


def _unseen(result: SlideResult) -> Iterator[str]:
    extent, counts = result.extent, result.counts
    at_edge = sum(focus.touches_edge for focus in extent.foci)
    if at_edge:
        yield numbers.counted(at_edge, "caution-edge")
    if counts.unreadable:
        patches = numbers.counted(counts.unreadable, "patches")
        yield say("caution-unreadable", patches=patches, area=numbers.area(extent.unreadable_mm2))


def _answer_hangs_on_engine(result: SlideResult) -> bool:
    """Whether the borderline patches alone decide if there is IDC, or a noticeable part of its area."""
    if not result.counts.borderline:
        return False
    table = result.table
    positive = table.positive(result.settings.threshold)
    in_doubt = float(table.tissue_fraction[table.borderline(result.settings)].sum())
    return in_doubt > _MATTERS * float(table.tissue_fraction[positive].sum())
