from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from numcodecs.zstd import Zstd
from store_files import noise

from batchscan.stores import shards
from batchscan.stores.pyramid_writer import _create_level
from batchscan.stores.shards import ShardFile, packed

CHUNK_PX, SIDE = 512, 8


def by_zarr(folder: Path, planes: np.ndarray) -> bytes:
    """The one shard of an array, as zarr's own codecs write it."""
    _create_level(folder, (planes.shape[2], planes.shape[1]))
    zarr.open_array(folder, mode="r+")[...] = planes
    return (folder / "c/0/0/0").read_bytes()


def chunks_of(planes: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """By row and column; zero beyond the array's edge."""
    rows, cols = (-(-side // CHUNK_PX) for side in planes.shape[1:])
    whole = np.zeros((3, rows * CHUNK_PX, cols * CHUNK_PX), np.uint8)
    whole[:, : planes.shape[1], : planes.shape[2]] = planes
    return {
        (row, col): whole[:, row * CHUNK_PX :, col * CHUNK_PX :][:, :CHUNK_PX, :CHUNK_PX]
        for row, col in itertools.product(range(rows), range(cols))
    }


def written(path: Path, planes: np.ndarray, order: Callable[[tuple[int, int]], object]) -> ShardFile:
    chunks = chunks_of(planes)
    rows, cols = (-(-side // CHUNK_PX) for side in planes.shape[1:])
    shard = ShardFile(path, SIDE, rows, cols)
    is_last = [shard.put(*place, packed(chunks[place])) for place in sorted(chunks, key=order)]
    assert is_last == [False] * (len(chunks) - 1) + [True]
    return shard


def flat(rows: int, cols: int) -> np.ndarray:
    """Something that packs well: the planes are the same but for a few pixels."""
    planes = np.full((3, rows, cols), 200, np.uint8)
    planes[:, ::37, ::41] = noise(len(range(0, rows, 37)), len(range(0, cols, 41))).transpose(2, 0, 1)
    return planes


@pytest.mark.parametrize("size", [(4096, 4096), (1, 1), (512, 513), (4000, 700), (1536, 4096)])
@pytest.mark.parametrize("order", [None, lambda place: (-place[1], place[0])])
def test_the_file_is_the_one_that_zarr_writes_in_whatever_order_chunks_come(
    size: tuple[int, int], order: Callable[[tuple[int, int]], object] | None, tmp_path: Path
) -> None:
    planes = flat(*size)
    written(tmp_path / "mine/0", planes, order or (lambda place: place)).finish()
    assert (tmp_path / "mine/0").read_bytes() == by_zarr(tmp_path / "array", planes)


def test_a_chunk_that_unpacks_to_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(Zstd):
        def encode(self, buf: np.ndarray) -> bytes:
            return bytes(super().encode(buf ^ 1))

    monkeypatch.setattr(shards, "_ZSTD", Forgetful(level=1))
    with pytest.raises(ValueError, match="unpacks to other pixels"):
        packed(flat(CHUNK_PX, CHUNK_PX))


@pytest.mark.parametrize("place", [100, -10_000, -2])
def test_a_disk_that_keeps_something_else_is_found_out(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "0"
    shard = written(path, flat(1000, 1000), lambda place: place)
    sync = os.fsync

    def spoil(handle: int) -> None:
        sync(handle)
        at = place % path.stat().st_size
        with path.open("r+b") as stream:
            stream.seek(at)
            (byte,) = stream.read(1)
            stream.seek(at)
            stream.write(bytes([byte ^ 4]))

    monkeypatch.setattr(os, "fsync", spoil)
    with pytest.raises(ValueError, match="read back other than"):
        shard.finish()


def test_a_disk_that_keeps_less_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "0"
    shard = written(path, flat(1000, 1000), lambda place: place)
    monkeypatch.setattr(os, "fsync", lambda handle: os.ftruncate(handle, 100))
    with pytest.raises(ValueError, match="read back other than"):
        shard.finish()
