"""A model.keras file <-> a Keras network, and the environment that Keras is imported in."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import ModelError
from batchscan.domain.records import Float32Array
from batchscan.stores.network_files import check_network_file, check_weights

log = logging.getLogger(__name__)

_BACKEND_CHATTER = re.compile(rb"WARNING: All log messages before absl|[IWE]\d{4} ")


def thread_environment(threads: int) -> dict[str, str]:
    """The variables that hold Keras' backends to `threads` threads; they count only before the backend is imported."""
    count = str(threads)
    return {
        "TF_NUM_INTRAOP_THREADS": count,
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
    }


def import_keras(threads: int) -> Any:
    """The `keras` module, quiet and held to `threads` threads.

    The thread count holds for the process: where a backend was imported before, it keeps the count it had.

    Raises
    ------
    ModelError
        If Keras or its backend isn't installed or can't be imported.
    """
    if "keras" in sys.modules:
        if os.environ.get("TF_NUM_INTRAOP_THREADS") != str(threads):
            log.debug("keras was imported before: it keeps its number of threads")
        return _resizing_in_floats(importlib.import_module("keras"))
    os.environ.update(thread_environment(threads))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("absl", "tensorflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with _without_chatter():
            return _resizing_in_floats(importlib.import_module("keras"))
    except ImportError as error:
        raise ModelError(
            f"keras can't be imported: {' '.join(str(error).split())}; expected Keras 3 with the backend that "
            f"KERAS_BACKEND names (default tensorflow): install it, or use the openvino engine"
        ) from error


def _resizing_in_floats(keras: Any) -> Any:
    """The module, whose `Resizing` gives uint8 patches the same values on every backend.

    Keras 3.15 casts to floats there in a graph of TensorFlow alone. JAX, PyTorch and TensorFlow outside a graph round
    each enlarged pixel to a whole number, which moves p_raw by .002.
    """
    layer = keras.layers.Resizing
    if getattr(layer.transform_images, "in_floats", False):
        return keras
    as_shipped = layer.transform_images

    def transform_images(self: Any, images: Any, *args: Any, **named: Any) -> Any:
        return as_shipped(self, self.backend.cast(images, self.compute_dtype), *args, **named)

    transform_images.in_floats = True  # type: ignore[attr-defined]
    layer.transform_images = transform_images
    return keras


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what goes to stderr, then pass it on without the lines that TensorFlow's C++ writes on being loaded.

    No setting of TensorFlow 2.21 silences them, since they come before its logging is set up.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            os.write(2, b"".join(line for line in held if not _BACKEND_CHATTER.match(line)))


def positive_probability(logits: NDArray[Any]) -> Float32Array:
    """p_raw of logits (n, 2): softmax(logits)[:, 1], (n,) float32 in 0-1.

    Worked in float64 one row at a time, so that a row's value never depends on its neighbours.
    """
    wide = np.asarray(logits, dtype=np.float64)
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(wide[:, 0] - wide[:, 1])), dtype=np.float32)


def load_network(path: Path, threads: int) -> Any:
    """The Keras network of a model.keras file, not compiled; code inside the file is never run.

    Keras' own `safe_mode` is the second lock: `network_files.py` is the first.

    Raises
    ------
    ModelError
        If the file isn't a plain network, or Keras refuses it, whatever the reason.
    """
    check_network_file(path)
    keras = import_keras(threads)
    check_weights(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return keras.saving.load_model(path, safe_mode=True, compile=False)
    except Exception as error:  # keras raises whatever the damage leads to: zip, h5, json, type and value errors
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"model file {path} can't be loaded: {reason}; expected a Keras 3 network without code of its own: "
            "write it again with `batchscan train`"
        ) from error


def in_bfloat16(network: Any, threads: int) -> Any:
    """The same network, whose layers with weights but the last compute in bfloat16; weights and logits stay float32.

    Raises
    ------
    ModelError
        If there is a network within it, whose layers can't be reached.
    """
    keras, last = import_keras(threads), network.layers[-1]

    def copied(layer: Any) -> Any:
        config = layer.get_config()
        if layer.weights and layer is not last:
            config["dtype"] = "mixed_bfloat16"
        return type(layer).from_config(config)

    clone = keras.models.clone_model(network, clone_function=copied)
    clone.set_weights(network.get_weights())
    if any(layer.compute_dtype != "bfloat16" for layer in clone.layers[:-1] if layer.weights):
        raise ModelError("a network within the network can't be made to compute in bf16: use --precision f32")
    return clone
