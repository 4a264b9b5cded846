"""Margins: what can be stated, and when the second is shown not to be worse."""

from __future__ import annotations

from typing import Any

import pytest

from batchscan.domain.compared import Difference
from batchscan.domain.errors import UsageError
from batchscan.evaluation.margins import Margin, judged, margin_figures, missed_line, parsed_margins


def difference(value: float | None, low: float | None, high: float | None, **more: Any) -> Difference:
    first = None if value is None else 0.9
    return Difference(
        first=first, second=None if value is None else 0.9 + value, value=value, low=low, high=high, n=9, **more
    )


def verdict(figure: str, found: Difference | None, margin: float = 0.02, n_patients: int = 20) -> Any:
    figures = {} if found is None else {figure: found}
    (made,) = judged([Margin(figure, margin)], figures, n_patients, {"slide": "no slide has a label"})
    return made


@pytest.mark.parametrize(
    ("words", "figure", "value"),
    [
        ("auroc=0.02", "patch.auroc", 0.02),
        ("patch.auroc=2e-2", "patch.auroc", 0.02),
        ("macro.f1=.03", "patch.macro.f1", 0.03),
        ("slide.sensitivity=0.05", "slide.sensitivity", 0.05),
        ("extent.area_error_mm2=2", "extent.area_error_mm2", 2.0),
    ],
)
def test_a_margin_is_a_figure_and_a_number(words: str, figure: str, value: float) -> None:
    assert parsed_margins([words]) == (Margin(figure, value),)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["auroc"], "expected FIGURE=NUMBER"),
        (["auroc="], "a number above 0"),
        (["auroc=0"], "a number above 0"),
        (["auroc=-0.1"], "a number above 0"),
        (["auroc=nan"], "a number above 0"),
        (["aurok=0.1"], r"no figure 'aurok'; did you mean auroc"),
        (["slide.brier=0.1"], "no figure 'slide.brier'"),
        (["zzz=0.1"], "expected one such as auroc=0.02"),
        (["calibration_slope=0.1"], "best in the middle"),
        (["auroc=0.02", "patch.auroc=0.03"], "given twice"),
    ],
)
def test_a_wrong_margin_is_refused_and_the_nearest_proposed(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parsed_margins(words)


@pytest.mark.parametrize(
    ("low", "high", "shown", "worse"),
    [
        (-0.019, 0.04, True, False),
        (-0.019, -0.001, True, False),  # worse for sure, but by less than the margin
        (-0.02, 0.04, False, False),  # to reach the margin is not to keep it
        (-0.05, 0.04, False, False),
        (-0.05, -0.021, False, True),
    ],
)
def test_more_is_better(low: float, high: float, shown: bool, worse: bool) -> None:  # noqa: FBT001 - a test's values
    found = verdict("patch.auroc", difference((low + high) / 2, low, high))
    assert (found.shown, found.worse, found.limit) == (shown, worse, low)
    assert found.why == ""


@pytest.mark.parametrize(
    ("figure", "low", "high", "shown", "worse"),
    [
        ("patch.brier", -0.04, 0.019, True, False),
        ("patch.brier", -0.04, 0.05, False, False),
        ("patch.macro.ece", 0.021, 0.05, False, True),
        ("extent.area_error_mm2", -0.1, 0.01, True, False),
        ("extent.dice", -0.1, 0.01, False, False),
    ],
)
def test_less_is_better_for_errors(figure: str, low: float, high: float, shown: bool, worse: bool) -> None:  # noqa: FBT001
    found = verdict(figure, difference((low + high) / 2, low, high))
    assert (found.shown, found.worse) == (shown, worse)
    assert found.limit == (low if figure == "extent.dice" else high)


def test_what_is_not_to_be_trusted_or_not_there_shows_nothing() -> None:
    few = verdict("patch.auroc", difference(0.1, 0.05, 0.15, trusted=False, why="it rests on 3 patients"))
    assert (few.shown, few.worse, few.why) == (False, False, "it rests on 3 patients")
    undefined = verdict("patch.auroc", difference(None, None, None, why="in A there is one class"))
    assert (undefined.shown, undefined.difference, undefined.why) == (False, None, "in A there is one class")
    assert verdict("slide.auroc", None).why == "no slide has a label"
    assert verdict("extent.dice", None).why == "it wasn't measured for both"
    assert not verdict("patch.auroc", difference(0.01, None, None, why="one patient")).shown


def test_two_that_never_differ_are_no_worse_than_one_another_given_enough_patients() -> None:
    alike = difference(0.0, None, None, why="redrawing doesn't change it")
    assert verdict("patch.auroc", alike, n_patients=5).shown
    assert "alike" in verdict("patch.auroc", alike, n_patients=5).why
    assert not verdict("patch.auroc", alike, n_patients=4).shown


def test_what_is_missed_is_one_line() -> None:
    found = verdict("patch.auroc", difference(-0.01, -0.05, 0.03))
    line = "non-inferiority not shown: patch.auroc, margin 0.02: B less A is -0.01, the worse end of its interval -0.05"
    assert missed_line(found) == line
    few = verdict("patch.auroc", difference(0.1, 0.05, 0.15, trusted=False, why="it rests on 3 patients"))
    assert missed_line(few).endswith("margin 0.02: it rests on 3 patients")
    worse = verdict("patch.auroc", difference(-0.1, -0.15, -0.05))
    assert missed_line(worse).startswith("non-inferiority worse than the margin allows: patch.auroc")


def test_every_figure_has_a_direction() -> None:
    figures = margin_figures()
    assert len(figures) == len(set(figures)) == 13 + 13 + 11 + 11 + 5
    assert "patch.calibration_slope" not in figures
