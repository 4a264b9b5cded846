"""Keras networks are loaded without ever running code from the file, quietly and with the threads asked for."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from batchscan.domain.errors import ModelError
from batchscan.stores.networks import import_keras, load_network, positive_probability, thread_environment


def test_the_probability_is_the_softmax_of_the_second_logit() -> None:
    logits = np.array([[0.0, 0.0], [1.0, 3.0], [1000.0, -1000.0], [-1000.0, 1000.0]], dtype=np.float32)
    expected = [0.5, np.exp(3) / (np.exp(1) + np.exp(3)), 0.0, 1.0]
    np.testing.assert_allclose(positive_probability(logits), expected, rtol=1e-6)
    assert positive_probability(np.empty((0, 2))).shape == (0,)


def test_a_network_is_read_back_uncompiled(tmp_path: Path) -> None:
    keras = import_keras(1)
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    network.save(tmp_path / "model.keras")
    again = load_network(tmp_path / "model.keras", 1)
    assert not again.compiled
    assert all(np.array_equal(a, b) for a, b in zip(network.get_weights(), again.get_weights(), strict=True))


def test_patches_are_enlarged_without_rounding_in_a_graph_and_outside_one() -> None:
    """Outside is how JAX and PyTorch do it, where Keras rounds uint8 unless it is kept from that."""
    keras = import_keras(1)
    network = keras.Sequential(
        [keras.Input((5, 5, 3), dtype="uint8"), keras.layers.Resizing(9, 9), keras.layers.Flatten()]
    )
    patch = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), dtype=np.uint8)
    outside = np.asarray(keras.ops.convert_to_numpy(network(patch)))
    assert (outside != np.round(outside)).any()
    np.testing.assert_array_equal(outside, network.predict_on_batch(patch))


def test_a_lambda_layer_is_refused(tmp_path: Path) -> None:
    keras = import_keras(1)
    network = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda values: values * 2)])
    network.save(tmp_path / "model.keras")
    with pytest.raises(ModelError, match="holds a Lambda layer") as caught:
        load_network(tmp_path / "model.keras", 1)
    assert "\n" not in str(caught.value)


def test_what_keras_refuses_is_told_on_one_line(tmp_path: Path) -> None:
    keras = import_keras(1)
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(b'"units": 2', b'"units": 3'))
    with pytest.raises(ModelError, match="can't be loaded") as caught:
        load_network(tmp_path / "model.keras", 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n" + bytes(512), b"PK\x03\x04 not a zip"])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(ModelError, match=r"isn't a \.keras archive"):
        load_network(tmp_path / "model.keras", 1)


def test_threads_are_held_and_the_import_is_quiet() -> None:
    code = (
        "import os, sys, threading\n"
        "from batchscan.stores.networks import import_keras\n"
        "print('mine', file=sys.stderr)\n"
        "keras = import_keras(1)\n"
        "import numpy as np, tensorflow as tf\n"
        "keras.ops.matmul(np.ones((600, 600), 'float32'), np.ones((600, 600), 'float32'))\n"
        "print(os.environ['TF_NUM_INTRAOP_THREADS'])\n"
        "print('also mine', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]
    assert done.stderr.splitlines() == ["mine", "also mine"]


def test_every_backends_threads_are_named() -> None:
    assert thread_environment(3)["TF_NUM_INTRAOP_THREADS"] == thread_environment(3)["OMP_NUM_THREADS"] == "3"
