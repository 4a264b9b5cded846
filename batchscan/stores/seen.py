"""seen.npz: hashes of the patches and fingerprints of the slides that a network was made with <-> a record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from batchscan.domain.pixel_hash import NO_HASH, Uint64Array
from batchscan.stores.array_files import read_arrays

SEEN_FILE = "seen.npz"
# Of 8 bytes a patch: more than any training will have.
_LARGEST_BYTES = 256 << 20
_PREFIX, _DIGEST_BYTES = "sha256:", 32
_ARRAYS = ("patches", "slides", "complete")


@dataclass(frozen=True)
class SeenSet:
    """What a network was fitted to, or something about it was chosen on.

    Parameters
    ----------
    patches
        (n,) uint64, rising: the `pixel_hashes` of its patches, each once and without those of hardly any picture.
    slides
        Fingerprints (`sha256:<hex>`) of the slide stores that some of them were cut from, sorted.
    complete
        False where the training started from a package that has no such list, so that its patches are missing.
    """

    patches: Uint64Array
    slides: tuple[str, ...]
    complete: bool

    @classmethod
    def of(cls, patches: Uint64Array, slides: Iterable[str], *, complete: bool = True) -> SeenSet:
        """From hashes and fingerprints in any order, and more than once."""
        return cls(np.setdiff1d(patches, np.array([NO_HASH], np.uint64)), tuple(sorted(set(slides))), complete)

    def joined(self, other: SeenSet) -> SeenSet:
        """What either has seen."""
        patches = np.concatenate([self.patches, other.patches])
        return SeenSet.of(patches, (*self.slides, *other.slides), complete=self.complete and other.complete)

    def count(self, pixel_hash: Uint64Array) -> int:
        """How many of these patches are among them; those of `NO_HASH` never are."""
        return int(np.isin(pixel_hash, self.patches).sum())


def write_seen(stream: IO[bytes], seen: SeenSet) -> None:
    """Write a set as plain arrays."""
    digests = [bytes.fromhex(slide.removeprefix(_PREFIX)) for slide in seen.slides]
    slides = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, _DIGEST_BYTES)
    # Hashes don't compress.
    np.savez(stream, patches=seen.patches, slides=slides, complete=np.array([seen.complete]))


def read_seen(path: Path, sha256: str) -> SeenSet:
    """Read a set that is as its card says.

    Parameters
    ----------
    sha256
        Of the file, from the card.

    Raises
    ------
    ValueError
        If the file is missing, was changed, or isn't such a set. Its text says which.
    """
    if not path.is_file():
        raise ValueError("it isn't there")
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(error.strerror) from error
    if found != sha256:
        raise ValueError("it isn't what its card says (sha256): it was changed")
    patches, slides, complete = read_arrays(path, _ARRAYS, _LARGEST_BYTES)
    if (
        (patches.dtype, slides.dtype, complete.dtype) != (np.dtype(np.uint64), np.dtype(np.uint8), np.dtype(np.bool_))
        or patches.ndim != 1
        or slides.shape[1:] != (_DIGEST_BYTES,)
        or complete.shape != (1,)
        or (len(patches) and (patches[0] == NO_HASH or not np.all(patches[1:] > patches[:-1])))
    ):
        raise ValueError(
            f"it holds {patches.dtype} {patches.shape}, {slides.dtype} {slides.shape} and {complete.dtype} "
            f"{complete.shape}: expected rising uint64 (n,), uint8 (m, {_DIGEST_BYTES}) and one bool"
        )
    return SeenSet(patches, tuple(sorted(_PREFIX + slide.tobytes().hex() for slide in slides)), bool(complete[0]))
