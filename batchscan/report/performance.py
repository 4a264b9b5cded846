"""A model's card becomes the table of what was measured on patients that the network was not fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from batchscan.domain.card import FoldFigures, HeldOutPerformance, ModelCard
from batchscan.report import numbers
from batchscan.report.language import say

N_PERFORMANCE_ROWS = 8
_MEASURES = ("auroc", "f1", "balanced_accuracy", "sensitivity", "specificity")
_USED_FOR = {"validation": "used-validation", "test": "used-test"}


@dataclass(frozen=True, slots=True)
class PerformanceRow:
    """One patient's measurement of the model, or of all cross-validated slides together."""

    patient: str
    used_for: str
    n_patches: str
    n_positive: str
    auroc: str
    f1: str
    balanced_accuracy: str
    sensitivity: str
    specificity: str


@dataclass(frozen=True, slots=True)
class Unseen:
    """What came out on a patient that neither network nor threshold were chosen on; None where not defined."""

    patient: str
    auroc: float | None
    sensitivity: float | None
    specificity: float | None


def performance_rows(card: ModelCard) -> tuple[PerformanceRow, ...]:
    """The table's rows: cross-validated slides and all of them together, then this very network's patients.

    Where there are more than `N_PERFORMANCE_ROWS`, slides and validation patients are left out, last ones first; the
    pooled row and test patients never.
    """
    rows = tuple(_rows(card))
    n_free = max(0, N_PERFORMANCE_ROWS - sum(stays for _, stays in rows))
    free = [i for i, (_, stays) in enumerate(rows) if not stays][:n_free]
    return tuple(row for i, (row, stays) in enumerate(rows) if stays or i in free)


def performance_note(card: ModelCard) -> str:
    """What the rows are worth."""
    n_rows, n_shown = sum(1 for _ in _rows(card)), len(performance_rows(card))
    if not n_rows:
        return say("performance-none")
    sentences = [say("performance-what"), *_worth(card)]
    if n_rows > n_shown:
        sentences.append(numbers.counted(n_rows - n_shown, "performance-more"))
    return " ".join(sentences)


def unseen(card: ModelCard) -> tuple[Unseen, ...]:
    """The measurements that say most of other patients: cross-validated slides, else this network's test patients."""
    if card.cross_validation:
        return tuple(_unseen_slide(fold) for fold in card.cross_validation.slides)
    tests = [row for row in card.performance if row.used_for == "test"]
    return tuple(Unseen(row.patient_id, row.auroc, row.sensitivity, row.specificity) for row in tests)


def ever_unseen(card: ModelCard) -> tuple[Unseen, ...]:
    """All of them: what cross-validation says, and this network's own test patients, which may have fared worse."""
    tests = [row for row in card.performance if row.used_for == "test"] if card.cross_validation else []
    return (*unseen(card), *(Unseen(row.patient_id, row.auroc, row.sensitivity, row.specificity) for row in tests))


def _rows(card: ModelCard) -> Iterator[tuple[PerformanceRow, bool]]:
    """Each row, and whether it must not be left out."""
    if card.cross_validation:
        slides = card.cross_validation.slides
        yield from ((_fold(fold.slide, fold), False) for fold in slides)
        yield _fold(numbers.counted(len(slides), "slides-pooled"), card.cross_validation.pooled), True
    yield from ((_held_out(row), row.used_for == "test") for row in card.performance)


def _worth(card: ModelCard) -> Iterator[str]:
    if card.cross_validation:
        yield numbers.counted(len(card.cross_validation.seeds), "performance-cross-validation")
    roles = {row.used_for for row in card.performance}
    yield from (say(f"performance-{role}") for role in ("validation", "test") if role in roles)


def _fold(patient: str, fold: FoldFigures) -> PerformanceRow:
    words = {name: numbers.probability(_mean(fold, name)) for name in _MEASURES}
    return PerformanceRow(
        patient, say("used-cross-validation"), numbers.count(fold.n_patches), numbers.count(fold.n_positive), **words
    )


def _held_out(row: HeldOutPerformance) -> PerformanceRow:
    words = {name: numbers.probability(getattr(row, name)) for name in _MEASURES}
    return PerformanceRow(
        row.patient_id,
        say(_USED_FOR[row.used_for]),
        numbers.count(row.n_patches),
        numbers.count(row.n_positive),
        **words,
    )


def _unseen_slide(fold: FoldFigures) -> Unseen:
    return Unseen(fold.slide, _mean(fold, "auroc"), _mean(fold, "sensitivity"), _mean(fold, "specificity"))


def _mean(fold: FoldFigures, measure: str) -> float | None:
    spread = fold.figures.get(measure)
    return spread.mean if spread else None
