"""What making a package tells while it goes on, beside what each training tells (`training/events.py`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from batchscan.training.dataset import Split
from batchscan.workflow.folds import Training

Report = Callable[[object], None]
"""Is called with events; what it raises ends everything, and the next time it goes on from there."""


@dataclass(frozen=True, slots=True)
class Planned:
    """All trainings, how many of them are there from before, and the epochs of each and steps of all that aren't.

    `not_validating` are patients that the recipe names for validation and that are held out instead.
    """

    trainings: tuple[Training, ...]
    there: int
    epochs: int
    steps: int
    folds: tuple[str, ...]
    seeds: tuple[int, ...]
    not_validating: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainingBegun:
    """The next training, counted from 1; `watched` names the patients that it is measured on after each epoch."""

    number: int
    training: Training
    split: Split
    n_training: int
    steps_per_epoch: int
    watched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainingEnded:
    """A training is done; AUROC by left-out patient, of raw scores, None where a class is missing."""

    number: int
    training: Training
    auroc: Mapping[str, float | None]
    seconds: float


@dataclass(frozen=True, slots=True)
class PartMeasured:
    """How the package's network does on its validation or held-out patients together; None where not defined."""

    used_for: Literal["validation", "test"]
    patients: tuple[str, ...]
    auroc: float | None
    balanced_accuracy: float | None


@dataclass(frozen=True, slots=True)
class CardNotPrinted:
    """The package is whole, but its card could not be made a PDF."""

    reason: str


@dataclass(frozen=True, slots=True)
class WrittenBefore:
    """The package is there, from a command that was stopped after giving it its name; nothing was trained."""

    out: Path
