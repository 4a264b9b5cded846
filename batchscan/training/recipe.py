"""A recipe (TOML) -> everything that decides a training besides the patches and the seed."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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


class Recipe(_Section):
    """How a model is trained. The defaults are the published network's schedule and claim nothing of the patches.

    Parameters
    ----------
    name, version, licence
        For the card; without a name the package's folder gives it.
    um_per_px, spacing_known
        The patches' spacing in micrometres a pixel, and how that is known.
    epochs, batch
        Passes over the training patches; patches a step.
    learning_rate, final_learning_rate
        Adam's, falling from one to the other along half a cosine.
    precision
        `float32`, or `mixed_bfloat16` (faster where the CPU or GPU has it); the saved network is float32.
    patient_exponent
        A patient's patches of a class weigh n ** exponent together: 1 counts patches, 0 counts patients. Each class
        weighs the same in total.
    contrast
        How far a patient with both classes weighs the same in both, 0-1: there stain and class are not confounded.
    validation_patients
        Epoch and threshold are chosen on these; empty draws patients with about `validation_share` of the patches.
    prevalence
        Share of IDC among patches for which the threshold maximises F1.
    data, labels_known
        What the patches are and where their labels come from, for the card.
    notes
        What else the card's limits must say.
    engine_tolerance
        How far an engine's p_idc may be from Keras' on the golden patches, for the card.
    augment
        How training patches vary.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] | None = None
    version: Annotated[str, Field(min_length=1)] = "1"
    licence: Annotated[str, Field(min_length=2)] = NOT_STATED
    um_per_px: Annotated[float, Field(ge=0.05, le=20.0)] = 8.0
    spacing_known: Annotated[str, Field(min_length=10)] | None = None
    epochs: Annotated[int, Field(ge=1, le=1000)] = 15
    batch: Annotated[int, Field(ge=1, le=4096)] = 64
    learning_rate: Rate = 1e-3
    final_learning_rate: Rate = 1e-5
    precision: Literal["float32", "mixed_bfloat16"] = "mixed_bfloat16"
    patient_exponent: Share = 0.5
    contrast: Share = 0.0
    validation_patients: tuple[str, ...] = ()
    validation_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    prevalence: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.28
    data: Annotated[str, Field(min_length=3)] = f"origin {NOT_STATED}"
    labels_known: Annotated[str, Field(min_length=10)] = f"Where the labels come from is {NOT_STATED}."
    notes: tuple[str, ...] = ()
    engine_tolerance: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.001
    augment: Augmentation = Augmentation()

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
    if problem["type"] != "extra_forbidden":
        return f"{where} = {problem['input']!r} is refused: {problem['msg']}"
    known = Augmentation.model_fields if len(problem["loc"]) > 1 else Recipe.model_fields
    near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1, cutoff=0.0)
    return f"unknown key {where}: the nearest known one is {near[0]}"
