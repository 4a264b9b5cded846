"""A model package -> what a training starts from: its network, what its card hands on, and whom it has seen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from batchscan.domain.card import Calibration, Context, ModelCard, Parent, Threshold
from batchscan.domain.errors import JobError, ModelError, PatchSetError
from batchscan.domain.records import Uint8Array
from batchscan.stores.networks import import_keras, load_network
from batchscan.stores.packages import open_package
from batchscan.stores.seen import SeenSet
from batchscan.training.architecture import PATCH_PX, build_network
from batchscan.training.recipe import Context as Looking
from batchscan.training.recipe import Recipe
from batchscan.training.scores import predicted

LOGITS = 2
GENTLE_RATES = {"learning_rate": 1e-4, "final_learning_rate": 1e-6}
"""A tenth of what a training from fresh weights has: what was learnt before is to be kept."""
FROZEN_PART = 3
"""One in so many epochs trains the last layer alone, where the recipe doesn't say how many."""
# Two spacings that differ by rounding are one.
_SAME_SPACING = 0.01
# Of scores: the same layers on the same machine.
_COPY_TOLERANCE = 1e-4
_LONGEST = 200


@dataclass(frozen=True)
class ParentModel:
    """A package that a training starts from.

    Parameters
    ----------
    card
        Its card.
    network
        Its Keras network: uint8 patches in, two logits of a dense layer out.
    made_with
        The package's list of patches and slides; None where it has none.
    """

    card: ModelCard
    network: Any
    made_with: SeenSet | None = None

    @property
    def record(self) -> Parent:
        """What the new card says of it."""
        return Parent(name=self.card.name, version=self.card.version, sha256=self.card.weights_sha256)

    @property
    def network_name(self) -> str:
        """What its recipe calls its layers; else who brought them."""
        return str(self.card.recipe.get("network", self.card.name))

    @property
    def seen(self) -> frozenset[str]:
        """Patients that it was fitted to, or that something about it was chosen on, its own parents' included."""
        return frozenset((*self.card.training_patients, *self.card.validation_patients))

    def check_unseen(self, patients: Iterable[str], where: str) -> None:
        """Refuse to measure on whom the parent knows.

        Parameters
        ----------
        patients
            Who is to be measured, or chosen on.
        where
            How they came to be so: `--holdout`.

        Raises
        ------
        PatchSetError
            If the parent has seen one; all are named.
        """
        twice = sorted(self.seen & set(patients))
        if twice:
            raise PatchSetError(
                f"a patient in training and holdout: {', '.join(twice)} (from {where}) served to make {self.card.name} "
                f"{self.card.version}, from which the training starts; figures on who is known already say nothing: "
                'name others there (keep = "last" needs no validation patients), or train without --from'
            )

    def inherited(self) -> tuple[Context, Threshold, Calibration]:
        """How the parent's scores are read, for a package that has nothing to choose that on; said to be the parent's.

        The curves behind it stay on the parent's card: they are of another network.
        """
        origin = f"As its parent {self.card.name} {self.card.version}, not chosen anew: no patient was there for that."
        context = self.card.context.model_copy(update={"how_chosen": origin})
        threshold = Threshold(value=self.card.threshold.value, how_chosen=origin, curve=())
        calibration = self.card.calibration.model_copy(
            update={"note": f"{origin} {self.card.calibration.note}".strip(), "before": (), "after": ()}
        )
        return context, threshold, calibration


def open_parent(name_or_dir: str | Path, threads: int) -> ParentModel:
    """Open a package to start from.

    Raises
    ------
    ModelError
        If there is no such package, it isn't whole, or its patches or its network aren't such that the training can go
        on with it.
    """
    package = open_package(name_or_dir)
    if package.card.patch_px != PATCH_PX:
        raise ModelError(
            f"{package.card.name} looks at patches of {package.card.patch_px} px; labelled patches have {PATCH_PX}: "
            "start from a model of those"
        )
    keras, network = import_keras(threads), load_network(package.network_path, threads)
    fault = _fault(keras, network) or _copying_fault(keras, network, package.golden().patches)
    if fault:
        raise ModelError(
            f"{package.card.name} can't be trained on: its network {fault}; expected uint8 patches of {PATCH_PX} px in "
            "and, out of a dense layer at its end, two logits"
        )
    return ParentModel(package.card, network, package.seen())


