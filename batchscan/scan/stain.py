"""Pixels of H&E -> how much haematoxylin and eosin lies on each, in optical density.

A pixel's optical density relative to the glass is a sum of the stains' own colours (Beer-Lambert); how much of each is
the least-squares fit of two known colours to it. The colours are those that Ruifrok & Johnston measured (Anal Quant
Cytol Histol 2001;23:291, PMID 11531144), so that slides are compared by one yardstick and not each by its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.records import Uint8Array

_HAEMATOXYLIN = (0.650, 0.704, 0.286)
_EOSIN = (0.072, 0.990, 0.105)
STRONGEST_PERCENT = 99.0
"""The percentile that stands for a slide's strongest stain, as in Macenko 2009, doi:10.1109/ISBI.2009.5193250."""


def stain_densities(pixels: Uint8Array, glass_rgb: tuple[int, int, int]) -> NDArray[np.float32]:
    """Haematoxylin and eosin of each pixel.

    Parameters
    ----------
    pixels
        (n, 3) uint8 RGB.
    glass_rgb
        The glass's colour, 0-255 each.

    Returns
    -------
    (n, 2) float32, log10; slightly below 0 where a pixel is brighter than glass or of another colour.
    """
    colours = np.array([_HAEMATOXYLIN, _EOSIN])
    colours /= np.linalg.norm(colours, axis=1, keepdims=True)
    # One grey level is added to both, so that black has a density.
    levels = np.log10(np.arange(1.0, 257.0)).astype(np.float32)
    density = levels[np.asarray(glass_rgb)] - levels[pixels]
    return np.asarray(density @ np.linalg.pinv(colours).astype(np.float32), dtype=np.float32)


def strongest(densities: NDArray[np.float32]) -> tuple[float, float]:
    """The 99th percentile of either stain over (n, 2) densities, n >= 1."""
    haematoxylin, eosin = np.percentile(densities, STRONGEST_PERCENT, axis=0)
    return float(haematoxylin), float(eosin)
