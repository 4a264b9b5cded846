"""Any number of patches -> p_raw, through a network that takes a fixed number at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import ModelError
from batchscan.domain.records import Float32Array, Uint8Array
from batchscan.stores.networks import positive_probability


def in_batches(
    patches: Uint8Array, patch_px: int, batch: int, logits: Callable[[Uint8Array], NDArray[np.float32]]
) -> Float32Array:
    """p_raw of any number of patches, through a function that takes exactly `batch` of them to (batch, 2) logits."""
    if patches.dtype != np.uint8 or patches.ndim != 4 or patches.shape[1:] != (patch_px, patch_px, 3):  # noqa: PLR2004 - (n, row, col, channel)
        raise ValueError(f"patches are {patches.dtype} {patches.shape}: expected uint8 (n, {patch_px}, {patch_px}, 3)")
    p_raw = np.empty(len(patches), dtype=np.float32)
    for start in range(0, len(patches), batch):
        piece = np.ascontiguousarray(patches[start : start + batch])
        full = piece if len(piece) == batch else np.concatenate([piece, _padding(batch - len(piece), patch_px)])
        p_raw[start : start + batch] = positive_probability(logits(full)[: len(piece)])
    return p_raw


def check_shapes(path: Path, patch_px: int, takes: Sequence[Any], gives: Sequence[Any]) -> None:
    """Refuse a network that takes anything but patches of the card's side, or gives anything but two logits.

    Parameters
    ----------
    path
        Of the network, for the error.
    takes, gives
        Shapes of its input and output, the batch axis first.

    Raises
    ------
    ModelError
        With both shapes.
    """
    if [*takes][1:] != [patch_px, patch_px, 3] or [*gives][1:] != [2]:
        raise ModelError(
            f"{path} takes {[*takes][1:]} and gives {[*gives][1:]}: expected its card's patches "
            f"[{patch_px}, {patch_px}, 3] and two logits [2]; fetch the package again"
        )


def _padding(count: int, patch_px: int) -> Uint8Array:
    return np.zeros((count, patch_px, patch_px, 3), dtype=np.uint8)
