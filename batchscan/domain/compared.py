"""comparison.json as validated records: how far a second evaluation is from a first one on the same patches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from batchscan.domain.card import ConfusionCounts, Count, Finite, Fraction
from batchscan.domain.evaluated import Leakage, ModelUsed
from batchscan.domain.levels import CALLS, MEASURES, RANKS, Unit

SCHEMA_VERSION = 1

EXTENTS = ("area_error_mm2", "largest_focus_error_mm", "field_extent_error_mm", "dice", "hausdorff95_mm")
"""Of slides with a reference extent. An error is the distance of found and reference, without its sign."""

LOWER_IS_BETTER = ("brier", "ece", *(name for name in EXTENTS if name != "dice"))
NO_DIRECTION = ("calibration_slope", "calibration_intercept")
"""Best in the middle: 1 and 0. More is neither better nor worse."""

MEASURED_AT: dict[str, tuple[str, ...]] = {
    "patch": MEASURES,
    "patch.macro": (*CALLS, *RANKS, "brier", "ece"),
    "slide": (*CALLS, *RANKS),
    "patient": (*CALLS, *RANKS),
    "extent": EXTENTS,
}
"""What is compared of what; `patch.macro` is the mean over slides."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Difference(_Record):
    """One measure of the first and of the second on the same units, and the second less the first.

    Parameters
    ----------
    first, second, value
        None when not defined; `why` then says why.
    low, high
        95 % interval of `value`; both None when there is none, and `why` then says why.
    n
        Units: positives for sensitivity, negatives for specificity, slides for macro means and extents, else all.
    method
        Of the interval: `bootstrap` (over patients, the same draws for both), `newcombe` (paired shares, doi:10.1002/
        (SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C), `delong` (paired areas, doi:10.2307/2531595).
    trusted
        False when the interval rests on fewer than 5 patients or on too few defined replicates.
    p, test
        Two-sided p of no difference where the units are independent, one a patient: McNemar's exact test of a share,
        or DeLong's of an area; None elsewhere. It isn't corrected for how many are looked at.
    """

    first: Finite | None
    second: Finite | None
    value: Finite | None
    low: Finite | None = None
    high: Finite | None = None
    n: Count
    method: Literal["bootstrap", "newcombe", "delong", "none"] = "none"
    trusted: bool = True
    why: str = ""
    p: Fraction | None = None
    test: Literal["mcnemar", "delong", "none"] = "none"


class Rights(_Record):
    """How many units of one class were called right by both, by only one, and by neither."""

    both: Count
    only_first: Count
    only_second: Count
    neither: Count


class ComparedLevel(_Record):
    """One kind of unit.

    Parameters
    ----------
    independent
        One unit a patient: p-values and closed forms hold.
    first, second
        Confusion tables on the same units.
    idc, not_idc
        How the units of either class were called by both.
    differences
        By name out of `MEASURED_AT[unit]`.
    macro
        Patches only, else empty: of the means over slides.
    """

    unit: Unit
    n: Count
    n_patients: Count
    independent: bool
    prevalence: Fraction | None
    first: ConfusionCounts
    second: ConfusionCounts
    idc: Rights
    not_idc: Rights
    differences: dict[str, Difference]
    macro: dict[str, Difference]


class ComparedLevels(_Record):
    """None where there are no such units in both evaluations; `why` then says why, by the unit's name."""

    patch: ComparedLevel | None
    slide: ComparedLevel | None
    patient: ComparedLevel | None
    why: dict[str, str]


class ComparedSlide(_Record):
    """One slide of both: its patches' measures, and the extents; None where not defined.

    `n_changed` counts the patches that the second calls otherwise than the first.
    """

    slide_id: str
    patient_id: str
    n: Count
    n_positive: Count
    n_changed: Count
    first: dict[str, Finite | None]
    second: dict[str, Finite | None]
    first_mm2: Finite | None
    second_mm2: Finite | None
    reference_mm2: Finite | None


class CurvePair(_Record):
    """(false-positive rate, sensitivity) of both on the same patches, rising; 201 points at most."""

    first: tuple[tuple[Fraction, Fraction], ...]
    second: tuple[tuple[Fraction, Fraction], ...]


class Noninferiority(_Record):
    """Whether the second is shown to be worse than the first by no more than a margin.

    Parameters
    ----------
    figure
        As in `patch.auroc`, `patch.macro.f1`, `slide.sensitivity` or `extent.dice`.
    margin
        The greatest loss that is taken for none, as it was stated.
    limit
        The end of the difference's 95 % interval on the worse side, a one-sided test at 2.5 %; None without interval.
    shown
        The limit is on the better side of the margin, and can be trusted.
    worse
        The whole interval lies beyond the margin: shown to be inferior.
    why
        Why it isn't shown though `limit` would say so or is missing, or how it is shown without an interval.
    """

    figure: str
    margin: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    difference: Finite | None
    limit: Finite | None
    shown: bool
    worse: bool
    why: str = ""


class Unpaired(_Record):
    """What isn't compared: slides and patches that only one has, and patches that either couldn't read.

    `intersection` when it was asked to leave them out; else there are none but unreadable ones.
    """

    intersection: bool
    slides_only_first: tuple[str, ...]
    slides_only_second: tuple[str, ...]
    patches_only_first: Count
    patches_only_second: Count
    patches_unreadable: Count


class Side(_Record):
    """An evaluation that was compared."""

    name: str
    digest: str
    created: str
    models: tuple[ModelUsed, ...]
    leakage: Leakage
    positive_rule: str
    slide_score: str
    slide_called: str
    tuned_on: str


class Comparison(_Record):
    """comparison.json."""

    schema_version: Literal[1] = 1
    name: str
    created: str
    batchscan_version: str
    command: str
    first: Side
    second: Side
    interval: str
    replicates: Count
    seed: Count
    n_slides: Count
    n_patients: Count
    unpaired: Unpaired
    levels: ComparedLevels
    roc: CurvePair | None
    extent: dict[str, Difference]
    per_slide: tuple[ComparedSlide, ...]
    noninferiority: tuple[Noninferiority, ...]
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]

    def figures(self) -> Iterator[tuple[str, Difference]]:
        """Every difference with its name, such as `patch.macro.f1`, patches first."""
        for level in (self.levels.patch, self.levels.slide, self.levels.patient):
            if level is not None:
                yield from ((f"{level.unit}.{name}", found) for name, found in level.differences.items())
                yield from ((f"{level.unit}.macro.{name}", found) for name, found in level.macro.items())
        yield from ((f"extent.{name}", found) for name, found in self.extent.items())
