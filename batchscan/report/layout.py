"""A slide's shape becomes the place and size of what is drawn of it: pictures, scale bars, the foci's numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import shapely

from batchscan.domain.geometry import Box
from batchscan.domain.records import Focus

Arrangement = Literal["beside", "stacked"]

PAGE_WIDTH_MM = 186.0
PAGE_HEIGHT_MM = 260.0
"""What a page has inside its margins, see `print.css`."""
BESIDE_WIDTH_MM = 91.0
"""Of each of two pictures that stand beside one another."""
PICTURES_MM = 124.0
"""Height for overview and heat map without their captions where nobody says otherwise."""
QUALITY_PICTURES_MM = 108.0
"""Height for tissue and quality, below the table of measures."""

FRAME_MM = 0.4
# The gap above pictures, the one between two of them, and what a picture has besides the slide: its title, the
# edges of its image, coordinates above and the strip below.
_ABOVE_MM, _BETWEEN_MM, _ABOUT_MM = 4.0, 3.0, 3.95 + 2.0 + 4.0 + 10.4
_LEAST_MM = 40.0
_TICK_APART_MM = 15.0


@dataclass(frozen=True, slots=True)
class Margins:
    """Millimetres of paper about a picture: for coordinates to the left and above, for legend and scale bar below."""

    left: float
    top: float
    below: float


WITH_GRID = Margins(4.4, 4.0, 10.4)
"""Of a picture of the whole slide."""
CLOSE_UP = Margins(FRAME_MM, FRAME_MM, 4.4)
"""Of a part of it."""


@dataclass(frozen=True, slots=True)
class PictureLayout:
    """How large a picture is on paper, millimetres of paper, inside its box.

    Parameters
    ----------
    arrangement
        Whether overview and heat map stand beside one another or one above the other.
    box_mm
        Width and height that are free for one picture, without what is above and below it.
    width_mm, height_mm
        What the slide fills of them, its proportions kept; a frame has room around it.
    margins
        What is about it.
    """

    arrangement: Arrangement
    box_mm: tuple[float, float]
    width_mm: float
    height_mm: float
    margins: Margins = WITH_GRID


def picture_layout(width_px: int, height_px: int, free_mm: float = PICTURES_MM) -> PictureLayout:
    """The arrangement in which a slide of this shape is drawn larger.

    Parameters
    ----------
    width_px, height_px
        The slide, level-0 pixels.
    free_mm
        Height that words, captions too, leave to overview and heat map with all else that belongs to them, millimetres
        of paper; pictures stay legible all the same.
    """
    height = max(free_mm - _ABOVE_MM - _ABOUT_MM, _LEAST_MM)
    beside = _fitted("beside", (BESIDE_WIDTH_MM, height), width_px, height_px)
    height = max((free_mm - _ABOVE_MM - _BETWEEN_MM) / 2 - _ABOUT_MM, _LEAST_MM / 2)
    stacked = _fitted("stacked", (PAGE_WIDTH_MM, height), width_px, height_px)
    return stacked if stacked.width_mm > beside.width_mm else beside


def close_up_layout(width_px: int, height_px: int, width_mm: float, height_mm: float) -> PictureLayout:
    """A part of a slide, as large as it can be on so much paper with the strip below it."""
    box_mm = width_mm, height_mm - CLOSE_UP.top - CLOSE_UP.below
    return _fitted("beside", box_mm, width_px, height_px, CLOSE_UP)


def _fitted(
    arrangement: Arrangement, box_mm: tuple[float, float], width_px: int, height_px: int, margins: Margins = WITH_GRID
) -> PictureLayout:
    mm_per_px = min((box_mm[0] - margins.left - FRAME_MM) / width_px, box_mm[1] / height_px)
    return PictureLayout(arrangement, box_mm, width_px * mm_per_px, height_px * mm_per_px, margins)


def grid_step_px(length_px: float, px_per_mm: float) -> float:
    """Pixels from one coordinate on a picture's margin to the next: 1, 2 or 5 x 10^n, with room for their numbers."""
    wanted = min(_TICK_APART_MM * px_per_mm, length_px / 2)
    decade = 10.0 ** math.floor(math.log10(wanted) + 1e-9)
    return next(step * decade for step in (1, 2, 5, 10) if step * decade >= wanted * (1 - 1e-9))


def scale_bar_mm(longest: float) -> float:
    """The longest of 1, 2, 5 x 10^n millimetres of tissue that is not above `longest`."""
    decade = 10.0 ** math.floor(math.log10(longest) + 1e-9)
    return max(step * decade for step in (1, 2, 5) if step * decade <= longest * (1 + 1e-9))


def number_boxes(foci: Sequence[Focus], within: Box, height: float) -> list[Box]:
    """Where the numbers 1, 2, ... of these foci stand: inside the large, beside the small, apart where there is room.

    A number inside stands about the point deepest within its focus; one beside hides as little of the other
    foci as its places allow. All are inside `within`.

    Parameters
    ----------
    foci
        In the order of their numbers; boxes in level-0 pixels.
    within
        The slide, level-0 pixels.
    height
        Height of a number's plate, level-0 pixels; its width follows from its digits.
    """
    areas = [_area(focus) for focus in foci]
    sizes = [(height * (0.55 + 0.5 * len(str(number))), height) for number in range(1, len(foci) + 1)]
    placed = {i: box for i, (area, size) in enumerate(zip(areas, sizes, strict=True)) if (box := _deep(area, *size))}
    for i, (focus, size) in enumerate(zip(foci, sizes, strict=True)):
        if i not in placed:
            choices = [_inside(box, within) for box in _places(focus, *size)]
            placed[i] = min(choices, key=lambda box: _hidden(box, [*placed.values()], areas))
    return [placed[i] for i in range(len(foci))]


def _area(focus: Focus) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([(rings[0], rings[1:]) for rings in focus.rings_px])


def _deep(area: shapely.MultiPolygon, width: float, height: float) -> Box | None:
    """A plate about the centre of the greatest inscribed circle, if it fits in there."""
    largest = max(area.geoms, key=lambda polygon: polygon.area)
    radius = shapely.maximum_inscribed_circle(largest, tolerance=height / 10)
    if radius.length < math.hypot(width, height) / 2:
        return None
    x, y = radius.coords[0]
    return Box(x - width / 2, y - height / 2, width, height)


def _hidden(box: Box, plates: Sequence[Box], areas: Sequence[shapely.MultiPolygon]) -> tuple[int, float]:
    """How many plates, then how much area of the foci a plate here would hide."""
    plate = shapely.box(box.x, box.y, box.right, box.bottom)
    return sum(_overlap(box, other) for other in plates), sum(plate.intersection(area).area for area in areas)


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
