"""A slide's result becomes the answer of its report's page one: whose slide, is there IDC, how much."""

from __future__ import annotations

from batchscan.domain.geometry import SpacingSource
from batchscan.domain.records import Extent, SlideResult
from batchscan.report import captions, numbers
from batchscan.report.cautions import n_uncertain, uncertain_band
from batchscan.report.certainty import band_note
from batchscan.report.foci import cell_diagonal, cell_mm, largest_focus
from batchscan.report.language import say
from batchscan.report.omitted import pen_mm2
from batchscan.report.quality import refusal, refused_figures
from batchscan.report.words import Fact, reason, spacing


def identity(result: SlideResult) -> str:
    """Whose slide, how large, at which spacing, by which model."""
    slide, model = result.slide, result.model
    # Page one says the rest of such a spacing in a caution.
    who = say("spacing-not-stated") if slide.spacing.source is SpacingSource.OPTION else ""
    return say(
        "identity",
        patient=slide.patient_id,
        size=captions.size(result),
        spacing=spacing(slide, who),
        name=model.name,
        version=model.version,
    )


def headline(result: SlideResult) -> str:
    """The answer in one line."""
    extent = result.extent
    if not result.counts.tissue:
        return say("headline-no-tissue")
    if result.quality.refuses:
        return refusal(result.quality)[0]
    if extent.idc_mm2 is None:
        return say("headline-not-analysed")
    return say("headline-found") if extent.n_foci else say("headline-none")


def answer(result: SlideResult) -> str:
    """The answer in one or two sentences."""
    extent = result.extent
    if not result.counts.tissue:
        return say("answer-no-tissue")
    if result.quality.refuses:
        return refusal(result.quality)[1]
    if extent.idc_mm2 is None:
        why = extent.undefined.get("idc_mm2")
        return f"{_sentence(reason(why) if why else say('answer-undefined'))}."
    if not extent.n_foci:
        return _without_focus(result)
    found = say(
        "answer-found",
        area=numbers.area(extent.idc_mm2),
        n=extent.n_foci,
        count=numbers.count(extent.n_foci),
        share=numbers.percent(extent.idc_fraction),
    )
    return f"{found} {_largest(result)}"


def figures(result: SlideResult) -> tuple[Fact, ...]:
    """The numbers of page one; of a slide that is not analysable what refuses it, in place of an extent."""
    if result.quality.refuses:
        return refused_figures(result.quality)
    return (*_of_extent(result), *_of_tissue(result))


def _of_extent(result: SlideResult) -> tuple[Fact, ...]:
    extent = result.extent
    read_mm2 = (extent.tissue_mm2 or 0.0) - (extent.unreadable_mm2 or 0.0)
    note = "figure-largest-is-a-patch" if _is_one_patch(extent) else "figure-largest-note"
    dimensions = numbers.dimensions(extent.largest_focus_mm, extent.perpendicular_mm)
    share_of = say("figure-share-of", area=numbers.area(read_mm2))
    return (
        _extent_fact(extent, "idc_mm2", "figure-area", numbers.area(extent.idc_mm2), band_note(result)),
        _extent_fact(extent, "idc_fraction", "figure-share", numbers.percent(extent.idc_fraction), share_of),
        _extent_fact(extent, "largest_focus_mm", "figure-largest", dimensions, say(note)),
        _extent_fact(extent, "n_foci", "figure-over-1-mm", _over_1_mm(extent), say("figure-over-1-mm-note")),
        _extent_fact(
            extent, "field_extent_mm", "figure-field", numbers.length(extent.field_extent_mm), say("figure-field-note")
        ),
    )


def _of_tissue(result: SlideResult) -> tuple[Fact, ...]:
    low, high = map(numbers.fine_score, uncertain_band(result.settings.threshold))
    n_tissue = numbers.counted(result.counts.tissue, "patches")
    return (
        Fact(say("figure-tissue"), numbers.area(result.extent.tissue_mm2), n_tissue),
        Fact(
            say("figure-uncertain"),
            numbers.counted(n_uncertain(result), "patches"),
            say("figure-uncertain-note", low=low, high=high),
        ),
        _not_analysed(result),
    )


def n_over_1_mm(extent: Extent) -> int:
    """How many foci are longer than 1 mm."""
    return sum(focus.greatest_mm > 1.0 for focus in extent.foci)


def _over_1_mm(extent: Extent) -> str:
    if not extent.n_foci:
        return numbers.count(extent.n_foci)
    over, every = numbers.count(n_over_1_mm(extent)), numbers.count(extent.n_foci)
    return say("figure-over-1-mm-value", over=over, all=every)


def _not_analysed(result: SlideResult) -> Fact:
    """Tissue that no patch speaks for; of an older result, which doesn't know all of it, what couldn't be read."""
    unscanned_mm2, unreadable_mm2 = result.qc.get("unscanned_tissue_mm2"), result.extent.unreadable_mm2
    if unscanned_mm2 is None or unreadable_mm2 is None:
        patches = numbers.counted(result.counts.unreadable, "patches")
        return Fact(say("figure-unreadable"), numbers.area(unreadable_mm2), patches)
    area, pen = numbers.area(unscanned_mm2 + unreadable_mm2), pen_mm2(result)
    # What lies under pen isn't known to be tissue, nor to be none.
    note = say("figure-not-analysed-pen", area=numbers.area(pen)) if pen else say("figure-not-analysed-note")
    return Fact(say("figure-not-analysed"), area, note)


def _without_focus(result: SlideResult) -> str:
    limit, table = result.settings.threshold, result.table
    n_read = result.counts.tissue - result.counts.unreadable
    greatest = float(table.p_idc[table.readable].max())
    return say(
        "answer-none",
        n=n_read,
        count=numbers.count(n_read),
        limit=numbers.threshold(limit),
        highest=numbers.probability_beside(greatest, limit, positive=False),
    )


def _largest(result: SlideResult) -> str:
    """Its dimensions; of a single patch, what they are measured along."""
    extent, patch = result.extent, result.settings.patch
    if _is_one_patch(extent):
        return say("answer-largest-is-a-patch", wide=numbers.length(cell_mm(patch)), across=cell_diagonal(patch))
    dimensions = numbers.dimensions(extent.largest_focus_mm, extent.perpendicular_mm)
    place = next((n for n, focus in enumerate(extent.foci, start=1) if focus is largest_focus(extent)), 1)
    if place == 1:
        return say("answer-largest", dimensions=dimensions)
    return say("answer-largest-numbered", number=numbers.count(place), dimensions=dimensions)


def _is_one_patch(extent: Extent) -> bool:
    focus = largest_focus(extent)
    return focus is not None and focus.n_patches == 1


def _extent_fact(extent: Extent, name: str, label: str, value: str, note: str) -> Fact:
    if getattr(extent, name) is None:
        return Fact(say(label), numbers.not_defined(), reason(extent.undefined.get(name, "")))
    return Fact(say(label), value, note)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
