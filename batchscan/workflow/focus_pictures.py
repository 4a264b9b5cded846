"""A slide's largest foci -> pictures of them in their surroundings, finer than the overview where that pays."""

from __future__ import annotations

import contextlib

from batchscan.domain.errors import UnreadableSlide
from batchscan.domain.geometry import Box
from batchscan.domain.records import BoxPx, Extent, SlideInfo, Uint8Array
from batchscan.report.focus_views import focus_views
from batchscan.stores.pyramids import SlideStore

# What a page can show of a close-up, about; a focus that the overview shows with as many is cut out of it when printed.
_MOST_PX = 400


def focus_pictures(
    store: SlideStore, info: SlideInfo, extent: Extent, overview_um_per_px: float
) -> dict[BoxPx, Uint8Array]:
    """What the report's close-ups show, each from a level that is so coarse that a page can show it.

    One is missing where the overview does as well, or where patches that couldn't be read lie about the focus.

    Raises
    ------
    SourceVanished
        If the store is gone.
    """
    found = {}
    for box in focus_views(extent, info):
        um_per_px = _spacing(store, box)
        if um_per_px < overview_um_per_px:
            with contextlib.suppress(UnreadableSlide):
                found[box] = store.read_box(Box(*box), um_per_px)
    return found


def _spacing(store: SlideStore, box: BoxPx) -> float:
    """That of the finest level on which a box has at most `_MOST_PX` a side; of no level where none is so coarse."""
    longest_um = max(box[2:]) * store.spacing.um_per_px
    levels = (level.um_per_px for level in store.levels)
    return next((um_per_px for um_per_px in levels if longest_um / um_per_px <= _MOST_PX), longest_um / _MOST_PX)
