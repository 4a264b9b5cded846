"""A result and its model's card become the method page: what was done, by what, and what each number means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batchscan.domain.card import ModelCard
from batchscan.domain.records import SlideResult
from batchscan.report import numbers
from batchscan.report.boundaries import SIZE_LIMITS_MM
from batchscan.report.cautions import UNCERTAIN_ODDS, uncertain_band
from batchscan.report.foci import cell_diagonal, cell_mm
from batchscan.report.performance import PerformanceRow, performance_note, performance_rows
from batchscan.report.scores import score_definitions, score_facts
from batchscan.report.words import Fact, is_reduced, spacing

# Writing isn't over when the page is printed, and a page printed again shall say the same.
_TIMED_BEFORE_PRINTING = ("read", "tissue", "infer")
# Letters in a line of a definition, beside its label.
_LINE_LETTERS = 48
_PRECISIONS = {"f32": "32-bit numbers", "bf16": "16-bit numbers"}


@dataclass(frozen=True, slots=True)
class Provenance:
    """The method page.

    Parameters
    ----------
    model, settings, slide
        Facts about the model, how it was applied, and to what.
    hashes
        What identifies model, slide and result.
    timings
        Seconds by stage.
    performance, performance_note
        Held-out measurements, and what they are worth.
    limits
        What the model's card warns of.
    definitions
        What each number of the report means; none where the slide is not analysable.
    """

    model: tuple[Fact, ...]
    settings: tuple[Fact, ...]
    slide: tuple[Fact, ...]
    hashes: tuple[Fact, ...]
    timings: tuple[Fact, ...]
    performance: tuple[PerformanceRow, ...]
    performance_note: str
    limits: tuple[str, ...]
    definitions: tuple[Fact, ...]

    @property
    def columns(self) -> Mapping[str, tuple[tuple[Fact, ...], ...]]:
        """Settings, slide and definitions, each in two columns of about the same height."""
        return {
            "settings": _columns(self.settings),
            "slide": _columns(self.slide),
            "definitions": _columns(self.definitions),
        }


def provenance(result: SlideResult, card: ModelCard) -> Provenance:
    """The method page of a slide's report."""
    return Provenance(
        model=_model(result, card),
        settings=_settings(result, card),
        slide=_slide(result),
        hashes=_hashes(result),
        timings=tuple(Fact(name, numbers.duration(result.seconds[name])) for name in _TIMED_BEFORE_PRINTING),
        performance=performance_rows(card),
        performance_note=performance_note(card),
        limits=card.limits,
        definitions=_definitions(result, card),
    )


def _columns(facts: tuple[Fact, ...]) -> tuple[tuple[Fact, ...], ...]:
    cut = min(range(len(facts) + 1), key=lambda i: max(_height(facts[:i]), _height(facts[i:])))
    return facts[:cut], facts[cut:]


def _height(facts: Sequence[Fact]) -> float:
    # A line between two of them takes about half a line of words.
    return sum(math.ceil((len(fact.value) + len(fact.note)) / _LINE_LETTERS) + 0.5 for fact in facts)


def _model(result: SlideResult, card: ModelCard) -> tuple[Fact, ...]:
    return (
        Fact("Name, version", f"{result.model.name} {result.model.version}"),
        Fact("Architecture", card.architecture),
        Fact("Intended use", card.intended_use),
        Fact("Trained on", f"{numbers.count(len(card.training_patients), 'patient')}", card.training_data),
        Fact("Model\u2019s spacing", numbers.spacing(card.scale.um_per_px), card.scale.how_known),
    )


def _settings(result: SlideResult, card: ModelCard) -> tuple[Fact, ...]:
    settings = result.settings
    patch = settings.patch
    side_mm2 = (patch.side_um / 1000) ** 2
    return (
        Fact("Engine", result.engine.name, _precision(result.engine.precision)),
        Fact(
            "Threshold",
            f"p(IDC) \u2265 {numbers.threshold(settings.threshold)}",
            _threshold_source(settings.threshold, card),
        ),
        Fact(
            "Patch",
            f"{numbers.micrometres(patch.side_um)} \u00d7 {numbers.micrometres(patch.side_um)}",
            f"{patch.patch_px} px at {numbers.spacing(patch.um_per_px)}, {numbers.area(side_mm2)}",
        ),
        Fact("Stride", f"{patch.stride:g} of a patch", "no overlap" if patch.stride == 1 else "overlapping"),
        *score_facts(settings, card),
        Fact("Scanned", f"cells with at least {numbers.percent(settings.min_tissue)} tissue"),
        Fact("Slide fails", f"above {numbers.percent(settings.max_unreadable)} unreadable patches"),
        *_borderline(result),
    )


def _borderline(result: SlideResult) -> tuple[Fact, ...]:
    if result.counts.borderline is None:
        return ()
    tolerance = numbers.threshold(result.settings.tolerance)
    patches = numbers.count(result.counts.borderline, "patch", "patches")
    note = f"a change of p_raw by {tolerance}, the most between engines, would flip them"
    return (Fact("Engine-borderline", patches, note),)


def _precision(name: str) -> str:
    return f"{_PRECISIONS[name]}, {name}" if name in _PRECISIONS else name


