"""A slide's result becomes the answer of its report's page one: whose slide, is there IDC, how much."""

from __future__ import annotations

from batchscan.domain.geometry import SpacingSource
from batchscan.domain.records import Extent, SlideResult
from batchscan.report import captions, numbers
from batchscan.report.cautions import n_uncertain, uncertain_band
from batchscan.report.certainty import band_note
from batchscan.report.foci import cell_diagonal, cell_mm, largest_focus
from batchscan.report.quality import refusal, refused_figures
from batchscan.report.words import Fact, spacing


def identity(result: SlideResult) -> str:
    """Whose slide, how large, at which spacing, by which model."""
    slide, model = result.slide, result.model
    # Page one says the rest of such a spacing in a caution.
    who = "not stated by the slide" if slide.spacing.source is SpacingSource.OPTION else ""
    return (
        f"Patient {slide.patient_id}, {captions.size(result)}. Spacing {spacing(slide, who)}. "
        f"Model {model.name} {model.version}."
    )


def headline(result: SlideResult) -> str:
    """The answer in one line."""
    extent = result.extent
    if not result.counts.tissue:
        return "No tissue was found: extent not defined"
    if result.quality.refuses:
        return refusal(result.quality)[0]
    if extent.idc_mm2 is None:
        return "Not analysed: the extent of IDC is not defined"
    if not extent.n_foci:
        return "No IDC-positive tissue found by this model"
    return "IDC-positive tissue found by this model"


def answer(result: SlideResult) -> str:
    """The answer in one or two sentences."""
    extent, limit = result.extent, numbers.threshold(result.settings.threshold)
    if not result.counts.tissue:
        return "No patch was scored: IDC is neither shown nor excluded."
    if result.quality.refuses:
        return refusal(result.quality)[1]
    if extent.idc_mm2 is None:
        return f"{_sentence(extent.undefined.get('idc_mm2', 'the extent is not defined'))}."
    if not extent.n_foci:
        greatest = float(result.table.p_idc[result.table.readable].max())
        highest = numbers.probability_beside(greatest, result.settings.threshold, positive=False)
        read = numbers.count(result.counts.tissue - result.counts.unreadable, "patch", "patches")
        return f"None of the {read} read reaches p(IDC) {limit}; the highest is {highest}."
    foci, share = numbers.count(extent.n_foci, "focus", "foci"), numbers.percent(extent.idc_fraction)
    return (
        f"{numbers.area(extent.idc_mm2)} in {foci}, {share} of the tissue that was read. "
        f"The largest focus {_largest(result)}."
    )


def figures(result: SlideResult) -> tuple[Fact, ...]:
    """The numbers of page one; of a slide that is not analysable what refuses it, in place of an extent."""
    if result.quality.refuses:
        return refused_figures(result.quality)
    extent, counts = result.extent, result.counts
    read_mm2 = (extent.tissue_mm2 or 0.0) - (extent.unreadable_mm2 or 0.0)
    low, high = map(numbers.score, uncertain_band(result.settings.threshold))
    return (
        _extent_fact(
            extent,
            "idc_mm2",
            "IDC-positive area",
            numbers.area(extent.idc_mm2),
            band_note(result),
        ),
        _extent_fact(
            extent,
            "idc_fraction",
            "Share of tissue",
            numbers.percent(extent.idc_fraction),
            f"of {numbers.area(read_mm2)} read",
        ),
        _extent_fact(
            extent,
            "largest_focus_mm",
            "Largest focus",
            numbers.dimensions(extent.largest_focus_mm, extent.perpendicular_mm),
            "one patch: its diagonals" if _is_one_patch(extent) else "greatest \u00d7 perpendicular",
        ),
        _extent_fact(extent, "n_foci", "Foci over 1 mm", _over_1_mm(extent), "by their greatest dimension"),
        _extent_fact(
            extent,
            "field_extent_mm",
            "Field extent",
            numbers.length(extent.field_extent_mm),
            "across all foci together",
        ),
        Fact("Tissue area", numbers.area(extent.tissue_mm2), numbers.count(counts.tissue, "patch", "patches")),
        Fact(
            "Uncertain patches",
            numbers.count(n_uncertain(result), "patch", "patches"),
            f"with p from {low} to {high}",
        ),
        _not_analysed(result),
    )


def n_over_1_mm(extent: Extent) -> int:
    """How many foci are longer than 1 mm."""
    return sum(focus.greatest_mm > 1.0 for focus in extent.foci)


def _over_1_mm(extent: Extent) -> str:
    return f"{n_over_1_mm(extent):,} of {extent.n_foci:,}" if extent.n_foci else numbers.count(extent.n_foci)


def _not_analysed(result: SlideResult) -> Fact:
    """Tissue that no patch speaks for; of an older result, which doesn't know all of it, what couldn't be read."""
    unscanned_mm2, unreadable_mm2 = result.qc.get("unscanned_tissue_mm2"), result.extent.unreadable_mm2
    if unscanned_mm2 is None or unreadable_mm2 is None:
        patches = numbers.count(result.counts.unreadable, "patch", "patches")
        return Fact("Unreadable tissue", numbers.area(unreadable_mm2), patches)
    return Fact("Tissue not analysed", numbers.area(unscanned_mm2 + unreadable_mm2), "see below what, and why")


def _largest(result: SlideResult) -> str:
    """Its dimensions; of a single patch, what they are measured along."""
    extent, patch = result.extent, result.settings.patch
    if _is_one_patch(extent):
        return f"is one patch, {numbers.length(cell_mm(patch))} wide and {cell_diagonal(patch)} across its corners"
    return f"measures {numbers.dimensions(extent.largest_focus_mm, extent.perpendicular_mm)}"


def _is_one_patch(extent: Extent) -> bool:
    focus = largest_focus(extent)
    return focus is not None and focus.n_patches == 1


def _extent_fact(extent: Extent, name: str, label: str, value: str, note: str = "") -> Fact:
    if getattr(extent, name) is None:
        return Fact(label, numbers.not_defined(), extent.undefined.get(name, ""))
    return Fact(label, value, note)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
