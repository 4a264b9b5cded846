from __future__ import annotations

import gzip
import lzma

import numcodecs
import numpy as np
import pyarrow as pa
import pytest
from bombs import blosc_bomb, gzip_bomb, lz4_bomb, zstd_bomb

from batchscan.stores.unpacking import check_unpacked, unpack

SIZES = (1, 1000, 300_000, 3_000_000)
PACKERS = {
    "zstd": numcodecs.Zstd(level=19),
    "blosc": numcodecs.Blosc(),
    "lz4": numcodecs.LZ4(),
    "zlib": numcodecs.Zlib(),
    "gzip": numcodecs.GZip(),
    "bz2": numcodecs.BZ2(),
    "lzma": numcodecs.LZMA(),
}
BY_HEADER = ("zstd", "blosc", "lz4")
BY_UNPACKING = ("zlib", "gzip", "bz2", "lzma")


def contents(size: int) -> list[bytes]:
    return [bytes(size), np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8).tobytes()]


@pytest.mark.parametrize("name", BY_HEADER)
@pytest.mark.parametrize("size", SIZES)
def test_a_header_is_believed_to_the_byte(name: str, size: int) -> None:
    for content in contents(size):
        packed = bytes(PACKERS[name].encode(content))
        check_unpacked(name, packed, size)
        with pytest.raises(ValueError, match=rf"{name} chunk unpacks to {size} bytes, a chunk has at most {size - 1}"):
            check_unpacked(name, packed, size - 1)


@pytest.mark.parametrize("name", BY_UNPACKING)
@pytest.mark.parametrize("size", SIZES)
def test_without_a_header_unpacking_ends_at_the_limit(name: str, size: int) -> None:
    for content in contents(size):
        packed = bytes(PACKERS[name].encode(content))
        assert unpack(name, packed, size) == content
        with pytest.raises(ValueError, match=f"{name} chunk unpacks to more than {size - 1} bytes"):
            unpack(name, packed, size - 1)


@pytest.mark.parametrize("size", SIZES)
def test_a_zstd_stream_that_does_not_say_its_size_is_judged_by_its_blocks(size: int) -> None:
    for content in contents(size):
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(content)
        packed = sink.getvalue().to_pybytes()
        # A small chunk is one block, whose limit is all that is known of it.
        check_unpacked("zstd", packed, size + (64 << 10))
        assert numcodecs.Zstd().decode(packed) == content


def test_parts_one_after_the_other_count_together() -> None:
    packed = gzip.compress(b"one") + gzip.compress(b"two")
    assert unpack("gzip", packed, 6) == b"onetwo"
    with pytest.raises(ValueError, match="more than 5 bytes"):
        unpack("gzip", packed, 5)
    with pytest.raises(ValueError, match="something follows the zstd frame"):
        check_unpacked("zstd", zstd_bomb(says_size=False)[:6] + b"\1\0\0" + bytes(12), 1000)


@pytest.mark.parametrize(
    ("name", "packed"),
    [("zstd", zstd_bomb()), ("zstd", zstd_bomb(says_size=False)), ("blosc", blosc_bomb()), ("lz4", lz4_bomb())],
)
def test_bombs_are_refused(name: str, packed: bytes) -> None:
    with pytest.raises(ValueError, match="chunk unpacks to"):
        check_unpacked(name, packed, 1 << 20)


def test_a_gzip_bomb_is_left_where_it_goes_too_far() -> None:
    with pytest.raises(ValueError, match="more than 1048576"):
        unpack("gzip", gzip_bomb(), 1 << 20)


@pytest.mark.parametrize(
    ("name", "packed"),
    [("zstd", b""), ("zstd", zstd_bomb()[:4]), ("zstd", b"no frame"), ("blosc", b"\2\1"), ("lz4", b"\0")],
)
def test_headers_that_are_cut_off(name: str, packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"header is cut off|no zstd frame"):
        check_unpacked(name, packed, 1000)


@pytest.mark.parametrize(
    ("name", "packed", "error"),
    [("gzip", gzip.compress(b"x" * 100, mtime=0)[:-9], ValueError), ("lzma", b"nothing of the kind", lzma.LZMAError)],
)
def test_streams_that_are_damaged(name: str, packed: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        unpack(name, packed, 1000)
