"""What people said of foci: a verdict of one reviewer on one region, and what several come to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a reviewer says of a region: one that was called IDC, or one of IDC that the reviewer drew.

    That was `missed` if most of it lies outside of all foci, else `redrawn`.
    """

    AGREE = "agree"
    DISAGREE = "disagree"
    UNSURE = "unsure"
    MISSED = "missed"
    REDRAWN = "redrawn"


ON_FOCI = (Verdict.AGREE, Verdict.DISAGREE, Verdict.UNSURE)
DRAWN = (Verdict.MISSED, Verdict.REDRAWN)


class Standing(StrEnum):
    """What the verdicts of all reviewers of one region come to."""

    AGREED = "agreed"
    DISAGREED = "disagreed"
    DIVIDED = "divided"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Review:
    """One reviewer's word on one region, as it is kept.

    Parameters
    ----------
    slide_id
        The slide.
    region_id
        The focus's id in regions.geojson; or the id of a region that a reviewer drew.
    number
        The focus's, as the report has it; None for a region that was drawn.
    verdict, comment
        What was said; a comment may be empty.
    reviewer
        Who said it, as given.
    reviewed, kept
        When the reviewer says that it was, and when it was taken in; ISO 8601.
    digest
        That of the result that was reviewed.
    fingerprint
        That of its slide: what is said of tissue stays true of a later result of the same slide.
    outline
        A GeoJSON geometry, level-0 pixels of the slide's store: the focus's, or as the reviewer drew it.
    """

    slide_id: str
    region_id: str
    number: int | None
    verdict: Verdict
    comment: str
    reviewer: str
    reviewed: str
    kept: str
    digest: str
    fingerprint: str
    outline: str

    def says_the_same(self, other: Review) -> bool:
        """Whether it adds nothing to what the same reviewer said."""
        return (self.verdict, self.comment, self.outline) == (other.verdict, other.comment, other.outline)


def standing_reviews(history: Iterable[Review]) -> tuple[Review, ...]:
    """The last word of each reviewer on each region, in the order in which regions were first spoken of."""
    last: dict[tuple[str, str, str], Review] = {}
    for review in history:
        last[review.slide_id, review.region_id, review.reviewer] = review
    return tuple(last.values())


def standing(verdicts: Iterable[Verdict]) -> Standing:
    """What several verdicts on one region come to; who is unsure has no vote where others have one."""
    said = {Verdict.AGREE if verdict in DRAWN else verdict for verdict in verdicts} - {Verdict.UNSURE}
    if not said:
        return Standing.UNSURE
    if len(said) > 1:
        return Standing.DIVIDED
    return Standing.AGREED if said == {Verdict.AGREE} else Standing.DISAGREED


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a file says of one region, before it is known whether there is such a region.

    Parameters
    ----------
    place
        Where it says so: "line 7", "feature 3".
    slide_id, region_id, verdict, comment
        As `Review` has them.
    reviewer, reviewed, digest
        The same; empty where the file doesn't say.
    outline
        The same; empty for the region's own.
    """

    place: str
    slide_id: str
    region_id: str
    verdict: Verdict
    comment: str = ""
    reviewer: str = ""
    reviewed: str = ""
    digest: str = ""
    outline: str = ""


@dataclass(frozen=True)
class SlideReviews:
    """What was said of one slide's present result.

    Parameters
    ----------
    of_focus
        Focus's id -> the last word of each reviewer; foci that nobody spoke of are left out.
    missed
        Regions that reviewers drew, and that nobody has taken back or doubted since.
    n_earlier
        Regions that somebody spoke of, but that this result doesn't have.
    """

    of_focus: Mapping[str, tuple[Review, ...]]
    missed: tuple[Review, ...]
    n_earlier: int

    @classmethod
    def of(cls, history: Iterable[Review], focus_ids: Collection[str], fingerprint: str) -> SlideReviews:
        """Sort out what was said of a slide whose result has these foci."""
        by_region: dict[str, list[Review]] = {}
        for review in standing_reviews(history):
            by_region.setdefault(review.region_id, []).append(review)
        of_focus = {known: tuple(said) for known, said in by_region.items() if known in focus_ids}
        drawn = [
            tuple(said) for known, said in by_region.items() if known not in focus_ids and is_drawn(said, fingerprint)
        ]
        missed = [said[0] for said in drawn if _is_missed(one.verdict for one in said)]
        return cls(of_focus, tuple(missed), len(by_region) - len(of_focus) - len(drawn))


def is_drawn(said: Iterable[Review], fingerprint: str) -> bool:
    """Whether reviews are of a region that was drawn on the slide as it is."""
    return all(one.number is None and one.fingerprint == fingerprint for one in said)


def _is_missed(verdicts: Iterable[Verdict]) -> bool:
    said = set(verdicts)
    return Verdict.MISSED in said and standing(said) is Standing.AGREED
