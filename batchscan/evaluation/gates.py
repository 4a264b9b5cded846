"""A condition in a line of text, and the figures of an evaluation -> whether the condition is met, and what to say."""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from batchscan.domain.errors import GateError
from batchscan.domain.evaluated import Extents, Gate
from batchscan.domain.levels import CALLS, MEASURES, RANKS, Level, Levels, Measured

_PARTS = ("value", "low", "high")
_UNITS = ("patch", "slide", "patient")
_AREAS = ("bias_mm2", "loa_low_mm2", "loa_high_mm2", "icc", "ccc", "dice", "hausdorff95_mm")
_QUANTITIES = ("idc_mm2", "largest_focus_mm", "field_extent_mm")
_AGREEMENTS = ("bias", "loa_low", "loa_high", "icc", "ccc")
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"\s*([^\s<>=]+)\s*(>=|<=|>|<)\s*([^\s<>=]+)\s*")
_NEAR = 0.5
_SHARES = {*CALLS, *RANKS, "brier", "ece", "dice"} - {"mcc", "kappa"}


@dataclass(frozen=True, slots=True)
class Condition:
    """A gate as it was asked for: `figure` `comparison` `bound`, such as patch.sensitivity.low >= 0.85."""

    text: str
    figure: str
    comparison: str
    bound: float


def figures() -> tuple[str, ...]:
    """Every figure that a gate may ask for, dotted; those of patches also without `patch`."""
    of_calls = {"patch": MEASURES, "slide": (*CALLS, *RANKS), "patient": (*CALLS, *RANKS)}
    names = [f"{unit}.{measure}" for unit in _UNITS for measure in of_calls[unit]]
    names += [f"patch.macro.{measure}" for measure in MEASURES]
    names += [f"extent.{field}" for field in _AREAS]
    names += [f"extent.{quantity}.{field}" for quantity in _QUANTITIES for field in _AGREEMENTS]
    names += list(MEASURES)
    return tuple(f"{name}.{part}" for name in names for part in _PARTS)


def parsed_gate(text: str) -> Condition:
    """The condition that a line says, such as `sensitivity.low >= 0.85` or `extent.icc.low > 0.7`.

    Raises
    ------
    GateError
        If the line isn't figure, comparison and number, or the figure is unknown; the nearest ones are proposed.
    """
    found = _CONDITION.fullmatch(text)
    if not found:
        raise GateError(f"gate {text!r} can't be read: expected a figure, {_listed()} and a number, {_example()}")
    name, comparison, bound = found.groups()
    if name not in (known := figures()):
        near = difflib.get_close_matches(name, known, n=3, cutoff=_NEAR)
        proposed = f"did you mean {' or '.join(near)}?" if near else f"expected one such as {_example()}"
        raise GateError(f"gate {text!r}: there is no figure {name!r}; {proposed}")
    try:
        value = float(bound)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise GateError(f"gate {text!r}: {bound!r} is no number to compare with; {_example()}")
    if name.split(".")[-2] in _SHARES and not 0 <= value <= 1:
        raise GateError(f"gate {text!r}: {name} lies between 0 and 1, {bound} does not: write 85 % as 0.85")
    return Condition(" ".join(text.split()), name, comparison, value)


def parsed_gates(lines: Iterable[str]) -> tuple[Condition, ...]:
    """The conditions of several lines.

    Raises
    ------
    GateError
        Naming every line that is wrong.
    """
    conditions, wrong = [], []
    for line in lines:
        try:
            conditions.append(parsed_gate(line))
        except GateError as error:
            wrong.append(str(error))
    if wrong:
        raise GateError("; ".join(wrong))
    return tuple(conditions)


def judged_gates(conditions: Sequence[Condition], levels: Levels, extent: Extents) -> tuple[Gate, ...]:
    """Whether each condition is met by the figures.

    A figure that isn't defined misses its gate, and so does the end of an interval that can't be trusted: that it lies
    on the right side of the bound would be chance. `why` says so.
    """
    return tuple(_judged(condition, levels, extent) for condition in conditions)


def missed_line(gate: Gate) -> str:
    """What is said of a gate that was missed, on one line."""
    if gate.value is None:
        return f"gate missed: {gate.text}: not defined: {gate.why}"
    return f"gate missed: {gate.text}: it is {gate.value:.6g}" + (f"; {gate.why}" if gate.why else "")


def _judged(condition: Condition, levels: Levels, extent: Extents) -> Gate:
    *path, part = condition.figure.split(".")
    found = _looked_up(path, levels, extent)
    if isinstance(found, str):
        return Gate(text=condition.text, value=None, passed=False, why=found)
    value = getattr(found, part)
    if value is None:
        return Gate(text=condition.text, value=None, passed=False, why=found.why or "there is no interval")
    if part != "value" and not found.trusted:
        why = found.why or "the interval rests on too few patients to be trusted"
        return Gate(text=condition.text, value=value, passed=False, why=why)
    passed = _COMPARISONS[condition.comparison](value, condition.bound)
    return Gate(text=condition.text, value=value, passed=passed)


def _looked_up(path: Sequence[str], levels: Levels, extent: Extents) -> Measured | str:
    """The figure, or why there is none."""
    match path:
        case ["extent", field]:
            found: Measured = getattr(extent, field)
            return found
        case ["extent", quantity, field]:
            return _of_quantity(extent, quantity, field)
        case ["patch", "macro", measure]:
            return _of_level(levels, "patch", measure, macro=True)
        case [measure]:
            return _of_level(levels, "patch", measure, macro=False)
        case [unit, measure]:
            return _of_level(levels, unit, measure, macro=False)
    raise AssertionError(path)


def _of_quantity(extent: Extents, quantity: str, field: str) -> Measured | str:
    for agreement in extent.quantities:
        if agreement.quantity == quantity:
            found: Measured = getattr(agreement, field)
            return found
    return extent.why or f"no slide has {quantity} of a reference"


def _of_level(levels: Levels, unit: str, measure: str, *, macro: bool) -> Measured | str:
    level: Level | None = getattr(levels, unit)
    if level is None:
        return levels.why.get(unit, f"there are no labelled units of the kind {unit}")
    figures_of_level = level.macro if macro else level.metrics
    return figures_of_level.get(measure, f"{measure} isn't measured here")


def _listed() -> str:
    return ", ".join(_COMPARISONS)


def _example() -> str:
    return "such as sensitivity.low >= 0.85, slide.auroc.value > 0.9 or extent.icc.low >= 0.7"
