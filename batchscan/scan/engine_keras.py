"""A model package -> p_raw through Keras, on whatever backend KERAS_BACKEND names."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.records import EngineInfo, Float32Array, Uint8Array
from batchscan.scan.batches import check_shapes, in_batches
from batchscan.stores.networks import in_bfloat16, load_network
from batchscan.stores.packages import ModelPackage

BATCH = 32


class KerasEngine:
    """The network as Keras runs it, in float32, or with its layers but the last computing in bfloat16.

    The thread count holds for the process, and only where no backend was imported before.
    """

    batch = BATCH

    def __init__(self, package: ModelPackage, threads: int, precision: str = "f32") -> None:
        self.info = EngineInfo("keras", precision)
        self._patch_px = package.card.patch_px
        # Keras promises nothing of several threads that use one network.
        self._lock = threading.Lock()
        network = load_network(package.network_path, threads)
        self._network = network if precision == "f32" else in_bfloat16(network, threads)
        check_shapes(package.network_path, self._patch_px, self._network.input_shape, self._network.output_shape)

    def predict(self, patches: Uint8Array) -> Float32Array:
        """p_raw of patches (n, p, p, 3) uint8, (n,) float32."""
        return in_batches(patches, self._patch_px, self.batch, self._logits)

    def _logits(self, batch: Uint8Array) -> NDArray[np.float32]:
        with self._lock:
            return np.asarray(self._network.predict_on_batch(batch), dtype=np.float32)
