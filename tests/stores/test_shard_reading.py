from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
import zarr
from numcodecs.zstd import Zstd
from store_files import Pixels, noise, write_foreign, write_own

from batchscan.stores import pyramid_writer
from batchscan.stores.pyramids import open_store
from batchscan.stores.shard_reading import ShardedPlanes, own_layout

CHUNK_PX, SIDE = 32, 4
INDEX_BYTES = 16 * SIDE**2
ROWS, COLS = 300, 277


@pytest.fixture
def level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """3 x 3 shards of 4 x 4 chunks."""
    monkeypatch.setattr(pyramid_writer, "SHARD_PX", SIDE * CHUNK_PX)
    monkeypatch.setattr(pyramid_writer, "SHARD", (3, SIDE * CHUNK_PX, SIDE * CHUNK_PX))
    monkeypatch.setattr(pyramid_writer, "CHUNK", (3, CHUNK_PX, CHUNK_PX))
    return write_own(tmp_path / "s.ome.zarr", Pixels(noise(ROWS, COLS))) / "0"


def planes_of(level: Path) -> ShardedPlanes:
    found = own_layout(zarr.open_array(level, mode="r"), level)
    assert found is not None
    return found


def read(level: Path, x: int, y: int, width: int, height: int) -> np.ndarray:
    planes = np.full((3, height, width), 7, np.uint8)
    planes_of(level).fill(planes, x, y)
    return planes


def test_every_rectangle_is_as_zarr_reads_it(level: Path) -> None:
    dice = np.random.default_rng(0)
    boxes = [(0, 0, COLS, ROWS), (COLS - 1, ROWS - 1, 1, 1), (127, 128, 2, 1), (32, 64, 32, 32)]
    for _ in range(40):
        x, y = int(dice.integers(COLS)), int(dice.integers(ROWS))
        boxes.append((x, y, int(dice.integers(COLS - x)) + 1, int(dice.integers(ROWS - y)) + 1))
    array = zarr.open_array(level, mode="r")
    for x, y, width, height in boxes:
        expected = np.asarray(array[:, y : y + height, x : x + width])
        assert np.array_equal(read(level, x, y, width, height), expected)


def test_memory_may_be_that_of_a_picture(level: Path) -> None:
    picture = np.zeros((200, 150, 3), np.uint8)
    planes_of(level).fill(picture[10:110, 20:150].transpose(2, 0, 1), 5, 60)
    assert np.array_equal(picture[10:110, 20:150], noise(ROWS, COLS)[60:160, 5:135])
    assert not picture[:10].any()
    assert not picture[110:].any()
    assert not picture[:, :20].any()


def test_stores_of_ours_are_read_so_and_others_by_zarr(level: Path, tmp_path: Path) -> None:
    assert None not in open_store(level.parent)._direct
    foreign = write_foreign(tmp_path / "f.ome.zarr", [noise(80, 90).transpose(2, 0, 1)])
    assert open_store(foreign)._direct == (None,)


