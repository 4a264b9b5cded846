"""A measure of the model card becomes its label, its formula and its values as they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from batchscan.domain.card import FoldFigures, Spread
from batchscan.report import numbers
from batchscan.report.blocks import Cell

LABELS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "f1": "F1",
    "balanced_accuracy": "Balanced accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "brier": "Brier score",
    "ece": "ECE",
    "idc_mm2_error": "Area error",
    "idc_mm2_relative_error": "Relative area error",
    "idc_mm2_absolute_error": "Absolute area error",
}

FORMULAS = {
    "auroc": "area under the ROC curve: the probability that a random IDC patch scores above a random other one, ties "
    "counting half; 0.5 is chance.",
    "auprc": "average precision: \u03a3 \u0394R \u00d7 P over the scores from the highest down, P the precision "
    "TP \u00f7 (TP + FP) and \u0394R what the sensitivity gains there; the share of IDC patches is chance.",
    "f1": "2 TP \u00f7 (2 TP + FP + FN).",
    "balanced_accuracy": "(sensitivity + specificity) \u00f7 2; 0.5 is chance.",
    "sensitivity": "TP \u00f7 (TP + FN): share of the IDC patches that are called IDC; also called recall.",
    "specificity": "TN \u00f7 (TN + FP): share of the other patches that are not called IDC.",
    "brier": "\u03a3 (p(IDC) \u2212 y)\u00b2 \u00f7 n, y = 1 for IDC, else 0; 0 is best.",
    "ece": "expected calibration error: \u03a3 n(bin) \u00f7 n \u00d7 |mean p(IDC) \u2212 share of IDC| over 15 equal "
    "bins of p(IDC), n(bin) the patches in one; 0 is best.",
    "idc_mm2_error": "area of the patches called IDC \u2212 area of those labelled IDC, mm\u00b2; not given for pooled "
    "slides, whose errors cancel.",
    "idc_mm2_relative_error": "area error \u00f7 area of the patches labelled IDC.",
    "idc_mm2_absolute_error": "area error without its sign, mm\u00b2; pooled: its mean over the slides.",
}

OF_ONE_NETWORK = ("auroc", "f1", "balanced_accuracy", "sensitivity", "specificity")
"""What is measured of one network on one patient."""

_AREA, _RELATIVE, _ABSOLUTE = "idc_mm2_error", "idc_mm2_relative_error", "idc_mm2_absolute_error"
_COARSE, _FINE = 2, 3
_SEEDS_DISAGREE = 0.02
_MINUS, _TO = "\u2212", "\u2013"


def column(measure: str, folds: Sequence[FoldFigures]) -> tuple[Cell, ...]:
    """The measure on each slide: mean over the seeds and, smaller, least and greatest.

    Three decimals where the seeds agree to within some hundredths, else two.
    """
    found = [fold.figures.get(measure) for fold in folds]
    decimals = _decimals([one for one in found if one is not None])
    n_seeds = max((one.n for one in found if one is not None), default=1)
    return tuple(_cell(measure, one, decimals, n_seeds) for one in found)


def thresholds(fold: FoldFigures) -> Cell:
    """The thresholds that a slide was judged at."""
    least, greatest = min(fold.thresholds, default=None), max(fold.thresholds, default=None)
    if least is None or greatest is None:
        return Cell("each its own")
    if least == greatest:
        return Cell(f"{least:.3f}")
    return Cell(f"{sum(fold.thresholds) / len(fold.thresholds):.3f}", f"{least:.3f}{_TO}{greatest:.3f}")


def counts(values: Sequence[int]) -> Cell:
    """The first seed's count and, smaller, the range over the seeds."""
    if not values:
        return Cell(numbers.not_defined())
    note = "" if len(values) == 1 else f"{min(values):,}{_TO}{max(values):,}"
    return Cell(f"{values[0]:,}", note)


def _decimals(found: Sequence[Spread]) -> int:
    widths = [one.high - one.low for one in found if one.n > 1]
    return _COARSE if widths and median(widths) >= _SEEDS_DISAGREE else _FINE


def _cell(measure: str, found: Spread | None, decimals: int, n_seeds: int) -> Cell:
    if found is None:
        return Cell(numbers.not_defined())
    mean, low, high = (written(measure, value, decimals) for value in (found.mean, found.low, found.high))
    if found.n == 1:
        return Cell(mean, "1 seed" if n_seeds > 1 else "")
    to = " to " if measure in (_AREA, _RELATIVE) else _TO
    only = "" if found.n == n_seeds else f", {found.n} seeds"
    return Cell(mean, f"{low}{to}{high}{only}")


def written(measure: str, value: float, decimals: int = _FINE) -> str:
    """One value; errors of area have their sign, a relative one is in percent."""
    if measure in (_AREA, _ABSOLUTE):
        words = numbers.area(abs(value)).removesuffix(" mm\u00b2")
        return _signed(value, words) if measure == _AREA else words
    if measure == _RELATIVE:
        return f"{_signed(value, f'{abs(value) * 100:.0f}')} %"
    return numbers.score(value) if decimals == _COARSE else numbers.probability(value)


def _signed(value: float, words: str) -> str:
    if not words.strip("0.,"):
        return words
    return f"{_MINUS if value < 0 else '+'}{words}"
