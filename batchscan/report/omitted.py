"""A slide's result becomes what could not be analysed: which part of it, how large, and why."""

from __future__ import annotations

from collections.abc import Iterator

from batchscan.domain.records import SlideResult
from batchscan.report import numbers
from batchscan.report.words import Fact


def not_analysed(result: SlideResult) -> tuple[Fact, ...]:
    """Page one's rows: unreadable, damaged, under pen, or in cells with too little tissue to be looked at.

    What an older result doesn't know is left out, never given as nothing.
    """
    return tuple(_rows(result))


def _rows(result: SlideResult) -> Iterator[Fact]:
    counts, extent = result.counts, result.extent
    if result.quality.refuses:
        yield Fact("The whole slide", "it is not analysable: no patch was judged positive or negative.")
    if counts.tissue:
        patches = numbers.count(counts.unreadable, "patch", "patches")
        size = f" = {numbers.area(extent.unreadable_mm2)}" if extent.unreadable_mm2 else ""
        of_all = f" of {counts.tissue:,}" if counts.unreadable else ""
        yield Fact("Unreadable", f"{patches}{of_all}{size}." if counts.unreadable else "nothing.")
    yield from _damaged(result)
    yield from _under_pen(result)
    yield from _too_little(result)


def _damaged(result: SlideResult) -> Iterator[Fact]:
    n, area_mm2 = result.qc.get("damaged_squares"), result.qc.get("damaged_mm2")
    if n:
        squares = numbers.count(n, "damaged square")
        yield Fact("Damaged file", f"{squares} = {numbers.area(area_mm2)} of the slide could not be decoded.")
    elif n is not None:
        yield Fact("Damaged file", "nothing.")


def _under_pen(result: SlideResult) -> Iterator[Fact]:
    share, slide = result.qc.get("pen_share"), result.slide
    if share is None:
        return
    area_mm2 = share * slide.spacing.mm2(float(slide.width_px) * slide.height_px)
    yield Fact("Pen", f"{numbers.area(area_mm2)} of the slide are under pen marks." if share else "no pen marks.")


def _too_little(result: SlideResult) -> Iterator[Fact]:
    area_mm2 = result.qc.get("unscanned_tissue_mm2")
    if area_mm2 is None:
        return
    least = numbers.percent(result.settings.min_tissue)
    words = f"{numbers.area(area_mm2)} of tissue, in cells with less than {least} of it." if area_mm2 else "nothing."
    yield Fact("Not scanned", words)
