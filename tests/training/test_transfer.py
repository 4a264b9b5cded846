"""What a package hands on to a training that starts from it, and what it may not be used for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batchscan.domain.card import ModelCard
from batchscan.domain.errors import JobError, ModelError, PatchSetError
from batchscan.stores.networks import import_keras
from batchscan.stores.packages import CARD_FILE, MODEL_FILE, Golden, open_package, write_package
from batchscan.training import transfer
from batchscan.training.recipe import Recipe
from batchscan.training.transfer import ParentModel, adapted, check_recipe_alone, open_parent, typed_as

SHIPPED = "published-cnn"


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return open_package(SHIPPED).card


@pytest.fixture(scope="module")
def parent(card: ModelCard) -> ParentModel:
    return ParentModel(card, network=None)


def test_the_record_names_the_weights(parent: ParentModel) -> None:
    package = open_package(SHIPPED)
    digest = hashlib.sha256(package.network_path.read_bytes()).hexdigest()
    assert parent.record.model_dump() == {"name": SHIPPED, "version": package.card.version, "sha256": digest}


def test_a_patient_that_the_parent_knows_is_not_measured_on(parent: ParentModel) -> None:
    parent.check_unseen(["8863", "P07"], "--holdout")
    fitted = parent.card.training_patients[0]
    with pytest.raises(PatchSetError, match="a patient in training and holdout") as caught:
        parent.check_unseen(["P07", fitted], "--holdout")
    assert f"{fitted} (from --holdout) served to make {SHIPPED}" in str(caught.value)
    validating = ParentModel(parent.card.model_copy(update={"validation_patients": ("V1",)}), None)
    with pytest.raises(PatchSetError, match="V1"):
        validating.check_unseen(["V1"], "folds of the recipe")


def test_how_scores_are_read_is_inherited_without_the_curves(parent: ParentModel) -> None:
    context, threshold, calibration = parent.inherited()
    card = parent.card
    assert (context.sigma, context.orientations) == (card.context.sigma, card.context.orientations)
    assert threshold.value == card.threshold.value
    assert (calibration.method, calibration.temperature, calibration.intercept) == (
        card.calibration.method,
        card.calibration.temperature,
        card.calibration.intercept,
    )
    assert (threshold.curve, calibration.before, calibration.after) == ((), (), ())
    for said in (context.how_chosen, threshold.how_chosen, calibration.note):
        assert said.startswith(f"As its parent {SHIPPED} {card.version}, not chosen anew")


def test_a_recipe_becomes_gentler_where_it_says_nothing(parent: ParentModel) -> None:
    found = adapted(Recipe(epochs=10), parent, with_patches=True)
    assert found.learning_rate == pytest.approx(1e-4)
    assert found.final_learning_rate == pytest.approx(1e-6)
    assert found.frozen_epochs == 3
    said = Recipe(learning_rate=1e-3, final_learning_rate=1e-4, frozen_epochs=0)
    found = adapted(said, parent, with_patches=True)
    assert (found.learning_rate, found.final_learning_rate, found.frozen_epochs) == (1e-3, 1e-4, 0)


def test_slides_are_read_at_the_parents_spacing_and_patches_must_have_it(parent: ParentModel) -> None:
    fine = ParentModel(
        parent.card.model_copy(update={"scale": parent.card.scale.model_copy(update={"um_per_px": 4.0})}), None
    )
    found = adapted(Recipe(), fine, with_patches=False)
    assert found.um_per_px == 4.0
    assert found.spacing_known is not None
    assert found.spacing_known.startswith(f"as its parent {SHIPPED}")
    for recipe, with_patches, said in (
        (Recipe(), True, "say in a recipe"),
        (Recipe(um_per_px=8.0), False, "of that spacing"),
        (Recipe(um_per_px=8.0), True, "of that spacing"),
    ):
        with pytest.raises(ModelError, match=f"4 um/px, the labelled ones are of 8 um/px.*{said}"):
            adapted(recipe, fine, with_patches=with_patches)
    assert adapted(Recipe(um_per_px=4.0), fine, with_patches=True).um_per_px == 4.0


def test_a_patch_is_looked_at_as_the_parent_did(card: ModelCard) -> None:
    looking = card.context.model_copy(update={"orientations": 4, "sigma": 0.75})
    parent = ParentModel(card.model_copy(update={"context": looking}), network=None)
    found = adapted(Recipe(), parent, with_patches=True)
    assert (found.context.orientations, found.context.sigmas) == (4, (0.75,))
    said = Recipe.model_validate({"context": {"orientations": 2}})
    assert adapted(said, parent, with_patches=True).context == said.context


def test_a_network_that_the_recipe_names_must_be_the_parents() -> None:
    parent = open_parent(SHIPPED, 1)
    assert adapted(Recipe(network="published"), parent, with_patches=True).network == "published"
    with pytest.raises(JobError, match="network = 'compact' in the recipe, but published-cnn has other layers"):
        adapted(Recipe(network="compact"), parent, with_patches=True)


def test_freezing_without_a_parent_is_refused() -> None:
    check_recipe_alone(Recipe())
    check_recipe_alone(Recipe(frozen_epochs=0))
    with pytest.raises(JobError, match="frozen_epochs = 2 in the recipe needs a model to start from"):
        check_recipe_alone(Recipe(frozen_epochs=2))


def packaged(out: Path, card: ModelCard, network: Any, **changes: Any) -> Path:
    fields = {**card.model_dump(mode="json"), **changes}
    side = fields["patch_px"]
    golden = Golden(np.zeros((16, side, side, 3), np.uint8), np.zeros(16, np.float32))
    write_package(out, network.save, fields, golden)
    return out


def stack(*layers: Any, side: int = 50, dtype: str = "uint8") -> Any:
    keras = import_keras(1)
    return keras.Sequential([keras.Input((side, side, 3), dtype=dtype), *layers])


def head(keras: Any, *last: Any) -> list[Any]:
    return [
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(4, 3, name="c"),
        keras.layers.GlobalMaxPooling2D(),
        *last,
    ]


def test_any_network_of_such_patches_serves(tmp_path: Path, card: ModelCard) -> None:
    keras = import_keras(1)
    network = stack(*head(keras, keras.layers.Dense(2)))
    found = open_parent(packaged(tmp_path / "own", card, network, name="own"), 1)
    assert found.card.name == "own"
    patches = np.random.default_rng(0).integers(0, 256, (4, 50, 50, 3), dtype=np.uint8)
    wanted = np.asarray(network.predict_on_batch(patches))
    again = typed_as(keras, found.network, "float32")
    np.testing.assert_array_equal(np.asarray(again.predict_on_batch(patches)), wanted)
    coarse = typed_as(keras, found.network, "mixed_bfloat16")
    assert [layer.compute_dtype for layer in coarse.layers] == ["float32", "bfloat16", "float32", "float32"]
    assert [variable.dtype for variable in coarse.variables] == ["float32"] * 4
    assert np.abs(np.asarray(coarse.predict_on_batch(patches)) - wanted).max() < 0.05


def test_a_network_that_was_adapted_to_its_pixels_serves(tmp_path: Path, card: ModelCard) -> None:
    keras = import_keras(1)
    patches = np.random.default_rng(0).integers(0, 256, (16, 50, 50, 3), dtype=np.uint8)
    normal = keras.layers.Normalization()
    normal.adapt(patches.astype(np.float32))
    network = stack(keras.layers.Rescaling(1.0), normal, *head(keras, keras.layers.Dense(2))[1:])
    found = open_parent(packaged(tmp_path / "own", card, network, name="own"), 1)
    wanted = np.asarray(network.predict_on_batch(patches))
    again = typed_as(keras, found.network, "float32")
    np.testing.assert_array_equal(np.asarray(again.predict_on_batch(patches)), wanted)
    coarse = typed_as(keras, found.network, "mixed_bfloat16")
    assert np.abs(np.asarray(coarse.predict_on_batch(patches)) - wanted).max() < 0.05


def test_a_network_whose_copy_gives_other_scores_is_named(
    tmp_path: Path, card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    keras = import_keras(1)
    out = packaged(tmp_path / "own", card, stack(*head(keras, keras.layers.Dense(2))), name="own")

    def other(*_: Any) -> Any:
        return stack(*head(keras, keras.layers.Dense(2, bias_initializer=keras.initializers.Constant([0.0, 1.0]))))

    monkeypatch.setattr(transfer, "typed_as", other)
    with pytest.raises(ModelError, match=r"own can't be trained on: its network gives other scores when it is copied"):
        open_parent(out, 1)


def _dense(units: int, activation: str | None = None) -> Callable[[Any], Any]:
    return lambda keras: keras.layers.Dense(units, activation=activation)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (_dense(1), r"gives \(None, 1\)"),
        (_dense(2, "softmax"), "ends in softmax, not in logits"),
        (lambda keras: keras.Sequential([keras.layers.Dense(2), keras.layers.Softmax()]), "ends in Sequential"),
    ],
)
def test_a_network_that_gives_no_two_logits_is_named(
    tmp_path: Path, card: ModelCard, last: Callable[[Any], Any], said: str
) -> None:
    keras = import_keras(1)
    out = packaged(tmp_path / "other", card, stack(*head(keras, last(keras))), name="other")
    with pytest.raises(ModelError, match=f"other can't be trained on: its network {said}"):
        open_parent(out, 1)


def test_a_network_of_other_patches_is_named(tmp_path: Path, card: ModelCard) -> None:
    keras = import_keras(1)
    large = packaged(tmp_path / "large", card, stack(*head(keras, keras.layers.Dense(2)), side=64), name="large")
    with pytest.raises(ModelError, match=r"takes \(64, 64, 3\)"):
        open_parent(large, 1)
    said = packaged(
        tmp_path / "said", card, stack(*head(keras, keras.layers.Dense(2)), side=64), name="said", patch_px=64
    )
    with pytest.raises(ModelError, match="said looks at patches of 64 px; labelled patches have 50"):
        open_parent(said, 1)
    floats = packaged(
        tmp_path / "floats", card, stack(*head(keras, keras.layers.Dense(2)), dtype="float32"), name="floats"
    )
    with pytest.raises(ModelError, match="takes float32"):
        open_parent(floats, 1)


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model 'publishd-cnn'.*nearest name is published-cnn"):
        open_parent("publishd-cnn", 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=f"lacks {MODEL_FILE}, {CARD_FILE}"):
        open_parent(tmp_path / "empty", 1)
