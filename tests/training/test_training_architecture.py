"""The networks that a recipe can name, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from batchscan.domain.errors import UsageError
from batchscan.stores.networks import import_keras, load_network
from batchscan.stores.packages import open_package
from batchscan.training.architecture import ARCHITECTURES, build_network


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
    shipped = open_package("published-cnn").network_path
    network = build_network(keras, "published", seed=0) if fresh else load_network(shipped, 1)
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


def test_the_compact_network_looks_at_the_pixels_as_they_are() -> None:
    network = build_network(import_keras(2), "compact", seed=0)
    found = [(type(layer).__name__, getattr(layer, "filters", None)) for layer in network.layers]
    pool, mean, dense = (("MaxPooling2D", None), ("GlobalAveragePooling2D", None), ("Dense", None))
    convolutions = [[("Conv2D", filters)] * 2 for filters in (32, 64, 128)]
    expected = [*convolutions[0], pool, *convolutions[1], pool, *convolutions[2]]
    assert found == [("Rescaling", None), *expected, mean, dense]
    assert {layer.kernel_size for layer in network.layers if type(layer).__name__ == "Conv2D"} == {(3, 3)}
    assert (network.input_shape, str(network.inputs[0].dtype)) == ((None, 50, 50, 3), "uint8")
    # Black is -1, white 1.
    scaled = network.layers[0](np.array([[[[0, 255, 0]]]], dtype=np.uint8))
    assert np.asarray(scaled).ravel().tolist() == [-1.0, 1.0, -1.0]
    # By hand: (27 + 1) 32 + (288 + 1) 32 + (288 + 1) 64 + (576 + 1) 64 + (576 + 1) 128 + (1152 + 1) 128 + 258.
    assert network.count_params() == 896 + 9248 + 18496 + 36928 + 73856 + 147584 + 258


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_the_seed_decides_the_weights_and_no_two_layers_begin_alike(name: str) -> None:
    keras = import_keras(2)
    one, same, other = (build_network(keras, name, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    kernels = [each for each in (*one, *other) if each.ndim > 1]
    starts = {each.ravel()[:4].tobytes() for each in kernels}
    assert len(starts) == len(kernels)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_in_mixed_precision_convolutions_are_bfloat16_and_logits_are_not(name: str) -> None:
    network = build_network(import_keras(2), name, seed=0, precision="mixed_bfloat16")
    formats = {type(layer).__name__: layer.compute_dtype for layer in network.layers[:-1]}
    assert (formats["Conv2D"], formats["Rescaling"], network.layers[-1].compute_dtype) == (
        "bfloat16",
        "float32",
        "float32",
    )
    assert {str(weights.dtype) for weights in network.get_weights()} == {"float32"}


def test_what_the_card_says_of_a_network_is_so() -> None:
    assert ARCHITECTURES["published"].input_px == 180
    assert "180x180" in ARCHITECTURES["published"].description
    assert ARCHITECTURES["compact"].input_px == 50
    assert "Conv 32, 32 | 64, 64 | 128, 128 (3x3" in ARCHITECTURES["compact"].description


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(UsageError, match="whole number from 0 up"):
        build_network(import_keras(2), "compact", seed=-1)
