"""A model package -> p_raw through Keras, on whatever backend KERAS_BACKEND names, on a GPU if the worker has one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import ModelError
from batchscan.domain.records import EngineInfo, Float32Array, Uint8Array
from batchscan.scan.batches import Begin, SharedNetwork, check_shapes, when_waited_for
from batchscan.scan.gpus import NO_GPU
from batchscan.stores.networks import import_keras, in_bfloat16, load_network
from batchscan.stores.packages import ModelPackage

BATCH, GPU_BATCH, SMALLEST_BATCH = 32, 256, 8
# TensorFlow and JAX, PyTorch.
_OUT_OF_MEMORY = ("resource_exhausted", "out of memory", "oom when allocating")

log = logging.getLogger(__name__)


def sees_gpu() -> bool:
    """Whether this process was given a GPU by name, as each worker of a GPU is."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", NO_GPU) not in {"", NO_GPU, "NoDevFiles"}


class KerasEngine:
    """The network as Keras runs it, in float32, or with its layers but the last computing in bfloat16.

    The thread count holds for the process, and only where no backend was imported before. Where the device has too
    little memory for a batch, it and all later ones are halved.
    """

    def __init__(self, package: ModelPackage, threads: int, precision: str = "f32") -> None:
        self.info = EngineInfo("keras", precision)
        self.batch = GPU_BATCH if sees_gpu() else BATCH
        network = load_network(package.network_path, threads)
        self._network = network if precision == "f32" else in_bfloat16(network, threads)
        patch_px = package.card.patch_px
        check_shapes(package.network_path, patch_px, self._network.input_shape, self._network.output_shape)
        # Keras promises nothing of several threads that use one network.
        ahead = _given_ahead(self._network, threads) if sees_gpu() else None
        begin, n_ahead = (ahead, 1) if ahead else (when_waited_for(self._logits), 0)
        self._shared = SharedNetwork(patch_px, begin, lambda: self.batch, self._backed_off, n_ahead)

    @property
    def network_s(self) -> float:
        """Seconds that the network has worked for the patches of this thread."""
        return self._shared.seconds

    def predict(self, patches: Uint8Array) -> Float32Array:
        """p_raw of patches (n, p, p, 3) uint8, (n,) float32.

        Raises
        ------
        ModelError
            If the device has too little memory for the smallest batch.
        """
        return self._shared.predict(patches)

    def _backed_off(self, batch: int, error: Exception) -> Exception | None:
        """None, with the batch halved, where the device has too little memory; else the error to raise."""
        if not _is_out_of_memory(error):
            return error
        if batch > self.batch:
            return None  # given ahead, before it was halved
        if batch // 2 < SMALLEST_BATCH:
            told = ModelError(
                f"engine keras: the device has too little memory for {batch} patches at once ({type(error).__name__}): "
                "free it of other processes, or use --engine openvino"
            )
            told.__cause__ = error
            return told
        self.batch = batch // 2
        log.warning("the device has too little memory for %d patches at once: %d from now on", batch, self.batch)
        return None

    def _logits(self, batch: Uint8Array) -> NDArray[np.float32]:
        return np.asarray(self._network.predict_on_batch(batch), dtype=np.float32)


def _given_ahead(network: Any, threads: int) -> Begin | None:
    """The network as JAX runs it on a GPU, which begins with a batch and returns; None with another backend.

    Keras' own `predict_on_batch` waits for each batch, while the GPU waits for the next.
    """
    if import_keras(threads).backend.backend() != "jax":
        return None
    import jax  # noqa: PLC0415 - only where Keras computes with it

    weights = ([each.value for each in kind] for kind in (network.trainable_variables, network.non_trainable_variables))
    logits = partial(jax.jit(partial(_stateless_logits, network)), *weights)

    def begin(batch: Uint8Array) -> Callable[[], NDArray[np.float32]]:
        begun = logits(batch)
        return lambda: np.asarray(begun, dtype=np.float32)

    return begin


def _stateless_logits(network: Any, trainable: Any, fixed: Any, batch: Any) -> Any:
    return network.stateless_call(trainable, fixed, batch, training=False)[0]


def _is_out_of_memory(error: Exception) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in _OUT_OF_MEMORY)
