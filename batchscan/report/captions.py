"""A result's pictures of the whole slide in words: what stands below them, and what is read aloud instead of them."""

from __future__ import annotations

from batchscan.domain.records import Extent, SlideResult
from batchscan.report import numbers
from batchscan.report.foci import N_FOCI_LISTED
from batchscan.report.language import say
from batchscan.report.scores import has_neighbours


def overview_caption(extent: Extent) -> str:
    """What is drawn on the overview."""
    return f"{_foci_words(extent)} {say('overview-edges')}"


def _foci_words(extent: Extent) -> str:
    if extent.n_foci is None:
        return say("overview-foci-undefined")
    if not extent.n_foci:
        return say("overview-no-focus")
    if extent.n_foci > N_FOCI_LISTED:
        words = say("overview-many-foci", count=numbers.count(extent.n_foci), listed=str(N_FOCI_LISTED))
    else:
        words = say("overview-foci")
    return f"{words} {say('overview-hole')}" if _has_hole(extent) else words


def overview_alt(result: SlideResult) -> str:
    """The overview in words."""
    caption = overview_caption(result.extent)
    return say("overview-alt", slide=result.slide.slide_id, size=size(result), caption=caption)


def heatmap_caption(result: SlideResult) -> str:
    """What is drawn on the heat map."""
    if not result.table.readable.any():
        return say("heatmap-empty")
    lines = "heatmap-tissue"
    if result.extent.foci:
        lines = "heatmap-foci-hole" if _has_hole(result.extent) else "heatmap-foci"
    return f"{say('heatmap-caption' + _of_neighbours(result))} {say(lines)}"


def heatmap_alt(result: SlideResult) -> str:
    """The heat map in words."""
    counts = result.counts
    return say(
        "heatmap-alt" + _of_neighbours(result),
        patches=numbers.counted(counts.tissue - counts.unreadable, "patches"),
        positive=numbers.count(counts.positive),
        limit=numbers.threshold(result.settings.threshold),
    )


def tissue_caption(result: SlideResult) -> str:
    """What is drawn on the picture of the tissue."""
    words = say("tissue-caption", least=numbers.percent(result.settings.min_tissue))
    return f"{words} {say('tissue-caption-unreadable')}" if result.counts.unreadable else words


def tissue_alt(result: SlideResult) -> str:
    """That picture in words."""
    counts = result.counts
    return say(
        "tissue-alt",
        n=counts.tissue,
        count=numbers.count(counts.tissue),
        all=numbers.count(counts.grid),
        unreadable=numbers.count(counts.unreadable),
    )


def size(result: SlideResult) -> str:
    """Width and height of the slide in millimetres."""
    spacing = result.slide.spacing
    width, height = (numbers.length(spacing.mm(side)) for side in (result.slide.width_px, result.slide.height_px))
    return say("slide-size", width=width, height=height)


def _of_neighbours(result: SlideResult) -> str:
    """The end of a message's name where a patch's p(IDC) was averaged with its neighbours'."""
    return "-neighbours" if has_neighbours(result.settings) else ""


def _has_hole(extent: Extent) -> bool:
    return any(len(polygon) > 1 for focus in extent.foci for polygon in focus.rings_px)
