"""Overview pixels -> which of them are tissue, which are pen, and the colour of the glass.

Colours are compared as optical density relative to the glass. Light that passes two things is multiplied, so densities
add: a shadow, a coverslip's edge or a dark line darkens all three channels alike and drops out of a difference of
channels, whatever lies under it. Haematoxylin and eosin absorb green most and leave either red (eosin) or blue
(haematoxylin) through; no marker pen does both (densities of the stains: Ruifrok & Johnston 2001, PMID 11531144).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from batchscan.domain.records import BoolArray, Float32Array, Uint8Array
from batchscan.domain.tissue_map import TissueMap

OVERVIEW_UM_PER_PX = 16.0
"""The spacing at which an overview is best read for `find_tissue`."""

_EIGHT = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class TissueSettings:
    """What counts as tissue, pen and dirt; lengths in micrometres, areas in square micrometres.

    Parameters
    ----------
    smooth_um
        Sigma of the Gaussian that quietens the overview before anything is judged.
    min_stain_od
        Stain density (see `find_tissue`) from which a pixel is tissue.
    noise_factor
        The same, in multiples of the median stain density of the glass itself, for noisy scanners.
    min_purity
        Smallest ratio of stain density to density: shadows and dark lines have next to none.
    close_um
        Gaps up to about this wide, such as fat cells, are closed.
    min_tissue_um2
        Smaller pieces are dirt.
    max_hole_um2
        Holes up to this area, such as ducts and fat, belong to the tissue.
    pen_width_um
        Pen marks are at least this wide; ink on a specimen's margin and pigment are narrower.
    pen_reach_um
        Paler ink is taken for ink this far from where it is unmistakable, and farther where it is a stroke.
    max_stroke_um
        A stroke is narrower than this.
    pen_margin_um
        Blurred rim of a pen mark that isn't tissue either.
    unscanned_um
        Saturated white at least this wide was never scanned.
    """

    smooth_um: float = 12.0
    min_stain_od: float = 0.02
    noise_factor: float = 5.0
    min_purity: float = 0.15
    close_um: float = 100.0
    min_tissue_um2: float = 15_000.0
    max_hole_um2: float = 60_000.0
    pen_width_um: float = 160.0
    pen_reach_um: float = 400.0
    max_stroke_um: float = 800.0
    pen_margin_um: float = 50.0
    unscanned_um: float = 200.0


_DEFAULT = TissueSettings()


@dataclass(frozen=True, slots=True)
class _Ink:
    """Densities that an ink has and H&E hasn't: blue and red in multiples of green, and that of the stronger of
    red and green. In the whole mounts that this was made on, tissue keeps blue below .66 and red below .92 of green.
    """  # noqa: D205 - one sentence

    min_blue: float
    min_red: float
    max_red: float
    min_density: float


_ANY = math.inf
_SURE_INKS = (
    _Ink(-_ANY, 1.25, _ANY, 0.1),  # blue and green absorb red most
    _Ink(-_ANY, 1.0, _ANY, 0.65),  # blue on tissue: as dark as this, haematoxylin absorbs more green than red
    _Ink(0.7, 0.55, _ANY, 0.3),  # black absorbs all; so do blue and green on tissue
    _Ink(0.78, -_ANY, 0.4, 0.3),  # red absorbs blue as much as green, where eosin lets blue through
)
_LIKELY_INKS = (
    _Ink(-_ANY, 1.1, _ANY, 0.05),
    _Ink(-_ANY, 0.9, _ANY, 0.5),
    _Ink(0.66, 0.5, _ANY, 0.2),
    _Ink(0.63, -_ANY, 0.16, 0.1),
    _Ink(0.62, -_ANY, 0.35, 0.4),  # red on tissue
)


def find_tissue(overview: Uint8Array, um_per_px: float, settings: TissueSettings = _DEFAULT) -> TissueMap:
    """Tissue and pen marks of an overview.

    A pixel's stain density is max(OD_red, OD_green) - min(OD_red, OD_blue): the part of its optical density, relative
    to the glass, that isn't grey and that H&E can have.

    Parameters
    ----------
    overview
        (rows, cols, 3) uint8 RGB of the whole slide.
    um_per_px
        Its spacing; 8 to 64 is sensible (`OVERVIEW_UM_PER_PX`).
    settings
        What counts as tissue.

    Returns
    -------
    TissueMap
        In the overview's frame. No tissue where the overview is one colour or noise.
    """
    planes = _planes(overview)
    if not _has_structure(planes):
        return _nothing(planes, um_per_px)
    smooth = _smoothed(planes, settings.smooth_um / um_per_px)
    saturated = planes.min(axis=0) == np.iinfo(np.uint8).max
    glass_rgb = _glass_rgb(smooth, saturated)
    density = _optical_density(smooth, glass_rgb)
    pen = _pen(density, um_per_px, settings)
    stained = _stained(density, settings) & ~pen
    unscanned = _opened(saturated, settings.unscanned_um / um_per_px)
    mask = _tidied(stained, um_per_px, settings) & ~pen & ~unscanned
    return TissueMap(mask, pen, _rounded(glass_rgb), um_per_px)


def qc_facts(tissue: TissueMap) -> dict[str, float | list[int]]:
    """What a report says of a tissue map: shares of the overview's area, the glass's colour, the spacing."""
    return {
        "tissue_share": _share(tissue.mask),
        "pen_share": _share(tissue.pen),
        "background_rgb": list(tissue.background_rgb),
        "overview_um_per_px": tissue.um_per_px,
    }


def is_greyscale(overview: Uint8Array, tolerance: int = 3, min_content: float = 0.005) -> bool:
    """Whether there is something on the slide, and all of it is grey.

    Parameters
    ----------
    overview
        (rows, cols, 3) uint8 RGB.
    tolerance
        Channels that differ by no more are equal.
    min_content
        Smallest share of pixels clearly darker than the glass that is something; an empty slide is not greyscale.
    """
    planes = _planes(overview)
    low, high = planes.min(axis=0), planes.max(axis=0)
    if not _has_structure(planes) or np.any(high - low > tolerance):
        return False
    return _share(high < 0.85 * float(np.percentile(high, 99))) >= min_content


def _planes(overview: Uint8Array) -> Uint8Array:
    """(rows, cols, 3) -> (3, rows, cols): the arithmetic here is between whole channels, ten times faster so."""
    return np.ascontiguousarray(np.moveaxis(overview, 2, 0))


def _share(mask: BoolArray) -> float:
    return float(mask.mean()) if mask.size else 0.0


def _rounded(rgb: Float32Array) -> tuple[int, int, int]:
    red, green, blue = (round(float(value)) for value in rgb)
    return red, green, blue


def _nothing(planes: Uint8Array, um_per_px: float) -> TissueMap:
    none = np.zeros(planes.shape[1:], dtype=np.bool_)
    colour = np.median(planes, axis=(1, 2)) if none.size else np.full(3, 255.0)
    return TissueMap(none, none.copy(), _rounded(colour.astype(np.float32)), um_per_px)


def _has_structure(planes: Uint8Array) -> bool:
    """Whether anything is there: blocks that differ visibly, and neighbours that differ by more than noise."""
    side = 4
    rows, cols = planes.shape[1] // side, planes.shape[2] // side
    if min(rows, cols) < 2:  # noqa: PLR2004 - no neighbours to compare
        return False
    whole = planes[:, : rows * side, : cols * side].astype(np.float32)
    means = _block_means(whole, side)
    visible = np.ptp(means, axis=(1, 2)) > 12  # noqa: PLR2004 - of 255
    steps = [(np.diff(means, axis=axis) ** 2).mean(axis=(1, 2)) for axis in (1, 2)]
    differ = np.sqrt(np.maximum(*steps) / 2)
    within = (_block_means(whole**2, side) - means**2).mean(axis=(1, 2))
    by_chance = np.sqrt(within.clip(0) / (side**2 - 1))
    return bool(np.any(visible & (differ > 1.3 * by_chance)))


def _block_means(planes: Float32Array, side: int) -> Float32Array:
    channels, rows, cols = planes.shape
    of_rows = planes.reshape(channels, rows // side, side, cols).mean(axis=2)
    return np.asarray(of_rows.reshape(channels, rows // side, cols // side, side).mean(axis=3), dtype=np.float32)


def _smoothed(planes: Uint8Array, sigma_px: float) -> Float32Array:
    if sigma_px < 0.3:  # noqa: PLR2004 - narrower than this a Gaussian on the pixel raster is the identity
        return planes.astype(np.float32)
    sigmas = (0, sigma_px, sigma_px)
    smooth = ndimage.gaussian_filter(planes, sigmas, output=np.float32, mode="nearest", truncate=3.0)
    return np.asarray(smooth, dtype=np.float32)


def _glass_rgb(smooth: Float32Array, saturated: BoolArray) -> Float32Array:
    """Colour of the glass: the brightest common colour that glass can have; neutral white if there is no glass.

    Saturated white counts only where nothing else does: it fills what was never scanned.
    """
    possible = _glass_like(smooth)
    for candidates, others in ((possible & ~saturated, ~possible & ~saturated), (possible, ~possible)):
        rgb = _brightest_mode(smooth, candidates, others)
        if rgb is not None:
            return rgb
    return np.full(3, np.percentile(smooth.max(axis=0), 99), dtype=np.float32)


def _glass_like(smooth: Float32Array) -> BoolArray:
    """Bright enough for glass, and nearly neutral, or tinted in a way that H&E isn't (green not the lowest)."""
    high, low, green = smooth.max(axis=0), smooth.min(axis=0), smooth[1]
    chroma = high - low
    neutral = chroma <= 0.06 * high
    tinted = (chroma <= 0.3 * high) & (green - low >= 0.25 * chroma)
    return np.asarray((high >= 100.0) & (neutral | tinted), dtype=np.bool_)  # noqa: PLR2004 - 0-255


