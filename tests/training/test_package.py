"""Training end to end on a tiny generated patch set, and the published architecture layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from batchscan.domain.errors import JobError, OutputError, PatchSetError
from batchscan.stores.networks import import_keras, load_network
from batchscan.stores.packages import DEFAULT_MODEL, open_package
from batchscan.training import fit as fit_module
from batchscan.training.architecture import published_network
from batchscan.training.fit import EpochDone, PartMeasured, StepsDone, TrainingStarted, predicted
from batchscan.training.package import train_package
from batchscan.training.recipe import Recipe

RECIPE = Recipe(name="tiny", epochs=2, batch=16, precision="float32", validation_patients=("b",))


@pytest.fixture(scope="module")
def trained(patch_set: Path, tmp_path_factory: Any) -> Any:
    events: list[Any] = []
    out = tmp_path_factory.mktemp("out") / "model"
    return train_package(patch_set, out, ("c",), RECIPE, 3, events.append), events


def test_a_trained_package_is_whole_and_says_who_served_for_what(trained: Any) -> None:
    package = open_package(trained[0].path)
    card = package.card
    assert (card.training_patients, card.validation_patients) == (("a",), ("b",))
    assert {one.patient_id: one.used_for for one in card.performance} == {"c": "test", "b": "validation"}
    assert (card.performance[0].auroc or 0.0) > 0.9
    assert card.recipe["seed"] == 3
    assert len(card.recipe["history"]) == 2
    assert 0.0 < card.threshold.value < 1.0
    assert "48 patches (24 IDC) of 2 patients" in card.training_data


def test_the_golden_patches_are_the_networks_own_and_from_training_patients(trained: Any, patch_set: Path) -> None:
    package = trained[0]
    golden = package.golden()
    network = load_network(package.network_path, 1)
    np.testing.assert_allclose(predicted(network, golden.patches), golden.p_idc, atol=1e-6)
    known = {np.asarray(Image.open(file)).tobytes() for file in (patch_set / "a").rglob("*.png")}
    cut = [(patch[30:] == 255).all() for patch in golden.patches]
    assert sum(cut) == 4
    assert {
        (patch[:30] if short else patch).tobytes() for patch, short in zip(golden.patches, cut, strict=True)
    } <= known


def test_events_tell_the_whole_training(trained: Any) -> None:
    started, *rest = trained[1]
    assert isinstance(started, TrainingStarted)
    assert (started.n_training, started.n_validation, started.epochs) == (24, 24, 2)
    assert (started.steps_per_epoch, started.not_validating) == (2, ())
    epochs = [event for event in rest if isinstance(event, EpochDone)]
    assert [event.epoch for event in epochs] == [1, 2]
    steps = [(event.epoch, event.done) for event in rest if isinstance(event, StepsDone)]
    assert steps == [(1, 1), (1, 2), (2, 1), (2, 2)]
    measured = [event for event in rest if isinstance(event, PartMeasured)]
    assert [(event.used_for, event.patients) for event in measured] == [("test", ("c",)), ("validation", ("b",))]
    assert all((event.auroc or 0.0) > 0.9 for event in measured)
    best = max(event.epoch for event in epochs if event.best)
    assert trained[0].card.recipe["best_epoch"] == best


def test_the_same_seed_gives_the_same_weights(trained: Any, patch_set: Path, tmp_path: Path) -> None:
    def weights(package: Any) -> list[Any]:
        return list(load_network(package.network_path, 1).get_weights())

    again = train_package(patch_set, tmp_path / "again", ("c",), RECIPE, 3, lambda _: None)
    other = train_package(patch_set, tmp_path / "other", ("c",), RECIPE, 4, lambda _: None)
    same = [np.array_equal(a, b) for a, b in zip(weights(trained[0]), weights(again), strict=True)]
    assert all(same)
    assert not np.array_equal(weights(trained[0])[0], weights(other)[0])


def test_a_mixed_precision_training_saves_a_float32_network(patch_set: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"precision": "mixed_bfloat16", "epochs": 1})
    package = train_package(patch_set, tmp_path / "mixed", (), recipe, 0, lambda _: None)
    network = load_network(package.network_path, 1)
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}
    assert all(one.used_for == "validation" for one in package.card.performance)


def test_nothing_is_trained_for_a_place_that_is_taken(patch_set: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="never overwritten"):
        train_package(patch_set, tmp_path / "full", (), RECIPE, 0, lambda _: None)
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"


def test_a_shipped_models_name_is_not_taken_unasked(patch_set: Path, tmp_path: Path) -> None:
    recipe = Recipe(epochs=1)
    with pytest.raises(OutputError, match=r"would call its model published-cnn.*--recipe"):
        train_package(patch_set, tmp_path / "new" / DEFAULT_MODEL, (), recipe, 0, lambda _: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", [TrainingStarted, StepsDone, PartMeasured])
def test_an_interrupted_training_leaves_nothing(moment: type, patch_set: Path, tmp_path: Path) -> None:
    def interrupt(event: object) -> None:
        if isinstance(event, moment):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_package(patch_set, tmp_path / "out", (), RECIPE, 0, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_saving_leaves_nothing(patch_set: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def begun(_: Any, path: Path) -> None:
        path.write_bytes(b"half of a network")
        raise KeyboardInterrupt

    monkeypatch.setattr(import_keras(1).Sequential, "save", begun)
    recipe = RECIPE.model_copy(update={"epochs": 1})
    with pytest.raises(KeyboardInterrupt):
        train_package(patch_set, tmp_path / "out", (), recipe, 0, lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_png_is_named_before_training(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    for patient, label in (("a", 0), ("b", 1)):
        path = tmp_path / "set" / patient / str(label) / f"{patient}_idx5_x1_y1_class{label}.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(PatchSetError, match=r"b_idx5_x1_y1_class1\.png"):
        train_package(tmp_path / "set", tmp_path / "out", (), RECIPE, 0, lambda _: None)
    assert not (tmp_path / "out").exists()


def activation(layer: Any) -> str:
    return str(layer.activation.__name__)


def layers_of(network: Any) -> list[tuple[Any, ...]]:
    kinds: dict[str, Any] = {
        "Resizing": lambda layer: (layer.height, layer.width, layer.interpolation, layer.antialias),
        "Rescaling": lambda layer: (layer.scale, layer.offset),
        "Conv2D": lambda layer: (
            layer.filters,
            layer.kernel_size,
            layer.strides,
            layer.padding,
            layer.activation.__name__,
        ),
        "MaxPooling2D": lambda layer: (layer.pool_size, layer.strides),
        "Flatten": lambda _: (),
        "Dense": lambda layer: (layer.units, activation(layer)),
    }
    return [(type(layer).__name__, *kinds[type(layer).__name__](layer)) for layer in network.layers]


@pytest.mark.parametrize("source", ["fresh", "shipped"])
def test_the_network_is_the_published_one(source: str) -> None:
    keras = import_keras(2)
    fresh = source == "fresh"
    network = published_network(keras, seed=0) if fresh else load_network(open_package(DEFAULT_MODEL).network_path, 1)
    pool = ("MaxPooling2D", (2, 2), (2, 2))
    assert layers_of(network) == [
        ("Resizing", 180, 180, "bilinear", False),
        ("Rescaling", 1 / 255, 0.0),
        ("Conv2D", 16, (3, 3), (1, 1), "same", "relu"),
        pool,
        ("Conv2D", 32, (3, 3), (1, 1), "same", "relu"),
        pool,
        ("Conv2D", 64, (3, 3), (1, 1), "same", "relu"),
        pool,
        ("Flatten",),
        ("Dense", 128, "relu"),
        ("Dense", 2, "linear"),
    ]
    assert network.input_shape == (None, 50, 50, 3)
    assert network.inputs[0].dtype == "uint8"
    # By hand: 448 + 4,640 + 18,496 for the convolutions, 22 x 22 x 64 x 128 + 128 and 128 x 2 + 2 for the dense layers.
    assert network.count_params() == 448 + 4640 + 18496 + 3964928 + 128 + 258
    assert not network.compiled


def test_a_training_that_diverges_is_named(patch_set: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(fit_module, "predicted", lambda _, pixels: np.full(len(pixels), np.nan, np.float32))
    with pytest.raises(JobError, match=r"training diverged.*lower learning_rate"):
        train_package(patch_set, tmp_path / "out", (), RECIPE, 0, lambda _: None)
    assert not (tmp_path / "out").exists()


def test_the_epoch_of_least_validation_loss_is_kept(patch_set: Path, tmp_path: Path, monkeypatch: Any) -> None:
    losses = iter([0.5, 0.2, 0.3])
    kept: list[Any] = []

    def validated(network: Any, *_: Any) -> tuple[float, float]:
        kept.append(network.get_weights())
        return next(losses), 0.9

    monkeypatch.setattr(fit_module, "_validated", validated)
    recipe = RECIPE.model_copy(update={"epochs": 3})
    package = train_package(patch_set, tmp_path / "out", (), recipe, 0, lambda _: None)
    found = load_network(package.network_path, 1).get_weights()
    assert package.card.recipe["best_epoch"] == 2
    assert all(np.array_equal(a, b) for a, b in zip(found, kept[1], strict=True))
