"""What an evaluation's records are called on a page: quantities, units, reasons, models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batchscan.domain.evaluated import ModelUsed, SlideRow
from batchscan.domain.levels import Agreement, Level, Unit
from batchscan.report import numbers

QUANTITIES: Mapping[str, str] = {
    "idc_mm2": "IDC area",
    "largest_focus_mm": "Largest focus",
    "field_extent_mm": "Field extent",
}
UNITS: Mapping[str, str] = {"mm2": "mm\u00b2", "mm": "mm"}
UNIT_NOUNS: Mapping[Unit, str] = {"patch": "patch", "slide": "slide", "patient": "patient"}
_FIELDS = {
    "idc_mm2": ("found_mm2", "reference_mm2"),
    "largest_focus_mm": ("found_largest_mm", "reference_largest_mm"),
    "field_extent_mm": ("found_field_mm", "reference_field_mm"),
}
_FEW_NAMES = 6


def pairs(agreement: Agreement, rows: Sequence[SlideRow]) -> list[tuple[float, float]]:
    """Found and reference of the slides that have both."""
    found, reference = _FIELDS[agreement.quantity]
    both = [(getattr(row, found), getattr(row, reference)) for row in rows]
    return [(a, b) for a, b in both if a is not None and b is not None]


def units(level: Level, n: int) -> str:
    """`1,203 patches`, `1 slide`."""
    noun = UNIT_NOUNS[level.unit]
    return numbers.count(n, noun, "patches" if noun == "patch" else "")


def model_name(model: ModelUsed) -> str:
    """Name and version."""
    return f"{model.name} {model.version}"


def listed(names: Sequence[str], at_most: int = _FEW_NAMES) -> str:
    """`A, B and C`; of many the first ones, and how many more."""
    if len(names) > at_most:
        return f"{', '.join(names[:at_most])} and {len(names) - at_most:,} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def reader_name(name: str) -> str:
    """A reader of the manifest; the column `reference` has no name of its own."""
    return name or "the reader of the column \u201creference\u201d"


def reason_words(code: str) -> str:
    """A reason's code as words."""
    return code.replace("_", " ").replace("-", " ")


def printed(text: str) -> str:
    """A record's words without their last full stop, square millimetres as people write them."""
    return text.rstrip(".").replace("mm2", "mm\u00b2")


def has(count: int) -> str:
    """The verb for so many."""
    return "is" if count == 1 else "are"
