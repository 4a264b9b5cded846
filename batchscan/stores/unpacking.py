"""An open zarr array -> the same, whose chunks are refused when they unpack to more than a chunk has.

A few bytes can unpack to gigabytes. Where a codec's own header says how much there will be, it is read before anything
is unpacked; where it has none, unpacking ends as soon as there is more than there may be.
"""

from __future__ import annotations

import asyncio
import bz2
import lzma
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Protocol

import zarr
from zarr.codecs import BloscCodec, GzipCodec, ShardingCodec, ZstdCodec
from zarr.core.array import AsyncArray
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer
from zarr.core.metadata import ArrayV2Metadata

# Checksums and the padding of shards' indexes add some bytes to what is inside.
_SLACK_BYTES = 1 << 16
_ZSTD_MAGIC = 0xFD2FB528
_ZSTD_CHECKSUM_BYTES = 4
_ZSTD_BLOCK_BYTES = 128 << 10
# Encoders may split blocks, which makes the sum of their limits larger than what is in them: so many times at most.
_ZSTD_SPLITTING = 4
_RAW, _RLE, _COMPRESSED = range(3)


class _Unpacker(Protocol):
    def decompress(self, data: bytes, max_length: int) -> bytes: ...

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


def bounded(array: zarr.Array[Any]) -> zarr.Array[Any]:
    """The array with codecs that refuse chunks (ValueError) which unpack to more bytes than a chunk of it has."""
    metadata: Any = array.metadata
    if isinstance(metadata, ArrayV2Metadata):
        limit = math.prod(array.chunks) * array.dtype.itemsize + _SLACK_BYTES
        filters: Any = tuple(_BoundedNumcodec(each, limit) for each in metadata.filters or ()) or None
        packer: Any = metadata.compressor and _BoundedNumcodec(metadata.compressor, limit)
        changed: Any = replace(metadata, filters=filters, compressor=packer)
    else:
        changed = replace(metadata, codecs=tuple(map(_bounded_codec, metadata.codecs)))
    inner = array.async_array
    return zarr.Array(AsyncArray(changed, inner.store_path, config=array.config))


def check_unpacked(codec: str, packed: bytes, limit: int) -> None:
    """See by its header that a chunk doesn't unpack to more than `limit` bytes.

    Raises
    ------
    ValueError
        If it does, or the header can't be understood; codecs without one aren't looked at.
    """
    says = {"zstd": _zstd_bytes, "blosc": _blosc_bytes, "lz4": _lz4_bytes}.get(codec)
    if says is None:
        return
    try:
        n_bytes = says(packed)
    except (struct.error, IndexError) as error:
        raise ValueError(f"{codec} header is cut off") from error
    if n_bytes > limit:
        raise ValueError(f"{codec} chunk unpacks to {n_bytes} bytes, a chunk has at most {limit}")


def unpack(codec: str, packed: bytes, limit: int) -> bytes:
    """Unpack zlib, gzip, bz2 or lzma, but no further than `limit` bytes.

    Raises
    ------
    ValueError
        If there is more, or it is cut off; and what the codec itself raises.
    """
    unpacked = bytearray()
    while packed:
        one = _UNPACKERS[codec]()
        unpacked += one.decompress(packed, limit + 1 - len(unpacked))
        if len(unpacked) > limit:
            raise ValueError(f"{codec} chunk unpacks to more than {limit} bytes")
        if not one.eof:
            raise ValueError(f"{codec} chunk is cut off")
        packed = one.unused_data
    return bytes(unpacked)


_UNPACKERS: dict[str, Callable[[], _Unpacker]] = {
    "zlib": zlib.decompressobj,
    "gzip": lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16),
    "bz2": bz2.BZ2Decompressor,
    "lzma": lzma.LZMADecompressor,
}


