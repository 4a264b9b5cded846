"""An overview's tissue -> how much haematoxylin and eosin lies on it, in optical density.

A pixel's optical density relative to the glass is a sum of the stains' own colours (Beer-Lambert); how much of each is
the least-squares fit of two known colours to it. The colours are those that Ruifrok & Johnston measured (Anal Quant
Cytol Histol 2001;23:291, PMID 11531144), so that slides are compared by one yardstick and not each by its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from batchscan.domain.profile import Profile, histogram, summed
from batchscan.domain.records import BoolArray, Float32Array, Float64Array, Uint8Array
from batchscan.domain.tissue_map import TissueMap

STAINS = ("haematoxylin_od", "eosin_od")
_COLOURS = ((0.650, 0.704, 0.286), (0.072, 0.990, 0.105))
# As many as a patch of the shipped model covers.
_SQUARE_UM = 400.0
_LEAST_TISSUE = 0.5
_STRONGEST_PERCENT = 99.0
_OVER_SQUARES_PERCENT = (75.0, 50.0)


@dataclass(frozen=True)
class TissueStain:
    """How strongly a slide's tissue is stained.

    Parameters
    ----------
    strength
        Of either stain, optical density: the 99th percentile within each square of 0.4 mm that is at least half tissue
        (Macenko 2009, doi:10.1109/ISBI.2009.5193250, over the whole image), and of these the 75th percentile for
        haematoxylin, the median for eosin. So fat doesn't pale a slide, nor does a fold darken it. Empty without such
        a square.
    profile
        Counts of every tissue pixel's densities.
    """

    strength: tuple[float, ...]
    profile: Profile


def tissue_stain(overview: Uint8Array, tissue: TissueMap) -> TissueStain:
    """Measure the stain of an overview (rows, cols, 3), a strip of squares at a time."""
    side, planes = max(1, round(_SQUARE_UM / tissue.um_per_px)), np.moveaxis(overview, 2, 0)
    profiles, squares = [], [np.empty((len(STAINS), 0), np.float32)]
    for top in range(0, len(overview), side):
        mask = tissue.mask[top : top + side]
        if not mask.any():
            continue
        densities = _densities(planes[:, top : top + side], tissue.background_rgb)
        profiles.append({name: histogram(name, one[mask]) for name, one in zip(STAINS, densities, strict=True)})
        squares.append(_strongest(densities, mask, side))
    strongest = np.concatenate(squares, axis=1)
    if not strongest.size:
        return TissueStain((), summed(profiles))
    strength = zip(strongest, _OVER_SQUARES_PERCENT, strict=True)
    return TissueStain(tuple(float(np.percentile(one, percent)) for one, percent in strength), summed(profiles))


def _strongest(densities: Float32Array, mask: BoolArray, side: int) -> Float32Array:
    """(stains, n): the percentile in each square of a strip that has enough tissue; what the edge cuts counts as whole.

    `numpy.percentile`, which gives the same, takes longer for one square than this for a strip of them.
    """
    rows, cols = mask.shape
    beyond = -cols % side
    count = np.pad(mask, ((0, 0), (0, beyond))).reshape(rows, -1, side).sum(axis=(0, 2))
    enough = count >= _LEAST_TISSUE * side**2
    # What isn't tissue is put below all that is.
    values = np.where(mask, densities, np.float32(-np.inf))
    values = np.pad(values, ((0, 0), (0, 0), (0, beyond)), constant_values=-np.inf)
    values = values.reshape(len(STAINS), rows, -1, side).swapaxes(1, 2)[:, enough].reshape(len(STAINS), -1, rows * side)
    values.sort(axis=2)
    rank = (count[enough] - 1) * (_STRONGEST_PERCENT / 100)
    below = np.floor(rank).astype(np.intp)
    place = below + values.shape[2] - count[enough]
    square = np.arange(len(place))
    lower, upper = values[:, square, place], values[:, square, np.minimum(place + 1, values.shape[2] - 1)]
    return _between(lower, upper, rank - below)


def _between(lower: Float32Array, upper: Float32Array, part: Float64Array) -> Float32Array:
    """Linear interpolation that is exact at both ends, rounded as numpy's is."""
    step = upper - lower
    from_lower = lower + step * part.astype(np.float32)
    from_upper = upper - step * (1 - part).astype(np.float32)
    return np.where(part >= 0.5, from_upper, from_lower)  # noqa: PLR2004 - the nearer end


def stain_densities(pixels: Uint8Array, glass_rgb: tuple[int, int, int]) -> Float32Array:
    """Haematoxylin and eosin of each pixel.

    Parameters
    ----------
    pixels
        (..., 3) uint8 RGB.
    glass_rgb
        The glass's colour, 0-255 each.

    Returns
    -------
    (..., 2) float32, log10; slightly below 0 where a pixel is brighter than glass or of another colour.
    """
    return np.moveaxis(_densities(np.moveaxis(pixels, -1, 0), glass_rgb), 0, -1)


def _densities(planes: Uint8Array, glass_rgb: tuple[int, int, int]) -> Float32Array:
    """The same of whole channels: (3, ...) uint8 -> (2, ...) float32."""
    colours = np.array(_COLOURS)
    colours /= np.linalg.norm(colours, axis=1, keepdims=True)
    # One grey level is added to both, so that black has a density.
    levels = np.log10(np.arange(1.0, 257.0)).astype(np.float32)
    density = np.stack([(levels[glass] - levels)[plane] for glass, plane in zip(glass_rgb, planes, strict=True)])
    found = np.linalg.pinv(colours).astype(np.float32).T @ density.reshape(3, -1)
    return np.asarray(found.reshape(-1, *planes.shape[1:]), dtype=np.float32)
