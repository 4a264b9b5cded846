"""A slide's shape becomes the place and size of what is drawn of it: pictures, scale bars, the foci's numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from batchscan.domain.geometry import Box
from batchscan.domain.records import Focus

Arrangement = Literal["beside", "stacked"]

PAGE_WIDTH_MM = 180.0
_BESIDE_MM = (88.0, 98.0)
_STACKED_MM = (PAGE_WIDTH_MM, 42.0)
_FRAME_MM = 0.4


@dataclass(frozen=True, slots=True)
class PictureLayout:
    """How large a picture of the whole slide is on paper, millimetres of paper, inside its box.

    Parameters
    ----------
    arrangement
        Whether overview and heat map stand beside one another or one above the other.
    box_mm
        Width and height that are free for one picture.
    width_mm, height_mm
        What the slide fills of them, its proportions kept; a frame has room around it.
    """

    arrangement: Arrangement
    box_mm: tuple[float, float]
    width_mm: float
    height_mm: float


def picture_layout(width_px: int, height_px: int) -> PictureLayout:
    """The arrangement in which a slide of this shape is drawn larger."""
    beside = _fitted("beside", _BESIDE_MM, width_px, height_px)
    stacked = _fitted("stacked", _STACKED_MM, width_px, height_px)
    return stacked if stacked.width_mm > beside.width_mm else beside


def _fitted(arrangement: Arrangement, box_mm: tuple[float, float], width_px: int, height_px: int) -> PictureLayout:
    mm_per_px = min((box_mm[0] - 2 * _FRAME_MM) / width_px, box_mm[1] / height_px)
    return PictureLayout(arrangement, box_mm, width_px * mm_per_px, height_px * mm_per_px)


def scale_bar_mm(longest: float) -> float:
    """The longest of 1, 2, 5 x 10^n millimetres of tissue that is not above `longest`."""
    decade = 10.0 ** math.floor(math.log10(longest) + 1e-9)
    return max(step * decade for step in (1, 2, 5) if step * decade <= longest * (1 + 1e-9))


def number_boxes(foci: Sequence[Focus], within: Box, height: float) -> list[Box]:
    """Where the numbers 1, 2, ... of these foci stand: beside each, inside `within`, apart while there is room.

    Parameters
    ----------
    foci
        In the order of their numbers; boxes in level-0 pixels.
    within
        The slide, level-0 pixels.
    height
        Height of a number's plate, level-0 pixels; its width follows from its digits.
    """
    placed: list[Box] = []
    for number, focus in enumerate(foci, start=1):
        width = height * (0.55 + 0.5 * len(str(number)))
        choices = [_inside(box, within) for box in _places(focus, width, height)]
        free = (box for box in choices if not any(_overlap(box, other) for other in placed))
        placed.append(next(free, choices[0]))
    return placed


def _places(focus: Focus, width: float, height: float) -> Iterator[Box]:
    """Touching the outline: outwards at its most diagonal corners, then beside its box, then in its middle."""
    corners = [point for polygon in focus.rings_px for point in polygon[0]]
    for right, down in ((1, -1), (-1, -1), (1, 1), (-1, 1)):
        x, y = max(corners, key=lambda point: right * point[0] + down * point[1])
        yield Box(x if right > 0 else x - width, y if down > 0 else y - height, width, height)
    x, y, box_width, box_height = focus.bbox_px
    middle_x, middle_y = x + (box_width - width) / 2, y + (box_height - height) / 2
    for left, top in (
        (x + box_width, middle_y),
        (x - width, middle_y),
        (middle_x, y - height),
        (middle_x, y + box_height),
    ):
        yield Box(left, top, width, height)
    yield Box(middle_x, middle_y, width, height)


def _inside(box: Box, within: Box) -> Box:
    x = max(within.x, min(box.x, within.right - box.width))
    y = max(within.y, min(box.y, within.bottom - box.height))
    return Box(x, y, box.width, box.height)


def _overlap(a: Box, b: Box) -> bool:
    return a.x < b.right and b.x < a.right and a.y < b.bottom and b.y < a.bottom
