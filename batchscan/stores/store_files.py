"""A slide store's folder of this machine becomes files that may be read: regular ones, none beyond its bound."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from zarr.abc.store import ByteRequest, RangeByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from batchscan.domain.errors import UnopenableSlide
from batchscan.stores.trees import Part
from batchscan.stores.zarr_documents import DOCUMENTS, LARGEST_CHUNK_BYTES

# Encoded chunks are hardly larger than their pixels, whatever the pixels are.
LARGEST_READ_BYTES = LARGEST_CHUNK_BYTES + (1 << 20)


def check_plain(store: Path) -> None:
    """See that a store is made of folders and regular files only; names and kinds are read, no contents.

    Raises
    ------
    UnopenableSlide
        If there is a link, pipe or device in it, or a folder that can't be listed.
    """
    folders = [os.fspath(store)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif not entry.is_file(follow_symlinks=False):
                        raise _strange(store, Path(entry.path))
        except OSError as error:
            raise UnopenableSlide(
                f"{store}: can't be listed ({error.strerror or error}): check its permissions and disk"
            ) from error


class BoundedStore(LocalStore):
    """A local zarr store, read only, that refuses what isn't a regular file and reads larger than any chunk.

    Parameters
    ----------
    root
        Folder of one array.
    complete
        Whether the array has a file for each of its chunks or shards: then a missing one is an error. Otherwise it
        stands for the fill value, as zarr has it, as long as the array's own document is there.
    """

    def __init__(self, root: Path, *, complete: bool = False) -> None:
        super().__init__(root, read_only=True)
        self._complete = complete

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """What zarr asks for; None if there is no such file, and need not be."""
        _check_read(self.root / key, byte_range)
        return self._known(key, await super().get(key, prototype, byte_range))

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """What zarr asks for; None if there is no such file, and need not be."""
        _check_read(self.root / key, byte_range)
        return self._known(key, super().get_sync(key, prototype=prototype, byte_range=byte_range))

    def _known(self, key: str, found: Buffer | None) -> Buffer | None:
        """What was found, unless it is nothing where there must be something."""
        if found is None and Path(key).name not in DOCUMENTS:
            missing = self.root / key if self._complete else self._missing_document()
            if missing:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(missing))
        return found

    def _missing_document(self) -> Path | None:
        """Where everything is gone, a chunk's absence says nothing of its pixels."""
        documents = [self.root / name for name in ("zarr.json", ".zarray")]
        return None if any(document.is_file() for document in documents) else documents[0]


class LocalTree:
    """A folder of this machine, or of one whose disk it sees, as what a store is read from."""

    at_once = 1

    def __init__(self, root: Path) -> None:
        self.root = root

    def is_file(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.root / name).is_file()

    def size(self, name: str) -> int:
        """Bytes of a file that is there."""
        return (self.root / name).stat().st_size

    def read(self, name: str) -> bytes:
        """All of a document."""
        return (self.root / name).read_bytes()

    def read_parts(self, parts: Sequence[Part]) -> list[bytes]:
        """The bytes of each part, in the same order."""
        found: list[bytes] = []
        for name, of_file in itertools.groupby(parts, key=lambda part: part.name):
            with (self.root / name).open("rb", buffering=0) as stream:
                found += [os.pread(stream.fileno(), part.stop - part.start, part.start) for part in of_file]
        return found

    def names_in(self, folder: str) -> frozenset[str]:
        """What lies right in a folder; nothing if there is none."""
        path = self.root / folder
        return frozenset(entry.name for entry in path.iterdir()) if path.is_dir() else frozenset()

    def files(self) -> Iterator[str]:
        """Every file, those of a folder before those of the folders in it, sorted by name."""
        for root, folders, files in os.walk(self.root, onerror=_raise):
            folders.sort()
            yield from ((Path(root) / file).relative_to(self.root).as_posix() for file in sorted(files))

    def check_plain(self) -> None:
        """See that there are files and folders only; raises UnopenableSlide."""
        check_plain(self.root)

    def array(self, name: str, *, complete: bool) -> BoundedStore:
        """One array as zarr reads it."""
        return BoundedStore(self.root / name, complete=complete)


def _raise(error: OSError) -> None:
    """A folder that can't be listed isn't empty."""
    raise error


def _check_read(path: Path, byte_range: ByteRequest | None) -> None:
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise OSError(f"{path.name} is no regular file")
    asked = found.st_size
    if isinstance(byte_range, RangeByteRequest):
        if byte_range.end > found.st_size:
            # A shard's damaged index: reading would first make room for all that it asks for.
            raise OSError(f"{path.name} ends before what is to be read of it")
        asked = min(asked, byte_range.end) - byte_range.start
    elif byte_range is not None:
        # From somewhere on to the end, as a shard's index is read: at most as much as there are entries.
        asked = min(asked, getattr(byte_range, "suffix", asked))
    if asked > LARGEST_READ_BYTES:
        raise OSError(f"{path.name} has {asked} bytes to be read at once, more than any chunk")


def _strange(store: Path, path: Path) -> UnopenableSlide:
    kind = "a link, which may lead anywhere" if path.is_symlink() else "neither a file nor a folder"
    return UnopenableSlide(
        f"{store}: {path.relative_to(store).as_posix()} in it is {kind}: refused; copy the store with its files"
    )
