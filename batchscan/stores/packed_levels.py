"""Squares of a pyramid's finest level become the shards of all its levels, each square halved while it is in memory."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from batchscan.domain.errors import OutputError
from batchscan.domain.records import Uint8Array
from batchscan.stores.area import padded, shrink
from batchscan.stores.crew import Countdown, Errands
from batchscan.stores.shards import ShardFile, packed

_SIDE_CHUNKS = 2
"""A square is of 2 x 2 chunks: its half is one chunk of the next coarser level."""

_Key = tuple[int, int, int]


@dataclass(frozen=True)
class Part:
    """A rectangle within a larger one, in pixels."""

    x: int
    y: int
    width: int
    height: int


def parts(width: int, height: int, side: int) -> Iterator[Part]:
    """Squares that cover a rectangle, row by row; the last ones of a row or column may be smaller."""
    for y, x in itertools.product(range(0, height, side), range(0, width, side)):
        yield Part(x, y, min(side, width - x), min(side, height - y))


class PackedLevels:
    """The levels of one store in the making; ends as a context manager.

    Memory: a square of 3 MiB or two a level, and the packed chunks that wait for those before them in their shard;
    those are few where squares come in the order in which shards have their chunks.

    Parameters
    ----------
    folder
        Has a folder `0`, `1`, ... for each level's array.
    sizes
        (width, height) of each level.
    chunk_px, shard_px
        Sides of chunks and shards.
    errands
        What does it.
    on_step
        Called, on any thread, whenever another square or shard is done.
    """

    def __init__(
        self,
        folder: Path,
        sizes: Sequence[tuple[int, int]],
        chunk_px: int,
        shard_px: int,
        errands: Errands,
        on_step: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._sizes = sizes
        self._chunk_px = chunk_px
        self._shard_px = shard_px
        self._errands = errands
        self._on_step = on_step
        self._lock = threading.Lock()
        # By level, and row and column of the square or shard.
        self._squares: dict[_Key, _Square] = {}
        self._shards: dict[_Key, ShardFile] = {}

    @property
    def square_px(self) -> int:
        """Side of the squares that `add` takes."""
        return _SIDE_CHUNKS * self._chunk_px

    def add(self, level: int, planes: Uint8Array, x: int, y: int) -> None:
        """Pack a whole square of a level, and go on with its half; a task of the errands.

        Parameters
        ----------
        level
            0 is the finest.
        planes
            (3, rows, cols) uint8; smaller than a square at the level's edges only.
        x, y
            Where it lies in the level, multiples of `square_px`.

        Raises
        ------
        OutputError
            If what is packed doesn't unpack to the same.
        """
        _, height, width = planes.shape
        for part in parts(width, height, self._chunk_px):
            chunk = planes[:, part.y : part.y + part.height, part.x : part.x + part.width]
            self._put(level, (y + part.y) // self._chunk_px, (x + part.x) // self._chunk_px, chunk)
        if level + 1 < len(self._sizes):
            self._add_half(level + 1, halved(planes), x // 2, y // 2)
        self._on_step()

    def _put(self, level: int, row: int, col: int, planes: Uint8Array) -> None:
        side = self._shard_px // self._chunk_px
        key = level, row // side, col // side
        with self._lock:
            shard = self._shards.get(key) or self._shards.setdefault(key, self._new_shard(*key))
        whole: Uint8Array = planes
        if planes.shape[1:] != (self._chunk_px, self._chunk_px):
            # Beyond the level's edge is the fill value.
            whole = np.zeros((len(planes), self._chunk_px, self._chunk_px), np.uint8)
            whole[:, : planes.shape[1], : planes.shape[2]] = planes
        try:
            chunk = packed(whole)
        except ValueError as error:
            raise self._differs(key) from error
        if shard.put(row % side, col % side, chunk):
            self._errands.submit_slow(self._finish, key)

    def _new_shard(self, level: int, row: int, col: int) -> ShardFile:
        width, height = self._sizes[level]
        n_rows, n_cols = (
            math.ceil(min(self._shard_px, size - place * self._shard_px) / self._chunk_px)
            for size, place in ((height, row), (width, col))
        )
        path = self._folder / str(level) / "c" / "0" / str(row) / str(col)
        return ShardFile(path, self._shard_px // self._chunk_px, n_rows, n_cols)

    def _finish(self, key: _Key) -> None:
        try:
            self._shards[key].finish()
        except ValueError as error:
            raise self._differs(key) from error
        del self._shards[key]
        self._on_step()

    def _differs(self, key: _Key) -> OutputError:
        level, row, col = key
        return OutputError(
            f"{self._folder}: shard {row}, {col} of level {level} reads back other than it was written: "
            "disk or memory is faulty; check them before writing there again"
        )

    def _add_half(self, level: int, half: Uint8Array, x: int, y: int) -> None:
        """Put a quarter of a square of the next level into its place; after the last one the square is packed."""
        side = self.square_px
        key = level, y // side, x // side
        left, top = key[2] * side, key[1] * side
        with self._lock:
            square = self._squares.get(key) or self._squares.setdefault(key, self._new_square(level, left, top))
        _, height, width = half.shape
        square.planes[:, y - top : y - top + height, x - left : x - left + width] = half
        if square.missing_px.is_last(height * width):
            del self._squares[key]
            self._errands.submit(self.add, level, square.planes, left, top)

    def _new_square(self, level: int, left: int, top: int) -> _Square:
        width, height = self._sizes[level]
        width, height = min(self.square_px, width - left), min(self.square_px, height - top)
        return _Square(np.empty((3, height, width), np.uint8), Countdown(width * height))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for shard in self._shards.values():
            shard.close()


@dataclass(frozen=True)
class _Square:
    planes: Uint8Array
    missing_px: Countdown


def halved(planes: Uint8Array) -> Uint8Array:
    """(3, rows, cols) at half the size, rounded up: averages of 2 x 2 pixels, white beyond the edge."""
    _, height, width = planes.shape
    return np.stack([shrink(padded(plane, height + height % 2, width + width % 2), 2) for plane in planes])
