"""A slide's line in the ledger -> for which reasons a person should look at it, and how much each matters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from batchscan.domain.records import SlideStatus
from batchscan.report import numbers
from batchscan.stores.ledger_view import LedgerRow

IN_DOUBT = 0.05
"""With more borderline patches than this share of the positive ones, they decide a noticeable part of the extent."""

GRADES = ("good", "review", "not_analysable")
"""What quality control says of a slide (`qc_grade`); nothing where it wasn't judged."""


@dataclass(frozen=True, slots=True)
class Concern:
    """A reason why people should look at slides; the `rule` is one that they can check in summary.csv."""

    code: str
    title: str
    rule: str


CONCERNS = (
    Concern("not_analysable", "Not analysable", "quality control says so: there is no extent to rely on"),
    Concern("review", "Quality to review", "quality control found what may spoil the numbers"),
    Concern("duplicate", "The same slide again", "a slide before it has the same fingerprint: both were counted"),
    Concern(
        "borderline",
        "Extent hangs on borderline patches",
        f"patches that another engine could flip are more than {100 * IN_DOUBT:g} % of the positive ones",
    ),
    Concern("edge", "Only focus at the slide\u2019s edge", "the one focus goes on where nothing was scanned"),
    Concern("unreadable", "Pixels missing", "patches that could not be read are not part of the extent"),
    Concern("no_tissue", "No tissue found", "neither shown nor excluded: nothing was scored"),
    Concern("retried", "Needed another attempt", "its result is whole, but something went wrong before"),
)
"""Most urgent first."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How many attempts at a slide were followed by another one in this run, and their reason codes."""

    n: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Worry:
    """That a slide has a concern: its code, a rank among slides with the same, and what was found, in words."""

    concern: str
    rank: float
    found: str


def worries(row: LedgerRow, retries: Retries | None) -> Iterator[Worry]:
    """Why somebody should look at this slide; nothing for one that failed or was excluded: its reason says why."""
    given = row.numbers
    # Quality control may say so of a slide whose status is any.
    if given.get("qc_grade") == "not_analysable" or row.reason == "not_analysable":
        yield Worry("not_analysable", 0.0, _findings(given))
    if row.status is not SlideStatus.DONE:
        return
    if given.get("qc_grade") == "review":
        yield Worry("review", 0.0, _findings(given))
    yield from _about_extent(given)
    if row.reason == "no_tissue":
        yield Worry("no_tissue", 0.0, "")
    if retries:
        yield Worry("retried", retries.n, f"{numbers.count(retries.n, 'time')}: {', '.join(retries.reasons)}")


def _about_extent(given: Mapping[str, Any]) -> Iterator[Worry]:
    n_positive, n_borderline = given.get("n_positive") or 0, given.get("n_borderline") or 0
    if n_borderline > IN_DOUBT * n_positive:
        found = f"{numbers.count(n_borderline)} borderline, {numbers.count(n_positive)} positive"
        yield Worry("borderline", n_borderline / max(n_positive, 1), found)
    if given.get("n_foci") == 1 and given.get("touches_edge"):
        largest = given.get("largest_focus_mm")
        yield Worry("edge", largest or 0.0, numbers.dimensions(largest, given.get("perpendicular_mm")))
    n_unreadable, n_patches = given.get("n_unreadable") or 0, given.get("n_patches") or 0
    if n_unreadable:
        share = n_unreadable / n_patches if n_patches else None
        found = f"{numbers.count(n_unreadable, 'patch', 'patches')}, {numbers.percent(share)}"
        yield Worry("unreadable", share or 0.0, found)


def _findings(given: Mapping[str, Any]) -> str:
    """What quality control found: a text, or several."""
    found = given.get("qc_findings") or ""
    return found if isinstance(found, str) else ", ".join(map(str, found))
