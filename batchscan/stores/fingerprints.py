"""Files become a sha256 that says whether they changed, without reading gigabytes; neither place nor time counts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from batchscan.stores.zarr_documents import DOCUMENTS, LARGEST_DOCUMENT_BYTES

SAMPLE_BYTES = 64 * 1024
N_SAMPLES = 16


def file_fingerprint(path: Path) -> str:
    """`sha256:<hex>` over a file's size and 16 samples of 64 KiB, head and tail among them."""
    digest = hashlib.sha256()
    _add_samples(digest, path, N_SAMPLES)
    return f"sha256:{digest.hexdigest()}"


def tree_fingerprint(folder: Path, chunks_a_shard: Mapping[str, int] = MappingProxyType({})) -> str:
    """`sha256:<hex>` over all files of a folder: relative name, size, head and tail 64 KiB; zarr documents whole.

    Parameters
    ----------
    folder
        The folder.
    chunks_a_shard
        Relative path of an array -> how many chunks the index of its shards has. Of each chunk the last four bytes
        count too: in a store of ours they are its checksum, and no change of pixels goes unseen.
    """
    digest = hashlib.sha256()
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        digest.update(name.encode(errors="surrogateescape") + b"\0")
        is_small_document = path.name in DOCUMENTS and path.stat().st_size <= LARGEST_DOCUMENT_BYTES
        if is_small_document:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        else:
            _add_samples(digest, path, 2)
            for array, n_chunks in chunks_a_shard.items():
                if name.startswith(f"{array}/"):
                    _add_chunk_ends(digest, path, n_chunks)
    return f"sha256:{digest.hexdigest()}"


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder, onerror=_raise):
        folders.sort()
        yield from (Path(root) / file for file in sorted(files))


def _raise(error: OSError) -> None:
    """A folder that can't be listed isn't empty."""
    raise error


def _add_samples(digest: hashlib._Hash, path: Path, n_samples: int) -> None:
    """Add size and evenly spread samples; files no larger than all samples together are taken whole."""
    size = path.stat().st_size
    digest.update(f"{size}\0".encode())
    with path.open("rb") as stream:
        if size <= n_samples * SAMPLE_BYTES:
            digest.update(stream.read())
            return
        for index in range(n_samples):
            stream.seek((size - SAMPLE_BYTES) * index // (n_samples - 1))
            digest.update(stream.read(SAMPLE_BYTES))


def _add_chunk_ends(digest: hashlib._Hash, path: Path, n_chunks: int) -> None:
    """A shard ends with its chunks' (offset, length) as little-endian 64-bit numbers, and a CRC-32C of that alone.

    Layout: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html
    """
    size = path.stat().st_size
    index_start = size - 16 * n_chunks - 4
    if index_start < 0:
        return
    with path.open("rb", buffering=0) as stream:
        index = np.frombuffer(os.pread(stream.fileno(), 16 * n_chunks, index_start), dtype="<u8").reshape(-1, 2)
        for offset, length in index.tolist():
            # A chunk that isn't there has 2^64 - 1 for both.
            if offset + length <= size:
                digest.update(os.pread(stream.fileno(), 4, max(offset, offset + length - 4)))
