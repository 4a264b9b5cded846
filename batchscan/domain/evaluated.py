"""evaluation.json as validated records: what was measured against reference labels, on whom, and how sure it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from batchscan.domain.card import ConfusionCounts, Count, Finite, Fraction, ReliabilityBin, Sha256

SCHEMA_VERSION = 1

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


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Measured(_Record):
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


class ClassFigures(_Record):
    """One class's precision, recall and F1, as the published work tabulates them; `support` counts its units."""

    name: str
    precision: Fraction | None
    recall: Fraction | None
    f1: Fraction | None
    support: Count


class AtPrevalence(_Record):
    """Predictive values as they would be where `prevalence` of the units have IDC, by Bayes' rule."""

    prevalence: Fraction
    ppv: Measured
    npv: Measured


class OperatingPoint(_Record):
    """What one rate comes to where the other is held, chosen after seeing these very labels (post hoc).

    `threshold` is the least score called positive; None when no threshold holds the rate.
    """

    held: Literal["specificity", "sensitivity"]
    at_least: Fraction
    threshold: Finite | None
    sensitivity: Measured
    specificity: Measured
    post_hoc: Literal[True] = True


class DecisionPoint(_Record):
    """Net benefit (Vickers 2006, doi:10.1177/0272989X06295361) of calling at `threshold`, and of calling everything."""

    threshold: Fraction
    net_benefit: Finite
    call_all: Finite


class BandPoint(_Record):
    """Interval of a curve at `x`."""

    x: Finite
    low: Finite
    high: Finite


class Level(_Record):
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


class Levels(_Record):
    """`slide` and `patient` are None when no slide has a label of its own (`why` says so)."""

    patch: Level | None
    slide: Level | None
    patient: Level | None
    why: dict[str, str]


class Within(_Record):
    """Share of the slides whose prediction is within `limit` of the reference: `mm2`, `mm`, or `relative`."""

    limit: Finite
    kind: Literal["absolute", "relative"]
    share: Measured


class Agreement(_Record):
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


class SlideRow(_Record):
    """One analysed slide: counts, its own measures, and both extents; what isn't defined is None.

    `score` is what the slide is ranked by and `called` whether it counts as called positive, as the levels of slides and
    patients have them; None where the slide isn't in those.
    """

    slide_id: str
    patient_id: str
    model: str
    threshold: Fraction
    slide_label: bool | None
    score: Finite | None = None
    called: bool | None = None
    n_labelled: Count
    n_positive: Count
    n_ambiguous: Count
    n_unlabelled: Count
    n_not_scanned: Count
    n_unreadable: Count
    confusion: ConfusionCounts
    figures: dict[str, Finite | None]
    found_mm2: Finite | None
    reference_mm2: Finite | None
    found_largest_mm: Finite | None
    reference_largest_mm: Finite | None
    found_field_mm: Finite | None
    reference_field_mm: Finite | None
    dice: Fraction | None
    hausdorff95_mm: Finite | None
    attributes: dict[str, str]
    report: str | None


class Extents(_Record):
    """Agreement of the extents, over the slides whose labels cover them; null with `why` when there is none.

    The first six fields repeat the areas' agreement under the names that scripts rely on.
    """

    n: Count
    why: str
    bias_mm2: Measured
    loa_low_mm2: Measured
    loa_high_mm2: Measured
    icc: Measured
    ccc: Measured
    dice: Measured
    hausdorff95_mm: Measured
    quantities: tuple[Agreement, ...]
    per_slide: tuple[SlideRow, ...]


class ReaderPair(_Record):
    """Two readers on the patches that both labelled: the ceiling for a model that is measured against either."""

    first: str
    second: str
    n_patches: Count
    n_slides: Count
    kappa: Measured
    agreement: Measured
    dice: Measured
    area: Agreement | None


class Readers(_Record):
    """Who labelled, and how several readers became one reference."""

    names: tuple[str, ...]
    rule: str
    pairs: tuple[ReaderPair, ...]
    n_undecided: Count


