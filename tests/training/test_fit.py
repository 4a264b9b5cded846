"""Training on a few patches: what is kept and told, and that one which was killed ends as if it had not been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batchscan.domain.card import Epoch
from batchscan.domain.errors import JobError, OutputError, PatchSetError
from batchscan.domain.orientations import oriented
from batchscan.stores.networks import import_keras
from batchscan.training import fit as fit_module
from batchscan.training.architecture import build_network
from batchscan.training.dataset import LabelledPatches, balanced_weights
from batchscan.training.events import EpochDone, StepsDone, TrainingResumed
from batchscan.training.fit import Fitted, fit
from batchscan.training.recipe import Augmentation, Recipe
from batchscan.training.scores import predicted
from batchscan.training.watched import Measured, Watched, measured

THREADS = 2
RECIPE = Recipe(
    network="compact",
    epochs=3,
    batch=8,
    precision="float32",
    warmup_steps=4,
    augment=Augmentation(hue=0.1, blur=0.3, jpeg=0.3, gaps=0.3),
)


def patches(*patients: str) -> LabelledPatches:
    """24 of each patient; IDC is dark purple, the rest pale pink, with noise."""
    rng, count = np.random.default_rng([ord(name) for name in patients]), 24 * len(patients)
    label = np.arange(count, dtype=np.int64) % 2
    colour = np.where(label[:, None] == 1, (110, 60, 130), (235, 190, 215))[:, None, None]
    pixels = np.clip(colour + rng.normal(0, 12, (count, 50, 50, 3)), 0, 255).astype(np.uint8)
    place = 50.0 * np.arange(count)
    return LabelledPatches(pixels, label, np.repeat(patients, 24), place, place)


TRAINING, VALIDATION = patches("a", "b"), Watched(patches("c"), "validation")


def ignore(_: object) -> None:
    """Nobody listens."""


def fitted(recipe: Recipe = RECIPE, watched: Watched | None = None, seed: int = 3, **more: Any) -> Fitted:
    listens: Callable[[Any], None] = more.pop("report", ignore)
    training = more.pop("training", TRAINING)
    return fit(training, watched, recipe, seed=seed, report=listens, **{"threads": THREADS, **more})


def same_weights(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def without_times(found: Fitted) -> list[Epoch]:
    return [epoch.model_copy(update={"seconds": 0.0}) for epoch in found.history.epochs]


def stop_after(epoch: int) -> Callable[[Any], None]:
    def stop(event: Any) -> None:
        if isinstance(event, EpochDone) and event.measured.epoch == epoch:
            raise KeyboardInterrupt

    return stop


@pytest.fixture(scope="module")
def undisturbed() -> Fitted:
    return fitted(watched=VALIDATION)


def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(undisturbed: Fitted, tmp_path: Path) -> None:
    events: list[Any] = []
    for epoch in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            fitted(watched=VALIDATION, state=tmp_path / "state", report=stop_after(epoch))
    found = fitted(watched=VALIDATION, state=tmp_path / "state", report=events.append)
    assert same_weights(found.network, undisturbed.network)
    assert without_times(found) == without_times(undisturbed)
    assert events[0] == TrainingResumed(2, 3, 6)
    assert [(event.epoch, event.done) for event in events if isinstance(event, StepsDone)] == [
        (3, step) for step in range(1, 7)
    ]


CHILD = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_fit import VALIDATION, fitted

def kill(event):
    if type(event).__name__ == "StepsDone" and (event.epoch, event.done) == (3, 2):
        os.kill(os.getpid(), signal.SIGKILL)

fitted(watched=VALIDATION, state=Path(sys.argv[1]), report=kill, threads=int(sys.argv[2]))
"""


def test_so_does_one_whose_process_was_killed(undisturbed: Fitted, tmp_path: Path) -> None:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    threads = os.environ["TF_NUM_INTRAOP_THREADS"]  # as this process has, whichever test imported Keras first
    child = subprocess.run([sys.executable, "-c", CHILD, tmp_path, threads], check=False, env=environment)
    assert child.returncode == -signal.SIGKILL
    events: list[Any] = []
    found = fitted(watched=VALIDATION, state=tmp_path, report=events.append)
    assert events[0] == TrainingResumed(2, 3, 6)
    assert same_weights(found.network, undisturbed.network)


