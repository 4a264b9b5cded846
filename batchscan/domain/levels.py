"""Figures of an evaluation as validated records: one number with its interval, all of one kind of unit, agreement."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from batchscan.domain.card import ConfusionCounts, Count, Finite, Fraction, ReliabilityBin

CALLS = (
    "accuracy",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "precision",
    "npv",
    "f1",
    "mcc",
    "kappa",
)
"""Measures of a confusion matrix."""

RANKS = ("auroc", "auprc")
"""Measures of how scores rank."""

PROBABILITIES = ("brier", "ece", "calibration_slope", "calibration_intercept")
"""Measures of how far probabilities are right; of patches only: a slide's score is no probability."""

MEASURES = (*CALLS, *RANKS, *PROBABILITIES)

Unit = Literal["patch", "slide", "patient"]
FEWEST_PATIENTS = 5
"""With fewer an interval over patients can't be trusted."""


class Record(BaseModel):
    """Immutable, strict, without unknown fields; NaN is no number: what isn't defined is None."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Measured(Record):
    """One number with its interval.

    Parameters
    ----------
    value
        None when it isn't defined; `why` then says why.
    low, high
        95 % interval; both None when there is none, and `why` then says why.
    n
        How many units the value rests on: positives for sensitivity, negatives for specificity, those called so for
        precision and npv, else all.
    method
        How the interval was made: `bootstrap` (over patients; `Settings.interval` says which), `wilson`, `exact`,
        `delong`, `t`, or `none`.
    trusted
        False when the interval rests on fewer than 5 patients or on too few defined replicates.
    design_effect
        Variance by the cluster bootstrap over the variance that the same units would have if they were independent.
    """

    value: Finite | None
    low: Finite | None = None
    high: Finite | None = None
    n: Count
    method: Literal["bootstrap", "wilson", "exact", "delong", "t", "none"] = "none"
    trusted: bool = True
    why: str = ""
    design_effect: Finite | None = None


class ClassFigures(Record):
    """One class's precision, recall and F1, as the published work tabulates them; `support` counts its units."""

    name: str
    precision: Fraction | None
    recall: Fraction | None
    f1: Fraction | None
    support: Count


class AtPrevalence(Record):
    """Predictive values as they would be where `prevalence` of the units have IDC, by Bayes' rule."""

    prevalence: Fraction
    ppv: Measured
    npv: Measured


class OperatingPoint(Record):
    """What one rate comes to where the other is held, chosen after seeing these very labels (post hoc).

    `threshold` is the least score called positive; None when no threshold holds the rate.
    """

    held: Literal["specificity", "sensitivity"]
    at_least: Fraction
    threshold: Finite | None
    sensitivity: Measured
    specificity: Measured
    post_hoc: Literal[True] = True


class DecisionPoint(Record):
    """Net benefit (Vickers 2006, doi:10.1177/0272989X06295361) of calling at `threshold`, and of calling everything."""

    threshold: Fraction
    net_benefit: Finite
    call_all: Finite


class BandPoint(Record):
    """Interval of a curve at `x`."""

    x: Finite
    low: Finite
    high: Finite


class Level(Record):
    """All measures of one kind of unit.

    Parameters
    ----------
    score
        What the units are ranked by, in words; `called` says when a unit counts as called positive.
    prevalence
        Share of positives; None without units.
    metrics
        Pooled over units, by name out of `MEASURES`.
    macro
        Mean over slides of each slide's own measure; patch level only, else empty. n counts the slides where it is
        defined.
    roc, pr
        (false-positive rate, sensitivity, threshold) and (sensitivity, precision, threshold); the threshold of the
        first point, from which nothing is called, is None. 201 points at most.
    roc_band, pr_band
        Intervals of sensitivity by false-positive rate, and of precision by sensitivity.
    reliability, operating, decision
        Patch level only but `operating`; else empty.
    """

    unit: Unit
    score: str
    called: str
    n: Count
    n_patients: Count
    prevalence: Fraction | None
    confusion: ConfusionCounts
    metrics: dict[str, Measured]
    macro: dict[str, Measured]
    per_class: tuple[ClassFigures, ...]
    at_prevalence: tuple[AtPrevalence, ...]
    roc: tuple[tuple[Finite, Finite, Finite | None], ...]
    pr: tuple[tuple[Finite, Finite, Finite | None], ...]
    roc_band: tuple[BandPoint, ...]
    pr_band: tuple[BandPoint, ...]
    reliability: tuple[ReliabilityBin, ...]
    operating: tuple[OperatingPoint, ...]
    decision: tuple[DecisionPoint, ...]


class Levels(Record):
    """`slide` and `patient` are None when no slide has a label of its own (`why` says so)."""

    patch: Level | None
    slide: Level | None
    patient: Level | None
    why: dict[str, str]


class Within(Record):
    """Share of the slides whose prediction is within `limit` of the reference: `mm2`, `mm`, or `relative`."""

    limit: Finite
    kind: Literal["absolute", "relative"]
    share: Measured


class Agreement(Record):
    """How a quantity of the slides agrees: found less reference; `unit` is mm2 or mm.

    `loa_low` and `loa_high` are Bland and Altman's 95 % limits of agreement (doi:10.1177/096228029900800204); `icc` is
    ICC(A,1) (McGraw 1996, doi:10.1037/1082-989X.1.1.30), `ccc` Lin's concordance (doi:10.2307/2532051).
    """

    quantity: Literal["idc_mm2", "largest_focus_mm", "field_extent_mm"]
    unit: Literal["mm2", "mm"]
    n: Count
    bias: Measured
    loa_low: Measured
    loa_high: Measured
    icc: Measured
    ccc: Measured
    within: tuple[Within, ...]
