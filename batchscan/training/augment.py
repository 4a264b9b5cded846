"""Patches -> the same tissue as another slide might show it: turned, stained, lit and scanned a little differently.

Pure functions on (n, p, p, 3) uint8 arrays; the random generator is an argument. No label ever changes.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from batchscan.domain.records import Uint8Array
from batchscan.training.recipe import Augmentation

# Optical densities of haematoxylin, eosin and DAB in red, green and blue, a row each:
# Ruifrok and Johnston 2001, Anal Quant Cytol Histol 23:291-299.
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
WHITE = 255
BLUR_SIGMA_PX = (0.3, 1.0)
JPEG_QUALITY = (40, 95)
_DENSITY_OF = -np.log((np.arange(256, dtype=np.float32) + 1.0) / 256.0).astype(np.float32)


def augmented(patches: Uint8Array, augmentation: Augmentation, rng: np.random.Generator) -> Uint8Array:
    """Each patch turned and re-stained at random and, now and then, out of focus, recompressed or partly off the slide.

    The order is that of the things themselves: tissue, stain, light, optics, file; what lies off the slide is in none.

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
    stained = stain_jittered(turned, augmentation.stain, augmentation.brightness, rng, hue=augmentation.hue)
    blurred = blurred_at_random(stained, augmentation.blur, rng)
    return with_gaps(recompressed_at_random(blurred, augmentation.jpeg, rng), augmentation.gaps, rng)


def turned_at_random(patches: Uint8Array, rng: np.random.Generator) -> Uint8Array:
    """Each patch in one of its eight orientations (quarter turns, mirrored or not)."""
    out = np.empty_like(patches)
    orientation = rng.integers(8, size=len(patches))
    for index in range(8):
        chosen = orientation == index
        turned = np.rot90(patches[chosen], index % 4, axes=(1, 2))
        out[chosen] = turned[:, :, ::-1] if index >= 4 else turned  # noqa: PLR2004 - the upper four are mirrored
    return out


def stain_jittered(
    patches: Uint8Array, stain: float, brightness: float, rng: np.random.Generator, *, hue: float = 0.0
) -> Uint8Array:
    """Each patch with its stains' amounts, its colours' densities and its light multiplied by numbers near 1.

    The amounts of the stains are scaled in optical density after colour deconvolution, each by a factor drawn from
    1 - stain .. 1 + stain (after Tellez 2018, https://doi.org/10.1109/TMI.2018.2820199, without its offsets, so that
    glass stays glass), then the densities of red, green and blue, each by one from 1 - hue .. 1 + hue: dyes and lamps
    differ in ways that two stains' amounts don't span. Last, all light is scaled by 1 - brightness .. 1 + brightness.

    Parameters
    ----------
    patches
        (n, p, p, 3) uint8.
    stain, brightness, hue
        Largest relative change, 0 for none.
    """
    if not stain and not brightness and not hue:
        return patches
    amounts = rng.uniform(1.0 - stain, 1.0 + stain, (len(patches), 1, 3))
    light = rng.uniform(1.0 - brightness, 1.0 + brightness, len(patches))
    colours = rng.uniform(1.0 - hue, 1.0 + hue, (len(patches), 1, 3))
    return restained(patches, amounts, light, colours)


def restained(
    patches: Uint8Array, amounts: NDArray[np.float64], light: NDArray[np.float64], colours: NDArray[np.float64]
) -> Uint8Array:
    """Stains' amounts, colours' densities and light multiplied, as `stain_jittered` says.

    Parameters
    ----------
    patches
        (n, p, p, 3) uint8.
    amounts
        (n or 1, 1, 3) float64: of haematoxylin, eosin and DAB.
    light
        (n or 1,) float64.
    colours
        (n or 1, 1, 3) float64: of red, green and blue.
    """
    mixing = np.asarray((np.linalg.inv(STAINS) * amounts) @ STAINS * colours, dtype=np.float32)
    density = _DENSITY_OF.take(patches).reshape(len(patches), -1, 3) @ mixing
    return _as_uint8(np.exp(-density) * np.asarray(256.0 * light, dtype=np.float32)[:, None, None] - 1.0, patches)


def _as_uint8(values: NDArray[np.float32], like: Uint8Array) -> Uint8Array:
    return np.clip(np.rint(values), 0, WHITE).astype(np.uint8).reshape(like.shape)


def blurred_at_random(patches: Uint8Array, share: float, rng: np.random.Generator) -> Uint8Array:
    """Each patch, with the probability given, a little out of focus: Gaussian, sigma 0.3-1.0 px."""
    sigmas = rng.uniform(*BLUR_SIGMA_PX, size=len(patches))
    out = patches.copy()
    for index in np.flatnonzero(rng.random(len(patches)) < share):
        out[index] = blurred(patches[index], sigmas[index])
    return out


def blurred(patch: Uint8Array, sigma_px: float) -> Uint8Array:
    """A (p, p, 3) uint8 patch out of focus: Gaussian, its edge pixels continued."""
    soft = gaussian_filter(patch.astype(np.float32), (sigma_px, sigma_px, 0.0), mode="nearest")
    return _as_uint8(soft, patch)


def recompressed_at_random(patches: Uint8Array, share: float, rng: np.random.Generator) -> Uint8Array:
    """Each patch, with the probability given, as it comes out of a JPEG of quality 40-95: scanners store those."""
    qualities = rng.integers(*JPEG_QUALITY, size=len(patches), endpoint=True)
    out = patches.copy()
    for index in np.flatnonzero(rng.random(len(patches)) < share):
        out[index] = recompressed(patches[index], int(qualities[index]))
    return out


def recompressed(patch: Uint8Array, quality: int) -> Uint8Array:
    """A (p, p, 3) uint8 patch as it comes out of a JPEG of that quality."""
    file = io.BytesIO()
    Image.fromarray(patch).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def rescaled(patch: Uint8Array, side_px: int) -> Uint8Array:
    """A (p, p, 3) uint8 patch as (side_px, side_px, 3), bilinear; as it is where it has that size."""
    if len(patch) == side_px:
        return patch
    return np.asarray(Image.fromarray(patch).resize((side_px, side_px), Image.Resampling.BILINEAR))


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
