"""The model card (card.json of a model package) as a validated record: what a model is and what is known of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Scale(_Record):
    """The model's spacing, and how it is known."""

    um_per_px: Annotated[float, Field(gt=0.0)]
    how_known: Annotated[str, Field(min_length=10)]


class Threshold(_Record):
    """The p_idc from which a patch counts as positive, and how it was chosen."""

    value: Fraction
    how_chosen: Annotated[str, Field(min_length=10)]


class HeldOutPerformance(_Record):
    """What was measured on one patient's patches that the network was not fitted to.

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


class Calibration(_Record):
    """How scores became probabilities; `none` means that p_idc is the network's own softmax."""

    method: Literal["none", "temperature", "isotonic"]
    note: str


class ModelCard(_Record):
    """card.json. `classes[1]` is the positive class."""

    schema_version: Literal[1]
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
    threshold: Threshold
    calibration: Calibration
    weights_sha256: Sha256
    engine_tolerance: Annotated[float, Field(gt=0.0, lt=0.5)]