def test_a_finished_training_is_not_done_again(undisturbed: Fitted, tmp_path: Path) -> None:
    first = fitted(watched=VALIDATION, state=tmp_path)
    events: list[Any] = []
    again = fitted(watched=VALIDATION, state=tmp_path, report=events.append)
    assert events == [TrainingResumed(3, 3, 6)]
    assert again.history == first.history
    assert same_weights(again.network, undisturbed.network)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 4}, "seed is 3 there, 4 here"),
        ({"recipe": RECIPE.model_copy(update={"learning_rate": 0.002})}, "learning_rate is 0.001 there, 0.002 here"),
        ({"recipe": RECIPE.model_copy(update={"augment": Augmentation()})}, "augment.gaps is 0.3 there, 0.1 here"),
        ({"training": patches("a", "d")}, "training patches is "),
        ({"watched": None}, "watched patches is validation [0-9a-f]+ there, None here"),
        ({"frozen_epochs": 1}, "frozen epochs is 0 there, 1 here"),
    ],
)
def test_another_trainings_state_is_refused(change: dict[str, Any], told: str, stopped: Path) -> None:
    with pytest.raises(OutputError, match=rf"is of another training \({told}"):
        fitted(**{"watched": VALIDATION, "state": stopped, **change})


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: Any) -> Path:
    state: Path = tmp_path_factory.mktemp("stopped")
    with pytest.raises(KeyboardInterrupt):
        fitted(watched=VALIDATION, state=state, report=stop_after(1))
    return state


def test_the_seed_decides() -> None:
    short = RECIPE.model_copy(update={"epochs": 1})
    one, same, other = (fitted(short, seed=seed) for seed in (1, 1, 2))
    assert same_weights(one.network, same.network)
    assert not same_weights(one.network, other.network)


def test_it_learns_and_its_last_epoch_is_kept_with_nobody_to_choose_on(undisturbed: Fitted) -> None:
    first, *_, last = undisturbed.history.epochs
    assert last.training_loss < first.training_loss
    assert (last.watched_auroc or 0.0) > 0.9
    assert (undisturbed.history.kept_epoch, undisturbed.history.watched) == (3, "validation")
    assert undisturbed.history.watched_patients == ("c",)
    alone = fitted(RECIPE.model_copy(update={"epochs": 1})).history
    assert (alone.watched, alone.watched_patients, alone.epochs[0].watched_loss) == ("nobody", (), None)


def test_who_is_watched_changes_no_weight(undisturbed: Fitted) -> None:
    assert same_weights(fitted().network, undisturbed.network)


