from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscan.report import numbers


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "not defined"),
        (0.0, "0 mm²"),
        (0.004, "<0.01 mm²"),
        (0.16, "0.16 mm²"),
        (9.96, "9.96 mm²"),
        (9.999, "10.0 mm²"),
        (25.94, "25.9 mm²"),
        (99.96, "100 mm²"),
        (236.4, "236 mm²"),
        (12345.6, "12,346 mm²"),
    ],
)
def test_area(value: float | None, words: str) -> None:
    assert numbers.area(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "not defined"), (0.0, "0 mm"), (0.04, "<0.1 mm"), (0.57, "0.6 mm"), (1234.56, "1,234.6 mm")],
)
def test_length(value: float | None, words: str) -> None:
    assert numbers.length(value) == words


def test_dimensions_need_both() -> None:
    assert numbers.dimensions(8.24, 3.06) == "8.2 \u00d7 3.1 mm"
    assert numbers.dimensions(8.24, None) == "not defined"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "not defined"),
        (0.0, "0 %"),
        (1e-9, "<1 %"),
        (0.0099, "<1 %"),
        (0.01, "1.0 %"),
        (0.0994, "9.9 %"),
        (0.0999, "10 %"),
        (0.506, "51 %"),
        (0.99, "99 %"),
        (0.9901, ">99 %"),
        (1 - 1e-7, ">99 %"),
        (1 - 1e-12, "100 %"),
        (1.0, "100 %"),
    ],
)
def test_percent(value: float | None, words: str) -> None:
    assert numbers.percent(value) == words


@given(st.floats(0, 1))
def test_zero_and_hundred_percent_only_when_exact(fraction: float) -> None:
    assert (numbers.percent(fraction) == "0 %") == (fraction == 0)
    assert (numbers.percent(fraction) == "100 %") == (fraction >= 1 - 1e-9)


@given(st.floats(1e-300, 1e6))
def test_a_positive_measure_is_never_printed_as_nothing(value: float) -> None:
    for words in (numbers.area(value), numbers.length(value), numbers.duration(value)):
        assert words.startswith("<") or any(digit in words for digit in "123456789")


@given(st.floats(0.005, 1e5))
def test_area_is_right_to_three_digits(value: float) -> None:
    printed = float(numbers.area(value).removesuffix(" mm²").replace(",", "").replace("<", ""))
    assert math.isclose(printed, value, rel_tol=0.0051, abs_tol=0.0051)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "not defined"),
        (math.nan, "not defined"),
        (0.0, "0.000"),
        (1e-5, "<0.001"),
        (0.12345, "0.123"),
        (0.99996, ">0.999"),
        (1.0, "1.000"),
    ],
)
def test_probability(value: float | None, words: str) -> None:
    assert numbers.probability(value) == words


@pytest.mark.parametrize(
    ("value", "limit", "verdict", "words"),
    [
        (0.4506, 0.451, "negative", "0.4506"),
        (0.45104, 0.451, "positive", "0.45104"),
        (0.4499999881, 0.45, "positive", "0.450"),
        (0.45099997, 0.451, "negative", "0.45099997"),
        (0.439, 0.451, "negative", "0.439"),
        (0.99996, 0.5, "positive", ">0.999"),
        (0.5, 0.5, "positive", "0.500"),
    ],
)
def test_a_probability_stands_on_its_own_side_of_the_threshold(
    value: float, limit: float, verdict: str, words: str
) -> None:
    assert numbers.probability_beside(value, limit, positive=verdict == "positive") == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0.00"), (0.0041, "0.004"), (0.00037, "0.0004"), (0.066, "0.07"), (0.5, "0.50"),
        (0.9961, "0.996"), (0.99995, "0.99995"), (1.0, "1.00"), (1e-12, "<0.01"),
    ],
)  # fmt: skip
def test_fine_score(value: float, words: str) -> None:
    assert numbers.fine_score(value) == words


@pytest.mark.parametrize(("value", "words"), [(0.9282, "0.93"), (0.999, ">0.99"), (1.0, "1.00"), (0.001, "<0.01")])
def test_score(value: float, words: str) -> None:
    assert numbers.score(value) == words


def test_counts_have_their_noun() -> None:
    assert numbers.count(1, "patch", "patches") == "1 patch"
    assert numbers.count(1642, "patch", "patches") == "1,642 patches"
    assert numbers.count(2, "slide") == "2 slides"
    assert numbers.count(0) == "0"
    assert numbers.count(None) == "not defined"


def test_durations() -> None:
    assert numbers.duration(3.214) == "3.21 s"
    assert numbers.duration(119.0) == "119 s"
    assert numbers.duration(125.4) == "2 min 05 s"
    assert numbers.duration(7199) == "119 min 59 s"
    assert numbers.duration(18_432.5) == "5 h 07 min"
    assert numbers.duration(None) == "not defined"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("pen_share", 0.034, ("Pen, share of slide", "3.4 %")),
        ("pen_fraction", 0.034, ("Pen", "3.4 %")),
        ("overview_um_per_px", 31.25, ("Overview, spacing", "31.25 µm/px")),
        ("background_rgb", (246, 245, 247), ("Background colour", "red 246, green 245, blue 247")),
        ("sharpness", None, ("Sharpness", "not defined")),
        ("sharpness", 12.3456, ("Sharpness", "12.3")),
        ("is_whole", True, ("Is whole", "yes")),
        ("n_pieces", 1200, ("N pieces", "1,200")),
        ("hole_mm2", 1.234, ("Hole", "1.23 mm²")),
    ],
)
def test_a_fact_is_written_as_its_name_says(name: str, value: object, expected: tuple[str, str]) -> None:
    assert numbers.fact(name, value) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "not defined"),
        (-0.1234, "\u22120.123"),
        (-0.0001, ">\u22120.001"),
        (0.0, "0.000"),
        (0.9999, ">0.999"),
        (1.2345, "1.234"),
    ],
)
def test_a_figure_may_be_negative(value: float | None, words: str) -> None:
    assert numbers.figure(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "not defined"),
        (3.14, "+3.1 mm²"),
        (-0.04, ">\u22120.1 mm²"),
        (0.04, "<+0.1 mm²"),
        (0.0, "0.0 mm²"),
        (-1234.5, "\u22121,234.5 mm²"),
    ],
)
def test_a_difference_has_its_sign(value: float | None, words: str) -> None:
    assert numbers.difference(value, "mm²", decimals=1) == words


@pytest.mark.parametrize(
    ("fraction", "words"),
    [(0.0, "0"), (0.004, "fewer than 1"), (0.012, "1"), (0.892, "89"), (0.996, "more than 99"), (1.0, "100")],
)
def test_of_a_hundred_none_and_all_only_when_exact(fraction: float, words: str) -> None:
    assert numbers.of_hundred(fraction) == words
