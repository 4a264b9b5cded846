"""The model card (card.json of a model package) as a validated record: what a model is and what is known of it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from batchscan.domain.aggregation import Aggregation

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Point = tuple[Fraction, Fraction]

SIGNED_AREAS = ("idc_mm2_error", "idc_mm2_relative_error")
ABSOLUTE_AREA = "idc_mm2_absolute_error"
MEASURES = (
    "auroc",
    "auprc",
    "f1",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "brier",
    "ece",
    *SIGNED_AREAS,
    ABSOLUTE_AREA,
)
"""What cross-validation measures on a slide, in the order of its tables; areas in mm2, found less labelled.

Of several slides pooled, the absolute error of the area is the mean over them, and the signed ones are missing.
"""


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
    curve: tuple[ThresholdPoint, ...]


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
    temperature: Annotated[float, Field(gt=0.0)]
    intercept: Finite
    before: tuple[ReliabilityBin, ...]
    after: tuple[ReliabilityBin, ...]

    @model_validator(mode="after")
    def _none_changes_nothing(self) -> Calibration:
        if self.method == "none" and (self.temperature, self.intercept) != (1.0, 0.0):
            raise ValueError('the method "none" means temperature 1 and intercept 0')
        return self


class HeldOutPerformance(_Record):
    """What this very network measured on one patient's patches that it was not fitted to.

    `used_for` says what else the patient served: `validation` (epoch or threshold chosen on it: optimistic)
    or `test` (neither network, neighbours, calibration nor threshold were chosen on it; whether the recipe was, the
    card's limits say). Undefined measures are None.
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
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    note: str
    slides: tuple[FoldFigures, ...]
    pooled: FoldFigures


class Epoch(_Record):
    """One pass over the training patches; `watched` patients are measured after it, None where there are none.

    `training_accuracy` and `seconds` are None where they were not recorded, as on cards of version 1.
    """

    epoch: Annotated[int, Field(ge=1)]
    training_loss: Finite
    training_accuracy: Fraction | None
    watched_loss: Finite | None
    watched_accuracy: Fraction | None
    watched_auroc: Fraction | None
    seconds: float | None


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
    """card.json. `classes[1]` is the positive class.

    `seen_sha256` is of the package's list of what the network was made with (`stores/seen.py`), `profile_sha256` of how
    that is spread (`stores/training_profile.py`), which `profile_note` says how it was counted; packages of before
    these were kept have none, and neither do those of their cards that lack the fields.
    """

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
    seen_sha256: Sha256 | None = None
    profile_sha256: Sha256 | None = None
    profile_note: str | None = None
    weights_sha256: Sha256
    engine_tolerance: Annotated[float, Field(gt=0.0, lt=0.5)]
    bf16_tolerance: Annotated[float, Field(gt=0.0, lt=0.5)] | None = None

    def tolerance(self, precision: str) -> float:
        """How far p_raw may be from the golden patches' where this precision is asked for by name.

        Precision `auto` comes to bf16 only where `bf16_tolerance` is stated and no wider than f32's.
        """
        return max(self.engine_tolerance, self.bf16_tolerance or 0.0) if precision == "bf16" else self.engine_tolerance

    @property
    def aggregation(self) -> Aggregation:
        """How this model's raw scores become p_idc."""
        return Aggregation(self.context.sigma, self.calibration.temperature, self.calibration.intercept)

    @model_validator(mode="after")
    def _tests_are_of_others(self) -> ModelCard:
        used = {*self.training_patients, *self.validation_patients}
        both = sorted({one.patient_id for one in self.performance if one.used_for == "test"} & used)
        if both:
            raise ValueError(f"performance: {', '.join(both)} can't be a test: the network was made with that patient")
        return self


_MAY_BREAK = {
    *("intended_use", "limits", "architecture", "recipe", "training_data"),
    *("how_known", "how_chosen", "how_kept", "note"),
}
"""Fields of long texts: lines may end in them."""


def _texts(data: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text in plain data with the keys that lead to it; keys are texts too, of the field that they stand in."""
    todo: list[tuple[tuple[str, ...], Any]] = [((), data)]
    while todo:
        where, one = todo.pop()
        if isinstance(one, str):
            yield where, one
        elif isinstance(one, dict):
            for key, value in one.items():
                yield (), str(key)
                todo.append(((*where, str(key)), value))
        elif isinstance(one, list | tuple):
            todo += [(where, value) for value in one]


def _check_printable(data: Any) -> None:
    for where, text in _texts(data):
        breaks = "\n\t" if _MAY_BREAK & set(where) else ""
        if any(unicodedata.category(sign) == "Cc" and sign not in breaks for sign in text):
            named = ascii(".".join(where))[1:-1] or "the name of a field"
            raise ValueError(f"{named} holds a control character, which could steer a terminal")


_NEW_IN_2: dict[str, Any] = {
    "cross_validation": None,
    "history": None,
    "context": {"orientations": 1, "sigma": 0.0, "how_chosen": "a patch is judged alone"},
    "parent": None,
    "examples": [],
    "examples_sha256": None,
}
_NEW_WITHIN: dict[str, dict[str, Any]] = {
    "threshold": {"curve": []},
    "calibration": {"temperature": 1.0, "intercept": 0.0, "before": [], "after": []},
}
_NOT_IN_1 = {"training_accuracy": None, "watched_accuracy": None, "seconds": None}
_WATCHED_IN_1 = {"validation_loss": "watched_loss", "validation_auroc": "watched_auroc"}


def parse_card(text: bytes | str) -> ModelCard:
    """A card.json of any schema version that was ever written, as today's.

    Version 1 knew no neighbours, no parent and no cross-validation: that much is filled in. The history of the training
    stood in its recipe. Nothing else is made up.

    Raises
    ------
    ValueError
        If it isn't JSON, holds control characters, or (pydantic's ValidationError) is not a card.
    """
    data = json.loads(text)
    _check_printable(data)
    if isinstance(data, dict) and data.get("schema_version") == 1:
        data = _from_1(data)
    return ModelCard.model_validate_json(json.dumps(data))


def _from_1(data: dict[str, Any]) -> dict[str, Any]:
    filled = {**_NEW_IN_2, "history": _history_of_1(data), **data, "schema_version": 2}
    for name, fields in _NEW_WITHIN.items():
        if isinstance(filled.get(name), dict):
            filled[name] = {**fields, **filled[name]}
    return filled


def _history_of_1(data: dict[str, Any]) -> dict[str, Any] | None:
    """What a card of version 1 keeps in its recipe, where it is as `batchscan train` wrote it; else None."""
    try:
        recipe, patients = data["recipe"], data["validation_patients"]
        epochs, best = recipe["history"], recipe["best_epoch"]
        loss = {one["epoch"]: one["validation_loss"] for one in epochs}
        rows = [{**_NOT_IN_1, **{_WATCHED_IN_1.get(key, key): value for key, value in one.items()}} for one in epochs]
        least = min(loss, key=lambda epoch: loss[epoch])
        history = {
            "kept_epoch": best,
            "how_kept": "the one with the least validation loss" if best == least else "as the recipe of that time did",
            "watched": "validation",
            "watched_patients": patients,
            "epochs": rows,
        }
        History.model_validate_json(json.dumps(history))
    except (KeyError, TypeError, AttributeError, ValueError):  # pydantic's ValidationError is a ValueError
        return None
    return history
