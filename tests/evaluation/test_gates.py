from __future__ import annotations

from typing import Any

import pytest

from batchscan.domain.card import ConfusionCounts
from batchscan.domain.errors import GateError
from batchscan.domain.evaluated import Extents, Gate
from batchscan.domain.levels import MEASURES, Agreement, Level, Levels, Measured
from batchscan.evaluation.gates import figures, judged_gates, missed_line, parsed_gate, parsed_gates

NONE = Measured(value=None, n=0, trusted=False, why="nothing is called")


def measured(value: float, **changes: Any) -> Measured:
    return Measured(
        **{"value": value, "low": value - 0.05, "high": value + 0.05, "n": 9, "method": "bootstrap", **changes}
    )


def level(unit: Any, metrics: dict[str, Measured], macro: dict[str, Measured] | None = None) -> Level:
    nothing: dict[str, Any] = dict.fromkeys(
        ("per_class", "at_prevalence", "roc", "pr", "roc_band", "pr_band", "reliability", "operating", "decision"), ()
    )
    return Level(
        unit=unit,
        score="p",
        called="p >= 0.5",
        n=9,
        n_patients=9,
        prevalence=0.5,
        confusion=ConfusionCounts(tp=1, fp=1, fn=1, tn=1),
        metrics=metrics,
        macro=macro or {},
        **nothing,
    )


def agreement(quantity: Any, **found: Measured) -> Agreement:
    fields = dict.fromkeys(("bias", "loa_low", "loa_high", "icc", "ccc"), NONE) | found
    return Agreement(quantity=quantity, unit="mm", n=9, within=(), **fields)


LEVELS = Levels(
    patch=level("patch", {"sensitivity": measured(0.9), "precision": NONE}, {"f1": measured(0.8)}),
    slide=level("slide", {"sensitivity": measured(0.6), "auroc": measured(0.95, trusted=False, why="3 patients")}),
    patient=None,
    why={"patient": "no patient has a label"},
)
EXTENT = Extents(
    n=9,
    why="",
    bias_mm2=measured(-3.0),
    loa_low_mm2=NONE,
    loa_high_mm2=NONE,
    icc=measured(0.75),
    ccc=measured(0.7),
    dice=measured(0.8, low=None, high=None, method="none", why="there is one patient"),
    hausdorff95_mm=NONE,
    quantities=(agreement("idc_mm2"), agreement("largest_focus_mm", icc=measured(0.65))),
    per_slide=(),
)


def gate(text: str) -> Gate:
    (found,) = judged_gates([parsed_gate(text)], LEVELS, EXTENT)
    return found


@pytest.mark.parametrize(
    ("text", "value", "passed"),
    [
        ("sensitivity.value >= 0.9", 0.9, True),
        ("patch.sensitivity.value >= 0.9", 0.9, True),
        ("patch.sensitivity.value > 0.9", 0.9, False),
        ("sensitivity.low >= 0.85", 0.85, True),
        ("sensitivity.high<.9", 0.95, False),
        ("slide.sensitivity.value>0.9", 0.6, False),
        ("patch.macro.f1.value >= 8e-1", 0.8, True),
        ("extent.icc.low >= .7", 0.7, True),
        ("extent.largest_focus_mm.icc.value >= .7", 0.65, False),
        ("extent.bias_mm2.value <= 5", -3.0, True),
        ("extent.bias_mm2.value >= -2.5", -3.0, False),
    ],
)
def test_a_figure_is_held_against_its_bound(text: str, value: float, passed: bool) -> None:  # noqa: FBT001 - a table
    found = gate(text)
    assert found.value == pytest.approx(value)
    assert (found.passed, found.why) == (passed, "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("precision.value >= 0", "nothing is called"),
        ("precision.low >= 0", "nothing is called"),
        ("extent.dice.low >= 0", "there is one patient"),
        ("patient.f1.value >= 0", "no patient has a label"),
        ("slide.kappa.value >= 0", "kappa isn't measured here"),
        ("extent.field_extent_mm.icc.value >= 0", "no slide has field_extent_mm of a reference"),
    ],
)
def test_what_is_not_defined_misses_its_gate(text: str, why: str) -> None:
    found = gate(text)
    assert (found.value, found.passed, found.why) == (None, False, why)
    assert missed_line(found) == f"gate missed: {text}: not defined: {why}"


def test_an_interval_that_can_not_be_trusted_misses_its_gate() -> None:
    found = gate("slide.auroc.low >= 0.8")
    assert found.value == pytest.approx(0.9)
    assert (found.passed, found.why) == (False, "3 patients")
    assert missed_line(found) == "gate missed: slide.auroc.low >= 0.8: it is 0.9; 3 patients"
    assert gate("slide.auroc.value >= 0.8").passed


def test_the_line_of_a_missed_gate_names_it() -> None:
    assert missed_line(gate(" slide.sensitivity.value   >=  0.9 ")) == (
        "gate missed: slide.sensitivity.value >= 0.9: it is 0.6"
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sensitivty.low >= 0.8", "did you mean sensitivity.low"),
        ("sensitivity >= 0.8", r"sensitivity\.(value|low|high)"),
        ("slide.brier.value < 0.1", "there is no figure 'slide.brier.value'; did you mean"),
        ("slide.macro.f1.value > 0", "there is no figure"),
        ("qqqqqq > 1", "expected one such as"),
        ("sensitivity.low", "can't be read"),
        ("sensitivity.low = 0.8", "can't be read"),
        ("sensitivity.low >= 0.8 and f1.low > 0", "can't be read"),
        ("sensitivity.low >= high", "'high' is no number"),
        ("sensitivity.low >= nan", "'nan' is no number"),
        ("sensitivity.low >= 85%", "'85%' is no number"),
        ("", "can't be read"),
    ],
)
def test_a_wrong_gate_is_refused(text: str, named: str) -> None:
    with pytest.raises(GateError, match=named) as caught:
        parsed_gate(text)
    assert "\n" not in str(caught.value)


def test_every_wrong_line_is_named() -> None:
    with pytest.raises(GateError, match=r"'sensitivty\.low >= 1'.*'x'"):
        parsed_gates(["sensitivty.low >= 1", "f1.low > 0", "x"])
    assert [each.figure for each in parsed_gates(["f1.low > 0", "extent.icc.low >= 1"])] == ["f1.low", "extent.icc.low"]


def test_every_figure_that_may_be_asked_for_can_be_looked_up() -> None:
    conditions = [parsed_gate(f"{name} >= 0") for name in figures()]
    found = judged_gates(conditions, LEVELS, EXTENT)
    assert len(found) == len(set(figures())) > 3 * len(MEASURES)


def test_a_share_is_not_compared_with_percent() -> None:
    with pytest.raises(GateError, match=r"between 0 and 1.*0\.85"):
        parsed_gate("sensitivity.low >= 85")
    assert parsed_gate("mcc.low >= -0.5").bound == -0.5
    assert parsed_gate("extent.bias_mm2.value <= 20").bound == 20
