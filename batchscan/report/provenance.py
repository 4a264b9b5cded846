"""A result and its model's card become the method page: what was done, by what, and what each number means."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from batchscan.domain.card import ModelCard
from batchscan.domain.geometry import PatchSpec
from batchscan.domain.records import SlideResult
from batchscan.report import numbers
from batchscan.report.boundaries import SIZE_LIMITS_MM
from batchscan.report.cautions import UNCERTAIN_ODDS, uncertain_band
from batchscan.report.foci import cell_diagonal, cell_mm
from batchscan.report.language import say
from batchscan.report.performance import PerformanceRow, performance_note, performance_rows
from batchscan.report.scores import score_definitions, score_facts
from batchscan.report.words import Fact, in_english, is_reduced, measured, spacing

# Writing isn't over when the page is printed, and a page printed again shall say the same.
_TIMED_BEFORE_PRINTING = ("read", "tissue", "infer")
# Letters in a line of a definition, beside its label.
_LINE_LETTERS = 48
_PRECISIONS = {"f32": "precision-f32", "bf16": "precision-bf16"}


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
    def stages(self) -> str:
        """The timings in one line."""
        return ", ".join(f"{fact.label} {fact.value}" for fact in self.timings)

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
        timings=_timings(result),
        performance=performance_rows(card),
        performance_note=performance_note(card),
        limits=card.limits,
        definitions=_definitions(result, card),
    )


def _timings(result: SlideResult) -> tuple[Fact, ...]:
    return tuple(Fact(say(f"stage-{name}"), numbers.duration(result.seconds[name])) for name in _TIMED_BEFORE_PRINTING)


def _columns(facts: tuple[Fact, ...]) -> tuple[tuple[Fact, ...], ...]:
    cut = min(range(len(facts) + 1), key=lambda i: max(_height(facts[:i]), _height(facts[i:])))
    return facts[:cut], facts[cut:]


def _height(facts: Sequence[Fact]) -> float:
    # A line between two of them takes about half a line of words.
    return sum(math.ceil((len(fact.value) + len(fact.note)) / _LINE_LETTERS) + 0.5 for fact in facts)


def _model(result: SlideResult, card: ModelCard) -> tuple[Fact, ...]:
    trained_on = numbers.counted(len(card.training_patients), "patients")
    return (
        Fact(say("model-name"), f"{result.model.name} {result.model.version}"),
        in_english(say("model-architecture"), card.architecture),
        in_english(say("model-use"), card.intended_use),
        in_english(say("model-trained"), trained_on, card.training_data),
        in_english(say("model-spacing"), numbers.spacing(card.scale.um_per_px), card.scale.how_known),
    )


def _settings(result: SlideResult, card: ModelCard) -> tuple[Fact, ...]:
    settings = result.settings
    limit = f"p(IDC) \u2265 {numbers.threshold(settings.threshold)}"
    return (
        Fact(say("engine"), result.engine.name, _precision(result.engine.precision)),
        Fact(say("threshold"), limit, _threshold_source(settings.threshold, card)),
        *_patch(settings.patch),
        *score_facts(settings, card),
        Fact(say("scanned"), say("scanned-cells", least=numbers.percent(settings.min_tissue))),
        Fact(say("fails"), say("fails-above", share=numbers.percent(settings.max_unreadable))),
        *_borderline(result),
    )


def _patch(patch: PatchSpec) -> tuple[Fact, ...]:
    side, area = numbers.micrometres(patch.side_um), numbers.area((patch.side_um / 1000) ** 2)
    at = numbers.spacing(patch.um_per_px)
    note = say("patch-note", side=str(patch.patch_px), spacing=at, area=area)
    overlap = say("stride-none") if patch.stride == 1 else say("stride-some")
    return (
        Fact(say("patch"), f"{side} {numbers.TIMES} {side}", note),
        Fact(say("stride"), say("stride-of", stride=numbers.setting(patch.stride)), overlap),
    )


def _borderline(result: SlideResult) -> tuple[Fact, ...]:
    if result.counts.borderline is None:
        return ()
    note = say("engine-borderline-note", tolerance=numbers.threshold(result.settings.tolerance))
    return (Fact(say("engine-borderline"), numbers.counted(result.counts.borderline, "patches"), note),)


def _precision(name: str) -> str:
    return say(_PRECISIONS[name]) if name in _PRECISIONS else name


def _threshold_source(threshold: float, card: ModelCard) -> str:
    if threshold == card.threshold.value:
        return say("threshold-own", how=card.threshold.how_chosen)
    return say("threshold-set", own=numbers.threshold(card.threshold.value))


def _slide(result: SlideResult) -> tuple[Fact, ...]:
    slide = result.slide
    sides = slide.width_px, slide.height_px
    px, mm = map(numbers.count, sides), (numbers.length(slide.spacing.mm(side)) for side in sides)
    by = f" {numbers.TIMES} "
    return (
        Fact(say("size-label"), f"{by.join(px)} px", by.join(mm)),
        Fact(say("spacing-label"), spacing(slide)),
        *_original(result),
        *_counts(result),
        *(measured(name, value) for name, value in result.qc.items()),
    )


def _counts(result: SlideResult) -> tuple[Fact, ...]:
    counts = result.counts
    of = say("scanned-of", count=numbers.count(counts.tissue), all=numbers.count(counts.grid))
    scanned = Fact(say("scanned-patches"), of)
    if counts.positive is None:
        return (scanned,)
    return scanned, Fact(say("positive-patches"), numbers.count(counts.positive))


def _original(result: SlideResult) -> tuple[Fact, ...]:
    if not is_reduced(result.slide):
        return ()
    factor = say("stored-factor", factor=numbers.setting(result.slide.source_downsample, digits=5))
    return (Fact(say("stored"), say("stored-reduced"), factor),)


def _hashes(result: SlideResult) -> tuple[Fact, ...]:
    return (
        Fact(say("hash-model"), f"sha256:{result.model.sha256}", say("hash-model-note")),
        Fact(say("hash-slide"), result.slide.fingerprint, say("hash-slide-note")),
        Fact(say("hash-result"), result.digest, say("hash-result-note")),
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


def _of_areas(result: SlideResult) -> Iterator[Fact]:
    yield _means("positive", limit=numbers.threshold(result.settings.threshold))
    yield from map(_means, ("tissue", "area", "share", "unreadable"))
    yield _means("not-analysed", least=numbers.percent(result.settings.min_tissue))


def _of_foci(result: SlideResult) -> Iterator[Fact]:
    patch = result.settings.patch
    yield _means("focus")
    yield _means("greatest", diagonal=cell_diagonal(patch))
    yield from map(_means, ("perpendicular", "largest", "over-1-mm", "field", "isolated"))
    yield _means("resolution", side=numbers.length(cell_mm(patch)))
    yield _means("boundary", side=numbers.length(patch.side_um / 1000), limits=_listed(SIZE_LIMITS_MM))


def _of_certainty(result: SlideResult) -> Iterator[Fact]:
    low, high = map(numbers.score, uncertain_band(result.settings.threshold))
    yield _means("band", low=low, high=high, factor=numbers.setting(UNCERTAIN_ODDS))
    yield from map(_means, ("sum", "agreement"))


def _means(name: str, **values: str) -> Fact:
    """What a number of the report means."""
    return Fact(say(f"means-{name}-label"), say(f"means-{name}", **values))


def _listed(values: Sequence[float]) -> str:
    *most, last = map(numbers.setting, values)
    return f"{', '.join(most)}{say('or')}{last}"
