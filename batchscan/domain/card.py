"""The model card (card.json of a model package) as a validated record: what a model is and what is known of it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from batchscan.domain.aggregation import Aggregation

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Point = tuple[float, ...]

MEASURES = (
    "auroc",
    "auprc",
    "f1",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "brier",
    "ece",
    "idc_mm2_error",
    "idc_mm2_relative_error",
)
"""What cross-validation measures on a slide, in the order of its tables; areas in mm2, found less labelled."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Scale(_Record):
    """The model's spacing, and how it is known."""

    um_per_px: Annotated[float, Field(gt=0.0)]
    how_known: Annotated[str, Field(min_length=10)]


class Context(_Record):
    """How a patch is looked at before and beside the network: `domain/aggregation.py` has the formula.

    `orientations` counts the turned and mirrored versions whose p are averaged (1, 2, 4 or 8); `sigma` is that of the
    Gaussian over neighbouring patches, in patch sides, 0 for none.
    """

    orientations: Literal[1, 2, 4, 8]
    sigma: Annotated[float, Field(ge=0.0, le=5.0)]
    how_chosen: Annotated[str, Field(min_length=10)]


class ThresholdPoint(_Record):
    """What a threshold comes to on the out-of-fold predictions it was chosen on; mean over slides and seeds."""

    threshold: Fraction
    sensitivity: Fraction
    specificity: Fraction
    f1: Fraction


class Threshold(_Record):
    """The p_idc from which a patch counts as positive, how it was chosen, and the curve behind it."""

    value: Fraction
    how_chosen: Annotated[str, Field(min_length=10)]
    curve: tuple[ThresholdPoint, ...] = ()


class ReliabilityBin(_Record):
    """Of n patches with p from low to high: their mean p, and the share that is IDC."""

    low: Fraction
    high: Fraction
    n: Count
    mean_p: Fraction
    share_idc: Fraction


class Calibration(_Record):
    """How averaged scores became probabilities; `none` means that p_idc is the averaged score itself.

    `before` and `after` are the reliability curves of the out-of-fold predictions it was fitted to.
    """

    method: Literal["none", "temperature"]
    note: str
    temperature: Annotated[float, Field(gt=0.0)] = 1.0
    intercept: Finite = 0.0
    before: tuple[ReliabilityBin, ...] = ()
    after: tuple[ReliabilityBin, ...] = ()


class HeldOutPerformance(_Record):
    """What this very network measured on one patient's patches that it was not fitted to.

    `used_for` says what else the patient served: `validation` (epoch or threshold chosen on it: optimistic)
    or `test` (nothing was chosen on it). Undefined measures are None.
    """

    patient_id: str
    used_for: Literal["validation", "test"]
    n_patches: int
    n_positive: int
    auroc: Fraction | None
    f1: Fraction | None
    balanced_accuracy: Fraction | None
    sensitivity: Fraction | None
    specificity: Fraction | None


class Spread(_Record):
    """One measure over the seeds: mean, least and greatest of `n` that are defined."""

    mean: Finite
    low: Finite
    high: Finite
    n: Annotated[int, Field(ge=1)]


class ConfusionCounts(_Record):
    """Patches called right and wrong; positive = IDC."""

    tp: Count
    fp: Count
    fn: Count
    tn: Count


class FoldFigures(_Record):
    """One left-out slide (or `pooled`: all of them together), over the seeds.

    Parameters
    ----------
    threshold
        Those it was judged at, one a seed; each chosen on other slides by networks that never saw this one.
    figures
        Measure -> its spread; one that isn't defined is missing.
    confusions
        One a seed.
    roc
        (false-positive rate, sensitivity) of the first seed, rising.
    """

    slide: str
    n_patches: Count
    n_positive: Count
    thresholds: tuple[Fraction, ...]
    figures: dict[str, Spread]
    confusions: tuple[ConfusionCounts, ...]
    roc: tuple[Point, ...]


class CrossValidation(_Record):
    """What networks of this recipe come to on slides that neither they nor their threshold ever saw."""

    command: str
    seconds: float
    seeds: tuple[int, ...]
    note: str
    slides: tuple[FoldFigures, ...]
    pooled: FoldFigures


class Epoch(_Record):
    """One pass over the training patches; `watched` patients are measured after it, None where there are none."""

    epoch: Annotated[int, Field(ge=1)]
    training_loss: Finite
    training_accuracy: Fraction
    watched_loss: Finite | None
    watched_accuracy: Fraction | None
    watched_auroc: Fraction | None
    seconds: float


class History(_Record):
    """The epochs of the training, which one was kept, and on whom it was watched (`validation` or `held out`)."""

    kept_epoch: Annotated[int, Field(ge=1)]
    how_kept: str
    watched: str
    watched_patients: tuple[str, ...]
    epochs: tuple[Epoch, ...]


class Parent(_Record):
    """The package whose weights the training started from."""

    name: str
    version: str
    sha256: Sha256


class Example(_Record):
    """A left-out patch that was called wrong; its pixels are in examples.npz, in the same order."""

    patient_id: str
    x_px: float
    y_px: float
    label: Literal[0, 1]
    p_idc: Fraction


class ModelCard(_Record):
    """card.json. `classes[1]` is the positive class."""

    schema_version: Literal[2]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    version: Annotated[str, Field(min_length=1)]
    licence: Annotated[str, Field(min_length=2)]
    intended_use: Annotated[str, Field(min_length=20)]
    limits: tuple[str, ...]
    classes: tuple[str, str]
    patch_px: Annotated[int, Field(ge=8)]
    scale: Scale
    input_px: Annotated[int, Field(ge=8)]
    architecture: str
    recipe: dict[str, Any]
    training_data: str
    training_patients: tuple[str, ...]
    validation_patients: tuple[str, ...]
    performance: tuple[HeldOutPerformance, ...]
    cross_validation: CrossValidation | None
    history: History | None
    context: Context
    threshold: Threshold
    calibration: Calibration
    parent: Parent | None
    examples: tuple[Example, ...]
    examples_sha256: Sha256 | None
    weights_sha256: Sha256
    engine_tolerance: Annotated[float, Field(gt=0.0, lt=0.5)]

    @property
    def aggregation(self) -> Aggregation:
        """How this model's raw scores become p_idc."""
        return Aggregation(self.context.sigma, self.calibration.temperature, self.calibration.intercept)


_NEW_IN_2: dict[str, Any] = {
    "cross_validation": None,
    "history": None,
    "context": {"orientations": 1, "sigma": 0.0, "how_chosen": "a patch is judged alone"},
    "parent": None,
    "examples": [],
    "examples_sha256": None,
}


def parse_card(text: bytes | str) -> ModelCard:
    """A card.json of any schema version that was ever written, as today's.

    Version 1 knew no neighbours, no parent and no cross-validation: that much is filled in, nothing else.

    Raises
    ------
    ValueError
        If it isn't JSON, or (pydantic's ValidationError) not a card.
    """
    data = json.loads(text)
    if isinstance(data, dict) and data.get("schema_version") == 1:
        data = {**_NEW_IN_2, **data, "schema_version": 2}
    return ModelCard.model_validate_json(json.dumps(data))
