"""A model's card becomes the table of what was measured on patients that the network was not fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from batchscan.domain.card import CrossValidation, FoldFigures, HeldOutPerformance, ModelCard
from batchscan.report import numbers

N_PERFORMANCE_ROWS = 8
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
    """What came out on a patient that nothing was chosen on; None where not defined."""

    patient: str
    auroc: float | None
    sensitivity: float | None
    specificity: float | None


def performance_rows(card: ModelCard) -> tuple[PerformanceRow, ...]:
    """The table's rows: cross-validated slides and all of them together, then this very network's patients."""
    return tuple(_rows(card))[:N_PERFORMANCE_ROWS]


def performance_note(card: ModelCard) -> str:
    """What the rows are worth."""
    n_rows = sum(1 for _ in _rows(card))
    if not n_rows:
        return "The model\u2019s card holds no measurement on patients that it was not fitted to."
    sentences = ["Patch by patch, on patients that the network was not fitted to.", *_worth(card)]
    if n_rows > N_PERFORMANCE_ROWS:
        sentences.append(f"{numbers.count(n_rows - N_PERFORMANCE_ROWS, 'more row')} in the model\u2019s card.json.")
    return " ".join(sentences)


def unseen(card: ModelCard) -> tuple[Unseen, ...]:
    """The measurements that say most of other patients: cross-validated slides, else this network's test patients."""
    if card.cross_validation:
        return tuple(_unseen_slide(fold) for fold in card.cross_validation.slides)
    tests = [row for row in card.performance if row.used_for == "test"]
    return tuple(Unseen(row.patient_id, row.auroc, row.sensitivity, row.specificity) for row in tests)


def _rows(card: ModelCard) -> Iterator[PerformanceRow]:
    if card.cross_validation:
        yield from _cross_validated(card.cross_validation)
    yield from map(_held_out, card.performance)


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
        yield "\u201cTest\u201d: nothing was chosen on it."


def _cross_validated(found: CrossValidation) -> Iterator[PerformanceRow]:
    for fold in found.slides:
        yield _fold(fold.slide, fold)
    yield _fold(f"{numbers.count(len(found.slides), 'slide')} pooled", found.pooled)


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