def _brightest_mode(smooth: Float32Array, candidates: BoolArray, others: BoolArray) -> Float32Array | None:
    """The colour of glass among `candidates`; None if there are next to none, or what isn't glass outshines it."""
    if _share(candidates) < 0.001:  # noqa: PLR2004 - a thousandth of the slide is too little to judge by
        return None
    colours = smooth[:, candidates]
    level = colours.mean(axis=0)
    near = np.convolve(np.bincount(level.astype(np.intp), minlength=256), np.ones(7), mode="same")
    # Glass outshines whatever lies on it: the summit next to the brightest level that is at all common.
    brightest = int(np.flatnonzero(near >= 0.3 * near.max())[-1])
    summit = brightest - int(np.argmax(near[max(0, brightest - 4) : brightest + 1][::-1]))
    rgb = np.median(colours[:, np.abs(level - summit) <= 4], axis=1)  # noqa: PLR2004 - half the window above
    outshone = others.any() and np.any(np.percentile(smooth[:, others], 90, axis=1) > rgb + 8)
    return None if outshone else np.asarray(rgb, dtype=np.float32)


def _optical_density(smooth: Float32Array, glass_rgb: Float32Array) -> Float32Array:
    """(3, rows, cols) of log10(glass / pixel), one grey level added to both so that black has one."""
    return np.asarray(np.log10(glass_rgb + 1)[:, None, None] - np.log10(smooth + 1), dtype=np.float32)


