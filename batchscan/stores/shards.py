"""Chunks of pixels become a shard's file, in the bytes that zarr's own codecs write, and are found there again.

zarr-python encodes a shard as a whole, on a loop and threads of its own; here each chunk is encoded where it was made,
on one of the caller's threads, and goes into the file as soon as those before it are there. Layout:
https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import google_crc32c
import numpy as np
from numcodecs.zstd import Zstd

from batchscan.domain.records import Uint8Array

ZSTD_LEVEL = 1
_ZSTD = Zstd(level=ZSTD_LEVEL)
CHECKSUM_BYTES = 4
NOWHERE = (1 << 64) - 1
"""Offset and length of a chunk that isn't there, in a shard's index."""


def packed(planes: Uint8Array) -> bytes:
    """A chunk as a shard has it, zstd and then the checksum of that.

    Raises
    ------
    ValueError
        If it doesn't unpack to the same pixels: memory is faulty.
    """
    chunk = np.ascontiguousarray(planes)
    encoded = _ZSTD.encode(chunk)
    if not np.array_equal(np.frombuffer(_ZSTD.decode(encoded), np.uint8), chunk.reshape(-1)):
        raise ValueError("a chunk unpacks to other pixels than went into it")
    return bytes(encoded) + checksum(encoded)


def shard_order(place: tuple[int, int]) -> int:
    """Where a (row, col) stands in zarr's order of a shard's chunks, which is that of a Z turned by 90 degrees."""
    row, col = place
    bits = range(max(row, col).bit_length())
    return sum((row >> bit & 1) << 2 * bit | (col >> bit & 1) << (2 * bit + 1) for bit in bits)


class ShardFile:
    """The file of one shard in the making; chunks may come in any order and from any thread.

    Chunks wait in memory until those before them are there.

    Parameters
    ----------
    path
        The file; its folder is made.
    side
        Chunks along a side of a whole shard.
    n_rows, n_cols
        How many of them the array has in this one.
    """

    def __init__(self, path: Path, side: int, n_rows: int, n_cols: int) -> None:
        self._path = path
        self._order = sorted(((row, col) for row in range(n_rows) for col in range(n_cols)), key=shard_order)
        self._index = np.full((side, side, 2), NOWHERE, dtype="<u8")
        self._waiting: dict[tuple[int, int], bytes] = {}
        self._checksums: list[bytes] = []
        self._n_bytes = 0
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("wb", buffering=0)

    def put(self, row: int, col: int, chunk: bytes) -> bool:
        """Take in a packed chunk, once; tells whether it was the last."""
        with self._lock:
            self._waiting[row, col] = chunk
            while len(self._checksums) < len(self._order):
                place = self._order[len(self._checksums)]
                if place not in self._waiting:
                    return False
                self._append(place, self._waiting.pop(place))
            return True

    def finish(self) -> None:
        """Write the index, see that everything is on the disk, and read it back.

        Raises
        ------
        ValueError
            If something else is read.
        """
        index = self._index.tobytes()
        with self._stream as stream:
            _write(stream.fileno(), index + checksum(index))
            os.fsync(stream.fileno())
        with self._path.open("rb", buffering=0) as stream:
            for place, written in zip(self._order, self._checksums, strict=True):
                if _read_checksum(stream.fileno(), *self._index[place].tolist()) != written:
                    raise ValueError(f"chunk {place} is read back other than it was written")
            if os.pread(stream.fileno(), 2 * len(index), self._n_bytes) != index + checksum(index):
                raise ValueError("the index is read back other than it was written")

    def close(self) -> None:
        """Let go of the file, whatever is in it."""
        self._stream.close()

    def _append(self, place: tuple[int, int], chunk: bytes) -> None:
        _write(self._stream.fileno(), chunk)
        self._index[place] = self._n_bytes, len(chunk)
        self._n_bytes += len(chunk)
        self._checksums.append(chunk[-CHECKSUM_BYTES:])


def _write(handle: int, content: bytes) -> None:
    """A system may write a part only."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _read_checksum(handle: int, offset: int, length: int) -> bytes:
    """Of a chunk as it lies in a file, if it ends with it; empty if not."""
    found = os.pread(handle, length, offset)
    own = checksum(found[:-CHECKSUM_BYTES])
    return own if found.endswith(own) else b""


def checksum(content: bytes) -> bytes:
    """CRC-32C, as zarr keeps it behind what it is of."""
    return int(google_crc32c.value(content)).to_bytes(CHECKSUM_BYTES, "little")
