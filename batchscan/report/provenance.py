"""A result and its model's card become the method page: what was done, by what, and what each number means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from batchscan.domain.card import ModelCard
from batchscan.domain.records import SlideResult
from batchscan.report import numbers
from batchscan.report.cautions import UNCERTAIN_ODDS
from batchscan.report.foci import cell_diagonal, cell_mm
from batchscan.report.performance import PerformanceRow, performance_note, performance_rows
from batchscan.report.scores import score_definitions, score_facts
from batchscan.report.words import Fact, is_reduced, spacing

# Writing isn't over when the page is printed, and a page printed again shall say the same.
_TIMED_BEFORE_PRINTING = ("read", "tissue", "infer")
_TECHNICAL = ("_rgb", "_um_per_px")
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
        What each number of the report means.
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
    def definition_columns(self) -> tuple[tuple[Fact, ...], ...]:
        """The definitions in two columns of about the same height."""

        def height(facts: Sequence[Fact]) -> float:
            # A line between two of them takes about half a line of words.
            return sum(math.ceil(len(fact.value) / _LINE_LETTERS) + 0.5 for fact in facts)

        whole = self.definitions
        cut = min(range(len(whole) + 1), key=lambda i: max(height(whole[:i]), height(whole[i:])))
        return whole[:cut], whole[cut:]


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


def is_technical(fact: str) -> bool:
    """Whether a QC fact of this name stands on the method page only."""
    return fact.endswith(_TECHNICAL)


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
        *(Fact(*numbers.fact(name, value)) for name, value in result.qc.items() if is_technical(name)),
    )


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
    settings = result.settings
    grain, diagonal = numbers.length(cell_mm(settings.patch)), cell_diagonal(settings.patch)
    return (
        *score_definitions(settings, card),
        Fact("Positive", f"a patch with p(IDC) \u2265 {numbers.threshold(settings.threshold)}."),
        Fact(
            "Tissue area",
            "sum over the scanned cells of cell area \u00d7 share of tissue in it; each cell counts once.",
        ),
        Fact("IDC-positive area", "the same sum over the positive cells only."),
        Fact("Share of tissue", "IDC-positive area \u00f7 (tissue area \u2212 unreadable area)."),
        Fact("Focus", "positive cells that touch by a side or a corner."),
        Fact(
            "Greatest",
            "largest distance between two points of a focus\u2019s outline, its Feret diameter "
            f"(of one patch: its diagonal, {diagonal}).",
        ),
        Fact("Perpendicular", "extent of the same outline at right angles to its greatest dimension."),
        Fact("Largest focus", "the one with the greatest dimension; the table is ordered by area."),
        Fact("Field extent", "greatest dimension over all positive cells of the slide together."),
        Fact(
            "Uncertain patches",
            f"those whose odds, p(IDC) \u00f7 (1 \u2212 p(IDC)), are within a factor of {UNCERTAIN_ODDS:g} of the "
            "threshold\u2019s.",
        ),
        Fact("Unreadable", "patches whose pixels could not be read: in the tissue area, not in the share."),
        Fact("Resolution", f"outlines follow the cells, so a dimension is known to about {grain}."),
    )