def _threshold_source(threshold: float, card: ModelCard) -> str:
    if threshold == card.threshold.value:
        return f"the model\u2019s own: {card.threshold.how_chosen}"
    return f"set for this run; the model\u2019s own is {numbers.threshold(card.threshold.value)}"


def _slide(result: SlideResult) -> tuple[Fact, ...]:
    slide = result.slide
    width, height = (numbers.length(slide.spacing.mm(side)) for side in (slide.width_px, slide.height_px))
    return (
        Fact("Size", f"{slide.width_px:,} \u00d7 {slide.height_px:,} px", f"{width} \u00d7 {height}"),
        Fact("Spacing", spacing(slide)),
        *_original(result),
        *_counts(result),
        *(Fact(*numbers.fact(name, value)) for name, value in result.qc.items()),
    )


def _counts(result: SlideResult) -> tuple[Fact, ...]:
    counts = result.counts
    scanned = Fact("Patches scanned", f"{counts.tissue:,} of {counts.grid:,} on the grid")
    if counts.positive is None:
        return (scanned,)
    return scanned, Fact("Positive patches", numbers.count(counts.positive))


def _original(result: SlideResult) -> tuple[Fact, ...]:
    if not is_reduced(result.slide):
        return ()
    factor = f"{result.slide.source_downsample:.5g}"
    return (Fact("Stored", "reduced", f"{factor} pixels of the original file across one stored pixel"),)


def _hashes(result: SlideResult) -> tuple[Fact, ...]:
    return (
        Fact("Model", f"sha256:{result.model.sha256}", "fingerprint of the weights file"),
        Fact("Slide", result.slide.fingerprint, "fingerprint of the stored pixels"),
        Fact("Result", result.digest, "fingerprint of all that determines it"),
    )


def _definitions(result: SlideResult, card: ModelCard) -> tuple[Fact, ...]:
    """None where no number is given that could mean anything."""
    if result.quality.refuses:
        return ()
    return (
        *score_definitions(result.settings, card),
        *_of_areas(result),
        *_of_foci(result),
        *_of_certainty(result),
    )


def _of_areas(result: SlideResult) -> tuple[Fact, ...]:
    settings = result.settings
    return (
        Fact("Positive", f"a patch with p(IDC) \u2265 {numbers.threshold(settings.threshold)}."),
        Fact(
            "Tissue area",
            "\u03a3 a t over the scanned cells; a the area of a cell, t the share of tissue in it; each cell counts "
            "once, whatever the overlap of patches.",
        ),
        Fact("IDC-positive area", "\u03a3 a t over the positive cells only."),
        Fact("Share of tissue", "IDC-positive area \u00f7 (tissue area \u2212 unreadable area)."),
        Fact("Unreadable", "patches whose pixels could not be read: in the tissue area, not in the share."),
        Fact(
            "Not analysed",
            "tissue of unreadable patches, and of cells with less than "
            f"{numbers.percent(settings.min_tissue)} tissue, which are not scanned and not in the tissue area.",
        ),
    )


def _of_foci(result: SlideResult) -> tuple[Fact, ...]:
    patch = result.settings.patch
    return (
        Fact("Focus", "positive cells that touch by a side or a corner."),
        Fact(
            "Greatest",
            "largest distance between two points of a focus\u2019s outline, its Feret diameter "
            f"(of one patch: its diagonal, {cell_diagonal(patch)}).",
        ),
        Fact("Perpendicular", "extent of the same outline at right angles to its greatest dimension."),
        Fact("Largest focus", "the one with the greatest dimension; the table is ordered by area."),
        Fact("Foci over 1 mm", "those with a greatest dimension above 1 mm."),
        Fact("Field extent", "greatest dimension over all positive cells of the slide together."),
        Fact("Isolated", "a positive patch none of whose eight neighbours is: a focus of one patch."),
        Fact(
            "Resolution",
            f"outlines follow the cells, so a dimension is known to about {numbers.length(cell_mm(patch))}.",
        ),
        Fact(
            "Boundary",
            f"a dimension less or plus one patch side, {numbers.length(patch.side_um / 1000)}, reaches "
            f"{_listed(SIZE_LIMITS_MM)} mm, limits of tumour size categories.",
        ),
    )


def _of_certainty(result: SlideResult) -> tuple[Fact, ...]:
    low, high = map(numbers.score, uncertain_band(result.settings.threshold))
    return (
        Fact(
            "Uncertain band",
            f"p(IDC) from {low} to {high}: odds, p \u00f7 (1 \u2212 p), within a factor of {UNCERTAIN_ODDS:g} of the "
            "threshold\u2019s. The area\u2019s range is that with the threshold at either end.",
        ),
        Fact("Calibrated sum", "\u03a3 a t p(IDC) over the patches that were read; given where p(IDC) is calibrated."),
        Fact(
            "Agreement",
            "on cross-validated slides, area found \u2212 area labelled: its mean, and mean \u00b1 1.96 standard "
            "deviations (95 % limits of agreement, Bland and Altman).",
        ),
    )


def _listed(values: Sequence[float]) -> str:
    return f"{', '.join(f'{value:g}' for value in values[:-1])} or {values[-1]:g}"
