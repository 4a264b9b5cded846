"""JPEG tiles of a pyramid -> a BigTIFF file that OpenSlide opens as `generic-tiff`, streamed tile by tile."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from PIL import Image

from batchscan.domain.records import Uint8Array

TILE_PX = 256
# Version 43 with offsets of 8 bytes; where the first directory lies is filled in at the end.
_HEADER = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0)
_FIRST_DIRECTORY_AT = 8
_SHORT, _LONG, _RATIONAL, _LONG8 = 3, 4, 5, 16
_LETTERS = {_SHORT: "H", _LONG: "I", _RATIONAL: "I", _LONG8: "Q"}
_JPEG, _YCBCR, _CENTIMETRE = 7, 6, 3
_UM_PER_CM = 10_000
_INLINE_BYTES = 8
_MOST_PARTS = 10_000

Entry = tuple[int, int, Sequence[int]]


@dataclass(frozen=True, slots=True)
class TiffLevel:
    """Size and spacing of one level."""

    width_px: int
    height_px: int
    um_per_px: float

    @property
    def n_cols(self) -> int:
        """Tiles along x."""
        return math.ceil(self.width_px / TILE_PX)

    @property
    def n_rows(self) -> int:
        """Tiles along y."""
        return math.ceil(self.height_px / TILE_PX)


class TiledTiff:
    """A file in the making: tiles in any order, one thread at a time, then `finish`.

    Parameters
    ----------
    stream
        Empty, and seekable.
    levels
        Finest first.
    """

    def __init__(self, stream: BinaryIO, levels: Sequence[TiffLevel]) -> None:
        self._stream = stream
        self._levels = tuple(levels)
        self._offsets = [[0] * (level.n_cols * level.n_rows) for level in levels]
        self._sizes = [[0] * (level.n_cols * level.n_rows) for level in levels]
        stream.write(_HEADER)

    def add(self, level: int, row: int, col: int, jpeg: bytes) -> None:
        """Write one tile, from `jpeg_tile`."""
        place = row * self._levels[level].n_cols + col
        self._offsets[level][place], self._sizes[level][place] = self._stream.tell(), len(jpeg)
        self._stream.write(jpeg)

    def finish(self) -> None:
        """Write the directories; the file is whole then.

        Raises
        ------
        ValueError
            If a tile is missing.
        """
        if any(0 in sizes for sizes in self._sizes):
            raise ValueError("a tile was never added")
        link = _FIRST_DIRECTORY_AT
        for index in range(len(self._levels)):
            link = self._write_directory(self._entries(index), link)

    def _entries(self, index: int) -> Iterator[Entry]:
        level = self._levels[index]
        per_cm = Fraction(_UM_PER_CM / level.um_per_px).limit_denominator(_MOST_PARTS)
        resolution = per_cm.numerator, per_cm.denominator
        # What isn't said to be reduced is no level of a pyramid to OpenSlide.
        yield 254, _LONG, [int(index > 0)]
        yield 256, _LONG, [level.width_px]
        yield 257, _LONG, [level.height_px]
        yield 258, _SHORT, [8, 8, 8]
        yield 259, _SHORT, [_JPEG]
        yield 262, _SHORT, [_YCBCR]
        yield 277, _SHORT, [3]
        yield 282, _RATIONAL, resolution
        yield 283, _RATIONAL, resolution
        yield 284, _SHORT, [1]
        yield 296, _SHORT, [_CENTIMETRE]
        yield 322, _SHORT, [TILE_PX]
        yield 323, _SHORT, [TILE_PX]
        yield 324, _LONG8, self._offsets[index]
        yield 325, _LONG, self._sizes[index]
        yield 530, _SHORT, [2, 2]

    def _write_directory(self, entries: Iterator[Entry], link: int) -> int:
        """Write a directory and what doesn't fit into it, and let `link` lead there; returns where the next link is."""
        fields = [self._field(*entry) for entry in entries]
        place = self._stream.tell()
        self._stream.write(struct.pack("<Q", len(fields)) + b"".join(fields))
        next_link = self._stream.tell()
        self._stream.write(bytes(8))
        self._stream.seek(link)
        self._stream.write(struct.pack("<Q", place))
        self._stream.seek(0, io.SEEK_END)
        return next_link

    def _field(self, tag: int, kind: int, values: Sequence[int]) -> bytes:
        data = struct.pack(f"<{len(values)}{_LETTERS[kind]}", *values)
        count = len(values) // 2 if kind == _RATIONAL else len(values)
        if len(data) > _INLINE_BYTES:
            place = self._stream.tell()
            self._stream.write(data)
            data = struct.pack("<Q", place)
        return struct.pack("<HHQ", tag, kind, count) + data.ljust(_INLINE_BYTES, b"\0")


def jpeg_tile(pixels: Uint8Array, quality: int) -> bytes:
    """(256, 256, 3) uint8 RGB -> a JPEG with colour at half resolution, as most scanners write it."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    return stream.getvalue()
