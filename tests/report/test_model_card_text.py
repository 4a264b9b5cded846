"""The card on a terminal: everything that the page says, aligned, no wider than it."""

from __future__ import annotations

import pytest
from card_factory import COMMAND, full_card, version_1_card

from batchscan.report.model_card_content import model_card_content
from batchscan.report.model_card_text import model_card_text


def text(width: int, **changes: object) -> str:
    return model_card_text(model_card_content(full_card(**changes)), width)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    copied = f"  {COMMAND}"
    lines = [line for line in text(width).splitlines() if line != copied and "5e5e5e5e" not in line]
    assert max(map(len, lines)) <= width


def test_a_command_is_left_whole() -> None:
    assert f"\n  {COMMAND}\n" in text(40)


@pytest.mark.parametrize(("width", "least", "most"), [(10, 20, 40), (500, 81, 120)])
def test_odd_terminals_get_a_readable_width(width: int, least: int, most: int) -> None:
    lines = [line for line in text(width).splitlines() if "batchscan train" not in line and "5e5e5e5e" not in line]
    assert least <= max(map(len, lines)) <= most


def test_name_version_licence_and_hash_come_first() -> None:
    first = text(80).splitlines()[:12]
    assert first[0] == "idc-best 3"
    assert "Research use only \u2013 not for diagnosis." in first
    assert "Licence  Apache-2.0" in first
    assert f"Weights  sha256 {'5e' * 32}" in first


def test_tables_are_aligned() -> None:
    """Right edges of the numbers under one another."""
    lines = text(80).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Left-out slide") and "8863" in line)
    table = lines[start : start + 10]
    assert set(table[1]) == {"-"}
    assert {len(line) for line in table} == {len(table[0])}
    assert [line.split()[0] for line in table[2:6]] == ["Patches", "IDC", "Threshold", "AUROC"]


def test_every_slide_is_there_however_narrow() -> None:
    """At 40 columns one slide stands beside its labels, the others below."""
    lines = text(40).splitlines()
    heads = [line.split() for line in lines if line.startswith("Left-out slide")]
    assert [["Left-out", "slide", name] for name in ("8863", "8865", "8867", "Pooled")] == heads[:4]


def test_counts_of_the_confusion_matrices_are_a_table() -> None:
    lines = text(120).splitlines()
    head = next(i for i, line in enumerate(lines) if line.split()[-4:] == ["TP", "FN", "FP", "TN"])
    assert lines[head + 2].split() == (
        "8863 186 (182\u2013190) 21 (17\u201325) 39 (31\u201346) 733 (726\u2013741)".split()
    )


def test_what_is_absent_is_said() -> None:
    said = model_card_text(model_card_content(version_1_card()), 80)
    for sentence in (
        "Not measured: no networks of this recipe",
        "ROC of left-out slides: not measured.",
        "No pictures",
    ):
        assert sentence in said
    assert "training_loss" not in said
    assert "\n\n\n" not in said
