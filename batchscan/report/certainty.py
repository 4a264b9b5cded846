"""A result and its model's card become how sure the area is: what threshold, calibration and validation say of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np

from batchscan.domain.card import ModelCard
from batchscan.domain.records import Float64Array, ScanSettings, SlideResult
from batchscan.report import numbers
from batchscan.report.cautions import ROUNDING, uncertain_band, value_range
from batchscan.report.language import say
from batchscan.report.performance import unseen
from batchscan.report.scores import other_scores
from batchscan.report.words import Fact

# 95 % of normally distributed differences lie within so many standard deviations (Bland & Altman 1986).
_WITHIN = 1.96
# A standard deviation of fewer errors says nothing, and one of a few says little.
_LEAST_SLIDES, _ENOUGH_SLIDES = 3, 20
_STRANGE = "none"


@dataclass(frozen=True, slots=True)
class AreaBand:
    """The IDC-positive area, mm2, at the upper and at the lower end of the uncertain band of p(IDC)."""

    low_mm2: float
    high_mm2: float


@dataclass(frozen=True, slots=True)
class AreaAgreement:
    """Area found less area labelled on `n` slides that the judging networks never saw, mm2.

    `limits_mm2` are bias -+ 1.96 standard deviations; None of fewer than three slides.
    """

    n: int
    bias_mm2: float
    limits_mm2: tuple[float, float] | None


def area_band(result: SlideResult) -> AreaBand | None:
    """What the area would be with its threshold moved over the uncertain band; None where no area is defined."""
    if result.extent.idc_mm2 is None:
        return None
    low, high = uncertain_band(result.settings.threshold)
    p, area_mm2 = _read_patches(result)
    return AreaBand(math.fsum(area_mm2[p > high + ROUNDING]), math.fsum(area_mm2[p >= low - ROUNDING]))


def expected_mm2(result: SlideResult) -> float | None:
    """The area that the probabilities themselves add up to; None where they are not calibrated or there is no area."""
    if result.extent.idc_mm2 is None or result.settings.aggregation.is_uncalibrated:
        return None
    p, area_mm2 = _read_patches(result)
    return math.fsum(p * area_mm2)


def area_agreement(card: ModelCard) -> AreaAgreement | None:
    """How far areas were off in the model's own cross-validation; None where its card doesn't say."""
    folds = card.cross_validation.slides if card.cross_validation else ()
    errors = [fold.figures["idc_mm2_error"].mean for fold in folds if "idc_mm2_error" in fold.figures]
    if not errors:
        return None
    bias = mean(errors)
    if len(errors) < _LEAST_SLIDES:
        return AreaAgreement(len(errors), bias, None)
    reach = _WITHIN * stdev(errors)
    return AreaAgreement(len(errors), bias, (bias - reach, bias + reach))


def sure_title(result: SlideResult) -> str:
    """What stands above these rows."""
    return say("sure-title-no-area") if result.extent.idc_mm2 is None else say("sure-title")


def how_sure(result: SlideResult, card: ModelCard) -> tuple[Fact, ...]:
    """Page one's rows on how sure its area is; without an area, what is known of the model alone."""
    return tuple(_rows(result, card))


def band_note(result: SlideResult) -> str:
    """The band as a range, `threshold moved: 88.1 to 104 mm²`; empty where there is none."""
    band = area_band(result)
    if band is None:
        return ""
    low, high = _ends(band)
    return say("figure-area-range", low=low, high=high) if low else say("figure-area-same")


def _ends(band: AreaBand) -> tuple[str, str]:
    """Both as they are printed, the lower without its unit; the lower empty where they are printed alike."""
    low, high = numbers.area(band.low_mm2), numbers.area(band.high_mm2)
    return ("" if low == high else low.removesuffix(" mm\u00b2")), high


def _rows(result: SlideResult, card: ModelCard) -> Iterator[Fact]:
    band = area_band(result)
    if band:
        yield Fact(say("sure-threshold"), _threshold(band, result.settings.threshold))
        yield Fact(say("sure-calibration"), _calibration(result))
        yield Fact(say("sure-agreement"), _agreement(result, card))
    yield Fact(say("sure-patches"), _patches(result, card))