def _stain(density: Float32Array) -> Float32Array:
    red, green, blue = density
    return np.asarray(np.maximum(red, green) - np.minimum(red, blue), dtype=np.float32)


def _stained(density: Float32Array, settings: TissueSettings) -> BoolArray:
    stain, most = _stain(density), density.max(axis=0)
    on_glass = np.abs(density).max(axis=0) < 0.05  # noqa: PLR2004 - within 12 % of the glass's colour
    noise = float(np.median(stain[on_glass])) if on_glass.any() else 0.0
    threshold = max(settings.min_stain_od, min(settings.noise_factor * noise, 0.1))
    return np.asarray((stain > threshold) & (stain > settings.min_purity * most), dtype=np.bool_)


def _pen(density: Float32Array, um_per_px: float, settings: TissueSettings) -> BoolArray:
    """Marker strokes: wide areas of a colour that H&E hasn't, and what of a paler one hangs together with them."""
    sure = _opened(_inked(density, _SURE_INKS) & ~_edge_lines(density), settings.pen_width_um / um_per_px)
    if not sure.any():
        return sure
    tinged = _inked(density, _LIKELY_INKS)
    # A stroke is followed to its end; an area wider than any stroke may be tissue that happens to look like ink.
    wide = _share_around(tinged, 3 * settings.max_stroke_um / um_per_px) > 1 / 3
    near = _dilated(sure, settings.pen_reach_um / um_per_px)
    label, n = ndimage.label((tinged & (near | ~wide)) | sure, structure=_EIGHT)
    belongs = np.zeros(n + 1, dtype=np.bool_)
    belongs[label[sure]] = True
    belongs[0] = False
    return _dilated(belongs[label], settings.pen_margin_um / um_per_px)


