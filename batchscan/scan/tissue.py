"""Overview pixels -> which of them are tissue, which are pen, and the colour of the glass.

Colours are compared as optical density relative to the glass. Light that passes two things is multiplied, so densities
add: a shadow, a coverslip's edge or a dark line darkens all three channels alike and drops out of a difference of
channels, whatever lies under it. Haematoxylin and eosin absorb green most and leave either red (eosin) or blue
(haematoxylin) through; no marker pen does both (densities of the stains: Ruifrok & Johnston 2001, PMID 11531144).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from batchscan.domain.records import BoolArray, Float32Array, Uint8Array
from batchscan.domain.tissue_map import TissueMap
from batchscan.scan.masks import closed, dilated, odd, opened, without_small

OVERVIEW_UM_PER_PX = 16.0
"""The spacing at which an overview is best read for `find_tissue`."""

_EIGHT = np.ones((3, 3), dtype=np.bool_)
_AT_ONCE_PX = 1 << 15


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
    stained, inked = _stained_and_inked(smooth, glass_rgb, settings)
    pen = _pen(inked, smooth, glass_rgb, um_per_px, settings)
    unscanned = opened(saturated, settings.unscanned_um / um_per_px)
    mask = _tidied(stained & ~pen, um_per_px, settings) & ~pen & ~unscanned
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
    if any(_is_coloured(planes[:, rows], tolerance) for rows in _strips(planes)) or not _has_structure(planes):
        return False
    high = planes.max(axis=0)
    return _share(high < 0.85 * float(np.percentile(high, 99))) >= min_content


def _is_coloured(planes: Uint8Array, tolerance: int) -> bool:
    return bool(np.any(planes.max(axis=0) - planes.min(axis=0) > tolerance))


def _planes(overview: Uint8Array) -> Uint8Array:
    """(rows, cols, 3) -> (3, rows, cols): the arithmetic here is between whole channels, ten times faster so."""
    return np.ascontiguousarray(np.moveaxis(overview, 2, 0))


def _share(mask: BoolArray) -> float:
    return np.count_nonzero(mask) / mask.size if mask.size else 0.0


def _strips(planes: NDArray[Any]) -> Iterator[slice]:
    """Rows of (3, rows, cols), so many at once that what is made of them stays in the processor's cache."""
    _, rows, cols = planes.shape
    step = max(1, _AT_ONCE_PX // max(1, cols))
    return (slice(top, top + step) for top in range(0, rows, step))


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
    # Green has most of what H&E absorbs: mostly it alone decides.
    whole = planes[:, : rows * side, : cols * side]
    return any(_differs(whole[channel : channel + 1], side) for channel in (1, 0, 2))


def _differs(plane: Uint8Array, side: int) -> bool:
    """The same of one channel, (1, rows, cols)."""
    means = _block_means(plane, side)
    if np.ptp(means) <= 12:  # noqa: PLR2004 - of 255
        return False
    steps = [(np.diff(means, axis=axis) ** 2).mean(axis=(1, 2)) for axis in (1, 2)]
    differ = np.sqrt(np.maximum(*steps) / 2)
    within = (_block_means(np.square(plane, dtype=np.uint16), side) - means**2).mean(axis=(1, 2))
    by_chance = np.sqrt(within.clip(0) / (side**2 - 1))
    return bool(differ[0] > 1.3 * by_chance[0])


def _block_means(plane: NDArray[Any], side: int) -> Float32Array:
    """(1, rows / side, cols / side) means of squares of whole numbers below 2 ** 16; exact, as so few bits are."""
    of_rows = plane[:, ::side].astype(np.uint32)
    for offset in range(1, side):
        of_rows += plane[:, offset::side]
    sums = of_rows[:, :, ::side].copy()
    for offset in range(1, side):
        sums += of_rows[:, :, offset::side]
    return np.asarray(sums.astype(np.float32) / side**2, dtype=np.float32)


def _smoothed(planes: Uint8Array, sigma_px: float) -> Float32Array:
    if sigma_px < 0.3:  # noqa: PLR2004 - narrower than this a Gaussian on the pixel raster is the identity
        return planes.astype(np.float32)
    smooth = np.empty(planes.shape, np.float32)
    ndimage.gaussian_filter(planes, (0, sigma_px, sigma_px), output=smooth, mode="nearest", truncate=3.0)
    return smooth


def _glass_rgb(smooth: Float32Array, saturated: BoolArray) -> Float32Array:
    """Colour of the glass: the brightest common colour that glass can have; neutral white if there is no glass.

    Saturated white counts only where nothing else does: it fills what was never scanned.
    """
    possible, level = np.empty(saturated.shape, np.bool_), np.empty(saturated.shape, np.float32)
    for rows in _strips(smooth):
        possible[rows], level[rows] = _glass_like(smooth[:, rows]), smooth[:, rows].mean(axis=0)
    for candidates, others in ((possible & ~saturated, ~possible & ~saturated), (possible, ~possible)):
        rgb = _brightest_mode(smooth, level, candidates, others)
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


def _brightest_mode(
    smooth: Float32Array, level: Float32Array, candidates: BoolArray, others: BoolArray
) -> Float32Array | None:
    """The colour of glass among `candidates`; None if there are next to none, or what isn't glass outshines it.

    `level` is the mean of the channels.
    """
    if _share(candidates) < 0.001:  # noqa: PLR2004 - a thousandth of the slide is too little to judge by
        return None
    near = np.convolve(np.bincount(level.astype(np.uint8)[candidates], minlength=256), np.ones(7), mode="same")
    # Glass outshines whatever lies on it: the summit next to the brightest level that is at all common.
    brightest = int(np.flatnonzero(near >= 0.3 * near.max())[-1])
    summit = brightest - int(np.argmax(near[max(0, brightest - 4) : brightest + 1][::-1]))
    about = np.empty(candidates.shape, np.bool_)
    for rows in _strips(smooth):
        about[rows] = candidates[rows] & (np.abs(level[rows] - summit) <= 4)  # noqa: PLR2004 - half the window above
    rgb = np.array([np.median(plane[about]) for plane in smooth], dtype=np.float32)
    outshone = any(_outshines(plane, others, value + 8) for plane, value in zip(smooth, rgb, strict=True))
    return None if outshone else rgb


def _outshines(plane: Float32Array, among: BoolArray, value: np.float32) -> bool:
    """Whether the 90th percentile of some pixels is above a value; counting them nearly always says it."""
    n, n_above = np.count_nonzero(among), np.count_nonzero((plane > value) & among)
    # The percentile lies between these two ranks, counted from the top.
    lower = n - int((n - 1) * 0.9)
    if n_above != lower - 1:
        return bool(n_above >= lower > 0)
    return bool(n and np.percentile(plane[among], 90) > value)


def _optical_density(smooth: Float32Array, glass_rgb: Float32Array) -> Float32Array:
    """(3, rows, cols) of log10(glass / pixel), one grey level added to both so that black has one."""
    return np.asarray(np.log10(glass_rgb + 1)[:, None, None] - np.log10(smooth + 1), dtype=np.float32)


def _stain(density: Float32Array) -> Float32Array:
    red, green, blue = density
    return np.asarray(np.maximum(red, green) - np.minimum(red, blue), dtype=np.float32)


def _stained_and_inked(
    smooth: Float32Array, glass_rgb: Float32Array, settings: TissueSettings
) -> tuple[BoolArray, BoolArray]:
    """(rows, cols) each: what has a stain that H&E can have, and what has the colour of an unmistakable ink."""
    shape = smooth.shape[1:]
    stain = np.empty(shape, np.float32)
    pure, on_glass, inked = (np.empty(shape, np.bool_) for _ in range(3))
    for rows in _strips(smooth):
        density = _optical_density(smooth[:, rows], glass_rgb)
        stain[rows] = _stain(density)
        pure[rows] = stain[rows] > settings.min_purity * density.max(axis=0)
        on_glass[rows] = np.abs(density).max(axis=0) < 0.05  # noqa: PLR2004 - within 12 % of the glass's colour
        inked[rows] = _inked(density, _SURE_INKS)
    noise = float(np.median(stain[on_glass])) if on_glass.any() else 0.0
    threshold = max(settings.min_stain_od, min(settings.noise_factor * noise, 0.1))
    return (stain > threshold) & pure, inked


def _pen(
    inked: BoolArray, smooth: Float32Array, glass_rgb: Float32Array, um_per_px: float, settings: TissueSettings
) -> BoolArray:
    """Marker strokes: wide areas of a colour that H&E hasn't, and what of a paler one hangs together with them."""
    width_px = settings.pen_width_um / um_per_px
    sure = opened(inked, width_px)
    if not sure.any():
        # Nor will there be without lines.
        return sure
    density = _optical_density(smooth, glass_rgb)
    sure = opened(inked & ~_edge_lines(density), width_px)
    if not sure.any():
        return sure
    tinged = _inked(density, _LIKELY_INKS)
    # A stroke is followed to its end; an area wider than any stroke may be tissue that happens to look like ink.
    wide = _share_around(tinged, 3 * settings.max_stroke_um / um_per_px) > 1 / 3
    near = dilated(sure, settings.pen_reach_um / um_per_px)
    label, n = ndimage.label((tinged & (near | ~wide)) | sure, structure=_EIGHT)
    belongs = np.zeros(n + 1, dtype=np.bool_)
    belongs[label[sure]] = True
    belongs[0] = False
    return dilated(belongs[label], settings.pen_margin_um / um_per_px)


def _inked(density: Float32Array, inks: tuple[_Ink, ...]) -> BoolArray:
    red, green, blue = density[0], np.maximum(density[1], 1e-3), density[2]
    strongest = np.maximum(red, green)
    found = np.zeros(red.shape, dtype=np.bool_)
    for ink in inks:
        inside = strongest > ink.min_density
        for stain, low, high in ((blue, ink.min_blue, _ANY), (red, ink.min_red, ink.max_red)):
            if low > -_ANY:
                inside &= stain > low * green
            if high < _ANY:
                inside &= stain < high * green
        found |= inside
    return found


def _share_around(mask: BoolArray, width_px: float) -> Float32Array:
    """The share of True in the square around each pixel."""
    share = ndimage.uniform_filter(mask.astype(np.float32), odd(width_px), mode="constant")
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
    whole = closed(stained, settings.close_um / um_per_px)
    pieces = without_small(whole, settings.min_tissue_um2 / um_per_px**2)
    return ~without_small(~pieces, settings.max_hole_um2 / um_per_px**2)
