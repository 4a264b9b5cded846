"""Real, tiny trainings of a cross-validation: what they are fitted to, by the pixels that they read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from patch_folders import write_patch_set

from batchscan.domain.records import Uint8Array
from batchscan.stores.patchsets import read_patch_set
from batchscan.training.dataset import LabelledPatches, load_patches
from batchscan.training.pixels import Pixels
from batchscan.training.recipe import Context, Recipe
from batchscan.workflow.cross_validation import cross_validated
from batchscan.workflow.folds import Scores, Training, planned
from batchscan.workflow.training_state import TrainingState
from batchscan.workflow.trainings import Trainings

RECIPE = Recipe(
    network="compact",
    epochs=1,
    batch=16,
    precision="float32",
    folds=("a", "b"),
    cv_seeds=1,
    context=Context(orientations=1, sigmas=(0.0,)),
)


class Recorded:
    """Patches that write down which of them were read."""

    def __init__(self, pixels: Pixels) -> None:
        self.read: set[int] = set()
        self._pixels = pixels

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, rows: Any, /) -> Uint8Array:
        self.read.update(np.atleast_1d(np.arange(len(self))[rows]).tolist())
        return self._pixels[rows]


def recorded(folder: Path) -> tuple[LabelledPatches, Recorded]:
    with read_patch_set(write_patch_set(folder, "abcd")) as found:
        patches = load_patches(found)
    pixels = Recorded(patches.pixels)
    return replace(patches, pixels=pixels), pixels


def test_a_training_reads_no_pixel_of_whom_it_leaves_out(tmp_path: Path) -> None:
    patches, pixels = recorded(tmp_path / "set")
    plan = planned(patches, RECIPE, (), 0)
    trainings = Trainings(patches, RECIPE, plan.package, TrainingState(tmp_path / "state"), None, lambda _: None, 2)
    fitted_to: dict[frozenset[str], set[str]] = {}

    def train(training: Training) -> Scores:
        pixels.read.clear()
        trainings.fitted(training)
        fitted_to[training.left_out] = {str(patches.patient[row]) for row in pixels.read}
        # Scoring reads whom it left out: the network is there by now, and is only read again.
        return trainings.scores(training)

    cross_validated(plan, patches, train, RECIPE)
    assert fitted_to == {
        frozenset(): set("abcd"),
        frozenset("a"): set("bcd"),
        frozenset("b"): set("acd"),
        frozenset("ab"): set("cd"),
    }
