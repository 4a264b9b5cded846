"""A network and patches -> p_raw, averaged over the ways in which a patch can lie."""

from __future__ import annotations

from typing import Any

import numpy as np

from batchscan.domain.orientations import mean_over_orientations
from batchscan.domain.records import Float32Array, Uint8Array
from batchscan.stores.networks import positive_probability
from batchscan.training.pixels import Pixels

PREDICT_BATCH = 128


def predicted(network: Any, pixels: Pixels, orientations: int = 1) -> Float32Array:
    """p_raw of patches, in batches of one size.

    Parameters
    ----------
    network
        The Keras network.
    pixels
        n patches (p, p, 3) of uint8.
    orientations
        1, 2, 4 or 8: so many of the ways in which a patch can lie (`domain/orientations.py`) are averaged.

    Returns
    -------
    (n,) float32 in 0-1; NaN where the network gives no number.
    """

    def scores(patches: Uint8Array) -> Float32Array:
        return positive_probability(np.asarray(network.predict_on_batch(np.ascontiguousarray(patches))))

    p_raw = np.empty(len(pixels), dtype=np.float32)
    for start in range(0, len(pixels), PREDICT_BATCH):
        piece = pixels[start : start + PREDICT_BATCH]
        padded = np.zeros((PREDICT_BATCH, *piece.shape[1:]), dtype=np.uint8)
        padded[: len(piece)] = piece
        p_raw[start : start + len(piece)] = mean_over_orientations(padded, orientations, scores)[: len(piece)]
    return p_raw
