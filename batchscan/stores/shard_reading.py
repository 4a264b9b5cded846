"""A rectangle of a level in our own layout, on this machine, becomes its pixels, straight from the shards' files.

zarr reads any layout from anywhere, on a loop and threads of its own, through several copies; that costs half as much
again as unpacking does. The layout that `stores/shards.py` writes needs none of it. What zarr, our stores and our
codecs refuse is refused here too, by errors of the same kinds.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import zarr
from numcodecs.zstd import Zstd
from numpy.typing import NDArray

from batchscan.domain.records import Uint8Array
from batchscan.stores.shards import CHECKSUM_BYTES, NOWHERE, checksum
from batchscan.stores.store_files import LARGEST_READ_BYTES
from batchscan.stores.unpacking import check_unpacked

_ZSTD = Zstd()
_N_CHANNELS = 3
_PACKED = ("bytes", "zstd", "crc32c")
_INDEX = ({"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"})


class ShardedPlanes:
    """The pixels of one level; safe to read from several threads.

    Parameters
    ----------
    folder
        The level's array.
    chunk_px
        Side of a chunk.
    side
        Chunks along a side of a shard.
    """

    def __init__(self, folder: Path, chunk_px: int, side: int) -> None:
        self._folder = folder
        self._chunk_px = chunk_px
        self._side = side

    def fill(self, planes: Uint8Array, x: int, y: int) -> None:
        """Fill (3, rows, cols) uint8, whatever its memory is, with the part at x, y, which lies inside the level.

        Raises
        ------
        OSError, ValueError
            If a shard is missing or can't be read; if it isn't what was written.
        """
        _, height, width = planes.shape
        with _OpenShards(self._folder, self._side) as shards:
            for row in _touched(y, height, self._chunk_px):
                for col in _touched(x, width, self._chunk_px):
                    self._put(planes, shards.packed(row, col), row * self._chunk_px - y, col * self._chunk_px - x)

    def _put(self, planes: Uint8Array, packed: bytes, top: int, left: int) -> None:
        """Unpack a chunk that lies at (top, left), which may be outside, and keep what is inside."""
        _, height, width = planes.shape
        rows = slice(max(top, 0), min(top + self._chunk_px, height))
        cols = slice(max(left, 0), min(left + self._chunk_px, width))
        if not packed:
            planes[:, rows, cols] = 0
            return
        chunk = _unpacked(packed, self._chunk_px)
        part = chunk[:, rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]
        # Plane by plane: where the result's channels lie side by side, numpy would go through three bytes at a time.
        for plane, of_chunk in zip(planes, part, strict=True):
            plane[rows, cols] = of_chunk


def own_layout(array: zarr.Array[Any], folder: Path) -> ShardedPlanes | None:
    """An array of this machine to be read so, if its document says that its layout is ours in every respect."""
    said: Any = array.metadata.to_dict()
    if said.get("zarr_format") != 3 or len(said["codecs"]) != 1 or said["codecs"][0]["name"] != "sharding_indexed":  # noqa: PLR2004
        return None
    sharding = said["codecs"][0]["configuration"]
    chunks, shards = tuple(sharding["chunk_shape"]), tuple(said["chunk_grid"]["configuration"]["chunk_shape"])
    is_ours = (
        array.dtype == np.uint8
        and array.fill_value == 0
        and said["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "/"}}
        and tuple(codec["name"] for codec in sharding["codecs"]) == _PACKED
        and tuple(sharding["index_codecs"]) == _INDEX
        and sharding["index_location"] == "end"
        and chunks == (_N_CHANNELS, chunks[1], chunks[1])
        and shards == (_N_CHANNELS, shards[1], shards[1])
    )
    return ShardedPlanes(folder, chunks[1], shards[1] // chunks[1]) if is_ours else None


class _OpenShards:
    """Shards that one rectangle lies in, each opened once; ends as a context manager."""

    def __init__(self, folder: Path, side: int) -> None:
        self._folder = folder
        self._side = side
        self._shards: dict[tuple[int, int], tuple[int, NDArray[np.uint64]]] = {}

    def packed(self, row: int, col: int) -> bytes:
        """A chunk of the level, without its checksum, which has been checked; empty if there is none."""
        shard = row // self._side, col // self._side
        handle, index = self._shards.get(shard) or self._open(shard)
        offset, length = index[row % self._side, col % self._side].tolist()
        if (offset, length) == (NOWHERE, NOWHERE):
            return b""
        return _checked(handle, offset, length)

    def _open(self, shard: tuple[int, int]) -> tuple[int, NDArray[np.uint64]]:
        path = self._folder / "c" / "0" / str(shard[0]) / str(shard[1])
        # Opening a pipe would wait for ever, and a link may lead anywhere.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        self._shards[shard] = opened = handle, np.empty((0, 0, 2), np.uint64)
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(f"{path.name} is no regular file")
        index_bytes = 16 * self._side**2 + CHECKSUM_BYTES
        index = _checked(handle, found.st_size - index_bytes, index_bytes)
        opened = self._shards[shard] = handle, np.frombuffer(index, "<u8").reshape(self._side, self._side, 2)
        return opened

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle, _ in self._shards.values():
            os.close(handle)


def _touched(start: int, length: int, side: int) -> range:
    return range(start // side, (start + length - 1) // side + 1)


def _checked(handle: int, offset: int, length: int) -> bytes:
    """Bytes of a file that end with their checksum, without it."""
    if offset < 0 or length < CHECKSUM_BYTES or offset + length > os.fstat(handle).st_size:
        raise ValueError("a shard ends before what is to be read of it")
    if length > LARGEST_READ_BYTES:
        raise ValueError(f"{length} bytes are to be read at once, more than any chunk has")
    found = os.pread(handle, length, offset)
    content = found[:-CHECKSUM_BYTES]
    if checksum(content) != found[-CHECKSUM_BYTES:]:
        raise ValueError("stored and computed checksum do not match")
    return content


def _unpacked(packed: bytes, chunk_px: int) -> Uint8Array:
    n_bytes = _N_CHANNELS * chunk_px**2
    check_unpacked("zstd", packed, n_bytes)
    found = np.frombuffer(_ZSTD.decode(packed), np.uint8)
    if found.size != n_bytes:
        raise ValueError(f"a chunk unpacks to {found.size} bytes, expected {n_bytes}")
    return found.reshape(_N_CHANNELS, chunk_px, chunk_px)
