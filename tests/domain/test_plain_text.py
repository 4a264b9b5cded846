from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscan.domain.plain_text import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Müller, 顕微鏡 😀 Ａ", "Müller, 顕微鏡 😀 Ａ"),  # noqa: RUF001 - a wide letter
        ("two\nlines\r\n\tand more ", "two lines and more"),
        ("\x1b[2Jgone\x07\0", "\\x1b[2Jgone\\x07\\x00"),
        ("abc\u202egvs.exe", "abc\\u202egvs.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("half \udce9", "half \\udce9"),
    ],
)
def test_text_is_shown_as_it_is_and_what_cannot_be_seen_is_spelt_out(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text())
def test_any_text_becomes_a_line_that_can_be_printed(text: str) -> None:
    assert plain(text).isprintable()
    assert plain(text).encode("utf-8").decode("utf-8") == plain(text)
    assert plain(plain(text)) == plain(text)
