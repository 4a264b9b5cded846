from __future__ import annotations

from typing import Any

import pytest

from batchscan.domain.verified import Finding, Verdict, Verified, same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1),
        (0.1 + 0.2, 0.3),
        (2, 2.0),
        (None, None),
        ("a", "a"),
        ([1, (2.0, "b")], (1, [2.0, "b"])),
        ({"a": [0.1, None]}, {"a": (0.1, None)}),
        (0.0, 0.0),
        (True, True),
    ],
)
def test_the_same(one: Any, other: Any) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (0, False),
        (0, None),
        (0.0, None),
        (1.0, 1.0001),
        (float("nan"), 1.0),
        (1.0, "1.0"),
        ([1], [1, 2]),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ("ab", ["a", "b"]),
        (float("inf"), 1.0),
        pytest.param(10**400, 1.0, id="beyond float"),
    ],
)
def test_not_the_same(one: Any, other: Any) -> None:
    assert not same(one, other)
    assert not same(other, one)


def test_what_was_compared_counts_by_how_it_ended() -> None:
    found = (
        Finding.of("a", "x", agrees=True),
        Finding.of("b", "two\nlines\x1b", agrees=False),
        Finding.left_out("c", "not here"),
    )
    verified = Verified("S1", found)
    assert [verified.count(verdict) for verdict in Verdict] == [1, 1, 1]
    assert [finding.what for finding in verified.differing] == ["b"]
    assert verified.as_json()["agrees"] is False
    assert verified.as_json()["findings"][1] == {"what": "b", "verdict": "differs", "words": "two lines\\x1b"}
