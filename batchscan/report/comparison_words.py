"""What a comparison's records are called on a page: measures with their unit, differences, who is better, verdicts."""

from __future__ import annotations

from batchscan.domain.compared import LOWER_IS_BETTER, NO_DIRECTION, Difference, Side
from batchscan.report import measured, numbers
from batchscan.report.blocks import Cell
from batchscan.report.evaluation_words import listed, model_name

EXTENT_LABELS = {
    "area_error_mm2": "Error of the area, mm\u00b2",
    "largest_focus_error_mm": "Error of the largest focus, mm",
    "field_extent_error_mm": "Error of the field extent, mm",
    "dice": "Dice",
    "hausdorff95_mm": "Hausdorff distance (95th percentile), mm",
}

METHODS = {
    "bootstrap": "bootstrap",
    "newcombe": "Newcombe",
    "delong": "DeLong",
    "none": "none",
}
_LEVELS = {"patch": "patches", "patch.macro": "mean over slides", "slide": "slides", "patient": "patients"}


def label(name: str) -> str:
    """A measure or an extent by its label."""
    return EXTENT_LABELS.get(name) or measured.named(name)


def figure_label(figure: str) -> str:
    """`AUROC, patches` of `patch.auroc`."""
    level, _, name = figure.rpartition(".")
    return f"{label(name)}, {_LEVELS[level]}" if level in _LEVELS else label(name)


def side_name(side: Side) -> str:
    """The evaluation with its models."""
    return f"{side.name} ({listed([model_name(one) for one in side.models]) or 'no model'})"


def interval(found: Difference) -> str:
    """`+0.003 to +0.021`; empty without one."""
    if found.low is None or found.high is None:
        return ""
    return f"{numbers.difference(found.low)} to {numbers.difference(found.high)}"


def better(found: Difference, name: str) -> str:
    """`A` or `B` where the whole of a trusted interval lies on its side, else empty."""
    if name in NO_DIRECTION or found.low is None or found.high is None or not found.trusted:
        return ""
    if found.low > 0 or found.high < 0:
        return "B" if (found.low > 0) != (name in LOWER_IS_BETTER) else "A"
    return ""


def difference_cell(found: Difference) -> Cell:
    """The difference above its interval."""
    words = interval(found)
    doubt = measured.NO_TRUST if words and not found.trusted else ""
    return Cell(numbers.difference(found.value), ", ".join(filter(None, (words, doubt))))


def interval_cell(found: Difference) -> Cell:
    """The interval alone, for a column of its own."""
    words = interval(found)
    if not words:
        return Cell("" if found.value is None else measured.NONE)
    return Cell(words, "" if found.trusted else measured.NO_TRUST)


def p_value(p: float | None) -> str:
    """Three decimals; empty where nothing was tested."""
    return "" if p is None else numbers.probability(p)


def with_interval(found: Difference) -> str:
    """`+0.012 (95 % interval +0.003 to +0.021)`, for a sentence."""
    words = interval(found)
    if not words:
        return f"{numbers.difference(found.value)} (no interval)"
    doubt = "" if found.trusted else f", {measured.NO_TRUST}"
    return f"{numbers.difference(found.value)} (95 % interval {words}{doubt})"