def test_loss_and_accuracy_are_the_epochs_own_and_weighted() -> None:
    """With hardly any learning, they are those of the fresh network on the patches as they are."""
    still = Augmentation(turns=False, stain=0.0, brightness=0.0, gaps=0.0)
    recipe = RECIPE.model_copy(update={"learning_rate": 1e-12, "final_learning_rate": 1e-12, "augment": still})
    uneven = TRAINING.where(np.arange(48) % 8 != 1)
    recipe = recipe.model_copy(update={"batch": len(uneven) // 3, "epochs": 2})
    found = fitted(recipe, training=uneven)
    fresh = build_network(import_keras(THREADS), "compact", seed=3)
    expected = measured(uneven.label, predicted(fresh, uneven.pixels), balanced_weights(uneven, 0.5))
    for epoch in found.history.epochs:
        assert epoch.training_loss == pytest.approx(expected.loss, rel=1e-4)
        assert epoch.training_accuracy == pytest.approx(expected.accuracy, abs=1e-5)


@pytest.mark.parametrize(
    ("losses", "patience", "kept", "done"),
    [([0.5, 0.2, 0.3, 0.4], None, 2, 4), ([0.5, 0.2, 0.2, 0.1], 2, 4, 4), ([0.2, 0.3, 0.3, 0.1], 2, 1, 3)],
)
def test_the_epoch_of_least_validation_loss_is_kept(
    losses: list[float], patience: int | None, kept: int, done: int, monkeypatch: Any, tmp_path: Path
) -> None:
    scripted, weights = iter(losses), list[Any]()

    def seen(network: Any, pixels: Any) -> Any:
        weights.append(network.get_weights())
        return np.full(len(pixels), 0.5, np.float32)

    monkeypatch.setattr(fit_module, "predicted", seen)
    monkeypatch.setattr(fit_module, "measured", lambda *_: Measured(next(scripted), 0.5, 0.5))
    recipe = RECIPE.model_copy(update={"epochs": 4, "batch": 24, "keep": "best", "patience": patience})
    with pytest.raises(KeyboardInterrupt):
        fitted(recipe, VALIDATION, state=tmp_path, report=stop_after(2))
    events: list[Any] = []
    found = fitted(recipe, VALIDATION, state=tmp_path, report=events.append)
    assert (found.history.kept_epoch, len(found.history.epochs)) == (kept, done)
    assert all(np.array_equal(a, b) for a, b in zip(found.network.get_weights(), weights[kept - 1], strict=True))
    later = [event for event in events if isinstance(event, EpochDone)]
    assert [event.best for event in later] == [losses[n] < min(losses[:n]) for n in range(2, done)]


@pytest.mark.parametrize("watched", [None, Watched(patches("c"), "held out")])
def test_the_best_epoch_is_chosen_on_validation_patients_only(watched: Watched | None) -> None:
    with pytest.raises(JobError, match='keep = "best" in the recipe needs validation patients'):
        fitted(RECIPE.model_copy(update={"keep": "best"}), watched)


@pytest.mark.parametrize("role", ["validation", "held out"])
def test_a_patient_in_training_is_never_watched(role: Any) -> None:
    with pytest.raises(PatchSetError, match=f"^b: both training and {role}"):
        fitted(watched=Watched(patches("b", "c"), role))


def test_a_training_that_diverges_is_named(monkeypatch: Any) -> None:
    monkeypatch.setattr(fit_module, "balanced_weights", lambda some, **_: np.full(len(some), np.nan))
    with pytest.raises(JobError, match=r"training diverged.*lower learning_rate.*it is 0\.001"):
        fitted()


def test_so_is_one_that_shows_only_on_the_watched_patients(monkeypatch: Any) -> None:
    monkeypatch.setattr(fit_module, "predicted", lambda _, pixels: np.full(len(pixels), np.nan, np.float32))
    with pytest.raises(JobError, match="training diverged"):
        fitted(watched=VALIDATION)


def test_no_thread_is_left_by_a_training_that_is_stopped() -> None:
    def stop(event: Any) -> None:
        if isinstance(event, StepsDone):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(report=stop)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("batches")] == []


def test_a_mixed_precision_training_gives_a_float32_network() -> None:
    found = fitted(RECIPE.model_copy(update={"precision": "mixed_bfloat16", "epochs": 1}))
    assert found.precision == "mixed_bfloat16"
    assert {layer.compute_dtype for layer in found.network.layers} == {"float32"}


def test_starting_from_a_network_its_layers_can_be_frozen(tmp_path: Path) -> None:
    keras = import_keras(THREADS)
    start = build_network(keras, "compact", seed=9)
    before = start.get_weights()
    recipe = RECIPE.model_copy(update={"epochs": 2})
    frozen = fitted(recipe, start=start, frozen_epochs=2).network.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(frozen[:-2], before[:-2], strict=True))
    assert not np.array_equal(frozen[-2], before[-2])
    thawed = fitted(recipe, start=start, frozen_epochs=1)
    assert not any(np.array_equal(a, b) for a, b in zip(thawed.network.get_weights(), before, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(start.get_weights(), before, strict=True))
    # Stopped where the layers thaw, it goes on with a new optimizer, as the undisturbed one did.
    with pytest.raises(KeyboardInterrupt):
        fitted(recipe, start=start, frozen_epochs=1, state=tmp_path, report=stop_after(1))
    resumed = fitted(recipe, start=start, frozen_epochs=1, state=tmp_path)
    assert same_weights(resumed.network, thawed.network)
    other = build_network(keras, "compact", seed=8)
    with pytest.raises(OutputError, match="network to start from is"):
        fitted(recipe, start=other, frozen_epochs=1, state=tmp_path)


def test_weight_decay_shrinks_what_the_loss_does_not_hold() -> None:
    """AdamW takes rate x decay off each weight in each step, besides what Adam does."""
    recipe = RECIPE.model_copy(
        update={"weight_decay": 0.5, "epochs": 1, "batch": 48, "warmup_steps": 0, "learning_rate": 0.5}
    )
    found = fitted(recipe, frozen_epochs=0)
    plain = fitted(recipe.model_copy(update={"weight_decay": 0.0}))
    fresh = build_network(import_keras(THREADS), "compact", seed=3).get_weights()
    # One step at rate 0.5: the same Adam step from weights that are a quarter smaller.
    for decayed, adam, start in zip(found.network.get_weights(), plain.network.get_weights(), fresh, strict=True):
        np.testing.assert_allclose(decayed, adam - 0.25 * start, atol=1e-4)


@pytest.mark.parametrize("orientations", [1, 2, 4, 8])
def test_scores_are_the_mean_over_the_ways_a_patch_can_lie(orientations: int) -> None:
    network = build_network(import_keras(THREADS), "compact", seed=0)
    some = VALIDATION.patches.pixels[:5]
    some[:, :20] = 0
    each = [predicted(network, np.ascontiguousarray(oriented(some, index))) for index in range(orientations)]
    np.testing.assert_allclose(predicted(network, some, orientations), np.mean(each, axis=0), atol=1e-6)
    assert len(predicted(network, some[:0], orientations)) == 0
    if orientations > 1:
        assert not np.allclose(each[0], each[1], atol=1e-4)
