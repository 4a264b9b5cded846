"""A recipe (TOML) -> everything that decides a training besides the patches and the seed."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from batchscan.domain.errors import JobError

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(gt=0.0, le=1.0)]

NOT_STATED = "not stated"
UNNAMED = "unnamed"
ASSUMED_SPACING = (
    "8.0 um/px assumed: the convention of the public patch layout; set um_per_px and spacing_known in a recipe if "
    "yours differ"
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Augmentation(_Section):
    """How training patches vary: `augment.py` says what each does; 0 and false are none."""

    turns: bool = True
    stain: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.25
    brightness: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.08
    gaps: Share = 0.1
    blur: Share = 0.0
    jpeg: Share = 0.0
    hue: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0


class Context(_Section):
    """How a patch is judged beside the network; `domain/aggregation.py` has the formula.

    `orientations` counts the turned and mirrored versions whose p are averaged; `sigmas` are the candidates for the
    Gaussian over neighbouring patches, in patch sides, 0 for none. One of them is chosen on out-of-fold predictions;
    without cross-validation it is the first.
    """

    orientations: Literal[1, 2, 4, 8] = 1
    sigmas: Annotated[tuple[Annotated[float, Field(ge=0.0, le=5.0)], ...], Field(min_length=1)] = (0.0, 0.7, 1.0, 1.4)


class Recipe(_Section):
    """How a model is trained. The defaults claim nothing of the patches.

    They are the published network and its number of epochs; rates, weights and augmentation are this product's own.
    jobs/published-recipe.toml has the published training.

    Parameters
    ----------
    name, version, licence
        For the card; without a name the package's folder gives it.
    um_per_px, spacing_known
        The patches' spacing in micrometres a pixel, and how that is known.
    network
        `published` or `compact`: `architecture.py` has their layers.
    epochs, batch
        Passes over the training patches; patches a step.
    learning_rate, final_learning_rate
        Adam's, falling from one to the other along half a cosine.
    warmup_steps
        Steps over which the rate rises to `learning_rate` first.
    weight_decay
        Decoupled from the gradient (AdamW); 0 is plain Adam.
    precision
        `float32`, `mixed_bfloat16`, or `auto`: the latter where the CPU computes in it or there is a GPU. The saved
        network is float32 in each case.
    keep
        `last`: the schedule is fixed and the last epoch's weights are kept; no patients are needed to choose on.
        `best`: those of the epoch with the least loss on the validation patients.
    patience
        With `best`: epochs without a lesser loss after which the training ends; None for never.
    frozen_epochs
        Of a training that starts from another model (--from): so many of its epochs, the first, train the last layer
        alone; None leaves it to `transfer.py`.
    balance
        Whether patches are weighted as the next two keys say; false: every patch counts 1.
    patient_exponent
        A patient's patches of a class weigh n ** exponent together: 1 counts patches, 0 counts patients. Each class
        weighs the same in total.
    contrast
        How far a patient with both classes weighs the same in both, 0-1: there stain and class are not confounded.
    validation_patients
        Are never fitted to. With `keep = "best"` the epoch is chosen on them, and where none are named, patients with
        about `validation_share` of the patches are drawn.
    folds
        Patients that cross-validation leaves out in turn; empty: all with at least 20 patches of each class.
    cv_seeds
        Seeds that cross-validation repeats everything with: the training's own and those that follow it.
    prevalence
        Share of IDC among patches for which the threshold maximises F1, where it is chosen on validation patients;
        cross-validation takes the slides' own.
    data, labels_known
        What the patches are and where their labels come from, for the card.
    notes
        What else the card's limits must say.
    calibration
        `temperature` is fitted to out-of-fold predictions; without them, and with `none`, scores stay as they are.
    threshold_for
        What the threshold serves best on out-of-fold predictions: `balanced_accuracy`, which doesn't depend on how much
        IDC their slides have, or `f1`.
    engine_tolerance
        How far an engine's p_raw may be from Keras' on the golden patches, for the card.
    bf16_tolerance
        The same where an engine is asked to work in bfloat16; without it, `engine_tolerance` holds there too.
    augment
        How training patches vary.
    context
        How a patch is judged beside the network.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] | None = None
    version: Annotated[str, Field(min_length=1)] = "1"
    licence: Annotated[str, Field(min_length=2)] = NOT_STATED
    um_per_px: Annotated[float, Field(ge=0.05, le=20.0)] = 8.0
    spacing_known: Annotated[str, Field(min_length=10)] | None = None
    network: Literal["published", "compact"] = "published"
    epochs: Annotated[int, Field(ge=1, le=1000)] = 15
    batch: Annotated[int, Field(ge=1, le=4096)] = 64
    learning_rate: Rate = 1e-3
    final_learning_rate: Rate = 1e-5
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    weight_decay: Share = 0.0
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    keep: Literal["last", "best"] = "last"
    patience: Annotated[int, Field(ge=1)] | None = None
    frozen_epochs: Annotated[int, Field(ge=0)] | None = None
    balance: bool = True
    patient_exponent: Share = 0.5
    contrast: Share = 0.0
    validation_patients: tuple[str, ...] = ()
    validation_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    folds: tuple[str, ...] = ()
    cv_seeds: Annotated[int, Field(ge=1, le=100)] = 3
    prevalence: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.28
    calibration: Literal["none", "temperature"] = "temperature"
    threshold_for: Literal["balanced_accuracy", "f1"] = "balanced_accuracy"
    data: Annotated[str, Field(min_length=3)] = f"origin {NOT_STATED}"
    labels_known: Annotated[str, Field(min_length=10)] = f"Where the labels come from is {NOT_STATED}."
    notes: tuple[str, ...] = ()
    engine_tolerance: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.001
    bf16_tolerance: Annotated[float, Field(gt=0.0, lt=0.5)] | None = None
    augment: Augmentation = Augmentation()
    context: Context = Context()

    @model_validator(mode="after")
    def _patience_needs_a_choice(self) -> Self:
        if self.patience is not None and self.keep != "best":
            raise ValueError('patience ends a training early only with keep = "best"')
        return self

    @model_validator(mode="after")
    def _weights_need_balance(self) -> Self:
        useless = sorted({"patient_exponent", "contrast"} & self.model_fields_set)
        if not self.balance and useless:
            raise ValueError(f"{' and '.join(useless)} weigh nothing with balance = false: leave one or the other out")
        return self

    def completed(self, out: Path) -> Recipe:
        """The recipe with what it leaves open: the name is that of the folder, the spacing's origin is said plainly."""
        return self.model_copy(
            update={"name": self.name or _name_of(out), "spacing_known": self.spacing_known or self._spacing_known()}
        )

    def _spacing_known(self) -> str:
        if "um_per_px" not in self.model_fields_set:
            return ASSUMED_SPACING
        return f"{self.um_per_px} um/px, as the training recipe says; how that is known is {NOT_STATED}"


def _name_of(out: Path) -> str:
    """A folder's name with what a card's name can't have replaced by hyphens."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", out.resolve().name).strip("-.") or UNNAMED


_SECTIONS: dict[str, type[_Section]] = {"augment": Augmentation, "context": Context}


def read_recipe(path: Path) -> Recipe:
    """The recipe that a TOML file says; what it leaves out has the default.

    Raises
    ------
    JobError
        If the file can't be read, isn't TOML, or has an unknown key (the nearest is named) or an impossible value.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise JobError(
            f"recipe {path} can't be read: {error}; expected a TOML file as jobs/published-cnn.toml"
        ) from error
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise JobError(f"recipe {path}: {'; '.join(_sentence(one) for one in error.errors())}") from error


def _sentence(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if not where:
        return str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] != "extra_forbidden":
        return f"{where} = {problem['input']!r} is refused: {problem['msg']}"
    section = _SECTIONS[problem["loc"][0]] if len(problem["loc"]) > 1 else Recipe
    near = difflib.get_close_matches(str(problem["loc"][-1]), section.model_fields, n=1, cutoff=0.0)
    return f"unknown key {where}: the nearest known one is {near[0]}"
