"""A slide's result becomes what could not be analysed: which part of it, how large, and why."""

from __future__ import annotations

from collections.abc import Iterator

from batchscan.domain.records import SlideResult
from batchscan.report import numbers
from batchscan.report.language import say
from batchscan.report.words import Fact


def not_analysed(result: SlideResult) -> tuple[Fact, ...]:
    """Page one's rows: unreadable, damaged, under pen, or in cells with too little tissue to be looked at.

    What an older result doesn't know is left out, never given as nothing.
    """
    return tuple(_rows(result))


def _rows(result: SlideResult) -> Iterator[Fact]:
    if result.quality.refuses:
        yield Fact(say("omitted-all"), say("omitted-all-why"))
    if result.counts.tissue:
        yield Fact(say("omitted-unreadable"), _unreadable(result))
    yield from _damaged(result)
    yield from _under_pen(result)
    yield from _too_little(result)


def _unreadable(result: SlideResult) -> str:
    counts, area_mm2 = result.counts, result.extent.unreadable_mm2
    if not counts.unreadable:
        return say("omitted-nothing")
    patches, every = numbers.counted(counts.unreadable, "patches"), numbers.count(counts.tissue)
    if not area_mm2:
        return say("omitted-unreadable-some-no-area", patches=patches, all=every)
    return say("omitted-unreadable-some", patches=patches, all=every, area=numbers.area(area_mm2))


def _damaged(result: SlideResult) -> Iterator[Fact]:
    n, area_mm2 = result.qc.get("damaged_squares"), result.qc.get("damaged_mm2")
    if n is None:
        return
    some = say("omitted-damaged-some", n=n, count=numbers.count(n), area=numbers.area(area_mm2))
    yield Fact(say("omitted-damaged"), some if n else say("omitted-nothing"))


def pen_mm2(result: SlideResult) -> float | None:
    """What of the slide lies under pen marks; None where that isn't known."""
    share, slide = result.qc.get("pen_share"), result.slide
    return None if share is None else float(share * slide.spacing.mm2(float(slide.width_px) * slide.height_px))


def _under_pen(result: SlideResult) -> Iterator[Fact]:
    area_mm2 = pen_mm2(result)
    if area_mm2 is None:
        return
    some = say("omitted-pen-some", area=numbers.area(area_mm2))
    yield Fact(say("omitted-pen"), some if area_mm2 else say("omitted-pen-none"))


def _too_little(result: SlideResult) -> Iterator[Fact]:
    area_mm2 = result.qc.get("unscanned_tissue_mm2")
    if area_mm2 is None:
        return
    least = numbers.percent(result.settings.min_tissue)
    some = say("omitted-not-scanned-some", area=numbers.area(area_mm2), least=least)
    yield Fact(say("omitted-not-scanned"), some if area_mm2 else say("omitted-nothing"))
