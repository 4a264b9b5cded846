"""The slides of a run become pages that list them, so many a page; no layout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

from batchscan.domain.records import SlideStatus
from batchscan.report import numbers
from batchscan.report.language import say
from batchscan.report.words import plain
from batchscan.stores.ledger_view import LedgerRow

N_A_PAGE = 500
"""Rows of one page."""

NOT_JUDGED = "not judged"
GRADE_WORDS = {"good": "good", "review": "review", "not_analysable": "not analysable"}
"""What quality control says of a slide, in words."""


@dataclass(frozen=True, slots=True)
class SlideLine:
    """One slide of a run; `href` is empty unless there is a report to open, `anchor` names it within its page.

    `has_extent` says whether there are numbers to show; where not, `remark` says why.
    """

    anchor: str
    slide_id: str
    patient_id: str
    href: str
    status: str
    remark: str
    has_extent: bool
    tissue: str
    idc: str
    share: str
    n_foci: str
    largest: str
    field_extent: str
    n_patches: str
    n_positive: str
    n_unreadable: str
    edge: str
    grade: str
    seconds: str


@dataclass(frozen=True, slots=True)
class PageLink:
    """A page of the list: its number and file, empty `href` for the one that is being read."""

    number: str
    href: str


@dataclass(frozen=True, slots=True)
class SlidesPage:
    """Everything that one page of the list says; `range` is which of how many slides."""

    name: str
    version: str
    research_use: str
    range: str
    file: str
    pages: tuple[PageLink, ...]
    lines: tuple[SlideLine, ...]


def slides_file(page: int) -> str:
    """The name of a page's file; pages count from 0, names from 1."""
    return f"slides-{page + 1:03d}.html"


def report_href(slide_id: str) -> str:
    """A slide's report, seen from the run folder."""
    return f"slides/{quote(slide_id, safe='')}/report.pdf"


def line_href(position: int) -> str:
    """A slide's line in the list, by its place among those asked for (from 0)."""
    return f"{slides_file(position // N_A_PAGE)}#{_anchor(position)}"


def n_pages(n_slides: int) -> int:
    """How many pages the list has; a run without slides has an empty one."""
    return max(1, -(-n_slides // N_A_PAGE))


def slides_pages(
    name: str, rows: Iterable[LedgerRow], n_slides: int, version: str, *, reports: bool
) -> Iterator[SlidesPage]:
    """The pages of the list, one after another.

    Parameters
    ----------
    name, version
        The run's and the program's.
    rows
        Every slide, in the order asked for: `n_slides` of them.
    reports
        Whether done slides have a report.
    """
    files = [slides_file(page) for page in range(n_pages(n_slides))]
    waiting = enumerate(rows)
    for page, file in enumerate(files):
        lines = tuple(_line(position, row, reports=reports) for position, row in islice(waiting, N_A_PAGE))
        first = page * N_A_PAGE
        yield SlidesPage(
            name=plain(name),
            version=version,
            research_use=say("research-use"),
            range=f"{first + 1:,} to {first + len(lines):,} of {n_slides:,}" if lines else "none",
            file=file,
            pages=tuple(PageLink(str(i + 1), "" if i == page else other) for i, other in enumerate(files)),
            lines=lines,
        )


def _anchor(position: int) -> str:
    return f"s{position + 1}"


def _line(position: int, row: LedgerRow, *, reports: bool) -> SlideLine:
    given = row.numbers
    done = row.status is SlideStatus.DONE
    return SlideLine(
        anchor=_anchor(position),
        slide_id=plain(row.slide_id),
        patient_id=plain(row.patient_id),
        href=report_href(row.slide_id) if reports and done else "",
        status=row.status.value,
        remark=plain(row.sentence or row.reason),
        has_extent=given.get("idc_mm2") is not None,
        tissue=numbers.area(given.get("tissue_mm2")),
        idc=numbers.area(given.get("idc_mm2")),
        share=numbers.percent(given.get("idc_fraction")),
        n_foci=numbers.count(given.get("n_foci")),
        largest=numbers.dimensions(given.get("largest_focus_mm"), given.get("perpendicular_mm")),
        field_extent=numbers.length(given.get("field_extent_mm")),
        n_patches=numbers.count(given.get("n_patches")),
        n_positive=numbers.count(given.get("n_positive")),
        n_unreadable=numbers.count(given.get("n_unreadable")),
        edge="yes" if given.get("touches_edge") else "",
        grade=_grade(given),
        seconds=numbers.duration(given.get("seconds_total")),
    )


def _grade(given: Mapping[str, Any]) -> str:
    return GRADE_WORDS.get(given.get("qc_grade") or "", NOT_JUDGED)
