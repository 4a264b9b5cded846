"""The JSON documents of a zarr folder become checked facts, before zarr may act on anything that they say."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from batchscan.domain.errors import UnopenableSlide
from batchscan.domain.places import Place
from batchscan.stores.trees import Tree

GROUP_DOCUMENTS = ("zarr.json", ".zattrs")
DOCUMENTS = frozenset({"zarr.json", ".zattrs", ".zgroup", ".zarray", ".zmetadata"})
LARGEST_DOCUMENT_BYTES = 16 * 1024 * 1024
LARGEST_CHUNK_BYTES = 256 * 1024 * 1024
# A shard's index is read whole too, and has an entry for each.
MOST_CHUNKS_A_SHARD = 1 << 20
# Codecs that only unpack bytes. Others could run what the metadata says (numcodecs' pickle does).
CODECS_V2 = frozenset({"blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"})
CODECS_V3 = frozenset({"blosc", "bytes", "crc32c", "gzip", "sharding_indexed", "transpose", "zstd"})

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ArrayDocument:
    """What the document of one array says: zarr format 2 or 3, shape, and the smallest piece that can be read."""

    zarr_format: Literal[2, 3]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]


def read_group_attributes(tree: Tree) -> Json | None:
    """Attributes of the group that a folder is, of zarr format 3 or 2; None if there is no group.

    Raises
    ------
    UnopenableSlide
        If a document is there but can't be understood.
    """
    if tree.is_file("zarr.json"):
        attributes = read_document(tree, "zarr.json").get("attributes", {})
    elif tree.is_file(".zattrs"):
        attributes = read_document(tree, ".zattrs")
    else:
        return None
    if not isinstance(attributes, dict):
        raise UnopenableSlide(f"{tree.root}: its attributes are no JSON object: not an OME-Zarr image")
    return attributes


def read_array_document(tree: Tree, array: str) -> ArrayDocument:
    """What is said of the array in a folder of a store.

    Raises
    ------
    UnopenableSlide
        If there is no array, its pixels aren't uint8, a codec isn't one that only unpacks bytes, or its chunks are
        too large to be read with bounded memory.
    """
    folder = tree.root / array
    try:
        if tree.is_file(f"{array}/zarr.json"):
            found = _v3(folder, read_document(tree, f"{array}/zarr.json"))
        elif tree.is_file(f"{array}/.zarray"):
            found = _v2(folder, read_document(tree, f"{array}/.zarray"))
        else:
            raise UnopenableSlide(f"{folder}: no zarr array is there; the store is incomplete: copy it again")
        dimensions = len(found.shape) == len(found.chunks) and min(*found.shape, *found.chunks) > 0
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnopenableSlide(f"{folder}: its zarr metadata can't be understood ({error!r}): write it again") from error
    if not dimensions or math.prod(found.chunks) > LARGEST_CHUNK_BYTES:
        raise UnopenableSlide(
            f"{folder}: shape {found.shape} in chunks of {found.chunks}: expected chunks of at most "
            f"{LARGEST_CHUNK_BYTES >> 20} MiB, as a chunk is read whole; write the image again with smaller chunks"
        )
    return found


def read_document(tree: Tree, name: str) -> Json:
    """One JSON object of a store.

    Raises
    ------
    UnopenableSlide
        If it can't be read, isn't an object or is larger than any document of an image.
    """
    path = tree.root / name
    try:
        if tree.size(name) > LARGEST_DOCUMENT_BYTES:
            raise UnopenableSlide(f"{path} has more than {LARGEST_DOCUMENT_BYTES >> 20} MiB: that is no metadata")
        document = json.loads(tree.read(name))
    except (OSError, ValueError, RecursionError) as error:
        raise UnopenableSlide(f"{path} can't be read as JSON ({error}): copy the store again") from error
    if not isinstance(document, dict):
        raise UnopenableSlide(f"{path} is no JSON object: not an OME-Zarr image")
    return document


def _v2(folder: Place, document: Json) -> ArrayDocument:
    _check_pixel_type(folder, document["dtype"], ("|u1", "<u1", ">u1"))
    codecs = [document.get("compressor"), *(document.get("filters") or ())]
    _check_codecs(folder, [codec["id"] for codec in codecs if codec is not None], CODECS_V2)
    return ArrayDocument(2, _sizes(document["shape"]), _sizes(document["chunks"]))


def _v3(folder: Place, document: Json) -> ArrayDocument:
    _check_pixel_type(folder, document["data_type"], ("uint8",))
    chunks = _sizes(document["chunk_grid"]["configuration"]["chunk_shape"])
    codecs = document["codecs"]
    _check_codecs(folder, _names(codecs), CODECS_V3)
    for codec in codecs:
        if isinstance(codec, dict) and codec["name"] == "sharding_indexed":
            inner = codec["configuration"]
            _check_codecs(folder, [*_names(inner["codecs"]), *_names(inner["index_codecs"])], CODECS_V3)
            shard, chunks = chunks, _sizes(inner["chunk_shape"])
            if math.prod(shard) > MOST_CHUNKS_A_SHARD * math.prod(chunks):
                raise ValueError(f"shards of {shard} in chunks of {chunks}")
    return ArrayDocument(3, _sizes(document["shape"]), chunks)


def _names(codecs: Iterable[Any]) -> list[str]:
    return [codec if isinstance(codec, str) else codec["name"] for codec in codecs]


def _sizes(values: Iterable[Any]) -> tuple[int, ...]:
    sizes = tuple(values)
    if not all(isinstance(size, int) for size in sizes):
        raise ValueError(f"sizes {sizes}")
    return sizes


def _check_pixel_type(folder: Place, found: object, expected: tuple[str, ...]) -> None:
    if found not in expected:
        raise UnopenableSlide(f"{folder}: pixels are {found}, expected uint8 RGB: convert the image to 8 bit")


def _check_codecs(folder: Place, found: Iterable[str], known: frozenset[str]) -> None:
    strange = sorted(set(found) - known)
    if strange:
        raise UnopenableSlide(
            f"{folder}: codec {', '.join(strange)} is not one that batchscan decodes ({', '.join(sorted(known))}): "
            "write the image again with one of these"
        )
