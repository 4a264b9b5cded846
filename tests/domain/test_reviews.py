"""What several reviewers' verdicts come to."""

from __future__ import annotations

import itertools

import pytest

from batchscan.domain.reviews import Review, SlideReviews, Standing, Verdict, standing, standing_reviews

AGREE, DISAGREE, UNSURE, MISSED, REDRAWN = Verdict


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((AGREE,), Standing.AGREED),
        ((AGREE, AGREE, UNSURE), Standing.AGREED),
        ((DISAGREE, UNSURE), Standing.DISAGREED),
        ((AGREE, DISAGREE, DISAGREE), Standing.DIVIDED),
        ((UNSURE, UNSURE), Standing.UNSURE),
        ((MISSED, AGREE), Standing.AGREED),
        ((REDRAWN, DISAGREE), Standing.DIVIDED),
    ],
)
def test_a_majority_is_none_and_who_is_unsure_has_no_vote(verdicts: tuple[Verdict, ...], expected: Standing) -> None:
    for order in itertools.permutations(verdicts):
        assert standing(order) is expected


def said(region: str, verdict: Verdict, reviewer: str = "A", number: int | None = 1, fingerprint: str = "f") -> Review:
    return Review("S", region, number, verdict, "", reviewer, "", "", "d", fingerprint, "{}")


def test_the_last_word_of_each_reviewer_on_each_region_stands() -> None:
    history = [said("x", AGREE), said("y", AGREE), said("x", UNSURE, "B"), said("x", DISAGREE)]
    found = standing_reviews(history)
    assert {(one.region_id, one.reviewer): one.verdict for one in found} == {
        ("x", "A"): DISAGREE, ("y", "A"): AGREE, ("x", "B"): UNSURE,
    }  # fmt: skip


def test_a_slides_reviews_are_of_its_foci_of_what_was_missed_or_of_earlier_results() -> None:
    history = [
        said("focus", AGREE),
        said("gone", DISAGREE, number=2),
        said("missed", MISSED, number=None),
        said("redrawn", REDRAWN, number=None),
        said("disputed", MISSED, number=None),
        said("disputed", DISAGREE, "B", number=None),
        said("of another slide", MISSED, number=None, fingerprint="g"),
    ]
    found = SlideReviews.of(history, {"focus", "another"}, "f")
    assert list(found.of_focus) == ["focus"]
    assert [one.region_id for one in found.missed] == ["missed"]
    assert found.n_earlier == 2
