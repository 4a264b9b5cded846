"""A measured number in words: never without its interval where there is one, never surer than it is."""

from __future__ import annotations

from typing import Any

import pytest

from batchscan.domain.levels import MEASURES, Measured
from batchscan.report import measured, numbers


def number(value: float | None = 0.9, low: float | None = 0.85, high: float | None = 0.93, **more: Any) -> Measured:
    return Measured(**{"value": value, "low": low, "high": high, "n": 1203, "method": "bootstrap", **more})


def test_every_measure_has_its_label_and_its_formula() -> None:
    assert list(measured.LABELS) == list(MEASURES)
    assert list(measured.FORMULAS) == list(MEASURES)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.85, 0.93, "0.850\u20130.930"),
        (-0.2, 0.3, "\u22120.200 to 0.300"),
        (0.97, 0.9999, "0.970 to >0.999"),
        (None, None, ""),
    ],
)
def test_an_interval_reads_as_from_to(low: float | None, high: float | None, words: str) -> None:
    assert measured.interval(number(low=low, high=high)) == words


def test_a_cell_has_its_interval_its_n_and_its_doubt() -> None:
    assert measured.cell(number(), with_n=True).note == "0.850\u20130.930, n 1,203"
    assert measured.cell(number(trusted=False)).note == "0.850\u20130.930, not to be trusted"
    missing = number(None, None, None, why="no patch is labelled IDC")
    assert measured.cell(missing, with_n=True) == measured.Cell("not defined")


def test_a_column_of_intervals_tells_none_from_not_defined() -> None:
    assert measured.interval_cell(number(low=None, high=None)).value == "none"
    assert measured.interval_cell(number(None, None, None)).value == ""
    assert measured.interval_cell(number(trusted=False)).note == "not to be trusted"


def test_in_a_sentence() -> None:
    def signed(value: float | None) -> str:
        return numbers.difference(value, decimals=1)

    assert measured.in_words(number(3.14, 0.7, 5.5), signed) == "+3.1 (95 % interval +0.7 to +5.5)"
    assert measured.in_words(number(low=None, high=None), numbers.figure) == "0.900"
    assert "not to be trusted" in measured.in_words(number(trusted=False), numbers.figure)


def test_measures_with_one_reason_stand_together() -> None:
    rare, few = "no patch is labelled IDC.", "it rests on 3 patients"
    told = measured.reasons(
        (
            ("Sensitivity", number(None, None, None, why=rare)),
            ("F1", number(None, None, None, why=rare)),
            ("Accuracy", number(low=None, high=None, why=few)),
            ("Specificity", number(trusted=False, why=few)),
            ("MCC", number()),
        )
    )
    assert told == (
        "Sensitivity, F1 \u2013 not defined: no patch is labelled IDC.",
        "Accuracy \u2013 no interval: it rests on 3 patients.",
        "Specificity \u2013 note: it rests on 3 patients.",
    )


def test_a_reason_of_nearly_all_names_the_others() -> None:
    doubted = [(name, number(trusted=False, why="few")) for name in "abcdef"]
    assert measured.reasons(doubted) == ("All \u2013 note: few.",)
    assert measured.reasons([*doubted, ("g", number())]) == ("All but g \u2013 note: few.",)
    others = [(name, number()) for name in "ghi"]
    assert measured.reasons([*doubted, *others]) == ("a, b, c, d, e, f \u2013 note: few.",)


def test_measures_stand_in_the_order_of_the_tables_and_strangers_behind() -> None:
    figures = {"own": number(), "auroc": number(), "accuracy": number()}
    assert [name for name, _ in measured.ordered(figures)] == ["accuracy", "auroc", "own"]
