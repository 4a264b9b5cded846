"""evaluation.json as validated records: what was measured against reference labels, on whom, and how sure it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from batchscan.domain.card import ConfusionCounts, Count, Finite, Fraction, Sha256
from batchscan.domain.levels import Agreement, Levels, Measured, Record

SCHEMA_VERSION = 1


class SlideRow(Record):
    """One analysed slide: counts, its own measures, and both extents; what isn't defined is None.

    `score` is what the slide is ranked by and `called` whether it counts as called positive, as in the levels of slides
    and patients; None where the slide isn't in those.
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


class Extents(Record):
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


class ReaderPair(Record):
    """Two readers on the patches that both labelled: the ceiling for a model that is measured against either."""

    first: str
    second: str
    n_patches: Count
    n_slides: Count
    kappa: Measured
    agreement: Measured
    dice: Measured
    area: Agreement | None


class Readers(Record):
    """Who labelled, and how several readers became one reference."""

    names: tuple[str, ...]
    rule: str
    pairs: tuple[ReaderPair, ...]
    n_undecided: Count


class DisputedFocus(Record):
    """A focus that not every reviewer agrees with; `x_px`, `y_px` are its centre, `words` what each said of it."""

    slide_id: str
    patient_id: str
    number: Count
    focus_id: str
    x_px: Finite
    y_px: Finite
    area_mm2: Finite
    standing: Literal["disagreed", "divided"]
    words: tuple[str, ...]


class FociReviewed(Record):
    """What reviewers said of the foci of the analysed slides, each counted once.

    Not an independent reference: reviewers saw what had been called. `agreed` is the share of foci that all their
    reviewers agree with, of those that at least one is sure of.
    """

    n_foci: Count
    n_slides: Count
    n_reviewed: Count
    n_agreed: Count
    n_disagreed: Count
    n_divided: Count
    n_unsure: Count
    n_missed: Count
    n_of_earlier_results: Count
    reviewers: tuple[str, ...]
    agreed: Measured
    disputed: tuple[DisputedFocus, ...]


class Subgroup(Record):
    """The slides with `value` in the manifest's `column`; `figures` is empty where there are too few: see `note`."""

    column: str
    value: str
    n_slides: Count
    n_patients: Count
    n_patches: Count
    n_positive: Count
    figures: dict[str, Measured]
    note: str


class Perturbed(Record):
    """What the same patches come to when the pixels are changed: figures, and how far they are from the unchanged."""

    name: str
    words: str
    n_patches: Count
    figures: dict[str, Finite | None]
    change: dict[str, Finite | None]
    flipped: Fraction | None


class Exclusion(Record):
    """A slide that was asked for and isn't in the figures; `reason` is a code, `sentence` for people."""

    slide_id: str
    patient_id: str
    reason: str
    sentence: str


class Flow(Record):
    """From what was asked for to what was analysed; patches are those of the analysed slides.

    Slides that a threshold was tuned on are counted apart: they aren't among those asked for.
    """

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
    slides_tuned_on: Count = 0


class Seen(Record):
    """What of the cohort a model was made with: a `patient`, a `slide` (fingerprint) or `patches` (same pixels)."""

    kind: Literal["patient", "slide", "patches"]
    slide_id: str
    patient_id: str
    model: str
    n: Count
    sentence: str


class Leakage(Record):
    """What the guard looked for and found; `allowed` when --allow-seen let it pass, and every page says so."""

    allowed: bool
    found: tuple[Seen, ...]
    checked: tuple[str, ...]
    not_checked: tuple[str, ...]


class ModelUsed(Record):
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


class Failure(Record):
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


class Failures(Record):
    """Where the model fails: slides from worst on, the surest wrong calls, and labels that may be wrong."""

    worst_slides: tuple[str, ...]
    worst_by: str
    patches: tuple[Failure, ...]
    n_discordant: Count
    n_suspect: Count
    suspect_rule: str


class Gate(Record):
    """A condition that the figures must meet.

    `value` None misses it, and so does the end of an interval that can't be trusted; `why` says so.
    """

    text: str
    value: Finite | None
    passed: bool
    why: str = ""


class Settings(Record):
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


class Provenance(Record):
    """What the evaluation was made of, without paths; `references`: slide and reader -> sha256 of the file."""

    name: str
    created: str
    batchscan_version: str
    command: str
    runs: tuple[str, ...]
    manifest: str
    manifest_sha256: Sha256
    references: dict[str, str]
    versions: dict[str, str]


class Evaluation(Record):
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
    reviewed: FociReviewed | None = None
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
