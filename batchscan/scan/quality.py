"""An overview with its tissue, and the patches' sharpness -> measured values of a slide's quality, and its profile.

What is measured follows HistoQC (Janowczyk 2019, doi:10.1200/CCI.18.00157): simple quantities, each with a limit that
a laboratory can set for itself. docs/quality.md has the formulas, the limits and what they were chosen on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from batchscan.domain.profile import Profile, histogram
from batchscan.domain.quality import BLURRED_BELOW, MEASURES, Measured
from batchscan.domain.records import BoolArray, PatchTable, Uint8Array
from batchscan.domain.tissue_map import TissueMap
from batchscan.scan.masks import dilated
from batchscan.scan.stain import STAINS, TissueStain, tissue_stain

DARK_OD = 0.5
"""Mean optical density of the three channels from which a pixel is dark: a third of the glass's light."""

NO_TISSUE = "no tissue was found on the slide"
_ALL_WHITE = "all of the tissue is white"
_SCATTERED = "no square of 0.4 mm is half tissue"
_NO_PATCH = "no patch with that much tissue has any detail"
_MICROMETRES2 = 1e6
# Dark matter within this of tissue may hide some.
_DARK_REACH_UM = 100.0
_CLIPPED, _WHITE = 255, 250
# A patch that is mostly glass has sharpness of its border only.
_LEAST_TISSUE = 0.5
_FROM_PATCHES = ("sharpness", "blurred_share")


@dataclass(frozen=True)
class OverviewQuality:
    """What an overview tells of a slide's quality.

    Parameters
    ----------
    measured
        Values, before any limit.
    dark
        (rows, cols) bool, folds and dark debris in the overview's frame.
    profile
        Counts of the tissue's haematoxylin and eosin.
    """

    measured: tuple[Measured, ...]
    dark: BoolArray
    profile: Profile


def overview_quality(overview: Uint8Array, tissue: TissueMap) -> OverviewQuality:
    """Measure what an overview tells.

    Parameters
    ----------
    overview
        (rows, cols, 3) uint8 RGB of the whole slide.
    tissue
        In its frame.

    Returns
    -------
    OverviewQuality
        Without tissue no value is defined.
    """
    dark = dark_matter(overview, tissue)
    n_tissue = np.count_nonzero(tissue.mask)
    if not n_tissue:
        names = (name for name in MEASURES if name not in _FROM_PATCHES)
        return OverviewQuality(tuple(Measured(name, None, NO_TISSUE) for name in names), dark, {})
    values = {
        "pen_share": _share_beside(tissue.pen, tissue.mask),
        "dark_share": _share_beside(dark, tissue.mask),
        "overexposed_share": overexposed_share(overview, tissue.mask),
        "glass_level": max(tissue.background_rgb) / 255,
    }
    stain = tissue_stain(overview, tissue)
    measured = [
        *(Measured(name, value, "" if value is not None else _ALL_WHITE) for name, value in values.items()),
        *(Measured(name, *strength) for name, strength in zip(STAINS, _strengths(stain), strict=True)),
        Measured("tissue_mm2", n_tissue * tissue.um_per_px**2 / _MICROMETRES2),
    ]
    return OverviewQuality(tuple(measured), dark, stain.profile)


def _strengths(stain: TissueStain) -> Sequence[tuple[float | None, str]]:
    return [(value, "") for value in stain.strength] or [(None, _SCATTERED)] * len(STAINS)


def dark_matter(overview: Uint8Array, tissue: TissueMap) -> BoolArray:
    """(rows, cols) bool: what is in or near tissue, no pen, and lets less than a third of the light through.

    A fold lies twice or more in the light's way, so that its density is a multiple of the tissue's beside it.
    """
    glass = float(np.log10(np.asarray(tissue.background_rgb) + 1.0).mean())
    near = dilated(tissue.mask, _DARK_REACH_UM / tissue.um_per_px)
    # A pixel is no darker than a grey one of its lowest channel, and few are so dark.
    n_dark_greys = np.count_nonzero(_is_dark(np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1), glass))
    red, green, blue = np.moveaxis(overview, 2, 0)
    may_be = (np.minimum(np.minimum(red, green), blue) < n_dark_greys) & near & ~tissue.pen
    dark = np.zeros(may_be.shape, np.bool_)
    dark[may_be] = _is_dark(overview[may_be], glass)
    return dark


def _is_dark(pixels: Uint8Array, glass: float) -> BoolArray:
    """(n,) bool of pixels (n, 3)."""
    levels = np.log10(np.arange(1.0, 257.0)).astype(np.float32)
    return np.asarray(glass - levels[pixels].mean(axis=1) > DARK_OD, dtype=np.bool_)


def overexposed_share(overview: Uint8Array, mask: BoolArray) -> float | None:
    """Share of the masked pixels with colour in which a channel is at its end, so that some of their stain is lost.

    White, where fat was, has nothing to lose: it is left out. None where all is white.
    """
    red, green, blue = np.moveaxis(overview, 2, 0)
    coloured = (np.minimum(np.minimum(red, green), blue) < _WHITE) & mask
    clipped = (np.maximum(np.maximum(red, green), blue) == _CLIPPED) & coloured
    n_coloured = np.count_nonzero(coloured)
    return np.count_nonzero(clipped) / n_coloured if n_coloured else None


def _share_beside(found: BoolArray, tissue: BoolArray) -> float:
    """Area of something over that of it and the tissue together."""
    return np.count_nonzero(found) / np.count_nonzero(found | tissue)


def with_sharpness(measured: tuple[Measured, ...], table: PatchTable) -> tuple[Measured, ...]:
    """The same values, with those that patches tell put first."""
    return (*_of_patches(table), *(one for one in measured if one.name not in _FROM_PATCHES))


def _of_patches(table: PatchTable) -> Iterator[Measured]:
    """Median sharpness of the patches that are at least half tissue, and the share of blurred ones among them."""
    values = np.full(len(table), np.nan) if table.sharpness is None else table.sharpness
    seen = values[(table.tissue_fraction >= _LEAST_TISSUE) & np.isfinite(values)]
    if not len(seen):
        yield from (Measured(name, None, _NO_PATCH if len(table) else NO_TISSUE) for name in _FROM_PATCHES)
        return
    yield Measured("sharpness", float(np.median(seen)))
    yield Measured("blurred_share", float((seen < BLURRED_BELOW).mean()))


def table_profile(table: PatchTable) -> Profile:
    """Counts of the patches' tissue and scores."""
    return {
        "tissue_fraction": histogram("tissue_fraction", table.tissue_fraction),
        "p_raw": histogram("p_raw", table.p_raw),
    }