def _fault(keras: Any, network: Any) -> str:
    """What keeps a network from being trained on, or nothing."""
    inputs = network.inputs
    if len(inputs) != 1 or tuple(inputs[0].shape[1:]) != (PATCH_PX, PATCH_PX, 3):
        return f"takes {' and '.join(str(tuple(one.shape[1:])) for one in inputs)}"
    if str(inputs[0].dtype) != "uint8":
        return f"takes {inputs[0].dtype}"
    if network.output_shape != (None, LOGITS):
        return f"gives {network.output_shape}"
    last = network.layers[-1]
    if not isinstance(last, keras.layers.Dense):
        return f"ends in {type(last).__name__}"
    if last.activation is not keras.activations.linear:
        return f"ends in {last.activation.__name__}, not in logits"
    return ""


def _copying_fault(keras: Any, network: Any, patches: Uint8Array) -> str:
    """What keeps a copy, which is what is trained, from being the network itself; or nothing."""
    try:
        copied = predicted(typed_as(keras, network, "float32"), patches)
    except Exception as error:  # noqa: BLE001 - keras raises whatever an unusual layer leads to
        return f"can't be copied layer by layer ({' '.join(str(error).split())[:_LONGEST]})"
    apart = float(np.abs(copied - predicted(network, patches)).max())
    return "" if apart <= _COPY_TOLERANCE else f"gives other scores when it is copied layer by layer (by {apart:.2g})"


def adapted(recipe: Recipe, parent: ParentModel, *, with_patches: bool) -> Recipe:
    """The recipe for going on from a parent: gentler, and with the parent's eyes, where it doesn't say otherwise.

    Learning rates are a tenth, and a third of the epochs train the last layer alone. Orientations and neighbours are
    the parent's, and so is the spacing of what is cut from slides.

    Parameters
    ----------
    recipe
        What the user gave.
    with_patches
        Whether there is a patch set: its spacing is the recipe's. Slides know their own and are read at any.

    Raises
    ------
    ModelError
        If the parent looks at another spacing.
    JobError
        If the recipe names a network that the parent's isn't.
    """
    said = recipe.model_fields_set
    scale = parent.card.scale
    if "network" in said and not _has_layers(parent.network, recipe.network):
        raise JobError(
            f"network = {recipe.network!r} in the recipe, but {parent.card.name} has other layers, and the training "
            "goes on with those: leave the key out"
        )
    update: dict[str, Any] = {name: rate for name, rate in GENTLE_RATES.items() if name not in said}
    if "context" not in said:
        context = parent.card.context
        update["context"] = Looking(orientations=context.orientations, sigmas=(context.sigma,))
    if recipe.frozen_epochs is None:
        update["frozen_epochs"] = recipe.epochs // FROZEN_PART
    if "um_per_px" not in said and not with_patches:
        update["um_per_px"] = scale.um_per_px
    um_per_px = update.get("um_per_px", recipe.um_per_px)
    if not math.isclose(um_per_px, scale.um_per_px, rel_tol=_SAME_SPACING):
        raise ModelError(
            f"{parent.card.name} looks at patches of {scale.um_per_px:g} um/px, the labelled ones are of "
            f"{um_per_px:g} um/px: start from a model of that spacing"
            + ("" if "um_per_px" in said else ", or say in a recipe (um_per_px) what theirs is")
        )
    if recipe.spacing_known is None and "um_per_px" in update:
        update["spacing_known"] = f"as its parent {parent.card.name} {parent.card.version}: {scale.how_known}"
    return recipe.model_copy(update=update)


def _has_layers(network: Any, name: str) -> bool:
    """Whether a network has the weights of a known one, by their shapes."""
    known = build_network(import_keras(1), name, seed=0)
    return [tuple(one.shape) for one in network.weights] == [tuple(one.shape) for one in known.weights]


def check_recipe_alone(recipe: Recipe) -> None:
    """Refuse a recipe that freezes layers without a parent: they would stay as drawn at random.

    Raises
    ------
    JobError
        If it does.
    """
    if recipe.frozen_epochs:
        raise JobError(
            f"frozen_epochs = {recipe.frozen_epochs} in the recipe needs a model to start from: give --from, or leave "
            "the key out"
        )


def typed_as(keras: Any, network: Any, precision: str) -> Any:
    """A network of the same layers and weights that computes in another format, not compiled.

    Layers without weights, and the last, stay in float32; so do those that subtract stored numbers from the pixels.

    Parameters
    ----------
    precision
        A Keras dtype policy: `float32` or `mixed_bfloat16`.
    """
    last = network.layers[-1]

    def typed(layer: Any) -> Any:
        config = layer.get_config()
        coarse = layer.weights and layer is not last and not isinstance(layer, keras.layers.Normalization)
        config["dtype"] = precision if coarse else "float32"
        return type(layer).from_config(config)

    clone = keras.models.clone_model(network, clone_function=typed)
    clone.set_weights(network.get_weights())
    for layer in clone.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.finalize_state()  # what it computes with is made from its weights here
    return clone
