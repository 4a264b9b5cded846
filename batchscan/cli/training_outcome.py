"""A new package's card -> the tables and warnings that a training ends with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from batchscan.domain.card import CrossValidation, FoldFigures, ModelCard
from batchscan.evaluation.held_out import near_chance
from batchscan.report.numbers import not_defined, probability
from batchscan.workflow.training_events import PartMeasured

_LABELS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "f1": "F1",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "brier": "Brier score",
    "ece": "calibration error (ECE)",
    "idc_mm2_error": "IDC area found - labelled, mm2",
    "idc_mm2_relative_error": "the same, of the labelled",
    "idc_mm2_absolute_error": "area error without its sign, mm2; pooled: mean of the slides",
}
_PERCENT = "idc_mm2_relative_error"
_SIGNED = ("idc_mm2_error", _PERCENT)
_ABSOLUTE = "idc_mm2_absolute_error"
_PATIENTS = ("patient", "used for", "patches", "IDC", "AUROC", "F1", "sensitivity", "specificity")


def outcome(card: ModelCard) -> Iterator[str]:
    """Lines of text: cross-validation, then what this very network does on who was held out."""
    if card.cross_validation:
        yield from _cross_validation(card.cross_validation)
    yield f"threshold {card.threshold.value:.3f}. {card.threshold.how_chosen}"
    yield f"context: {card.context.orientations} orientations, sigma {card.context.sigma:g}. {card.context.how_chosen}"
    if card.calibration.method != "none":
        yield (
            f"calibration: temperature {card.calibration.temperature:g}, intercept {card.calibration.intercept:g}. "
            f"{card.calibration.note}"
        )
    if card.performance:
        yield "this network at that threshold:"
        yield from _performance(card)
    elif not card.cross_validation:
        yield "nothing was measured: nobody was held out (--holdout, --cross-validate)"


def _cross_validation(found: CrossValidation) -> Iterator[str]:
    n = len(found.seeds)
    yield (
        f"cross-validation, mean (least - greatest) of {n} {'seeds' if n > 1 else 'seed'}, at thresholds that were "
        "chosen without the slide:"
    )
    folds = (*found.slides, found.pooled)
    rows = [
        ("", *(fold.slide for fold in folds)),
        ("patches / IDC", *(f"{fold.n_patches} / {fold.n_positive}" for fold in folds)),
        ("threshold", *(f"{fold.thresholds[0]:.3f}" if fold.thresholds else "each its own" for fold in folds)),
        *((label, *(_spread(fold, measure) for fold in folds)) for measure, label in _LABELS.items()),
    ]
    yield from _table(rows, n_left=1)


def _spread(fold: FoldFigures, measure: str) -> str:
    found = fold.figures.get(measure)
    if found is None:
        return not_defined()
    mean, low, high = (_written(measure, value) for value in (found.mean, found.low, found.high))
    return mean if found.n == 1 else f"{mean} ({low} - {high})"


def _written(measure: str, value: float) -> str:
    if measure == _PERCENT:
        return f"{value:+.1%}"
    if measure == _ABSOLUTE:
        return f"{value:.2f}"
    return f"{value:+.2f}" if measure in _SIGNED else probability(value)


def _performance(card: ModelCard) -> Iterator[str]:
    rows = [
        (
            one.patient_id,
            one.used_for,
            str(one.n_patches),
            str(one.n_positive),
            *map(probability, (one.auroc, one.f1, one.sensitivity, one.specificity)),
        )
        for one in card.performance
    ]
    yield from _table([_PATIENTS, *rows], n_left=2)


def _table(rows: Sequence[Sequence[str]], n_left: int) -> Iterator[str]:
    """Columns two blanks apart, the first ones to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if number < n_left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells)


def warnings(card: ModelCard, measured: Sequence[PartMeasured]) -> Iterator[str]:
    """Where the model is of no use."""
    for part in measured:
        if near_chance(part.auroc, part.balanced_accuracy):
            yield _poor(
                f"the {part.used_for} patients ({', '.join(part.patients)})", part.auroc, part.balanced_accuracy
            )
    for fold in card.cross_validation.slides if card.cross_validation else ():
        means = [fold.figures[name].mean if name in fold.figures else None for name in ("auroc", "balanced_accuracy")]
        if near_chance(*means):
            yield _poor(f"the left-out slide {fold.slide}", *means)


def _poor(whom: str, auroc: float | None, balanced_accuracy: float | None) -> str:
    return (
        f"this model is hardly better than chance on {whom}: AUROC {probability(auroc)}, balanced accuracy "
        f"{probability(balanced_accuracy)}"
    )
