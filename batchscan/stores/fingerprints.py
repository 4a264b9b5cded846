"""Files become a sha256 that says whether they changed, without reading gigabytes; neither place nor time counts."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from batchscan.stores.trees import Part, Tree
from batchscan.stores.zarr_documents import DOCUMENTS, LARGEST_DOCUMENT_BYTES

SAMPLE_BYTES = 64 * 1024
N_SAMPLES = 16


def file_fingerprint(path: Path) -> str:
    """`sha256:<hex>` over a file's size and 16 samples of 64 KiB, head and tail among them."""
    digest = hashlib.sha256()
    _add_samples(digest, path, N_SAMPLES)
    return f"sha256:{digest.hexdigest()}"


def tree_fingerprint(tree: Tree, chunks_a_shard: Mapping[str, int] = MappingProxyType({})) -> str:
    """`sha256:<hex>` over all files of a folder: relative name, size, head and tail 64 KiB; zarr documents whole.

    Parameters
    ----------
    tree
        The folder; a copy elsewhere, in an object store too, has the same.
    chunks_a_shard
        Relative path of an array -> how many chunks the index of its shards has. Of each chunk the last four bytes
        count too: in a store of ours they are its checksum, and no change of pixels goes unseen.
    """
    digest = hashlib.sha256()
    names = tree.files()
    while together := list(itertools.islice(names, tree.at_once)):
        _add_files(digest, tree, [_Sampled(name, tree.size(name), chunks_a_shard) for name in together])
    return f"sha256:{digest.hexdigest()}"


@dataclass(frozen=True, slots=True)
class _Sampled:
    """A file of a tree, and what of it counts."""

    name: str
    size: int
    chunks_a_shard: Mapping[str, int]

    @property
    def is_document(self) -> bool:
        return self.name.rpartition("/")[2] in DOCUMENTS and self.size <= LARGEST_DOCUMENT_BYTES

    def samples(self) -> tuple[Part, ...]:
        """All of a document or a small file, else head and tail."""
        if self.is_document or self.size <= 2 * SAMPLE_BYTES:
            return (Part(self.name, 0, self.size),)
        return Part(self.name, 0, SAMPLE_BYTES), Part(self.name, self.size - SAMPLE_BYTES, self.size)

    def indexes(self) -> tuple[Part, ...]:
        """Where a shard says where its chunks are.

        It ends with their (offset, length) as little-endian 64-bit numbers, and a CRC-32C of that alone. Layout:
        https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html
        """
        ends = self.size - 4
        lengths = (16 * n for array, n in self.chunks_a_shard.items() if self.name.startswith(f"{array}/"))
        is_shard = not self.is_document
        return tuple(Part(self.name, ends - length, ends) for length in lengths if is_shard and length <= ends)

    def chunk_ends(self, index: bytes) -> Iterator[Part]:
        for offset, length in np.frombuffer(index, dtype="<u8").reshape(-1, 2).tolist():
            # A chunk that isn't there has 2^64 - 1 for both.
            if offset + length <= self.size:
                start = max(offset, offset + length - 4)
                yield Part(self.name, start, min(start + 4, self.size))


def _add_files(digest: hashlib._Hash, tree: Tree, files: Sequence[_Sampled]) -> None:
    """Add files in their order; all of them are asked for twice, first for samples and indexes, then by the indexes."""
    found = _read_each(tree, [(*file.samples(), *file.indexes()) for file in files])
    indexes = [parts[len(file.samples()) :] for file, parts in zip(files, found, strict=True)]
    ends = _read_each(
        tree,
        [
            tuple(part for index in of_file for part in file.chunk_ends(index))
            for file, of_file in zip(files, indexes, strict=True)
        ],
    )
    for file, parts, of_chunks in zip(files, found, ends, strict=True):
        samples = b"".join(parts[: len(file.samples())])
        digest.update(file.name.encode(errors="surrogateescape") + b"\0")
        digest.update(hashlib.sha256(samples).digest() if file.is_document else f"{file.size}\0".encode() + samples)
        digest.update(b"".join(of_chunks))


def _read_each(tree: Tree, parts: Sequence[Sequence[Part]]) -> list[list[bytes]]:
    """The same with the bytes of each part in its place."""
    read = iter(tree.read_parts([part for of_file in parts for part in of_file]))
    return [list(itertools.islice(read, len(of_file))) for of_file in parts]


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
