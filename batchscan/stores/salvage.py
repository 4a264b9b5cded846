"""A slide file that can't be decoded in places becomes pixels that are black there, and a list of those places."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from batchscan.domain.errors import SourceVanished, UnreadableSlide
from batchscan.domain.geometry import Box
from batchscan.domain.records import Uint8Array
from batchscan.stores.damage import MOST_DAMAGED_SHARE, MOST_DAMAGED_SQUARES
from batchscan.stores.slides import READ_AT_ONCE_PX, VendorLevel, VendorSlide

SQUARE_PX = 256
"""Damage is looked for in squares of about this side, made of whole ones of the scanner's, which may be larger."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A rectangle of a level, in its pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def area_px(self) -> int:
        return self.width * self.height

    @property
    def box(self) -> Box:
        return Box(self.x, self.y, self.width, self.height)


class SalvagedSlide:
    """A vendor's slide as far as it can be decoded. Safe to read from several threads.

    What can't be is looked for in smaller and smaller squares, those that the scanner compressed, and given as black
    until it is too much of its level: then the slide is as unreadable as one that is cut off.

    Parameters
    ----------
    slide
        Open as long as this is read.
    """

    def __init__(self, slide: VendorSlide) -> None:
        self._slide = slide
        self._salvaging = threading.Lock()
        # By level and square: what of the square was tried.
        self._lost: dict[tuple[int, _Part], _Part] = {}
        # By level: what was said when reading it was given up.
        self._given_up: dict[int, str] = {}

    @property
    def levels(self) -> tuple[VendorLevel, ...]:
        """Those of the file."""
        return self._slide.levels

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Uint8Array:
        """Pixels of one level as `VendorSlide.read` has them, black in squares that can't be decoded.

        Raises
        ------
        UnreadableSlide, SourceVanished
            If more than `MOST_DAMAGED_SHARE` of the level, or `MOST_DAMAGED_SQUARES`, can't be; if the file is gone.
        """
        planes = np.empty((3, height, width), np.uint8)
        self.fill(planes, level, x, y)
        return planes.transpose(1, 2, 0)

    def fill(self, planes: Uint8Array, level: int, x: int, y: int) -> None:
        """The same into (3, height, width) uint8, which may be a part of something larger; raises the same."""
        self._check_worth_while(level)
        try:
            self._slide.fill(planes, level, x, y)
        except UnreadableSlide:
            # An error spoils the handle for all that read by it at that moment: it need not be here.
            with self._salvaging, VendorSlide(self._slide.path) as alone:
                self._check_worth_while(level)
                _, height, width = planes.shape
                planes[...] = self._salvaged(alone, level, _Part(x, y, width, height)).transpose(2, 0, 1)

    def damaged(self, level: int) -> tuple[Box, ...]:
        """The squares of a level that reading came upon, in its pixels, once more seen to be damaged.

        Raises
        ------
        SourceVanished
            If one can be decoded now: then it isn't the file that is damaged.
        """
        lost = {square: tried for (where, square), tried in self._lost.items() if where == level}
        if lost and not all(undecodable(self._slide.path, level, (tried.box for tried in lost.values()))):
            raise SourceVanished(
                f"{self._slide.path}: a part of it could be read at the second try only: what it lies on is failing; "
                "check the disk or network folder, then start the same command again"
            )
        return tuple(square.box for square in lost)

    def _check_worth_while(self, level: int) -> None:
        """Other threads are still at it when one has found too much."""
        if level in self._given_up:
            raise UnreadableSlide(self._given_up[level])

    def _salvaged(self, alone: VendorSlide, level: int, wanted: _Part) -> Uint8Array:
        pixels = np.zeros((wanted.height, wanted.width, 3), np.uint8)
        square = _square_px(self.levels[level])
        to_try = [wanted]
        while to_try:
            part = to_try.pop()
            try:
                found = alone.read(level, part.x, part.y, part.width, part.height)
            except UnreadableSlide as error:
                halves = tuple(_halves(part, square))
                to_try.extend(halves)
                if not halves:
                    self._lose(level, _square_of(part, square, self.levels[level]), part, error)
            else:
                rows, cols = slice(part.y - wanted.y, None), slice(part.x - wanted.x, None)
                pixels[rows, cols][: part.height, : part.width] = found
        return pixels

    def _lose(self, level: int, square: _Part, tried: _Part, error: UnreadableSlide) -> None:
        self._lost.setdefault((level, square), tried)
        lost = [known for where, known in self._lost if where == level]
        most_px = MOST_DAMAGED_SHARE * self.levels[level].width_px * self.levels[level].height_px
        if sum(known.area_px for known in lost) > most_px or len(lost) > MOST_DAMAGED_SQUARES:
            self._given_up[level] = (
                f"{error}; {len(lost)} such squares were found until it was given up, more than may be missing "
                f"({MOST_DAMAGED_SHARE * 100:g} % of the slide, and no more than {MOST_DAMAGED_SQUARES})"
            )
            raise UnreadableSlide(self._given_up[level]) from error


def undecodable(path: Path, level: int, boxes: Iterable[Box]) -> Iterator[bool]:
    """Whether each box of a level, in its pixels, still can't be decoded; the file is opened for it.

    Of a large box a corner is read: a box is as large only where it is one of the scanner's tiles, or nobody's.

    Raises
    ------
    UnopenableSlide, SourceVanished
        If the file can't be opened any more; if it is gone.
    """
    with VendorSlide(path) as slide:
        for box in boxes:
            try:
                wide, high = (min(int(side), READ_AT_ONCE_PX) for side in (box.width, box.height))
                slide.read(level, int(box.x), int(box.y), wide, high)
            except UnreadableSlide:
                yield True
            else:
                yield False


def _square_px(level: VendorLevel) -> tuple[int, int]:
    """(width, height) of the squares that are lost as a whole."""
    wide, high = (max(1, round(SQUARE_PX / side)) * side if side > 0 else SQUARE_PX for side in level.tile_px)
    return wide, high


def _halves(part: _Part, square: tuple[int, int]) -> Iterator[_Part]:
    """The part in two, along the edge of squares that is next to its middle; nothing if it is of one square."""
    columns, rows = (
        (start + length - 1) // side - start // side
        for start, length, side in zip((part.x, part.y), (part.width, part.height), square, strict=True)
    )
    if columns >= max(rows, 1):
        cut = (part.x // square[0] + (columns + 1) // 2) * square[0]
        yield _Part(part.x, part.y, cut - part.x, part.height)
        yield _Part(cut, part.y, part.x + part.width - cut, part.height)
    elif rows:
        cut = (part.y // square[1] + (rows + 1) // 2) * square[1]
        yield _Part(part.x, part.y, part.width, cut - part.y)
        yield _Part(part.x, cut, part.width, part.y + part.height - cut)


def _square_of(part: _Part, square: tuple[int, int], level: VendorLevel) -> _Part:
    """All of the square that the part lies in."""
    x, y = part.x // square[0] * square[0], part.y // square[1] * square[1]
    return _Part(x, y, min(square[0], level.width_px - x), min(square[1], level.height_px - y))
