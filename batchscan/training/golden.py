"""A trained network and its patches -> the golden patches of a package, by which every engine proves itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from batchscan.domain.records import Float32Array
from batchscan.stores.packages import GOLDEN_AT_LEAST, Golden
from batchscan.training.dataset import LabelledPatches
from batchscan.training.scores import predicted

GOLDEN_DRAWN, GOLDEN_SPREAD, GOLDEN_NEAR_THRESHOLD = 4096, 24, 8


def golden_patches(network: Any, training: LabelledPatches, near: float, rng: np.random.Generator) -> Golden:
    """Training patches spread evenly over the network's probability, and those nearest to where it decides.

    Parameters
    ----------
    network
        The Keras network.
    near
        The probability, 0-1, that decides whether a patch alone counts as positive.
    rng
        Draws the patches that are looked at.
    """
    drawn = training.pixels[rng.permutation(len(training))[:GOLDEN_DRAWN]]
    if len(drawn) < GOLDEN_AT_LEAST:
        drawn = np.resize(drawn, (GOLDEN_AT_LEAST, *drawn.shape[1:]))
    chosen = _spread_over(predicted(network, drawn), near)
    # Probabilities as they are given for the patches that are stored, in the order that they are stored in.
    return Golden(drawn[chosen], predicted(network, drawn[chosen]))


def _spread_over(p_raw: Float32Array, near: float) -> list[int]:
    targets = [*np.linspace(0.0, 1.0, GOLDEN_SPREAD), *[near] * GOLDEN_NEAR_THRESHOLD]
    chosen: list[int] = []
    for target in targets[: len(p_raw)]:
        distance = np.abs(p_raw - target)
        distance[chosen] = np.inf
        chosen.append(int(np.argmin(distance)))
    return sorted(chosen)
