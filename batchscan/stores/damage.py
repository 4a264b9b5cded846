"""Squares of a slide that its file couldn't give -> what a store says of them, and the pixels that they cost a reader.

They are black in the store, as what got lost is, and no pixel of them is ever taken for one that was seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from batchscan.domain.geometry import Box, ceil_px, floor_px
from batchscan.domain.records import BoolArray, Float64Array
from batchscan.stores.area import Lattice

DAMAGED_PX = "damaged_px"
"""In our attributes: [x, y, width, height] of each damaged square, level-0 pixels of the store."""
MOST_DAMAGED_SHARE = 0.01
"""Of a slide's area; a slide with more is refused as a whole."""
MOST_DAMAGED_SQUARES = 1000
"""A slide with more is refused too: each costs its reader a fresh start."""

_SIDES = 4


@dataclass(frozen=True, slots=True)
class Damage:
    """Boxes that couldn't be decoded, in whole level-0 pixels of the store; sorted, and none where all is well."""

    boxes: tuple[Box, ...] = ()

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def area_px(self) -> float:
        """Their area; where they overlap by a pixel's rounding, a little more than the truth."""
        return sum(box.width * box.height for box in self.boxes)

    def lost(self, lattice: Lattice, downsample: tuple[float, float] = (1.0, 1.0)) -> BoolArray:
        """Which squares of a lattice over a level can't be known.

        Parameters
        ----------
        lattice
            Over pixels of the level.
        downsample
            (x, y) level-0 pixels along a side of a pixel of it. A pixel of it with any damage under it is damaged.

        Returns
        -------
        (rows, cols) bool.
        """
        found = np.zeros(lattice.shape, np.bool_)
        for box in self.boxes:
            cols = _touching(lattice.edges_x, box.x / downsample[0], box.right / downsample[0])
            rows = _touching(lattice.edges_y, box.y / downsample[1], box.bottom / downsample[1])
            found[rows, cols] = True
        return found

    def document(self) -> list[list[int]]:
        """As a store says it; `read_damage` understands it."""
        return [[round(side) for side in (box.x, box.y, box.width, box.height)] for box in self.boxes]


def read_damage(record: Mapping[str, Any], width_px: int, height_px: int) -> Damage:
    """What a store of ours says of its damage.

    Parameters
    ----------
    record
        Our attributes.
    width_px, height_px
        Size of the store's level 0.

    Raises
    ------
    ValueError
        If it isn't what an ingest writes: too many boxes, or none that lie inside the slide.
    """
    said = record.get(DAMAGED_PX, [])
    if not isinstance(said, list) or len(said) > MOST_DAMAGED_SQUARES:
        raise ValueError(f"{DAMAGED_PX} is no list of at most {MOST_DAMAGED_SQUARES} boxes")
    return Damage(tuple(_box(each, width_px, height_px) for each in said))


def merged(boxes: Sequence[Box]) -> Damage:
    """The damage of boxes in any order, some of them twice."""
    return Damage(tuple(sorted(set(boxes), key=lambda box: (box.y, box.x, box.height, box.width))))


def _box(said: object, width_px: int, height_px: int) -> Box:
    # JSON's true is an int to Python.
    if isinstance(said, list) and len(said) == _SIDES and all(type(side) is int for side in said):
        x, y, width, height = said
        if 0 <= x < x + width <= width_px and 0 <= y < y + height <= height_px:
            return Box(x, y, width, height)
    raise ValueError(f"{DAMAGED_PX} has something that is no box inside the slide")


def _touching(edges: Float64Array, start: float, end: float) -> slice:
    """The squares between edges that have something of the pixels from `start` to `end`, which count whole."""
    first = np.searchsorted(edges, floor_px(start), side="right") - 1
    beyond = np.searchsorted(edges, ceil_px(end), side="left")
    return slice(max(0, int(first)), int(beyond))
