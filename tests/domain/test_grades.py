"""Values against limits: which grade, which words, and that the worst one decides."""

from __future__ import annotations

import itertools

import pytest

from batchscan.domain.quality import (
    MEASURES,
    NOT_JUDGED,
    Grade,
    Limits,
    Measured,
    Quality,
    QualitySettings,
    judged,
)

BOTH = Limits(refuse_below=1.0, review_below=2.0, review_above=5.0, refuse_above=8.0)


@pytest.mark.parametrize(
    ("value", "grade"),
    [
        (0.9, "not_analysable"),
        (1.0, "review"),
        (1.9, "review"),
        (2.0, "good"),
        (5.0, "good"),
        (5.1, "review"),
        (8.0, "review"),
        (8.1, "not_analysable"),
    ],
)
def test_a_value_on_a_limit_is_within_it(value: float, grade: str) -> None:
    assert BOTH.grade(value) == grade


def test_without_limits_everything_is_good() -> None:
    assert {Limits().grade(value) for value in (-1e9, 0.0, 1e9)} == {Grade.GOOD}


def test_limits_rise() -> None:
    names = ("refuse_below", "review_below", "review_above", "refuse_above")
    for low, high in itertools.combinations(names, 2):
        assert Limits(**{low: 1.0, high: 1.0}).grade(1.0) is Grade.GOOD
        with pytest.raises(ValueError, match="found 2, 1"):
            Limits(**{low: 2.0, high: 1.0})


def test_the_worst_measure_decides_and_comes_first() -> None:
    settings = QualitySettings(
        limits={
            "sharpness": Limits(review_below=0.4, refuse_below=0.2),
            "pen_share": Limits(review_above=0.1),
            "eosin_od": Limits(refuse_above=0.5),
        }
    )
    values = {"sharpness": 0.3, "pen_share": 0.0, "eosin_od": 0.6, "tissue_mm2": 7.0}
    quality = judged((Measured(name, value) for name, value in values.items()), settings)
    assert quality.grade == "not_analysable"
    assert quality.refuses
    assert quality.findings == ("eosin_dark", "blur")
    assert [measure.grade for measure in quality.measures] == ["review", "good", "not_analysable", "good"]
    assert [measure.unit for measure in quality.measures] == ["", "share", "OD", "mm2"]


def test_what_is_not_defined_is_not_graded() -> None:
    settings = QualitySettings(limits={"sharpness": Limits(review_below=0.4)})
    quality = judged([Measured("sharpness", None, "nothing to measure"), Measured("pen_share", 0.0)], settings)
    assert quality.grade == "good"
    assert quality.measures[0].grade is None
    assert quality.measures[0].measured == Measured("sharpness", None, "nothing to measure")
    assert quality.findings == ()


def test_nothing_is_graded_when_asked_not_to() -> None:
    limits = {"pen_share": Limits(refuse_above=0.1)}
    quality = judged([Measured("pen_share", 0.9)], QualitySettings(enabled=False, limits=limits))
    assert (quality.grade, quality.findings, quality.refuses) == (None, (), False)
    assert quality.measures[0].value == 0.9
    assert judged([], QualitySettings()) == NOT_JUDGED == Quality(None, ())


def test_every_code_is_one_word() -> None:
    codes = [code for kind in MEASURES.values() for code in (kind.code_low, kind.code_high) if code]
    assert len(codes) == len(set(codes))
    assert all(code.isidentifier() for code in codes)
