"""What a file says of its pixels' size along x and y becomes one spacing, and a size that a slide can have."""

from __future__ import annotations

import math

from batchscan.domain.errors import ImplausibleSpacing, SpacingTooCoarse, UnopenableSlide
from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.domain.places import Place

LARGEST_ASPECT = 1.02
LARGEST_UPSCALING = 0.01
LONGEST_SIDE_PX = 2**31
LONGEST_SIDE_MM = 500
SPACING_REMEDY = "give it with --um-per-px or the manifest's um_per_px column"


def square_spacing(path: Place, um_x: float, um_y: float, source: SpacingSource) -> Spacing:
    """The one spacing of pixels that are square within 2 %: the mean.

    Raises
    ------
    ImplausibleSpacing
        If they aren't square, or the value can't be a spacing; the text names `path`.
    """
    if not (0 < um_x < math.inf and 0 < um_y < math.inf) or max(um_x, um_y) > LARGEST_ASPECT * min(um_x, um_y):
        raise ImplausibleSpacing(
            f"{path}: spacing is {um_x:g} um/px along x and {um_y:g} along y (from {source}); expected square pixels "
            f"(within 2 %): {SPACING_REMEDY}"
        )
    try:
        return Spacing((um_x + um_y) / 2, source)
    except ImplausibleSpacing as error:
        raise ImplausibleSpacing(f"{path}: {error}") from error


def check_size(path: Place, width_px: int, height_px: int, spacing: Spacing) -> None:
    """See that level 0 is no larger than a glass can be: what a file declares need not be there.

    Raises
    ------
    UnopenableSlide
        If a side has more than 2^31 pixels.
    ImplausibleSpacing
        If a side is longer than 500 mm.
    """
    longest = max(width_px, height_px)
    if longest > LONGEST_SIDE_PX:
        raise UnopenableSlide(
            f"{path}: says that it has {width_px} x {height_px} px, expected at most 2^31 a side: its metadata are "
            "wrong; export the slide again"
        )
    if spacing.mm(longest) > LONGEST_SIDE_MM:
        raise ImplausibleSpacing(
            f"{path}: {width_px} x {height_px} px at {spacing.um_per_px:g} um/px (from {spacing.source}) are "
            f"{spacing.mm(longest):.0f} mm, expected at most {LONGEST_SIDE_MM}: export the slide again, or if its "
            f"spacing is wrong, {SPACING_REMEDY}"
        )


def check_fine_enough(path: Place, spacing: Spacing, um_per_px: float) -> None:
    """See that pixels of `um_per_px` can be made from level-0 pixels of `spacing`.

    Raises
    ------
    SpacingTooCoarse
        If these are more than 1 % coarser.
    """
    if spacing.um_per_px > um_per_px * (1 + LARGEST_UPSCALING):
        raise SpacingTooCoarse(
            f"{path}: its finest pixels are {spacing.um_per_px:g} um ({spacing.source}), coarser "
            f"than the {um_per_px:g} um/px asked for: scan or ingest the slide at a finer spacing"
        )
