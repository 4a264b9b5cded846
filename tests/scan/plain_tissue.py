"""How tissue, pen and glass are found, written down as plainly as can be: whole arrays, SciPy's filters and labels.

`batchscan.scan.tissue` takes short cuts that must not change a pixel; what they are is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from batchscan.domain.tissue_map import TissueMap
from batchscan.scan.tissue import _LIKELY_INKS, _SURE_INKS, TissueSettings, _Ink

Mask = NDArray[np.bool_]
Planes = NDArray[Any]
SETTINGS = TissueSettings()
EIGHT = np.ones((3, 3))


def plain_tissue(overview: NDArray[np.uint8], um_per_px: float) -> TissueMap | None:
    """The map; None where the overview has no structure."""
    planes = np.moveaxis(overview, 2, 0).copy()
    if not has_structure(planes):
        return None
    sigma, smooth = SETTINGS.smooth_um / um_per_px, planes.astype(np.float32)
    if sigma >= 0.3:
        smooth = ndimage.gaussian_filter(planes, (0, sigma, sigma), output=np.float32, mode="nearest", truncate=3.0)
    saturated = planes.min(axis=0) == 255
    glass = glass_rgb(smooth, saturated)
    density = np.log10(glass + 1)[:, None, None] - np.log10(smooth + 1)
    pen = pen_marks(density, um_per_px)
    unscanned = opened(saturated, SETTINGS.unscanned_um / um_per_px)
    mask = tidied(stained(density) & ~pen, um_per_px) & ~pen & ~unscanned
    red, green, blue = (round(float(value)) for value in glass)
    return TissueMap(mask, pen, (red, green, blue), um_per_px)


def has_structure(planes: Planes) -> bool:
    rows, cols = planes.shape[1] // 4, planes.shape[2] // 4
    squares = planes[:, : rows * 4, : cols * 4].astype(np.float32).reshape(3, rows, 4, cols, 4)
    means = squares.mean(axis=2).mean(axis=3)
    steps = [(np.diff(means, axis=axis) ** 2).mean(axis=(1, 2)) for axis in (1, 2)]
    within = ((squares**2).mean(axis=2).mean(axis=3) - means**2).mean(axis=(1, 2))
    by_chance = np.sqrt(within.clip(0) / 15)
    return bool(np.any((np.ptp(means, axis=(1, 2)) > 12) & (np.sqrt(np.maximum(*steps) / 2) > 1.3 * by_chance)))


def glass_rgb(smooth: Planes, saturated: Mask) -> Planes:
    high, low, green = smooth.max(axis=0), smooth.min(axis=0), smooth[1]
    tinted = (high - low <= 0.3 * high) & (green - low >= 0.25 * (high - low))
    possible = (high >= 100.0) & ((high - low <= 0.06 * high) | tinted)
    for candidates, others in ((possible & ~saturated, ~possible & ~saturated), (possible, ~possible)):
        rgb = brightest_mode(smooth, candidates, others)
        if rgb is not None:
            return rgb
    return np.full(3, np.percentile(high, 99), dtype=np.float32)


def brightest_mode(smooth: Planes, candidates: Mask, others: Mask) -> Planes | None:
    if candidates.mean() < 0.001:
        return None
    colours = smooth[:, candidates]
    level = colours.mean(axis=0)
    near = np.convolve(np.bincount(level.astype(np.intp), minlength=256), np.ones(7), mode="same")
    brightest = int(np.flatnonzero(near >= 0.3 * near.max())[-1])
    summit = brightest - int(np.argmax(near[max(0, brightest - 4) : brightest + 1][::-1]))
    rgb = np.median(colours[:, np.abs(level - summit) <= 4], axis=1)
    outshone = others.any() and np.any(np.percentile(smooth[:, others], 90, axis=1) > rgb + 8)
    return None if outshone else rgb


def stained(density: Planes) -> Mask:
    red, green, blue = density
    stain, most = np.maximum(red, green) - np.minimum(red, blue), density.max(axis=0)
    on_glass = np.abs(density).max(axis=0) < 0.05
    noise = float(np.median(stain[on_glass])) if on_glass.any() else 0.0
    threshold = max(SETTINGS.min_stain_od, min(SETTINGS.noise_factor * noise, 0.1))
    return (stain > threshold) & (stain > SETTINGS.min_purity * most)


def pen_marks(density: Planes, um_per_px: float) -> Mask:
    sure = opened(inked(density, _SURE_INKS) & ~edge_lines(density), SETTINGS.pen_width_um / um_per_px)
    if not sure.any():
        return sure
    tinged = inked(density, _LIKELY_INKS)
    width = odd(3 * SETTINGS.max_stroke_um / um_per_px)
    share = ndimage.uniform_filter(tinged.astype(np.float32), width, mode="constant")
    near = dilated(sure, SETTINGS.pen_reach_um / um_per_px)
    label, _ = ndimage.label((tinged & (near | (share <= 1 / 3))) | sure, structure=EIGHT)
    return dilated(np.isin(label, np.unique(label[sure])), SETTINGS.pen_margin_um / um_per_px)


def inked(density: Planes, inks: tuple[_Ink, ...]) -> Mask:
    red, green, blue = density[0], np.maximum(density[1], 1e-3), density[2]
    found = np.zeros(red.shape, np.bool_)
    for ink in inks:
        ratios = (blue > ink.min_blue * green) & (red > ink.min_red * green) & (red < ink.max_red * green)
        found |= ratios & (np.maximum(red, green) > ink.min_density)
    return found


def edge_lines(density: Planes) -> Mask:
    most, least = density.max(axis=0), density.min(axis=0)
    label, n = ndimage.label((most > 0.1) & (most - least < 0.15 * most), structure=EIGHT)
    at_border = np.unique(np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]]))
    places, area = ndimage.find_objects(label), np.bincount(label.ravel(), minlength=n + 1)
    found = np.zeros(n + 1, np.bool_)
    for index in at_border[at_border > 0]:
        extent = [part.stop - part.start for part in places[index - 1]]
        long = any(length >= 0.6 * side for length, side in zip(extent, label.shape, strict=True))
        found[index] = long and area[index] <= 0.1 * min(label.shape) * max(extent)
    return found[label]


def tidied(mask: Mask, um_per_px: float) -> Mask:
    side = odd(SETTINGS.close_um / um_per_px)
    whole = square(ndimage.minimum_filter, square(ndimage.maximum_filter, mask, side, 0), side, 1)
    pieces = without_small(whole, SETTINGS.min_tissue_um2 / um_per_px**2)
    return ~without_small(~pieces, SETTINGS.max_hole_um2 / um_per_px**2)


def without_small(mask: Mask, min_area_px: float) -> Mask:
    label, n = ndimage.label(mask, structure=EIGHT)
    keep = np.bincount(label.ravel(), minlength=n + 1) >= min_area_px
    keep[0] = False
    return keep[label]


def odd(width_px: float) -> int:
    return 2 * round((width_px - 1) / 2) + 1 if width_px > 1 else 1


def dilated(mask: Mask, radius_px: float) -> Mask:
    return square(ndimage.maximum_filter, mask, 2 * round(radius_px) + 1, 0)


def opened(mask: Mask, width_px: float) -> Mask:
    side = odd(width_px)
    return square(ndimage.maximum_filter, square(ndimage.minimum_filter, mask, side, 1), side, 0)


def square(rank: Callable[..., Any], mask: Mask, side: int, outside: int) -> Mask:
    return np.asarray(rank(mask.view(np.uint8), size=side, mode="constant", cval=outside), dtype=np.bool_)
