"""Who is left out, and a seed -> a network trained on the others, and its scores of who was left out; each once."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import JobError
from batchscan.domain.records import Float32Array
from batchscan.evaluation.metrics import auroc
from batchscan.training.dataset import LabelledPatches, Split
from batchscan.training.fit import Fitted, fit
from batchscan.training.recipe import Recipe
from batchscan.training.schedule import steps_per_epoch
from batchscan.training.scores import predicted
from batchscan.training.transfer import ParentModel
from batchscan.training.watched import Watched
from batchscan.workflow.folds import Scores, Training, split_for
from batchscan.workflow.training_events import Report, TrainingBegun, TrainingEnded
from batchscan.workflow.training_state import TrainingState


class Trainings:
    """All trainings of a package, one after the other; what is finished is read from the state.

    Parameters
    ----------
    patches, recipe
        Of all of them.
    package
        The one whose network is shipped: it alone is watched, epoch by epoch, when no epoch is chosen.
    state
        Where they are kept.
    start
        What they start from; None for fresh weights.
    report
        Is called with events.
    threads
        Of the backend.
    """

    def __init__(
        self,
        patches: LabelledPatches,
        recipe: Recipe,
        package: Training,
        state: TrainingState,
        start: ParentModel | None,
        report: Report,
        threads: int,
    ) -> None:
        self._patches, self._recipe, self._package = patches, recipe, package
        self._state, self._start, self._report, self._threads = state, start, report, threads
        self._number = 0

    def scores(self, training: Training) -> Scores:
        """What the training's network says of who was left out of it; trained unless that is known already."""
        known = self._state.scores(training)
        if known is not None:
            return known
        self._number += 1
        self._report(self._begun(training))
        began = time.monotonic()
        fitted = self.fitted(training)
        before = sum(epoch.seconds or 0.0 for epoch in fitted.history.epochs)
        rows = np.flatnonzero(np.isin(self._patches.patient, sorted(training.left_out)))
        p_raw = self.p_raw(fitted, rows, self._recipe.context.orientations)
        # What was trained before a kill took its time too.
        scores = Scores(rows, p_raw, round(max(time.monotonic() - began, before), 3))
        self._state.keep(training, scores)
        if training != self._package:
            self._state.forget_fit(training)
        self._report(TrainingEnded(self._number, training, self._areas(training, scores), scores.seconds))
        return scores

    def fitted(self, training: Training) -> Fitted:
        """Its network; from the state, where it was finished and is kept."""
        split = self.split(training)
        start = self._start
        return fit(
            self._patches.of(split.training),
            self._watched(training, split),
            self._recipe,
            seed=training.seed,
            report=self._report,
            threads=self._threads,
            state=self._state.fit_folder(training),
            start=start.network if start else None,
            frozen_epochs=self._recipe.frozen_epochs or 0,
        )

    def steps(self, training: Training) -> int:
        """How many steps an epoch of it takes."""
        n_training = int(np.isin(self._patches.patient, self.split(training).training).sum())
        return steps_per_epoch(n_training, self._recipe.batch)

    def split(self, training: Training) -> Split:
        """Who serves for what in it."""
        return split_for(self._patches, self._recipe, training)

    def p_raw(self, fitted: Fitted, rows: NDArray[np.int64], orientations: int) -> Float32Array:
        """(n,) scores of some of the patches.

        Raises
        ------
        JobError
            If the network gives no numbers.
        """
        found = predicted(fitted.network, self._patches.where(rows).pixels, orientations)
        if not np.isfinite(found).all():
            raise JobError(
                "training diverged: the network gives no numbers any more; lower learning_rate in a recipe (--recipe; "
                f"it is {self._recipe.learning_rate:g})"
            )
        return found

    def _watched(self, training: Training, split: Split) -> Watched | None:
        if split.validation and (training == self._package or self._recipe.keep == "best"):
            return Watched(self._patches.of(split.validation), "validation")
        if split.test and training == self._package:
            return Watched(self._patches.of(split.test), "held out")
        return None

    def _begun(self, training: Training) -> TrainingBegun:
        split = self.split(training)
        n_training = len(self._patches.of(split.training))
        watched = self._watched(training, split)
        return TrainingBegun(
            self._number,
            training,
            split,
            n_training,
            self.steps(training),
            watched.patches.patients() if watched else (),
        )

    def _areas(self, training: Training, scores: Scores) -> dict[str, float | None]:
        areas = {}
        for patient in sorted(training.left_out):
            rows = np.flatnonzero(self._patches.patient == patient)
            areas[patient] = auroc(self._patches.label[rows] == 1, scores.of(rows))
        return areas
