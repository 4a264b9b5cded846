"""A slide's largest foci become the parts of it that its report shows close up: each focus in its surroundings."""

from __future__ import annotations

from batchscan.domain.geometry import Box, ceil_px, floor_px
from batchscan.domain.records import BoxPx, Extent, Focus, SlideInfo

N_FOCI_SHOWN = 6
"""Close-ups of a report; what has no close-up is outlined on the overview all the same."""
VIEW_ASPECT = 4 / 3
"""Width of a close-up over its height."""

_CONTEXT = 0.2
_LEAST_CONTEXT_MM = 0.6


def focus_views(extent: Extent, slide: SlideInfo) -> tuple[BoxPx, ...]:
    """What a close-up of each of the largest foci shows, in the order of their numbers."""
    return tuple(focus_view(focus, slide) for focus in extent.foci[:N_FOCI_SHOWN])


def focus_view(focus: Focus, slide: SlideInfo) -> BoxPx:
    """The focus in the middle and about it a fifth of its size, 0.6 mm at least; (x, y, width, height), level-0 pixels.

    As wide as `VIEW_ASPECT` says where the slide is large enough, and nothing beyond the slide.
    """
    x, y, width, height = focus.bbox_px
    around = max(_CONTEXT * max(width, height), _LEAST_CONTEXT_MM / slide.spacing.mm(1.0))
    wide, high = width + 2 * around, height + 2 * around
    wide, high = max(wide, high * VIEW_ASPECT), max(high, wide / VIEW_ASPECT)
    wide, high = min(wide, slide.width_px), min(high, slide.height_px)
    left = min(max(0.0, x + (width - wide) / 2), slide.width_px - wide)
    top = min(max(0.0, y + (height - high) / 2), slide.height_px - high)
    return _whole(Box(left, top, wide, high), slide)


def _whole(box: Box, slide: SlideInfo) -> BoxPx:
    left, top = floor_px(box.x), floor_px(box.y)
    right, bottom = min(ceil_px(box.right), slide.width_px), min(ceil_px(box.bottom), slide.height_px)
    return left, top, right - left, bottom - top
