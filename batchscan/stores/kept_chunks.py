"""Small boxes of a pyramid's level, one after the other -> their pixels, each chunk decoded once while it is kept."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from batchscan.domain.records import Uint8Array
from batchscan.stores.levels import N_RGB, Level

ReadPlanes = Callable[[Level, int, int, int, int], Uint8Array]
"""(level, x, y, width, height) -> (3, height, width) uint8 of a part that lies inside the level."""

_MOST_PX = 1 << 23


class KeptChunks:
    """Reads by whole chunks and keeps those used last, some 8 megapixels of them, or one if that has more.

    Parameters
    ----------
    read
        What decodes chunks.
    """

    def __init__(self, read: ReadPlanes) -> None:
        self._read = read
        self._chunks: OrderedDict[tuple[str, int, int], Uint8Array] = OrderedDict()

    def read_planes(self, level: Level, x: int, y: int, width: int, height: int) -> Uint8Array:
        """(3, height, width) uint8 as `read` would give them, and raises what it raises."""
        planes = np.empty((N_RGB, height, width), np.uint8)
        high, wide = level.chunk_px
        rows, cols = range(y // high, (y + height - 1) // high + 1), range(x // wide, (x + width - 1) // wide + 1)
        for row, col in itertools.product(rows, cols):
            chunk = self._chunk(level, row, col)
            top, left = row * high - y, col * wide - x
            into = (slice(None), slice(max(0, top), top + high), slice(max(0, left), left + wide))
            of = (slice(None), slice(max(0, -top), height - top), slice(max(0, -left), width - left))
            planes[into] = chunk[of]
        return planes

    def _chunk(self, level: Level, row: int, col: int) -> Uint8Array:
        key = level.path, row, col
        if key not in self._chunks:
            high, wide = level.chunk_px
            x, y = col * wide, row * high
            self._chunks[key] = self._read(level, x, y, min(wide, level.width_px - x), min(high, level.height_px - y))
            while len(self._chunks) > max(1, _MOST_PX // (high * wide)):
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(key)
        return self._chunks[key]
