"""What a file says of its pixels' size along x and y becomes one spacing."""

from __future__ import annotations

import math
from pathlib import Path

from batchscan.domain.errors import ImplausibleSpacing
from batchscan.domain.geometry import Spacing, SpacingSource

LARGEST_ASPECT = 1.02
SPACING_REMEDY = "give it with --um-per-px or the manifest's um_per_px column"


def square_spacing(path: Path, um_x: float, um_y: float, source: SpacingSource) -> Spacing:
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