class _BoundedNumcodec:
    """A codec of zarr format 2, for reading; looks to zarr like one of numcodecs'."""

    codec_id: ClassVar[str] = "bounded"

    def __init__(self, codec: Any, limit: int) -> None:
        self._name: str = codec.codec_id
        self._codec = codec
        self._limit = limit

    @classmethod
    def from_config(cls, config: Any) -> Any:
        """Made from a codec only; zarr asks whether codecs have this."""
        raise NotImplementedError(config)

    def encode(self, buf: Any) -> Any:
        return self._codec.encode(buf)

    def decode(self, buf: Any, out: Any = None) -> Any:
        packed = bytes(memoryview(buf).cast("B"))
        if self._name in _UNPACKERS:
            return unpack(self._name, packed, self._limit)
        check_unpacked(self._name, packed, self._limit)
        return self._codec.decode(packed, out)

    def get_config(self) -> Any:
        return self._codec.get_config()


class _BoundedZstd(ZstdCodec):
    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        check_unpacked("zstd", chunk_bytes.to_bytes(), _limit(chunk_spec))
        return await super()._decode_single(chunk_bytes, chunk_spec)


class _BoundedBlosc(BloscCodec):
    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        check_unpacked("blosc", chunk_bytes.to_bytes(), _limit(chunk_spec))
        return await super()._decode_single(chunk_bytes, chunk_spec)


class _BoundedGzip(GzipCodec):
    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        unpacked = await asyncio.to_thread(unpack, "gzip", chunk_bytes.to_bytes(), _limit(chunk_spec))
        return chunk_spec.prototype.buffer.from_bytes(unpacked)


def _bounded_codec(codec: Any) -> Any:
    """A codec of zarr format 3, and those inside it."""
    if isinstance(codec, ShardingCodec):
        inner = tuple(map(_bounded_codec, codec.codecs))
        return replace(codec, codecs=inner, index_codecs=tuple(map(_bounded_codec, codec.index_codecs)))
    if isinstance(codec, ZstdCodec):
        return _BoundedZstd(level=codec.level, checksum=codec.checksum)
    if isinstance(codec, GzipCodec):
        return _BoundedGzip(level=codec.level)
    if isinstance(codec, BloscCodec):
        return _BoundedBlosc(**{name: getattr(codec, name) for name in _BLOSC_OPTIONS})
    return codec


_BLOSC_OPTIONS = ("typesize", "cname", "clevel", "shuffle", "blocksize")


def _limit(spec: ArraySpec) -> int:
    return math.prod(spec.shape) * spec.dtype.to_native_dtype().itemsize + _SLACK_BYTES


def _blosc_bytes(packed: bytes) -> int:
    """Layout: https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst."""
    return int(struct.unpack_from("<I", packed, 4)[0])


def _lz4_bytes(packed: bytes) -> int:
    """Numcodecs puts the size before the block."""
    return int(struct.unpack_from("<I", packed)[0])


def _zstd_bytes(packed: bytes) -> int:
    """What the frame says, or what its blocks can come to at most. Layout: RFC 8878, 3.1.1."""
    magic, descriptor = struct.unpack_from("<IB", packed)
    if magic != _ZSTD_MAGIC:
        raise ValueError("no zstd frame")
    is_single_segment = bool(descriptor & 0x20)
    size_bytes = (1 if is_single_segment else 0, 2, 4, 8)[descriptor >> 6]
    place = 5 + (not is_single_segment) + (0, 1, 2, 4)[descriptor & 3]
    if size_bytes:
        stated = int.from_bytes(packed[place : place + size_bytes], "little")
        return stated + 256 if size_bytes == 2 else stated  # noqa: PLR2004 - so says the layout
    return _blocks_bytes(packed, place) // _ZSTD_SPLITTING


def _blocks_bytes(packed: bytes, place: int) -> int:
    """Sum of the blocks' limits; nothing may follow the last one but a checksum, or there would be more to unpack."""
    total, is_last = 0, False
    while not is_last:
        head = int.from_bytes(packed[place : place + 3], "little")
        if len(packed) < place + 3:
            raise IndexError
        is_last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
        total += _ZSTD_BLOCK_BYTES if kind == _COMPRESSED else size
        place += 3 + (1 if kind == _RLE else size)
    if len(packed) > place + _ZSTD_CHECKSUM_BYTES:
        raise ValueError("something follows the zstd frame")
    return total