class Subgroup(_Record):
    """The slides with `value` in the manifest's `column`; `figures` is empty where there are too few: see `note`."""

    column: str
    value: str
    n_slides: Count
    n_patients: Count
    n_patches: Count
    n_positive: Count
    figures: dict[str, Measured]
    note: str


class Perturbed(_Record):
    """What the same patches come to when the pixels are changed: figures, and how far they are from the unchanged."""

    name: str
    words: str
    n_patches: Count
    figures: dict[str, Finite | None]
    change: dict[str, Finite | None]
    flipped: Fraction | None


class Exclusion(_Record):
    """A slide that was asked for and isn't in the figures; `reason` is a code, `sentence` for people."""

    slide_id: str
    patient_id: str
    reason: str
    sentence: str


class Flow(_Record):
    """From what was asked for to what was analysed; patches are those of the analysed slides."""

    slides_asked: Count
    patients_asked: Count
    slides_analysed: Count
    patients_analysed: Count
    patches_labelled: Count
    patches_analysed: Count
    patches_positive: Count
    patches_not_scanned: Count
    patches_unreadable: Count
    cells_ambiguous: Count
    cells_unlabelled: Count
    slides_not_asked: Count


class Seen(_Record):
    """What of the cohort a model was made with: a `patient`, a `slide` (fingerprint) or `patches` (same pixels)."""

    kind: Literal["patient", "slide", "patches"]
    slide_id: str
    patient_id: str
    model: str
    n: Count
    sentence: str


class Leakage(_Record):
    """What the guard looked for and found; `allowed` when --allow-seen let it pass, and every page says so."""

    allowed: bool
    found: tuple[Seen, ...]
    checked: tuple[str, ...]
    not_checked: tuple[str, ...]


class ModelUsed(_Record):
    """A model that scanned slides of the cohort; `locked` when the threshold is its package's own."""

    name: str
    version: str
    sha256: Sha256
    engine: str
    threshold: Fraction
    locked: bool
    threshold_words: str
    slides: tuple[str, ...]
    n_training_patients: Count


class Failure(_Record):
    """A patch called wrong. `picture` is its number among the stored pictures, None where none could be read."""

    kind: Literal["false positive", "false negative"]
    slide_id: str
    patient_id: str
    row: Count
    col: Count
    x_px: Finite
    y_px: Finite
    p_idc: Fraction
    suspect: bool
    picture: Count | None


class Failures(_Record):
    """Where the model fails: slides from worst on, the surest wrong calls, and labels that may be wrong."""

    worst_slides: tuple[str, ...]
    worst_by: str
    patches: tuple[Failure, ...]
    n_discordant: Count
    n_suspect: Count
    suspect_rule: str


class Gate(_Record):
    """A condition that the figures must meet.

    `value` None misses it, and so does the end of an interval that can't be trusted; `why` says so.
    """

    text: str
    value: Finite | None
    passed: bool
    why: str = ""


class Settings(_Record):
    """What decided the figures, in words and numbers."""

    positive_rule: str
    slide_score: str
    slide_called: str
    reader_rule: str
    outline_rule: str
    interval: str
    replicates: Count
    seed: Count
    prevalences: tuple[Fraction, ...]
    tuned_on: str
    tuned_threshold: Fraction | None
    min_group_patients: Count


class Provenance(_Record):
    """What the evaluation was made of: files by name and sha256, never by path."""

    name: str
    created: str
    batchscan_version: str
    command: str
    runs: tuple[str, ...]
    manifest: str
    manifest_sha256: Sha256
    references: dict[str, str]
    versions: dict[str, str]


class Evaluation(_Record):
    """evaluation.json."""

    schema_version: Literal[1] = 1
    provenance: Provenance
    settings: Settings
    models: tuple[ModelUsed, ...]
    flow: Flow
    exclusions: tuple[Exclusion, ...]
    leakage: Leakage
    levels: Levels
    extent: Extents
    readers: Readers | None
    subgroups: tuple[Subgroup, ...]
    robustness: tuple[Perturbed, ...]
    failures: Failures
    gates: tuple[Gate, ...]
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
