"""Files become a sha256 that says whether they changed, without reading gigabytes; neither place nor time counts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

SAMPLE_BYTES = 64 * 1024
N_SAMPLES = 16
LARGEST_DOCUMENT_BYTES = 16 * 1024 * 1024
DOCUMENTS = frozenset({"zarr.json", ".zattrs", ".zgroup", ".zarray", ".zmetadata"})


def file_fingerprint(path: Path) -> str:
    """`sha256:<hex>` over a file's size and 16 samples of 64 KiB, head and tail among them."""
    digest = hashlib.sha256()
    _add_samples(digest, path, N_SAMPLES)
    return f"sha256:{digest.hexdigest()}"


def tree_fingerprint(folder: Path) -> str:
    """`sha256:<hex>` over all files of a folder: relative name, size, head and tail 64 KiB; zarr documents whole."""
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        is_small_document = path.name in DOCUMENTS and path.stat().st_size <= LARGEST_DOCUMENT_BYTES
        if is_small_document:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        else:
            _add_samples(digest, path, 2)
    return f"sha256:{digest.hexdigest()}"


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(root) / file for file in sorted(files))


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
