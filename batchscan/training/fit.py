"""Training patches and a recipe -> a network, and the history of its epochs; resumable after each of them."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.card import Epoch, History
from batchscan.domain.errors import JobError
from batchscan.domain.records import Float32Array, Uint8Array
from batchscan.stores.networks import import_keras
from batchscan.training.architecture import build_network
from batchscan.training.augment import augmented
from batchscan.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from batchscan.training.dataset import LabelledPatches, balanced_weights, check_apart
from batchscan.training.events import EpochDone, Report, StepsDone, TrainingResumed
from batchscan.training.precision import Precision, chosen_precision, keras_version
from batchscan.training.prefetch import prefetched
from batchscan.training.recipe import Recipe
from batchscan.training.schedule import learning_rate, shuffled, steps_per_epoch
from batchscan.training.scores import predicted
from batchscan.training.transfer import typed_as
from batchscan.training.watched import Measured, Watched, measured

BATCHES_AHEAD = 4
THREADS_A_PREPARER = 4
"""One thread prepares batches faster than a few cores train on them; beside a GPU it takes more."""

_DECIDES_NUMBERS = (
    "network",
    "epochs",
    "batch",
    "learning_rate",
    "final_learning_rate",
    "warmup_steps",
    "weight_decay",
    "keep",
    "patience",
    "balance",
    "patient_exponent",
    "contrast",
)


@dataclass(frozen=True)
class Fitted:
    """A float32 network with the weights that were kept.

    Parameters
    ----------
    network
        The Keras network.
    history
        Every epoch, and which was kept.
    precision
        What it was trained in.
    """

    network: Any
    history: History
    precision: Precision


@dataclass(frozen=True)
class _Task:
    """The arguments of `fit` that decide its numbers."""

    training: LabelledPatches
    watched: Watched | None
    recipe: Recipe
    seed: int
    start: Any
    frozen_epochs: int

    @property
    def steps(self) -> int:
        return steps_per_epoch(len(self.training), self.recipe.batch)


def fit(
    training: LabelledPatches,
    watched: Watched | None,
    recipe: Recipe,
    *,
    seed: int,
    report: Report,
    threads: int,
    state: Path | None = None,
    start: Any = None,
    frozen_epochs: int = 0,
) -> Fitted:
    """Train a recipe's network.

    Weights, order and augmentation of an epoch follow from seed and epoch alone: a training that was killed and goes on
    ends with the same weights, bit by bit, on the same machine.

    Parameters
    ----------
    watched
        Patients that each epoch is measured on. With `keep = "best"` they are validation patients, and the epoch with
        the least loss on them (the first of equals) is kept. Loss and not AUROC: after one epoch the network ranks
        patches by colour, well enough for the AUROC of few patients, and knows nothing else yet.
    report
        Is called with events; what it raises ends the training.
    state
        Folder in which the training is kept after each epoch, and from which it goes on.
    start, frozen_epochs
        Network whose layers and weights are started from (it isn't changed); so many epochs, the first, train its last
        dense layer only.

    Raises
    ------
    JobError, PatchSetError, OutputError
        If it diverges or has nobody to choose the best epoch on; if a patient is in training and watched; if `state`
        can't be written or holds another training.
    """
    _check_watched(training, watched, recipe)
    # TensorFlow reads it before its first operation; it leaves out GPU kernels whose sums depend on timing.
    os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
    task = _Task(training, watched, recipe, seed, start, frozen_epochs)
    fitting = _Fitting(import_keras(threads), task, report, preparers=max(1, threads // THREADS_A_PREPARER))
    if state is not None:
        fitting.resume(state)
    while not fitting.finished:
        fitting.run_epoch()
    return fitting.fitted()


def _check_watched(training: LabelledPatches, watched: Watched | None, recipe: Recipe) -> None:
    if watched is not None:
        check_apart("training", training.patients(), watched.role, watched.patches.patients())
    if recipe.keep == "best" and (watched is None or watched.role != "validation"):
        raise JobError(
            'keep = "best" in the recipe needs validation patients to choose the epoch on, and there are none: name '
            'validation_patients, or set keep = "last"'
        )


class _Fitting:
    """A training under way: the network being trained, what has been done and what is left."""

    def __init__(self, keras: Any, task: _Task, report: Report, *, preparers: int) -> None:
        self._keras, self._task, self._report, self._preparers = keras, task, report, preparers
        recipe, watched = task.recipe, task.watched
        self._precision = chosen_precision(recipe.precision, keras)
        self._network = _fresh(keras, task, self._precision)
        weighted = partial(balanced_weights, exponent=recipe.patient_exponent, balance=recipe.balance)
        self._weights = weighted(task.training, contrast=recipe.contrast).astype(np.float32)
        self._watched_weights = weighted(watched.patches) if watched else None
        self._history: list[Epoch] = []
        self._best: Sequence[NDArray[Any]] = ()
        self._compiled_frozen: bool | None = None
        self._state: Path | None = None
        self._about: dict[str, Any] = {}

    def resume(self, state: Path) -> None:
        """Keep the training in a folder, and go on from what is there."""
        self._state, self._about = state, _decisive(self._task, self._precision, self._keras)
        found = read_checkpoint(state, self._about)
        if found is None:
            return
        self._history, self._best = list(found.history), found.best
        self._compile(frozen=len(self._history) <= self._task.frozen_epochs)
        _assign(self._network.variables, found.network)
        _assign(self._network.optimizer.variables, found.optimizer)
        self._report(TrainingResumed(len(self._history), self._task.recipe.epochs, self._task.steps))

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the best of them is too long ago."""
        done, recipe = len(self._history), self._task.recipe
        stale = done > 0 and recipe.patience is not None and done >= self._kept_epoch() + recipe.patience
        return done >= recipe.epochs or stale

    def run_epoch(self) -> None:
        """Train one epoch, measure it, keep its state."""
        began, number = time.monotonic(), len(self._history) + 1
        frozen = number <= self._task.frozen_epochs
        if frozen != self._compiled_frozen:
            self._compile(frozen=frozen)
        loss, accuracy = self._pass(number)
        found = self._measure()
        self._history.append(
            Epoch(
                epoch=number,
                training_loss=loss,
                training_accuracy=min(accuracy, 1.0),
                watched_loss=found.loss if found else None,
                watched_accuracy=found.accuracy if found else None,
                watched_auroc=found.auroc if found else None,
                seconds=round(time.monotonic() - began, 3),
            )
        )
        best = self._kept_epoch() == number
        if best and self._task.recipe.keep == "best":
            self._best = self._network.get_weights()
        if self._state is not None:
            write_checkpoint(self._state, self._about, self._checkpoint())
        self._report(EpochDone(self._history[-1], self._task.recipe.epochs, best))

    def fitted(self) -> Fitted:
        """The network in float32, with the weights to keep."""
        network = _fresh(self._keras, self._task, "float32")
        network.set_weights(self._best or self._network.get_weights())
        return Fitted(network, self._said_history(), self._precision)

    def _compile(self, *, frozen: bool) -> None:
        """A new optimizer, as what is trained decides what it keeps."""
        for layer in self._network.layers:
            layer.trainable = not frozen or layer is self._network.layers[-1]
        rate, decay = self._task.recipe.learning_rate, self._task.recipe.weight_decay
        optimizers = self._keras.optimizers
        self._network.compile(
            optimizer=optimizers.AdamW(rate, weight_decay=decay) if decay else optimizers.Adam(rate),
            loss=self._keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            weighted_metrics=[self._keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        )
        self._network.optimizer.build(self._network.trainable_variables)
        self._compiled_frozen = frozen

    def _pass(self, epoch: int) -> tuple[float, float]:
        """Every training patch once, in random order; mean loss and accuracy, as the patches weigh."""
        task, network = self._task, self._network
        batches = shuffled(len(task.training), task.recipe.batch, np.random.default_rng((task.seed, epoch)))

        def prepared(step: int) -> tuple[Uint8Array, NDArray[np.int64], Float32Array]:
            chosen, rng = batches[step], np.random.default_rng((task.seed, epoch, step))
            pixels = augmented(task.training.pixels[chosen], task.recipe.augment, rng)
            return pixels, task.training.label[chosen], self._weights[chosen]

        loss = hits = weight = 0.0
        with prefetched(prepared, task.steps, ahead=BATCHES_AHEAD, threads=self._preparers) as ready:
            for step, (pixels, label, weights) in enumerate(ready):
                before = (epoch - 1) * task.steps + step
                network.optimizer.learning_rate = learning_rate(task.recipe, before, task.recipe.epochs * task.steps)
                said = network.train_on_batch(pixels, label, sample_weight=weights, return_dict=True)
                self._check_finite(float(said["loss"]))
                loss += float(said["loss"])
                hits += float(said["accuracy"]) * float(weights.sum())
                weight += float(weights.sum())
                self._report(StepsDone(epoch, step + 1, task.steps))
        return loss / task.steps, hits / weight

    def _measure(self) -> Measured | None:
        if self._task.watched is None or self._watched_weights is None:
            return None
        patches = self._task.watched.patches
        p_raw = predicted(self._network, patches.pixels)
        self._check_finite(float(p_raw.sum()))
        return measured(patches.label, p_raw, self._watched_weights)

    def _check_finite(self, value: float) -> None:
        if not math.isfinite(value):
            raise JobError(
                "training diverged: the network gives no numbers any more; lower learning_rate in a recipe (--recipe; "
                f"it is {self._task.recipe.learning_rate:g})"
            )

    def _kept_epoch(self) -> int:
        """The number of the epoch whose weights are to be kept, of those done."""
        if self._task.recipe.keep == "last" or not self._history:
            return len(self._history)
        losses = [math.inf if epoch.watched_loss is None else epoch.watched_loss for epoch in self._history]
        return losses.index(min(losses)) + 1

    def _checkpoint(self) -> Checkpoint:
        network, optimizer = (
            [np.asarray(variable.numpy()) for variable in variables]
            for variables in (self._network.variables, self._network.optimizer.variables)
        )
        return Checkpoint(network, optimizer, self._best, tuple(self._history))

    def _said_history(self) -> History:
        watched = self._task.watched
        return History(
            kept_epoch=self._kept_epoch(),
            how_kept=(
                "the last: the schedule is fixed, and no epoch was chosen"
                if self._task.recipe.keep == "last"
                else "the one with the least loss on the validation patients"
            ),
            watched=watched.role if watched else "nobody",
            watched_patients=watched.patches.patients() if watched else (),
            epochs=tuple(self._history),
        )


def _fresh(keras: Any, task: _Task, precision: Precision) -> Any:
    """The network to train, in the format to train it in."""
    if task.start is None:
        return build_network(keras, task.recipe.network, seed=task.seed, precision=precision)
    keras.utils.set_random_seed(task.seed)  # a network from elsewhere may draw numbers of its own (dropout)
    return typed_as(keras, task.start, precision)


def _decisive(task: _Task, precision: Precision, keras: Any) -> dict[str, Any]:
    """What two trainings must have in common for one to go on with the other's state."""
    start = None if task.start is None else _digest(task.start.get_weights())
    return {
        **{key: getattr(task.recipe, key) for key in _DECIDES_NUMBERS},
        **{f"augment.{key}": value for key, value in task.recipe.augment.model_dump().items()},
        "precision": precision,
        "seed": task.seed,
        "training patches": task.training.digest(),
        "watched patches": task.watched and f"{task.watched.role} {task.watched.patches.digest()}",
        "network to start from": start,
        "frozen epochs": task.frozen_epochs,
        "keras": keras_version(keras),
    }


def _digest(arrays: Sequence[NDArray[Any]]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(array.tobytes())
    return found.hexdigest()


def _assign(variables: Sequence[Any], values: Sequence[NDArray[Any]]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
