from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscan.domain.slide_ids import LONGEST_ID, id_fault, id_from


@pytest.mark.parametrize("text", ["8863", "S-1.a_b", "a" * 100, "console", "nul1", "com", "a.con", "_x"])
def test_ids(text: str) -> None:
    assert id_fault(text) == ""
    assert id_from(text) == text


@pytest.mark.parametrize(
    ("text", "made", "why"),
    [
        ("", "slide", "characters other than"),
        ("..", "slide", "starts with a dot"),
        (".staging", "staging", "starts with a dot"),
        ("-rf", "rf", "starts with '-'"),
        ("-", "slide", "starts with '-'"),
        ("a.", "a", "ends with a dot"),
        ("con", "slide_con", "device on Windows"),
        ("NUL.x", "slide_NUL.x", "device on Windows"),
        ("Lpt1", "slide_Lpt1", "device on Windows"),
        ("a/../b", "a_.._b", "characters other than"),
        ("a\nb", "a_b", "characters other than"),
        ("a\n", "a_", "characters other than"),
        ("=cmd|'x'!A", "_cmd__x__A", "characters other than"),
        ("x" * 101, "x" * 100, "has 101 characters"),
    ],
)
def test_what_is_no_id_and_what_it_becomes(text: str, made: str, why: str) -> None:
    assert why in id_fault(text)
    assert id_from(text) == made


@given(st.text(max_size=200) | st.from_regex(r"[-.]*(con|nul|COM1)?[-.a]*", fullmatch=True))
def test_what_is_made_of_any_name_is_an_id(name: str) -> None:
    made = id_from(name)
    assert id_fault(made) == ""
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", made)
    assert len(made) <= LONGEST_ID
