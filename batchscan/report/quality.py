"""A slide's quality becomes words: grade and findings for page one, what stands in place of an extent, and a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from batchscan.domain.quality import BLURRED_BELOW, Grade, Limits, Quality, QualityMeasure
from batchscan.domain.records import SlideResult
from batchscan.report import numbers
from batchscan.report.language import say
from batchscan.report.words import Fact, reason

_GRADES = {Grade.GOOD: "grade-good", Grade.REVIEW: "grade-review", Grade.NOT_ANALYSABLE: "grade-refused"}
_MARKS = {Grade.GOOD: "good", Grade.REVIEW: "review", Grade.NOT_ANALYSABLE: "refused"}


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
        grade=_sentence(_grade(quality.grade)),
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
        return say("findings-not-judged")
    found = ", ".join(f"{_finding(measure)} ({_value(measure, measure.value)})" for measure in _beyond(quality))
    return f"{_sentence(found)}." if found else say("findings-none")


def refusal(quality: Quality) -> tuple[str, str]:
    """Headline and answer of a slide that is not analysable, in place of an extent."""
    refused = list(_refused(quality))
    words = ", ".join(_finding(measure) for measure in refused)
    reasons = "; ".join(
        f"{_said(measure, 'label')} {_value(measure, measure.value)}, {_asked(measure)}" for measure in refused
    )
    return say("refused-headline", findings=words), say("refused-answer", reasons=reasons)


def refused_figures(quality: Quality) -> tuple[Fact, ...]:
    """What page one prints in place of the numbers of an extent."""
    return tuple(
        Fact(_said(measure, "label"), _value(measure, measure.value), _asked(measure)) for measure in _refused(quality)
    )


def quality_rows(quality: Quality) -> tuple[QualityRow, ...]:
    """A line for each measure, in the order of measuring."""
    return tuple(
        QualityRow(
            label=_said(measure, "label"),
            value=_value(measure, measure.value),
            good=_range(measure, measure.limits.review_below, measure.limits.review_above),
            refused=_outside(measure, measure.limits),
            grade=_grade(measure.grade),
            meaning=_meaning(measure),
        )
        for measure in quality.measures
    )


def quality_note(result: SlideResult) -> str:
    """What stands above the table."""
    return say("quality-note") if result.settings.quality.enabled else say("quality-note-not-judged")


def marks_caption(result: SlideResult) -> str:
    """What is drawn on the picture of where quality is poor."""
    return f"{say('marks-caption', limit=numbers.setting(BLURRED_BELOW))} {_marked(result)}"


def marks_alt(result: SlideResult) -> str:
    """That picture in words."""
    return f"{say('marks-alt', slide=result.slide.slide_id)} {_marked(result)}"


def _marked(result: SlideResult) -> str:
    shares = {measure.name: measure.value for measure in result.quality.measures}
    found = {"found-pen": "pen_share", "found-dark": "dark_share", "found-blurred": "blurred_share"}
    said = [
        say(message, share=numbers.percent(shares[name]))
        for message, name in found.items()
        if shares.get(name) is not None
    ]
    return say("marks-found", found=", ".join(said)) if said else say("marks-none")


def _grade(grade: Grade | None) -> str:
    return say(_GRADES[grade]) if grade else say("grade-none")


def _said(measure: QualityMeasure, part: str) -> str:
    """How a measure is called (`label`), and a value below or above its limits (`low`, `high`)."""
    return say(f"{measure.name.replace('_', '-')}-{part}")


def _meaning(measure: QualityMeasure) -> str:
    """How it is measured, or why it was not."""
    if measure.undefined:
        return _sentence(reason(measure.undefined)) + "."
    limit = {"limit": numbers.setting(BLURRED_BELOW)} if measure.name == "blurred_share" else {}
    return say(f"{measure.name.replace('_', '-')}-how", **limit)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _beyond(quality: Quality) -> Iterator[QualityMeasure]:
    """What is beyond its limits, the worst first."""
    for grade in (Grade.NOT_ANALYSABLE, Grade.REVIEW):
        yield from (measure for measure in quality.measures if measure.grade is grade)


def _refused(quality: Quality) -> Iterator[QualityMeasure]:
    return (measure for measure in quality.measures if measure.grade is Grade.NOT_ANALYSABLE)


def _finding(measure: QualityMeasure) -> str:
    is_low = measure.value is not None and measure.limits.is_low(measure.value)
    return _said(measure, "low" if is_low else "high")


def _asked(measure: QualityMeasure) -> str:
    """What a refused value should have been."""
    limits = measure.limits
    if measure.value is not None and limits.is_low(measure.value):
        return say("asked-at-least", limit=_value(measure, limits.refuse_below))
    return say("asked-at-most", limit=_value(measure, limits.refuse_above))


def _range(measure: QualityMeasure, low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return say("limit-any")
    if low is None:
        return f"\u2264 {_value(measure, high)}"
    if high is None:
        return f"\u2265 {_value(measure, low)}"
    return say("range", low=_value(measure, low), high=_value(measure, high))


def _outside(measure: QualityMeasure, limits: Limits) -> str:
    low, high = limits.refuse_below, limits.refuse_above
    parts = [f"< {_value(measure, low)}"] if low is not None else []
    parts += [f"> {_value(measure, high)}"] if high is not None else []
    return say("or").join(parts) or say("limit-never")


def _value(measure: QualityMeasure, value: float | None) -> str:
    if value is None:
        return numbers.not_defined()
    if measure.unit == "share":
        return numbers.percent(value)
    return numbers.area(value) if measure.unit == "mm2" else numbers.setting(value, digits=3)
