"""The figures of a run's night -> everything that its digest says, on a screen or on one sheet; no layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from batchscan.report import numbers
from batchscan.report.language import say
from batchscan.report.morning_drift import DriftCard, DriftLine, drift_cards, drift_headline, drift_lines, drift_note
from batchscan.report.morning_lists import (
    ConcernLine,
    Mentions,
    ReasonLine,
    Room,
    SlowLine,
    concern_lines,
    reason_lines,
    shortened,
    slow_lines,
)
from batchscan.report.morning_time import TimeLine, speed_facts, time_lines, time_note
from batchscan.report.night import Counts, RunFigures
from batchscan.report.slide_list import GRADE_WORDS, NOT_JUDGED
from batchscan.report.slide_table import STATUSES, SlideTable, slide_table
from batchscan.report.words import Fact, plain


@dataclass(frozen=True, slots=True)
class StatusPart:
    """Slides of one status: how many, and their share in percent, for a bar."""

    status: str
    n: str
    share: str
    width: str


@dataclass(frozen=True, slots=True)
class FileLink:
    """A file beside the page: what it is, its percent-encoded place, and what qualifies it (may be empty)."""

    words: str
    href: str
    note: str = ""


@dataclass(frozen=True)
class DigestContent:
    """Everything that a digest says.

    Parameters
    ----------
    name, title
        The run's, in full and as long as there is room for.
    headline, summary
        The answer: the counts, and a sentence each on what needs a look and on drift.
    statuses
        The counts as a bar.
    facts
        What the run was made with.
    speed
        What it got through.
    reasons, more_reasons
        Why slides are not done, and how many reasons aren't listed.
    concerns
        Which slides need a look.
    time, time_note
        Where the workers' time went.
    slowest
        Slides.
    drift, drifting, drift_note
        Things, slides, how to read them.
    files
        What to open next.
    table
        Every slide.
    """

    name: str
    title: str
    version: str
    research_use: str
    headline: str
    summary: tuple[str, ...]
    statuses: tuple[StatusPart, ...]
    facts: tuple[Fact, ...]
    speed: tuple[Fact, ...]
    reasons: tuple[ReasonLine, ...]
    more_reasons: str
    concerns: tuple[ConcernLine, ...]
    time: tuple[TimeLine, ...]
    time_note: str
    slowest: tuple[SlowLine, ...]
    drift: tuple[DriftCard, ...]
    drifting: tuple[DriftLine, ...]
    drift_note: str
    files: tuple[FileLink, ...]
    table: SlideTable


def digest_content(figures: RunFigures, room: Room, files: tuple[FileLink, ...], version: str) -> DigestContent:
    """What the digest says where there is so much room; `files` are linked as they are given."""
    mentions = Mentions(room, reports=bool(figures.facts.get("reports", True)))
    reasons, more_reasons = reason_lines(figures, mentions)
    name = str(figures.facts["name"])
    return DigestContent(
        name=plain(name),
        title=shortened(name, 2 * room.letters),
        version=version,
        research_use=say("research-use"),
        headline=_headline(figures.counts),
        summary=tuple(_summary(figures)),
        statuses=tuple(_statuses(figures.counts)),
        facts=tuple(_facts(figures.facts, figures.counts, room)),
        speed=speed_facts(figures.time),
        reasons=reasons,
        more_reasons=more_reasons,
        concerns=concern_lines(figures, mentions),
        time=time_lines(figures.time),
        time_note=time_note(figures.time),
        slowest=slow_lines(figures.slowest[: room.slowest], mentions),
        drift=drift_cards(figures.drift),
        drifting=drift_lines(figures.drift, mentions),
        drift_note=drift_note(figures.drift),
        files=files,
        table=_table(figures),
    )


def _headline(counts: Counts) -> str:
    parts = [f"{n:,} {status}" for status in STATUSES if (n := getattr(counts, status)) or status != "remaining"]
    return f"{numbers.count(counts.asked, 'slide')} asked for: {', '.join(parts)}"


def _summary(figures: RunFigures) -> Iterator[str]:
    remaining = figures.counts.remaining
    if remaining:
        verb, them = ("remains", "it") if remaining == 1 else ("remain", "them")
        rest = numbers.count(remaining, "slide")
        if figures.facts.get("running"):
            as_of = _moment(figures.facts.get("as_of"))
            yield f"Still running as of {as_of}: {rest} {verb}. `batchscan status` says how it stands now."
        else:
            yield f"{rest} {verb}: the same command goes on with {them}."
    if figures.n_concerned:
        verb = "needs" if figures.n_concerned == 1 else "need"
        why = ", ".join(f"{_lower(one.concern.title)} {one.n:,}" for one in figures.concerns)
        yield f"{numbers.count(figures.n_concerned, 'slide')} {verb} a look: {why}."
    elif figures.counts.done:
        yield "Nothing was found on the done slides that needs a look."
    if figures.counts.done:
        yield _grades(figures.grades)
    yield drift_headline(figures.drift)


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]


def _grades(grades: Mapping[str, int]) -> str:
    names = {**GRADE_WORDS, "": NOT_JUDGED}
    said = ", ".join(f"{n:,} {names[grade]}" for grade, n in grades.items() if n)
    return f"Quality of the done slides: {said}."


def _statuses(counts: Counts) -> Iterator[StatusPart]:
    for status in STATUSES:
        n = getattr(counts, status)
        share = n / counts.asked if counts.asked else 0.0
        yield StatusPart(status, f"{n:,}", numbers.percent(share) if counts.asked else "", f"{100 * share:.3f}")


def _table(figures: RunFigures) -> SlideTable:
    counts = {status: getattr(figures.counts, status) for status in STATUSES}
    reports, notices = bool(figures.facts.get("reports", True)), figures.facts.get("notices", ())
    return slide_table(figures.table, counts, figures.n_concerned, reports=reports, notices=notices)


def _facts(run: Mapping[str, Any], counts: Counts, room: Room) -> Iterator[Fact]:
    model, engine = run["model"], run["engine"]
    words = shortened(f"{model['name']} {model['version']}", 2 * room.letters)
    yield Fact("Started", _moment(run["started"]) or "not yet")
    yield Fact("Finished", _moment(run["finished"]) or _unfinished(counts))
    yield Fact("Model", words, f"sha256 {model['sha256'][:12]}")
    yield Fact("Engine", f"{engine['name']}, {engine['precision']}" if engine else "not chosen yet")
    yield Fact("Threshold", f"p(IDC) \u2265 {numbers.threshold(float(run['threshold']))}")
    # Older runs don't say.
    if "orientations" in run and "aggregation" in run:
        sigma = float(run["aggregation"]["sigma"])
        yield Fact("Orientations", f"{run['orientations']}")
        yield Fact("Neighbours", f"averaged, Gaussian with \u03c3 = {sigma:g} patch sides" if sigma else "not used")


def _unfinished(counts: Counts) -> str:
    verb = "remains" if counts.remaining == 1 else "remain"
    return f"no: {numbers.count(counts.remaining, 'slide')} {verb}"


def _moment(iso: str | None) -> str:
    """ISO 8601 text as date, minute and time zone; empty when there is none."""
    return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M %Z}".rstrip() if iso else ""
