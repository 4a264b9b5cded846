"""A recipe's network by name: a uint8 patch -> two logits. Softmax stands outside, augmentation too.

`published` is Cruz-Roa's task at 50x50 pixels with the network that is published for it. `compact` looks at the patch's
own pixels, without enlarging them first, and ends in the mean over the patch instead of a layer that knows places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batchscan.domain.errors import UsageError

PATCH_PX = 50

PUBLISHED_PX = 180
PUBLISHED_CONVOLUTIONS = (16, 32, 64)
PUBLISHED_DENSE = 128

COMPACT_STAGES = ((32, 32), (64, 64), (128, 128))
"""Filters of the convolutions between which nothing shrinks, stage by stage."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the card says of a network.

    Parameters
    ----------
    input_px
        Side that its first convolution sees.
    description
        Layer by layer.
    """

    input_px: int
    description: str


ARCHITECTURES: Mapping[str, Architecture] = {
    "published": Architecture(
        PUBLISHED_PX,
        f"uint8 {PATCH_PX}x{PATCH_PX}x3 -> Resizing {PUBLISHED_PX}x{PUBLISHED_PX} bilinear -> Rescaling 1/255 -> Conv "
        f"{', '.join(map(str, PUBLISHED_CONVOLUTIONS))} (3x3, same, ReLU), each with 2x2 max-pooling -> Flatten -> "
        f"Dense {PUBLISHED_DENSE} ReLU -> Dense 2 logits; p_raw = softmax(logits)[1]",
    ),
    "compact": Architecture(
        PATCH_PX,
        f"uint8 {PATCH_PX}x{PATCH_PX}x3 -> Rescaling to -1..1 -> Conv "
        f"{' | '.join(', '.join(map(str, stage)) for stage in COMPACT_STAGES)} (3x3, same, ReLU), | is 2x2 "
        "max-pooling -> mean over the patch -> Dense 2 logits; p_raw = softmax(logits)[1]",
    ),
}


def build_network(keras: Any, name: str, *, seed: int, precision: str = "float32") -> Any:
    """A network with fresh weights, not compiled.

    Parameters
    ----------
    keras
        The imported module.
    name
        A key of `ARCHITECTURES`.
    seed
        Decides the weights.
    precision
        A Keras dtype policy: `float32`, or `mixed_bfloat16` for training (logits stay float32).

    Raises
    ------
    UsageError
        If the seed is negative.
    """
    if seed < 0:
        raise UsageError(f"seed {seed} can't be used: give a whole number from 0 up")
    stack = {"published": _published, "compact": _compact}[name](keras, seed, precision)
    patch = keras.Input((PATCH_PX, PATCH_PX, 3), dtype="uint8", name="patch")
    return keras.Sequential([patch, *stack], name=f"{name}_cnn")


def _published(keras: Any, seed: int, precision: str) -> list[Any]:
    """Weights: Glorot uniform."""
    layers = keras.layers

    def weighted(index: int, dtype: str = precision) -> dict[str, Any]:
        return {"kernel_initializer": keras.initializers.GlorotUniform(seed=_layer_seed(seed, index)), "dtype": dtype}

    stack = [layers.Resizing(PUBLISHED_PX, PUBLISHED_PX, interpolation="bilinear", dtype="float32", name="resize")]
    stack += [layers.Rescaling(1.0 / 255.0, dtype="float32", name="rescale")]
    for index, filters in enumerate(PUBLISHED_CONVOLUTIONS, start=1):
        stack += [layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{index}", **weighted(index))]
        stack += [layers.MaxPooling2D(2, dtype=precision, name=f"pool{index}")]
    stack += [layers.Flatten(dtype=precision, name="flatten")]
    stack += [layers.Dense(PUBLISHED_DENSE, activation="relu", name="dense", **weighted(8))]
    return [*stack, layers.Dense(2, name="logits", **weighted(9, "float32"))]


def _compact(keras: Any, seed: int, precision: str) -> list[Any]:
    """Weights: He normal, as all but the last are followed by ReLU."""
    layers = keras.layers
    stack = [layers.Rescaling(1.0 / 127.5, offset=-1.0, dtype="float32", name="rescale")]
    numbers = iter(range(1, 16))

    def convolution(stage: int, filters: int) -> Any:
        number = next(numbers)
        start = keras.initializers.HeNormal(seed=_layer_seed(seed, number))
        said = {"padding": "same", "activation": "relu", "dtype": precision, "kernel_initializer": start}
        return layers.Conv2D(filters, 3, name=f"conv{stage}_{number}", **said)

    for stage, filters in enumerate(COMPACT_STAGES, start=1):
        if stage > 1:
            stack += [layers.MaxPooling2D(2, dtype=precision, name=f"pool{stage - 1}")]
        stack += [convolution(stage, each) for each in filters]
    stack += [layers.GlobalAveragePooling2D(dtype="float32", name="mean")]
    start = keras.initializers.GlorotUniform(seed=_layer_seed(seed, 0))
    return [*stack, layers.Dense(2, kernel_initializer=start, dtype="float32", name="logits")]


def _layer_seed(seed: int, layer: int) -> int:
    """One of 16 seeds of a training's own: with the same, layers of one shape would begin alike."""
    return seed * 16 + layer
