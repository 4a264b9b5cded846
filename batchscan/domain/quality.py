"""Measured values of a slide and their limits -> whether its numbers can be trusted: good, review, not analysable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType


class Grade(StrEnum):
    """What a measure, or a slide, comes to; the later one is the worse."""

    GOOD = "good"
    REVIEW = "review"
    NOT_ANALYSABLE = "not_analysable"


SEVERITY = tuple(Grade)

BLURRED_BELOW = 0.5
"""Sharpness (`scan/sharpness.py`) from which down a patch counts as blurred."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a value is to be reviewed, and from where on no number of the slide is given; None: no such limit.

    Raises
    ------
    ValueError
        If what is refused wouldn't be reviewed too, or nothing at all would be good.
    """

    review_below: float | None = None
    review_above: float | None = None
    refuse_below: float | None = None
    refuse_above: float | None = None

    def __post_init__(self) -> None:
        rising = [
            one
            for one in (self.refuse_below, self.review_below, self.review_above, self.refuse_above)
            if one is not None
        ]
        if rising != sorted(rising):
            raise ValueError(
                "expected refuse_below <= review_below <= review_above <= refuse_above, found "
                + ", ".join(f"{one:g}" for one in rising)
            )

    def grade(self, value: float) -> Grade:
        """What a value comes to; one on a limit is within it."""
        if _outside(value, self.refuse_below, self.refuse_above):
            return Grade.NOT_ANALYSABLE
        return Grade.REVIEW if _outside(value, self.review_below, self.review_above) else Grade.GOOD

    def is_low(self, value: float) -> bool:
        """Whether a value is beyond a lower limit."""
        return _outside(value, self.refuse_below, None) or _outside(value, self.review_below, None)


def _outside(value: float, low: float | None, high: float | None) -> bool:
    return (low is not None and value < low) or (high is not None and value > high)


@dataclass(frozen=True, slots=True)
class MeasureKind:
    """One thing that is measured of every slide.

    Parameters
    ----------
    unit
        `mm2`, `OD` (optical density), `share` (0-1), or empty for a bare ratio.
    code_low, code_high
        What a value beyond the lower or upper limits is called in summary.csv.
    """

    unit: str
    code_low: str
    code_high: str


MEASURES: Mapping[str, MeasureKind] = MappingProxyType(
    {
        "sharpness": MeasureKind("", "blur", "noise"),
        "blurred_share": MeasureKind("share", "no_blurred_parts", "blurred_parts"),
        "pen_share": MeasureKind("share", "no_pen", "pen"),
        "dark_share": MeasureKind("share", "nothing_dark", "dark"),
        "overexposed_share": MeasureKind("share", "nothing_overexposed", "overexposed"),
        "glass_level": MeasureKind("share", "underexposed", "bright_glass"),
        "haematoxylin_od": MeasureKind("OD", "haematoxylin_pale", "haematoxylin_dark"),
        "eosin_od": MeasureKind("OD", "eosin_pale", "eosin_dark"),
        "tissue_mm2": MeasureKind("mm2", "little_tissue", "much_tissue"),
    }
)
"""What is measured of every slide, in the order of its table; docs/quality.md has the formulas."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A value as it was measured, before any limit; None with the reason in `undefined`."""

    name: str
    value: float | None
    undefined: str = ""


@dataclass(frozen=True, slots=True)
class QualityMeasure:
    """A measured value with the limits it was held against.

    Parameters
    ----------
    name, unit
        As in `MEASURES`.
    value
        None where it isn't defined; `undefined` then says why.
    limits
        Those in force.
    grade
        None where there is no value, or nothing is judged.
    """

    name: str
    value: float | None
    unit: str
    limits: Limits
    grade: Grade | None
    undefined: str = ""

    @property
    def code(self) -> str:
        """A word for what is wrong; empty where nothing is."""
        if self.value is None or self.grade in {None, Grade.GOOD}:
            return ""
        kind = MEASURES[self.name]
        return kind.code_low if self.limits.is_low(self.value) else kind.code_high

    @property
    def measured(self) -> Measured:
        """The value without its limits."""
        return Measured(self.name, self.value, self.undefined)


@dataclass(frozen=True, slots=True)
class Quality:
    """What a slide's measures come to together: the worst of their grades; None where nothing is judged."""

    grade: Grade | None
    measures: tuple[QualityMeasure, ...]

    @property
    def findings(self) -> tuple[str, ...]:
        """Codes of what is beyond its limits, the worst first."""
        found = [measure for measure in self.measures if measure.code]
        return tuple(one.code for one in sorted(found, key=lambda one: -SEVERITY.index(one.grade or Grade.GOOD)))

    @property
    def refusals(self) -> tuple[str, ...]:
        """Codes of what is not analysable."""
        return tuple(measure.code for measure in self.measures if measure.grade is Grade.NOT_ANALYSABLE)

    @property
    def refuses(self) -> bool:
        """Whether no number of the slide may be given."""
        return self.grade is Grade.NOT_ANALYSABLE


NOT_JUDGED = Quality(None, ())
"""Nothing was measured, or nothing is judged."""


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """Whether slides are judged, and by which limits: name in `MEASURES` -> limits; one that is missing has none."""

    enabled: bool = True
    limits: Mapping[str, Limits] = field(default_factory=dict)


def judged(measured: Iterable[Measured], settings: QualitySettings) -> Quality:
    """Hold each measured value against its limits."""
    measures = tuple(_judged(one, settings) for one in measured)
    grades = [measure.grade for measure in measures if measure.grade is not None]
    return Quality(max(grades, key=SEVERITY.index, default=None), measures)


def _judged(one: Measured, settings: QualitySettings) -> QualityMeasure:
    limits = settings.limits.get(one.name, Limits())
    measure = QualityMeasure(one.name, one.value, MEASURES[one.name].unit, limits, None, one.undefined)
    if one.value is None or not settings.enabled:
        return measure
    return replace(measure, grade=limits.grade(one.value))