def _threshold(band: AreaBand, threshold: float) -> str:
    low, high = _ends(band)
    p_low, p_high = map(numbers.fine_score, uncertain_band(threshold))
    ends = {"high": high, "p-low": p_low, "p-high": p_high}
    return say("sure-threshold-range", low=low, **ends) if low else say("sure-threshold-same", **ends)


def _calibration(result: SlideResult) -> str:
    expected = expected_mm2(result)
    if expected is None:
        return say("sure-calibration-none")
    band = area_band(result)
    is_apart = band is not None and not band.low_mm2 <= expected <= band.high_mm2
    return say(f"sure-calibration-{'apart' if is_apart else 'sum'}", area=numbers.area(expected))


def _agreement(result: SlideResult, card: ModelCard) -> str:
    found = area_agreement(card)
    if found is None:
        return say("sure-agreement-none")
    bias = numbers.difference(found.bias_mm2, "mm\u00b2", decimals=1)
    if found.limits_mm2 is None:
        return say("sure-agreement-bias", n=found.n, count=numbers.count(found.n), bias=bias)
    low, high = (numbers.difference(limit, decimals=1) for limit in found.limits_mm2)
    few = "-few" if found.n < _ENOUGH_SLIDES else ""
    folds = card.cross_validation.slides if card.cross_validation else ()
    known = _known(result, {fold.slide for fold in folds})
    slides = numbers.counted(found.n, "slides")
    said = say(f"sure-agreement-limits{few}", low=low, high=high, bias=bias, slides=slides, known=known)
    # Of few slides such limits hold less than they say; of a known slide, or one judged otherwise, nothing.
    fits = not few and known == _STRANGE and _is_judged_as(card, result.settings)
    band = labelled_band(result, found.limits_mm2) if fits else None
    if band is None:
        return said
    least, most = _ends(band)
    return f"{said} {say('sure-agreement-here', low=least, high=most)}" if least else said


def _is_judged_as(card: ModelCard, settings: ScanSettings) -> bool:
    return settings.threshold == card.threshold.value and not any(other_scores(settings, card))


def labelled_band(result: SlideResult, limits_mm2: tuple[float, float]) -> AreaBand | None:
    """What limits of agreement leave for the area, mm2, that would be labelled where so much was found.

    At least none and at most all tissue; None where less was found than the limits say is found beyond what is
    labelled, as they don't fit such a slide, and where no area is defined.
    """
    found_mm2, tissue_mm2 = result.extent.idc_mm2, result.extent.tissue_mm2
    low, high = limits_mm2
    if found_mm2 is None or tissue_mm2 is None or found_mm2 < low:
        return None
    return AreaBand(max(0.0, found_mm2 - high), min(tissue_mm2, found_mm2 - low))


def _patches(result: SlideResult, card: ModelCard) -> str:
    tests = unseen(card)
    if not tests:
        return say("sure-patches-none")
    return say(
        "sure-patches-alike" if card.cross_validation else "sure-patches-own",
        auroc=value_range([row.auroc for row in tests]),
        sensitivity=value_range([row.sensitivity for row in tests]),
        specificity=value_range([row.specificity for row in tests]),
        n=len(tests),
        count=numbers.count(len(tests)),
        known=_known(result, {row.patient for row in tests}),
    )


def _known(result: SlideResult, names: Collection[str]) -> str:
    """Whether figures of the card are of this very slide, or of its patient: then they are no independent word on it.

    By name, as the card has no other: somebody else's slide of the same name counts too.
    """
    if result.slide.slide_id in names:
        return "slide"
    return "patient" if result.slide.patient_id in names else _STRANGE


def _read_patches(result: SlideResult) -> tuple[Float64Array, Float64Array]:
    """p_idc and tissue area, mm2, of each patch that was read; each (n,) float64."""
    table = result.table
    area_px = table.tissue_fraction * table.grid.cell_areas_px(table.row, table.col)
    area_mm2 = area_px * result.slide.spacing.mm2(1.0)
    return table.p_idc[table.readable].astype(np.float64), area_mm2[table.readable].astype(np.float64)
