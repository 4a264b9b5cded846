"""Training and validation patches -> a network with the weights of its best epoch, and the history of all epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import JobError
from batchscan.domain.records import Float32Array, Uint8Array
from batchscan.stores.networks import import_keras, positive_probability
from batchscan.training.architecture import published_network
from batchscan.training.augment import augmented
from batchscan.training.dataset import LabelledPatches, Split, balanced_weights
from batchscan.training.measures import auroc, log_loss
from batchscan.training.recipe import Recipe

PREDICT_BATCH = 128


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    """What is about to be trained on, in how many steps.

    `not_validating` are patients that the recipe names for validation and that are held out instead.
    """

    split: Split
    n_training: int
    n_validation: int
    epochs: int
    steps_per_epoch: int
    not_validating: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepsDone:
    """So many steps of an epoch are done; epochs count from 1."""

    epoch: int
    done: int
    steps: int


@dataclass(frozen=True, slots=True)
class EpochDone:
    """One pass over the training patches, measured on the validation patients; weighted by class and patient."""

    epoch: int
    epochs: int
    training_loss: float
    validation_loss: float
    validation_auroc: float
    best: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class PartMeasured:
    """How the finished network does on the validation or the test patients together, weighted by class and patient.

    What isn't defined is None.
    """

    used_for: Literal["validation", "test"]
    patients: tuple[str, ...]
    auroc: float | None
    balanced_accuracy: float | None


TrainingEvent = TrainingStarted | StepsDone | EpochDone | PartMeasured
Report = Callable[[TrainingEvent], None]


@dataclass(frozen=True)
class Fitted:
    """A float32 network with the weights of its best epoch.

    Parameters
    ----------
    network
        The Keras network.
    best_epoch
        Counted from 1.
    history
        Every epoch, in order.
    """

    network: Any
    best_epoch: int
    history: tuple[EpochDone, ...]


def fit(
    training: LabelledPatches,
    validation: LabelledPatches,
    recipe: Recipe,
    *,
    seed: int,
    report: Report,
    threads: int,
) -> Fitted:
    """Train the published network; keep the epoch with the least validation loss (the first of equals).

    Loss and not AUROC: after one epoch the network ranks patches by colour, well enough for the AUROC of few patients,
    and knows nothing else yet.
    """
    keras = import_keras(threads)
    network = published_network(keras, seed=seed, precision=recipe.precision)
    network.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    rng = np.random.default_rng(seed)
    history: list[EpochDone] = []
    best_weights: list[Any] = []
    least_loss = math.inf
    for epoch in range(1, recipe.epochs + 1):
        started = time.monotonic()
        training_loss = _one_epoch(network, training, recipe, epoch, rng, report)
        loss, area = _validated(network, validation, recipe)
        best = loss < least_loss
        if best:
            least_loss, best_weights = loss, network.get_weights()
        seconds = time.monotonic() - started
        history.append(EpochDone(epoch, recipe.epochs, training_loss, loss, area, best, seconds))
        report(history[-1])
    final = published_network(keras, seed=seed)
    final.set_weights(best_weights)
    return Fitted(final, max(event.epoch for event in history if event.best), tuple(history))


def _validated(network: Any, validation: LabelledPatches, recipe: Recipe) -> tuple[float, float]:
    """Weighted loss and AUROC on the validation patients."""
    weights = balanced_weights(validation, recipe.patient_exponent)
    p_idc = predicted(network, validation.pixels)
    if not np.all(np.isfinite(p_idc)):
        raise JobError(
            "training diverged: the network gives no numbers any more; lower learning_rate in a recipe (--recipe; "
            f"it is {recipe.learning_rate:g})"
        )
    return log_loss(validation.label, p_idc, weights), auroc(validation.label, p_idc, weights) or 0.0


def _one_epoch(
    network: Any, training: LabelledPatches, recipe: Recipe, epoch: int, rng: np.random.Generator, report: Report
) -> float:
    """Every training patch once, in random order; the mean loss."""
    weights = balanced_weights(training, recipe.patient_exponent, recipe.contrast)
    batches = list(_batches(rng.permutation(len(training)), recipe.batch))
    losses = []
    for done, chosen in enumerate(batches, start=1):
        through = (epoch - 1 + (done - 1) / len(batches)) / recipe.epochs
        network.optimizer.learning_rate = _learning_rate(recipe, through)
        pixels = augmented(training.pixels[chosen], recipe.augment, rng)
        loss = network.train_on_batch(pixels, training.label[chosen], sample_weight=weights[chosen].astype(np.float32))
        losses.append(float(loss))
        report(StepsDone(epoch, done, len(batches)))
    return float(np.mean(losses))


def steps_per_epoch(n_training: int, batch: int) -> int:
    """How many steps one pass over the training patches takes."""
    return math.ceil(n_training / batch)


def _batches(order: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Pieces of one size; a shorter rest is filled from the beginning, so that one shape serves all steps."""
    filled = np.resize(order, steps_per_epoch(len(order), size) * size)
    yield from filled.reshape(-1, size)


def _learning_rate(recipe: Recipe, through: float) -> float:
    """Half a cosine from the first to the final rate; `through` is the share of the training that is done."""
    share = (1.0 + math.cos(math.pi * through)) / 2.0
    return recipe.final_learning_rate + (recipe.learning_rate - recipe.final_learning_rate) * share


def predicted(network: Any, pixels: Uint8Array) -> Float32Array:
    """p_idc of patches (n, p, p, 3), (n,) float32, in batches of one size."""
    parts = [np.empty(0, dtype=np.float32)]
    for start in range(0, len(pixels), PREDICT_BATCH):
        piece = pixels[start : start + PREDICT_BATCH]
        padded = np.zeros((PREDICT_BATCH, *pixels.shape[1:]), dtype=np.uint8)
        padded[: len(piece)] = piece
        parts.append(positive_probability(np.asarray(network.predict_on_batch(padded)))[: len(piece)])
    return np.concatenate(parts)
