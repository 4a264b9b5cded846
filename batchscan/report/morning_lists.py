"""Reasons, concerns and slow slides of a run's night -> the lines of the digest's tables; no layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from batchscan.report import numbers
from batchscan.report.night import ConcernFigures, ReasonFigures, RunFigures, SlideMention, SlowSlide
from batchscan.report.remedies import remedy
from batchscan.report.slide_list import line_href, report_href
from batchscan.report.words import plain

_ELLIPSIS = "\u2026"
_SENTENCE_LETTERS = 400
_MIB_A_GIB = 1024


@dataclass(frozen=True, slots=True)
class Room:
    """What a page has room for: lines of each table, slides beside a concern or reason, letters of a name."""

    reasons: int
    slides: int
    examples: int
    slowest: int
    drifting: int
    letters: int


SCREEN = Room(reasons=40, slides=10, examples=3, slowest=10, drifting=10, letters=80)
PAPER = Room(reasons=6, slides=3, examples=0, slowest=5, drifting=4, letters=26)


@dataclass(frozen=True, slots=True)
class Mention:
    """A slide by its name, a link to its report or else to its line in the list, and why it is here."""

    name: str
    href: str
    found: str = ""


@dataclass(frozen=True, slots=True)
class ReasonLine:
    """Slides that failed or were excluded for one reason, what to do, and the first of them."""

    status: str
    reason: str
    n: str
    remedy: str
    examples: tuple[Mention, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class ConcernLine:
    """Slides that somebody should look at for one reason; `more` says how many aren't named."""

    title: str
    rule: str
    n: str
    slides: tuple[Mention, ...]
    more: str


@dataclass(frozen=True, slots=True)
class SlowLine:
    """A slide that took long, and in what."""

    slide: Mention
    took: str
    mostly: str
    n_patches: str
    memory: str


class Mentions:
    """How slides are mentioned on one page of a run."""

    def __init__(self, room: Room, *, reports: bool) -> None:
        self.room, self._reports = room, reports

    def of(self, slide: SlideMention) -> Mention:
        """A slide, with a link."""
        href = report_href(slide.slide_id) if self._reports and slide.done else line_href(slide.position)
        return Mention(shortened(slide.slide_id, self.room.letters), href, plain(slide.found))


def reason_lines(figures: RunFigures, mentions: Mentions) -> tuple[tuple[ReasonLine, ...], str]:
    """The reasons of most slides, and how many reasons and slides there are besides."""
    shown, rest = figures.reasons[: mentions.room.reasons], figures.reasons[mentions.room.reasons :]
    words = ""
    if rest:
        slides = numbers.count(sum(one.n for one in rest), "slide")
        words = f"and {numbers.count(len(rest), 'more reason')} ({slides})"
    return tuple(_reason(one, mentions) for one in shown), words


def concern_lines(figures: RunFigures, mentions: Mentions) -> tuple[ConcernLine, ...]:
    """Every concern that a slide has."""
    return tuple(_concern(one, mentions) for one in figures.concerns)


def slow_lines(slides: Iterable[SlowSlide], mentions: Mentions) -> tuple[SlowLine, ...]:
    """The slides that took longest."""
    return tuple(_slow(one, mentions) for one in slides)


def shortened(words: str, letters: int) -> str:
    """The words, or their beginning and end where they are longer: names of slides often differ in the end."""
    words = plain(words)
    if len(words) <= letters:
        return words
    tail = (letters - 1) // 2
    return f"{words[: letters - 1 - tail]}{_ELLIPSIS}{words[len(words) - tail :]}"


def _reason(one: ReasonFigures, mentions: Mentions) -> ReasonLine:
    return ReasonLine(
        status=one.status,
        reason=shortened(one.reason, mentions.room.letters),
        n=numbers.count(one.n),
        remedy=remedy(one.reason),
        examples=tuple(mentions.of(slide) for slide in one.examples[: mentions.room.examples]),
        sentence=shortened(one.sentence, _SENTENCE_LETTERS),
    )


def _concern(one: ConcernFigures, mentions: Mentions) -> ConcernLine:
    shown = one.slides[: mentions.room.slides]
    rest = one.n - len(shown)
    return ConcernLine(
        title=one.concern.title,
        rule=one.concern.rule,
        n=numbers.count(one.n),
        slides=tuple(mentions.of(slide) for slide in shown),
        more=f"and {rest:,} more" if rest else "",
    )


def _slow(one: SlowSlide, mentions: Mentions) -> SlowLine:
    took = one.took
    mostly = (
        f"{plain(took.longest_stage)}, {numbers.percent(took.share)}"
        if took.timed
        else "start to end: no stage was timed"
    )
    peak = took.peak_rss_mb
    return SlowLine(
        slide=mentions.of(one.slide),
        took=numbers.duration(took.seconds),
        mostly=mostly,
        n_patches=numbers.count(one.n_patches),
        memory=numbers.not_defined() if peak is None else f"{peak / _MIB_A_GIB:.2f} GiB",
    )
