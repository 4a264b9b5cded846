"""An overview's tissue -> how much haematoxylin and eosin lies on it, in optical density.

A pixel's optical density relative to the glass is a sum of the stains' own colours (Beer-Lambert); how much of each is
the least-squares fit of two known colours to it. The colours are those that Ruifrok & Johnston measured (Anal Quant
Cytol Histol 2001;23:291, PMID 11531144), so that slides are compared by one yardstick and not each by its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.profile import Profile, histogram, summed
from batchscan.domain.records import BoolArray, Uint8Array
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
    side = max(1, round(_SQUARE_UM / tissue.um_per_px))
    profiles, squares = [], []
    for top in range(0, len(overview), side):
        mask = tissue.mask[top : top + side]
        if not mask.any():
            continue
        strip = stain_densities(overview[top : top + side], tissue.background_rgb)
        profiles.append({name: histogram(name, strip[mask][:, i]) for i, name in enumerate(STAINS)})
        squares += [np.percentile(square, _STRONGEST_PERCENT, axis=0) for square in _squares(strip, mask, side)]
    strength = [
        float(np.percentile([square[i] for square in squares], percent))
        for i, percent in enumerate(_OVER_SQUARES_PERCENT)
        if squares
    ]
    return TissueStain(tuple(strength), summed(profiles))


def _squares(strip: NDArray[np.float32], mask: BoolArray, side: int) -> Iterator[NDArray[np.float32]]:
    """(n, 2) tissue pixels of each square of a strip that has enough; a square that the edge cuts counts as whole."""
    for left in range(0, mask.shape[1], side):
        found = strip[:, left : left + side][mask[:, left : left + side]]
        if len(found) >= _LEAST_TISSUE * side**2:
            yield found


def stain_densities(pixels: Uint8Array, glass_rgb: tuple[int, int, int]) -> NDArray[np.float32]:
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
    colours = np.array(_COLOURS)
    colours /= np.linalg.norm(colours, axis=1, keepdims=True)
    # One grey level is added to both, so that black has a density.
    levels = np.log10(np.arange(1.0, 257.0)).astype(np.float32)
    density = levels[np.asarray(glass_rgb)] - levels[pixels]
    return np.asarray(density @ np.linalg.pinv(colours).astype(np.float32), dtype=np.float32)
