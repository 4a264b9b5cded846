"""Which pixels of an overview are tissue, and what else lies on the glass."""

from __future__ import annotations

from dataclasses import dataclass

from batchscan.domain.records import BoolArray


@dataclass(frozen=True)
class TissueMap:
    """Which pixels of an overview are tissue.

    Parameters
    ----------
    mask
        (rows, cols) bool, True where there is tissue.
    pen
        (rows, cols) bool, True where a marker pen covered the glass; never tissue.
    background_rgb
        The glass's colour, 0-255 each.
    um_per_px
        The overview's spacing.
    """

    mask: BoolArray
    pen: BoolArray
    background_rgb: tuple[int, int, int]
    um_per_px: float
