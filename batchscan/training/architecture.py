"""The published network: a uint8 patch -> two logits.

Cruz-Roa's task at 50x50 pixels with the network that is published for it: the patch is brought to 180x180, scaled
to 0-1, passed through three 3x3 convolutions (16, 32, 64; same padding; ReLU), each followed by 2x2 max-pooling, then
a dense layer of 128 (ReLU) and one of 2 logits. Softmax stands outside, augmentation too.
"""

from __future__ import annotations

from typing import Any

from batchscan.domain.errors import UsageError

PATCH_PX = 50
INPUT_PX = 180
CONVOLUTIONS = (16, 32, 64)
DENSE = 128
DESCRIPTION = (
    "uint8 50x50x3 -> Resizing 180x180 bilinear -> Rescaling 1/255 -> Conv 16, 32, 64 (3x3, same, ReLU), each with "
    "2x2 max-pooling -> Flatten -> Dense 128 ReLU -> Dense 2 logits; p_idc = softmax(logits)[1]"
)


def published_network(keras: Any, *, seed: int, precision: str = "float32") -> Any:
    """The network with fresh weights.

    Parameters
    ----------
    keras
        The imported module.
    seed
        Decides the weights (Glorot uniform).
    precision
        A Keras dtype policy: `float32`, or `mixed_bfloat16` for training (logits stay float32).
    """
    if seed < 0:
        raise UsageError(f"seed {seed} can't be used: give a whole number from 0 up")
    layers = keras.layers

    def weighted(index: int) -> dict[str, Any]:
        return {"kernel_initializer": keras.initializers.GlorotUniform(seed=seed * 16 + index), "dtype": precision}

    stack = [keras.Input((PATCH_PX, PATCH_PX, 3), dtype="uint8", name="patch")]
    stack += [layers.Resizing(INPUT_PX, INPUT_PX, interpolation="bilinear", dtype="float32", name="resize")]
    stack += [layers.Rescaling(1.0 / 255.0, dtype="float32", name="rescale")]
    for index, filters in enumerate(CONVOLUTIONS, start=1):
        stack += [layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{index}", **weighted(index))]
        stack += [layers.MaxPooling2D(2, dtype=precision, name=f"pool{index}")]
    stack += [layers.Flatten(dtype=precision, name="flatten")]
    stack += [layers.Dense(DENSE, activation="relu", name="dense", **weighted(8))]
    stack += [layers.Dense(2, name="logits", **{**weighted(9), "dtype": "float32"})]
    return keras.Sequential(stack, name="published_cnn")