def _inked(density: Float32Array, inks: tuple[_Ink, ...]) -> BoolArray:
    red, green, blue = density[0], np.maximum(density[1], 1e-3), density[2]
    strongest = np.maximum(red, green)
    found = np.zeros(red.shape, dtype=np.bool_)
    for ink in inks:
        ratios = (blue > ink.min_blue * green) & (red > ink.min_red * green) & (red < ink.max_red * green)
        found |= ratios & (strongest > ink.min_density)
    return found


def _share_around(mask: BoolArray, width_px: float) -> Float32Array:
    """The share of True in the square around each pixel."""
    share = ndimage.uniform_filter(mask.astype(np.float32), _odd(width_px), mode="constant")
    return np.asarray(share, dtype=np.float32)


def _edge_lines(density: Float32Array, min_length: float = 0.6, max_width: float = 0.1) -> BoolArray:
    """Grey bands along the slide's border: the edge of the slide or of its coverslip, not a pen.

    A band is as long as `min_length` of a side, and on average no wider than `max_width` of the shorter side.
    """
    most, least = density.max(axis=0), density.min(axis=0)
    label, n = ndimage.label((most > 0.1) & (most - least < 0.15 * most), structure=_EIGHT)  # noqa: PLR2004 - density
    at_border = np.unique(np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]]))
    places, area = ndimage.find_objects(label), np.bincount(label.ravel(), minlength=n + 1)
    found = np.zeros(n + 1, dtype=np.bool_)
    for index in at_border[at_border > 0]:
        extent = [part.stop - part.start for part in places[index - 1]]
        long = any(length >= min_length * side for length, side in zip(extent, label.shape, strict=True))
        found[index] = long and area[index] <= max_width * min(label.shape) * max(extent)
    return found[label]


def _tidied(stained: BoolArray, um_per_px: float, settings: TissueSettings) -> BoolArray:
    """Gaps closed, dirt dropped, holes filled."""
    closed = _closed(stained, settings.close_um / um_per_px)
    pieces = _without_small(closed, settings.min_tissue_um2 / um_per_px**2)
    return ~_without_small(~pieces, settings.max_hole_um2 / um_per_px**2)


def _without_small(mask: BoolArray, min_area_px: float) -> BoolArray:
    """The mask without its pieces smaller than `min_area_px`; where the border cuts one, what is seen counts."""
    label, n = ndimage.label(mask, structure=_EIGHT)
    keep = np.bincount(label.ravel(), minlength=n + 1) >= min_area_px
    keep[0] = False
    return keep[label]


def _odd(width_px: float) -> int:
    """The odd whole number of pixels nearest to a width, at least 1."""
    return 2 * round((width_px - 1) / 2) + 1 if width_px > 1 else 1


def _dilated(mask: BoolArray, radius_px: float) -> BoolArray:
    return _square(ndimage.maximum_filter, mask, 2 * round(radius_px) + 1, outside=0)


def _opened(mask: BoolArray, width_px: float) -> BoolArray:
    """What a square of `width_px` fits into; a piece may go on beyond the border."""
    side = _odd(width_px)
    return _square(ndimage.maximum_filter, _square(ndimage.minimum_filter, mask, side, outside=1), side, outside=0)


def _closed(mask: BoolArray, width_px: float) -> BoolArray:
    side = _odd(width_px)
    return _square(ndimage.minimum_filter, _square(ndimage.maximum_filter, mask, side, outside=0), side, outside=1)


def _square(rank: Callable[..., Any], mask: BoolArray, side: int, outside: int) -> BoolArray:
    if side == 1:
        return mask
    return np.asarray(rank(mask.view(np.uint8), size=side, mode="constant", cval=outside), dtype=np.bool_)
