"""A vendor's slide file becomes boxes of the slide store that an ingest would make of it, straight from its levels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from batchscan.domain.errors import UnreadableSlide
from batchscan.domain.geometry import Box, Spacing, floor_px, round_px
from batchscan.domain.records import BoolArray, Uint8Array
from batchscan.stores.area import AreaSum, Lattice
from batchscan.stores.damage import Damage, merged
from batchscan.stores.pyramids import SAME_SPACING, TILE_PX
from batchscan.stores.salvage import SalvagedSlide
from batchscan.stores.slides import VendorSlide, shrunk_to

# A level with more pixels than this is only read where no other will do.
_COMFORTABLE_PX = 200_000_000
# So much coarser than asked for a level may be instead: tissue is still found on it.
_COARSEST = 4.0
_READ_AT_ONCE = (2048, 2048)
_SAMPLE_PX = 64
_SAMPLES = 64
_GOLDEN = (math.sqrt(5) - 1) / 2


class ForeseenStore:
    """What the store of an open slide file will be: its frame and spacing, and boxes of its coarse pixels.

    Parameters
    ----------
    slide
        Open as long as this is read.
    spacing
        Of the file's level 0.
    finest_um_per_px
        What the store would be made no finer than.
    gets_on
        Called whenever another part has been read: of a file without coarse levels that is all of it.
    """

    def __init__(
        self,
        slide: VendorSlide,
        spacing: Spacing,
        finest_um_per_px: float,
        gets_on: Callable[[], None] = lambda: None,
    ) -> None:
        self._slide = slide
        self._gets_on = gets_on
        self._salvaged = SalvagedSlide(slide)
        self._file_um_per_px = spacing.um_per_px
        self.pixels = shrunk_to(self._salvaged, spacing.um_per_px, finest_um_per_px)
        self.spacing = Spacing(spacing.um_per_px * self.pixels.downsample, spacing.source)

    @property
    def width_px(self) -> int:
        """Width of the store's level 0."""
        return self.pixels.width_px

    @property
    def height_px(self) -> int:
        """Height of the store's level 0."""
        return self.pixels.height_px

    def read_around(self, box: Box, um_per_px: float) -> tuple[Uint8Array, BoolArray]:
        """Pixels of `um_per_px`, as the store would give them but for the scanner's way of shrinking.

        Parameters
        ----------
        box
            Level-0 pixels of the store.
        um_per_px
            Side of a pixel of the result.

        Returns
        -------
        (rows, cols, 3) uint8 RGB: area averages of the file's coarsest level that is still as fine, or, where that is
        too large to be read for a look, of one that is up to four times coarser. And (rows, cols) bool: which of them
        have anything under them that can't be decoded.

        Raises
        ------
        UnreadableSlide
            If more of the file can't be decoded than an ingest puts up with.
        SourceVanished
            If it is gone.
        """
        index = self._level_for(um_per_px)
        try:
            return self._read_around(index, box, um_per_px)
        except UnreadableSlide:
            if index == self.pixels.level:
                raise
            # The store won't be made of that level.
            return self._read_around(self.pixels.level, box, um_per_px)

    def _read_around(self, index: int, box: Box, um_per_px: float) -> tuple[Uint8Array, BoolArray]:
        level = self._slide.levels[index]
        scale = self.pixels.downsample / level.downsample
        step = um_per_px / (self._file_um_per_px * level.downsample)
        store_step = um_per_px / self.spacing.um_per_px
        shape = max(1, round_px(box.height / store_step)), max(1, round_px(box.width / store_step))
        lattice = Lattice.of((box.x * scale, box.y * scale), (step, step), shape)
        total = AreaSum(lattice)
        for x, y, width, height in lattice.parts(level.width_px, level.height_px, _READ_AT_ONCE, TILE_PX):
            pixels = self._salvaged.read(index, x, y, width, height)
            total.add(np.ascontiguousarray(pixels.transpose(2, 0, 1)), x, y)
            self._gets_on()
        return total.pixels(), merged(self._salvaged.damaged(index)).lost(lattice)

    def check_samples(self, gets_on: Callable[[], None]) -> Damage:
        """Decode small squares all over the level that an ingest would read whole, its corners and edges among them.

        A file that was cut off opens like a whole one; what is missing shows only when it is read. Where one of the
        squares can't be decoded, all of the level is read.

        Parameters
        ----------
        gets_on
            Called whenever another part of the level has been read.

        Returns
        -------
        What the store will lack, as far as it is known.

        Raises
        ------
        UnreadableSlide
            If more can't be decoded than an ingest puts up with.
        SourceVanished
            If the file is gone.
        """
        source = self.pixels.source
        try:
            for x, y in _spread(source.width_px, source.height_px):
                wide, high = min(_SAMPLE_PX, source.width_px - x), min(_SAMPLE_PX, source.height_px - y)
                self._slide.read(self.pixels.level, x, y, wide, high)
        except UnreadableSlide:
            self._read_all(gets_on)
        return merged([self.pixels.touched_by(box) for box in self._salvaged.damaged(self.pixels.level)])

    def _read_all(self, gets_on: Callable[[], None]) -> None:
        """From the end on: that is what copies lack most often, and the sooner it is too much, the better."""
        source, (high, wide) = self.pixels.source, _READ_AT_ONCE
        for y, x in itertools.product(
            reversed(range(0, source.height_px, high)), reversed(range(0, source.width_px, wide))
        ):
            size = min(wide, source.width_px - x), min(high, source.height_px - y)
            self._salvaged.read(self.pixels.level, x, y, *size)
            gets_on()

    def _level_for(self, um_per_px: float) -> int:
        spacings = [self._file_um_per_px * level.downsample for level in self._slide.levels]
        sizes = [level.width_px * level.height_px for level in self._slide.levels]
        fine_enough = [index for index, um in enumerate(spacings) if um <= um_per_px * (1 + SAME_SPACING)]
        best = max(fine_enough, key=lambda index: spacings[index], default=0)
        coarser = [index for index, um in enumerate(spacings) if spacings[best] < um <= um_per_px * _COARSEST]
        if sizes[best] > _COMFORTABLE_PX and coarser:
            return min(coarser, key=lambda index: spacings[index])
        return best


def _spread(width_px: int, height_px: int) -> Iterator[tuple[int, int]]:
    """Upper left corners of squares from the first corner to the last, each on a row of its own.

    Files have their tiles row by row: where a copy lost more than a 64th of a level in one piece, a square lies in it.
    """
    ends = max(0, height_px - _SAMPLE_PX), max(0, width_px - _SAMPLE_PX)
    for index in range(_SAMPLES - 1):
        yield floor_px(ends[1] * (index * _GOLDEN % 1)), ends[0] * index // (_SAMPLES - 1)
    yield ends[1], ends[0]
