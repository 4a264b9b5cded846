"""Patches without pixels, and trainings whose scores are written down instead of trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from batchscan.training.dataset import LabelledPatches
from batchscan.workflow.folds import Scores, Training

SIDE = 50.0


def patches_of(labels: dict[str, str], width: int = 6) -> LabelledPatches:
    """Patients by name with their labels, row by row on a grid so wide."""
    label = np.array([int(letter) for letters in labels.values() for letter in letters], dtype=np.int64)
    patient = np.repeat(list(labels), [len(letters) for letters in labels.values()]).astype(np.str_)
    place = np.concatenate([np.arange(len(letters)) for letters in labels.values()])
    pixels = np.zeros((len(label), 2, 2, 3), dtype=np.uint8)
    return LabelledPatches(pixels, label, patient, place % width * SIDE, place // width * SIDE, SIDE)


def relabelled(patches: LabelledPatches, patient: str, label: NDArray[np.int64]) -> LabelledPatches:
    """The same with other labels for one patient."""
    changed = patches.label.copy()
    changed[patches.patient == patient] = label
    return LabelledPatches(patches.pixels, changed, patches.patient, patches.x_px, patches.y_px, patches.side_px)


class Scripted:
    """Trainings that give what `p_raw(training, patches left out)` says, and remember what they were asked for."""

    def __init__(
        self, patches: LabelledPatches, p_raw: Callable[[Training, LabelledPatches], NDArray[np.float64]]
    ) -> None:
        self.asked: list[Training] = []
        self._patches = patches
        self._p_raw = p_raw

    def __call__(self, training: Training) -> Scores:
        self.asked.append(training)
        rows = np.flatnonzero(np.isin(self._patches.patient, sorted(training.left_out)))
        p_raw = self._p_raw(training, self._patches.where(rows))
        return Scores(rows, np.asarray(p_raw, dtype=np.float32), 2.0)


def noisy(training: Training, left_out: LabelledPatches) -> NDArray[np.float64]:
    """Scores that rank patches tolerably, other ones in each training; they depend on the first labels written down."""
    rng = np.random.default_rng([training.seed, *map(ord, "".join(sorted(training.left_out)))])
    return np.clip(rng.normal(0.35 + 0.3 * left_out.label, 0.2), 0.01, 0.99)