LAYOUTS: dict[str, dict[str, object]] = {
    "ours": {},
    "no shards": {"shards": None},
    "two channels a chunk": {"chunks": (1, 32, 32)},
    "oblong": {"chunks": (3, 32, 64)},
    "other fill": {"fill_value": 255},
    "other numbers": {"dtype": "int8"},
    "other packing": {"compressors": (zarr.codecs.GzipCodec(),)},
    "no checksums": {"compressors": (zarr.codecs.ZstdCodec(level=1),)},
    "turned": {"filters": (zarr.codecs.TransposeCodec(order=(0, 2, 1)),)},
    "other names": {"chunk_key_encoding": {"name": "default", "separator": "."}},
    "format 2": {"zarr_format": 2, "shards": None, "compressors": None, "filters": None},
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_any_other_layout_is_left_to_zarr(name: str, tmp_path: Path) -> None:
    ours = {
        "shape": (3, 128, 128),
        "dtype": "uint8",
        "chunks": (3, 32, 32),
        "shards": (3, 128, 128),
        "fill_value": 0,
        "compressors": (zarr.codecs.ZstdCodec(level=1), zarr.codecs.Crc32cCodec()),
    }
    array = zarr.create_array(tmp_path / "a", **{**ours, **LAYOUTS[name]})  # type: ignore[arg-type]
    assert (own_layout(array, tmp_path / "a") is not None) == (name == "ours")


def checksum(content: bytes) -> bytes:
    return int(google_crc32c.value(content)).to_bytes(4, "little")


def with_index(content: bytes, change: Callable[[np.ndarray], None]) -> bytes:
    """A shard's file whose index says something else, with the checksum that belongs to it."""
    body, index = content[: -INDEX_BYTES - 4], np.frombuffer(content[-INDEX_BYTES - 4 : -4], "<u8").copy()
    change(index.reshape(SIDE, SIDE, 2))
    return body + index.tobytes() + checksum(index.tobytes())


def with_chunk(content: bytes, pixels: bytes) -> bytes:
    """Its first chunk unpacks to something else; what follows lies where it did."""
    packed = Zstd(level=1).encode(pixels)
    packed = bytes(packed) + checksum(bytes(packed))
    shift = len(packed)

    def change(index: np.ndarray) -> None:
        index[..., 0] += shift
        index[0, 0] = 0, shift

    return with_index(packed + content, change)


def beyond(index: np.ndarray) -> None:
    index[0, 0, 1] = 1 << 62


def without(index: np.ndarray) -> None:
    index[0, 0] = (1 << 64) - 1


def five_bytes(index: np.ndarray) -> None:
    index[0, 0] = 0, 9


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a chunk's byte": (lambda own: own[:50] + bytes([own[50] ^ 1]) + own[51:], "checksum do not match"),
    "the index's byte": (lambda own: own[:-20] + bytes([own[-20] ^ 1]) + own[-19:], "checksum do not match"),
    "cut off": (lambda own: own[:-5], "checksum do not match"),
    "nearly nothing": (lambda own: own[:100], "ends before"),
    "nothing": (lambda _: b"", "ends before"),
    "a chunk beyond the end": (lambda own: with_index(own, beyond), "ends before"),
    "too many pixels": (lambda own: with_chunk(own, bytes(1 << 24)), "unpacks to 16777216 bytes"),
    "too few pixels": (lambda own: with_chunk(own, bytes(100)), "unpacks to 100 bytes, expected 3072"),
    "no zstd": (lambda own: with_index(b"abcde" + checksum(b"abcde") + own, five_bytes), "no zstd frame"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_an_error_as_it_is_to_zarr(name: str, level: Path) -> None:
    damaged, message = DAMAGES[name]
    path = level / "c/0/0/0"
    path.write_bytes(damaged(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        read(level, 3, 3, 10, 10)
    store = open_store(level.parent)
    store._direct = (None,) * len(store.levels)
    with pytest.raises(Exception, match=r".") as by_zarr:
        store.read_planes(store.levels[0], 3, 3, 10, 10)
    assert isinstance(by_zarr.value, ValueError | RuntimeError | OSError)
    # What lies in other shards is as it was.
    assert np.array_equal(read(level, 128, 0, 9, 9), noise(ROWS, COLS)[:9, 128:137].transpose(2, 0, 1))


def test_a_chunk_that_is_not_there_is_fill_value(level: Path) -> None:
    path = level / "c/0/0/0"
    path.write_bytes(with_index(path.read_bytes(), without))
    expected = noise(ROWS, COLS)[:50, :50].transpose(2, 0, 1)
    expected[:, :32, :32] = 0
    assert np.array_equal(np.asarray(zarr.open_array(level, mode="r")[:, :50, :50]), expected)
    assert np.array_equal(read(level, 0, 0, 50, 50), expected)


def test_what_is_no_file_is_not_read(level: Path) -> None:
    path = level / "c/0/0/0"
    kept = path.rename(level.parent / "elsewhere")
    with pytest.raises(FileNotFoundError) as missing:
        read(level, 0, 0, 10, 10)
    assert missing.value.filename == str(path)
    path.symlink_to(kept)
    with pytest.raises(OSError, match="symbolic links"):
        read(level, 0, 0, 10, 10)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match="no regular file"):
        read(level, 0, 0, 10, 10)


def test_files_are_let_go_of_whatever_happens(level: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    read(level, 0, 0, COLS, ROWS)
    (level / "c/0/1/1").write_bytes(b"")
    for _ in range(5):
        with pytest.raises(ValueError, match="ends before"):
            read(level, 0, 0, COLS, ROWS)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
