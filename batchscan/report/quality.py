"""A slide's quality becomes words: grade and findings for page one, what stands in place of an extent, and a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from batchscan.domain.quality import BLURRED_BELOW, Grade, Limits, Quality, QualityMeasure
from batchscan.domain.records import SlideResult
from batchscan.report import numbers
from batchscan.report.words import Fact

_GRADES = {Grade.GOOD: "good", Grade.REVIEW: "review", Grade.NOT_ANALYSABLE: "not analysable"}
_MARKS = {Grade.GOOD: "good", Grade.REVIEW: "review", Grade.NOT_ANALYSABLE: "refused"}
_NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class _Words:
    """How a measure is called, what a value beyond its lower or upper limits means, and how it is measured."""

    label: str
    low: str
    high: str
    meaning: str


_STAIN_MEANING = "{}, optical density: the strongest 1 % within squares of 0.4 mm, {} over them."
_WORDS = {
    "sharpness": _Words(
        "Sharpness",
        "blurred",
        "noisy",
        "Variance of the Laplacian over that of the grey levels, as the network sees a patch; median over patches.",
    ),
    "blurred_share": _Words(
        "Blurred patches",
        "nowhere blurred",
        "blurred in parts",
        f"Share of patches, at least half tissue, whose sharpness is below {BLURRED_BELOW:g}.",
    ),
    "pen_share": _Words("Pen", "no pen", "pen marks", "Area of pen marks over that of tissue and pen."),
    "dark_share": _Words(
        "Folds, dark debris",
        "nothing dark",
        "folds or dark debris",
        "Area in and about the tissue that lets less than a third of the light through, over that of the tissue.",
    ),
    "overexposed_share": _Words(
        "Over-exposed",
        "nothing over-exposed",
        "over-exposed",
        "Share of coloured tissue in which a channel is at its end: stain is lost there.",
    ),
    "glass_level": _Words(
        "Glass brightness", "under-exposed", "bright glass", "Brightest channel of the empty glass, of 255."
    ),
    "haematoxylin_od": _Words(
        "Haematoxylin",
        "haematoxylin too pale",
        "haematoxylin too dark",
        _STAIN_MEANING.format("Haematoxylin", "upper quartile"),
    ),
    "eosin_od": _Words("Eosin", "eosin too pale", "eosin too dark", _STAIN_MEANING.format("Eosin", "median")),
    "tissue_mm2": _Words("Tissue", "little tissue", "much tissue", "Area of tissue on the slide."),
}


@dataclass(frozen=True, slots=True)
class QualityRow:
    """A line of the table: what was measured, what it came to, what is asked for, the grade, how it is measured."""

    label: str
    value: str
    good: str
    refused: str
    grade: str
    meaning: str


@dataclass(frozen=True, slots=True)
class QualityContent:
    """What a report says of a slide's quality.

    Parameters
    ----------
    grade, findings
        Page one's: the grade, and what was found beyond its limits.
    mark
        The grade in one word that a style may be named by.
    rows, note
        The table, and what stands above it.
    marks_alt, marks_caption
        The picture of what spoils the slide, in words and below it.
    """

    grade: str
    findings: str
    mark: str
    rows: tuple[QualityRow, ...]
    note: str
    marks_alt: str
    marks_caption: str


def quality_content(result: SlideResult) -> QualityContent:
    """All of it."""
    quality = result.quality
    return QualityContent(
        grade=(_GRADES[quality.grade] if quality.grade else _NOT_JUDGED).capitalize(),
        findings=quality_findings(quality),
        mark=_MARKS[quality.grade] if quality.grade else "",
        rows=quality_rows(quality),
        note=quality_note(result),
        marks_alt=marks_alt(result),
        marks_caption=marks_caption(result),
    )


def quality_findings(quality: Quality) -> str:
    """What is beyond its limits, `Blurred in parts (12 %), pen marks (4.0 %).`; where nothing is, what that means."""
    if quality.grade is None:
        return "Look at the slide before its numbers are used."
    found = ", ".join(f"{_finding(measure)} ({_value(measure, measure.value)})" for measure in _beyond(quality))
    return f"{found[:1].upper()}{found[1:]}." if found else "Every measure is within its limits."


def refusal(quality: Quality) -> tuple[str, str]:
    """Headline and answer of a slide that is not analysable, in place of an extent."""
    refused = list(_refused(quality))
    words = ", ".join(_finding(measure) for measure in refused)
    reasons = "; ".join(
        f"{_WORDS[measure.name].label} {_value(measure, measure.value)}, {_asked(measure)}" for measure in refused
    )
    return (
        f"Not analysable: {words}",
        f"IDC is neither shown nor excluded, and no extent is given. {reasons}.",
    )


def refused_figures(quality: Quality) -> tuple[Fact, ...]:
    """What page one prints in place of the numbers of an extent."""
    return tuple(
        Fact(_WORDS[measure.name].label, _value(measure, measure.value), _asked(measure))
        for measure in _refused(quality)
    )


def quality_rows(quality: Quality) -> tuple[QualityRow, ...]:
    """A line for each measure, in the order of measuring."""
    return tuple(
        QualityRow(
            label=_WORDS[measure.name].label,
            value=_value(measure, measure.value),
            good=_range(measure, measure.limits.review_below, measure.limits.review_above),
            refused=_outside(measure, measure.limits),
            grade=_GRADES[measure.grade] if measure.grade else _NOT_JUDGED,
            meaning=measure.undefined.capitalize() + "." if measure.undefined else _WORDS[measure.name].meaning,
        )
        for measure in quality.measures
    )


def quality_note(result: SlideResult) -> str:
    """What stands above the table."""
    if not result.settings.quality.enabled:
        return "The run was told not to judge the quality of slides: values are measured, and held against no limit."
    return (
        "Beyond the limits of review somebody should look at the slide before its numbers are used; beyond those of "
        "refusal no number is given. What such simple measures do not see, they do not say: tissue out of focus by "
        "less than a patch\u2019s detail, wrong stains, air bubbles, another organ."
    )


def marks_caption(result: SlideResult) -> str:
    """What is drawn on the picture of where quality is poor."""
    return (
        f"Hatched: pen; crossed: folds and dark debris; dotted: patches with a sharpness below {BLURRED_BELOW:g}. "
        f"{_marked(result)}"
    )


def marks_alt(result: SlideResult) -> str:
    """That picture in words."""
    return f"Overview of slide {result.slide.slide_id} with what spoils it marked. {_marked(result)}"


def _marked(result: SlideResult) -> str:
    shares = {measure.name: measure.value for measure in result.quality.measures}
    found = {"pen": "pen_share", "folds and dark debris": "dark_share", "blurred patches": "blurred_share"}
    said = [f"{what} {numbers.percent(shares[name])}" for what, name in found.items() if shares.get(name) is not None]
    return f"Found: {', '.join(said)}." if said else "Nothing was measured."


def _beyond(quality: Quality) -> Iterator[QualityMeasure]:
    """What is beyond its limits, the worst first."""
    for grade in (Grade.NOT_ANALYSABLE, Grade.REVIEW):
        yield from (measure for measure in quality.measures if measure.grade is grade)


def _refused(quality: Quality) -> Iterator[QualityMeasure]:
    return (measure for measure in quality.measures if measure.grade is Grade.NOT_ANALYSABLE)


def _finding(measure: QualityMeasure) -> str:
    words = _WORDS[measure.name]
    return words.low if measure.value is not None and measure.limits.is_low(measure.value) else words.high


def _asked(measure: QualityMeasure) -> str:
    """What a refused value should have been."""
    limits = measure.limits
    low = measure.value is not None and limits.is_low(measure.value)
    limit = limits.refuse_below if low else limits.refuse_above
    return f"{'at least' if low else 'at most'} {_value(measure, limit)} is analysable"


def _range(measure: QualityMeasure, low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "any"
    if low is None:
        return f"\u2264 {_value(measure, high)}"
    return f"\u2265 {_value(measure, low)}" if high is None else f"{_value(measure, low)} to {_value(measure, high)}"


def _outside(measure: QualityMeasure, limits: Limits) -> str:
    low, high = limits.refuse_below, limits.refuse_above
    parts = [f"< {_value(measure, low)}"] if low is not None else []
    parts += [f"> {_value(measure, high)}"] if high is not None else []
    return " or ".join(parts) or "never"


def _value(measure: QualityMeasure, value: float | None) -> str:
    if value is None:
        return numbers.not_defined()
    if measure.unit == "share":
        return numbers.percent(value)
    return numbers.area(value) if measure.unit == "mm2" else f"{value:.3g}"
