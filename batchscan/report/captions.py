"""A result's pictures of the whole slide in words: what stands below them, and what is read aloud instead of them."""

from __future__ import annotations

from batchscan.domain.records import Extent, SlideResult
from batchscan.report import numbers
from batchscan.report.foci import N_FOCI_LISTED
from batchscan.report.scores import has_neighbours


def overview_caption(extent: Extent) -> str:
    """What is drawn on the overview."""
    return f"{_foci_words(extent)} At the edges: level-0 pixels."


def _foci_words(extent: Extent) -> str:
    if extent.n_foci is None:
        return "The whole slide; foci are not defined."
    if not extent.n_foci:
        return "No focus to outline."
    if extent.n_foci > N_FOCI_LISTED:
        words = f"All {extent.n_foci:,} foci outlined; the {N_FOCI_LISTED} of largest area are numbered."
    else:
        words = "Foci outlined, numbered by area."
    return f"{words} Dashed: hole in a focus." if _has_hole(extent) else words


def overview_alt(result: SlideResult) -> str:
    """The overview in words."""
    return f"Overview of slide {result.slide.slide_id}, {size(result)}. {overview_caption(result.extent)}"


def heatmap_caption(result: SlideResult) -> str:
    """What is drawn on the heat map."""
    if not result.table.readable.any():
        return "No patch has a probability."
    lines = "Grey line: edge of the tissue."
    if result.extent.foci:
        hole = ", dashed: hole in it" if _has_hole(result.extent) else ""
        lines = f"Black outline: focus{hole}; grey line: edge of the tissue."
    return f"p(IDC) of each patch{with_neighbours(result)}; darker is more probable. {lines}"


def heatmap_alt(result: SlideResult) -> str:
    """The heat map in words."""
    counts = result.counts
    positive = numbers.count(counts.positive)
    return (
        f"Heat map of the same view: p(IDC) of {numbers.count(counts.tissue - counts.unreadable, 'patch', 'patches')}"
        f"{' with their neighbours' if has_neighbours(result.settings) else ''}, "
        f"{positive} at or above the threshold of {numbers.threshold(result.settings.threshold)}."
    )


def tissue_caption(result: SlideResult) -> str:
    """What is drawn on the picture of the tissue."""
    least = numbers.percent(result.settings.min_tissue)
    words = f"Dark: tissue that was scanned; light: tissue in cells with less than {least} of it, not scanned."
    return f"{words} Hatched: not readable." if result.counts.unreadable else words


def tissue_alt(result: SlideResult) -> str:
    """That picture in words."""
    counts = result.counts
    return (
        f"Tissue mask of the same view: {numbers.count(counts.tissue, 'cell')} of {counts.grid:,} were scanned, "
        f"{counts.unreadable:,} of them could not be read."
    )


def with_neighbours(result: SlideResult) -> str:
    """What a patch's p(IDC) was averaged with, in words that go on from it; empty where it was not."""
    return " with its neighbours" if has_neighbours(result.settings) else ""


def size(result: SlideResult) -> str:
    """Width and height of the slide in millimetres."""
    spacing = result.slide.spacing
    width, height = spacing.mm(result.slide.width_px), spacing.mm(result.slide.height_px)
    return f"{numbers.length(width)} wide, {numbers.length(height)} high"


def _has_hole(extent: Extent) -> bool:
    return any(len(polygon) > 1 for focus in extent.foci for polygon in focus.rings_px)
