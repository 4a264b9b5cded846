"""A measured number becomes its words: value, interval, what it rests on, and why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from batchscan.domain.levels import MEASURES, Measured
from batchscan.report import numbers
from batchscan.report.blocks import Cell

NO_TRUST = "not to be trusted"
NONE = "none"
_FEW, _MANY = 2, 4
METHODS = {
    "bootstrap": "bootstrap over patients",
    "wilson": "Wilson",
    "exact": "exact (Clopper\u2013Pearson)",
    "delong": "DeLong",
    "t": "t distribution",
    "none": "none",
}

LABELS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "sensitivity": "Sensitivity (recall)",
    "specificity": "Specificity",
    "precision": "Precision (PPV)",
    "npv": "Negative predictive value",
    "f1": "F1",
    "mcc": "MCC",
    "kappa": "Cohen\u2019s kappa",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "ece": "ECE",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept",
}
"""Every measure of an evaluation, by its name in evaluation.json, in the order of the tables."""

FORMULAS = {
    "accuracy": "(TP + TN) \u00f7 n; says little where one class is rare.",
    "balanced_accuracy": "(sensitivity + specificity) \u00f7 2; 0.5 is chance.",
    "sensitivity": "TP \u00f7 (TP + FN): share of what is labelled IDC that is called IDC; also called recall.",
    "specificity": "TN \u00f7 (TN + FP): share of what is labelled not IDC that is not called IDC.",
    "precision": "TP \u00f7 (TP + FP): share of what is called IDC that is labelled IDC; falls with the prevalence.",
    "npv": "TN \u00f7 (TN + FN): share of what is not called IDC that is labelled not IDC.",
    "f1": "2 TP \u00f7 (2 TP + FP + FN): harmonic mean of precision and sensitivity.",
    "mcc": "Matthews\u2019 correlation of label and call: (TP TN \u2212 FP FN) \u00f7 \u221a((TP + FP)(TP + FN)(TN + "
    "FP)"
    "(TN + FN)); 0 is chance, 1 is best.",
    "kappa": "agreement of label and call beyond what chance gives: (p(agree) \u2212 p(chance)) \u00f7 "
    "(1 \u2212 p(chance)).",
    "auroc": "area under the ROC curve: the probability that a random unit with IDC scores above a random one without, "
    "ties counting half; 0.5 is chance.",
    "auprc": "average precision: \u03a3 \u0394R \u00d7 P over the scores from the highest down, P the precision and "
    "\u0394R what the sensitivity gains there; the prevalence is chance.",
    "brier": "\u03a3 (p(IDC) \u2212 y)\u00b2 \u00f7 n, y = 1 for IDC, else 0; 0 is best.",
    "ece": "expected calibration error: \u03a3 n(bin) \u00f7 n \u00d7 |mean p(IDC) \u2212 share of IDC| over 15 "
    "equal bins "
    "of p(IDC); 0 is best.",
    "calibration_slope": "b of logit P(IDC) = a + b logit p(IDC), a and b fitted together (Cox 1958, "
    "doi:10.1093/biomet/45.3-4.562); 1 is best, below 1 the probabilities are too extreme.",
    "calibration_intercept": "a of the same fit; 0 is best. It is not calibration in the large, which holds b at 1.",
}

Writer = Callable[[float | None], str]


def written(found: Measured, write: Writer = numbers.figure) -> str:
    """The value alone."""
    return write(found.value)


def interval(found: Measured, write: Writer = numbers.figure) -> str:
    """`0.874\u20130.941`; empty without one."""
    if found.low is None or found.high is None:
        return ""
    low, high = write(found.low), write(found.high)
    between = " to " if set(low + high) & set("\u2212+<>") else "\u2013"
    return f"{low}{between}{high}"


def cell(found: Measured, write: Writer = numbers.figure, *, with_n: bool = False) -> Cell:
    """Value above its interval, n behind it where asked for."""
    notes = [interval(found, write), f"n {numbers.count(found.n)}" if with_n and found.value is not None else ""]
    if found.low is not None and not found.trusted:
        notes.append(NO_TRUST)
    return Cell(written(found, write), ", ".join(filter(None, notes)))


def interval_cell(found: Measured, write: Writer = numbers.figure) -> Cell:
    """The interval alone, for a column of its own."""
    words = interval(found, write)
    if not words:
        return Cell("" if found.value is None else NONE)
    return Cell(words, "" if found.trusted else NO_TRUST)


def in_words(found: Measured, write: Writer) -> str:
    """`3.1 mm (95 % interval 0.7 to 5.5 mm)`, for a sentence."""
    words = interval(found, write).replace("\u2013", " to ")
    if not words:
        return written(found, write)
    doubt = f", {NO_TRUST}" if not found.trusted else ""
    return f"{written(found, write)} (95 % interval {words}{doubt})"


def named(name: str) -> str:
    """A measure's label; one that is not known by its name."""
    return LABELS.get(name, name)


def ordered(figures: Mapping[str, Measured]) -> list[tuple[str, Measured]]:
    """Measures in the order of the tables, others behind them."""
    known = [(name, figures[name]) for name in MEASURES if name in figures]
    return known + [(name, found) for name, found in figures.items() if name not in MEASURES]


def reasons(figures: Iterable[tuple[str, Measured]]) -> tuple[str, ...]:
    """Why numbers or intervals are missing or doubtful, a sentence each; measures with the same reason together."""
    told: dict[tuple[str, str], list[str]] = {}
    listed = list(figures)
    for label, found in listed:
        if found.why:
            what = "not defined" if found.value is None else "no interval" if found.low is None else "note"
            told.setdefault((what, found.why), []).append(label)
    everything = [label for label, _ in listed]
    return tuple(
        f"{_named(labels, everything)} \u2013 {what}: {why.rstrip('.')}." for (what, why), labels in told.items()
    )


def _named(labels: Sequence[str], everything: Sequence[str]) -> str:
    """The labels; of nearly all, the few that are not among them."""
    others = [label for label in everything if label not in labels]
    if len(labels) <= _MANY or len(others) > _FEW:
        return ", ".join(labels)
    return f"All but {', '.join(others)}" if others else "All"
