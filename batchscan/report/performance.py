"""A model's card becomes the table of what was measured on patients that the network was not fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from batchscan.domain.card import FoldFigures, HeldOutPerformance, ModelCard
from batchscan.report import numbers

N_PERFORMANCE_ROWS = 8
UNTOUCHED = (
    "neither network, neighbours, calibration nor threshold were chosen on it; the model\u2019s limits say whether the "
    "recipe was"
)
"""What is true of a test patient."""
_MEASURES = ("auroc", "f1", "balanced_accuracy", "sensitivity", "specificity")
_USED_FOR = {"validation": "validation (optimistic)", "test": "test"}


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
        return "The model\u2019s card holds no measurement on patients that it was not fitted to."
    sentences = ["Patch by patch, on patients that the network was not fitted to.", *_worth(card)]
    if n_rows > n_shown:
        sentences.append(f"{numbers.count(n_rows - n_shown, 'more row')} in the model\u2019s card.json.")
    return " ".join(sentences)


def unseen(card: ModelCard) -> tuple[Unseen, ...]:
    """The measurements that say most of other patients: cross-validated slides, else this network's test patients."""
    if card.cross_validation:
        return tuple(_unseen_slide(fold) for fold in card.cross_validation.slides)
    tests = [row for row in card.performance if row.used_for == "test"]
    return tuple(Unseen(row.patient_id, row.auroc, row.sensitivity, row.specificity) for row in tests)


def _rows(card: ModelCard) -> Iterator[tuple[PerformanceRow, bool]]:
    """Each row, and whether it must not be left out."""
    if card.cross_validation:
        slides = card.cross_validation.slides
        yield from ((_fold(fold.slide, fold), False) for fold in slides)
        yield _fold(f"{numbers.count(len(slides), 'slide')} pooled", card.cross_validation.pooled), True
    yield from ((_held_out(row), row.used_for == "test") for row in card.performance)


def _worth(card: ModelCard) -> Iterator[str]:
    if card.cross_validation:
        seeds = numbers.count(len(card.cross_validation.seeds), "seed")
        yield (
            f"\u201cCross-validation\u201d: mean over {seeds} of networks trained in the same way, but without the "
            "slide, each judged at a threshold that was chosen on other slides by networks that never saw it."
        )
    roles = {row.used_for for row in card.performance}
    if "validation" in roles:
        yield (
            "\u201cValidation\u201d: epoch or threshold was chosen on this patient, which makes its figures optimistic."
        )
    if "test" in roles:
        yield f"\u201cTest\u201d: {UNTOUCHED}."


def _fold(patient: str, fold: FoldFigures) -> PerformanceRow:
    words = {name: numbers.probability(_mean(fold, name)) for name in _MEASURES}
    return PerformanceRow(
        patient, "cross-validation", numbers.count(fold.n_patches), numbers.count(fold.n_positive), **words
    )


def _held_out(row: HeldOutPerformance) -> PerformanceRow:
    words = {name: numbers.probability(getattr(row, name)) for name in _MEASURES}
    return PerformanceRow(
        row.patient_id, _USED_FOR[row.used_for], numbers.count(row.n_patches), numbers.count(row.n_positive), **words
    )


def _unseen_slide(fold: FoldFigures) -> Unseen:
    return Unseen(fold.slide, _mean(fold, "auroc"), _mean(fold, "sensitivity"), _mean(fold, "specificity"))


def _mean(fold: FoldFigures, measure: str) -> float | None:
    spread = fold.figures.get(measure)
    return spread.mean if spread else None
