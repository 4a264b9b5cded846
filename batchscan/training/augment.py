"""Patches -> the same tissue as another slide might show it: turned, stained and lit a little differently.

Pure functions on (n, p, p, 3) uint8 arrays; the random generator is an argument. No label ever changes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.records import Uint8Array
from batchscan.training.recipe import Augmentation

# Optical densities of haematoxylin, eosin and DAB in red, green and blue, a row each:
# Ruifrok and Johnston 2001, Anal Quant Cytol Histol 23:291-299.
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
WHITE = 255
_DENSITY_OF = -np.log((np.arange(256, dtype=np.float32) + 1.0) / 256.0).astype(np.float32)


def augmented(patches: Uint8Array, augmentation: Augmentation, rng: np.random.Generator) -> Uint8Array:
    """Each patch flipped, turned, re-stained, re-lit and, now and then, partly off the slide, at random.

    Parameters
    ----------
    patches
        (n, p, p, 3) uint8.
    augmentation
        How much of each.
    rng
        Decides everything; the same state gives the same patches.
    """
    turned = turned_at_random(patches, rng) if augmentation.turns else patches
    stained = stain_jittered(turned, augmentation.stain, augmentation.brightness, rng)
    return with_gaps(stained, augmentation.gaps, rng)


def turned_at_random(patches: Uint8Array, rng: np.random.Generator) -> Uint8Array:
    """Each patch in one of its eight orientations (quarter turns, mirrored or not)."""
    out = np.empty_like(patches)
    orientation = rng.integers(8, size=len(patches))
    for index in range(8):
        chosen = orientation == index
        turned = np.rot90(patches[chosen], index % 4, axes=(1, 2))
        out[chosen] = turned[:, :, ::-1] if index >= 4 else turned  # noqa: PLR2004 - the upper four are mirrored
    return out


def stain_jittered(patches: Uint8Array, stain: float, brightness: float, rng: np.random.Generator) -> Uint8Array:
    """Each patch with its stains' amounts and its light multiplied by numbers near 1.

    The amounts of the stains are scaled in optical density after colour deconvolution, each by a factor drawn from
    1 - stain .. 1 + stain (after Tellez 2018, https://doi.org/10.1109/TMI.2018.2820199, without its offsets, so that
    glass stays glass); then all light is scaled by 1 - brightness .. 1 + brightness.

    Parameters
    ----------
    patches
        (n, p, p, 3) uint8.
    stain, brightness
        Largest relative change, 0 for none.
    """
    if not stain and not brightness:
        return patches
    amounts = rng.uniform(1.0 - stain, 1.0 + stain, (len(patches), 1, 3))
    light = rng.uniform(1.0 - brightness, 1.0 + brightness, len(patches))
    mixing = np.asarray((np.linalg.inv(STAINS) * amounts) @ STAINS, dtype=np.float32)
    density = _DENSITY_OF[patches].reshape(len(patches), -1, 3) @ mixing
    return _as_uint8(np.exp(-density) * np.asarray(256.0 * light, dtype=np.float32)[:, None, None] - 1.0, patches)


def _as_uint8(values: NDArray[np.float32], like: Uint8Array) -> Uint8Array:
    return np.clip(np.rint(values), 0, WHITE).astype(np.uint8).reshape(like.shape)


def with_gaps(patches: Uint8Array, probability: float, rng: np.random.Generator) -> Uint8Array:
    """Each patch, with the probability given, white along one side over up to half its width.

    That is how a patch over the slide's edge or over an unpublished neighbour looks, whatever it shows: a network that
    has seen it on both classes learns nothing from it.
    """
    out = patches.copy()
    side = patches.shape[1]
    widths = rng.integers(1, max(2, side // 2 + 1), size=len(patches))
    edges = rng.integers(4, size=len(patches))
    for index in np.flatnonzero(rng.random(len(patches)) < probability):
        view = np.rot90(out[index], edges[index])
        view[: widths[index]] = WHITE
    return out
