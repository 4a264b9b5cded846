"""A slide store's folder becomes files that may be read: regular ones only, and never more of one than its bound."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from zarr.abc.store import ByteRequest, RangeByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from batchscan.domain.errors import UnopenableSlide
from batchscan.stores.zarr_documents import LARGEST_CHUNK_BYTES

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


def file_sizes(store: Path) -> Iterator[int]:
    """Bytes of each file below a folder."""
    for root, _, files in os.walk(store):
        for name in files:
            yield (Path(root) / name).lstat().st_size


class BoundedStore(LocalStore):
    """A local zarr store, read only, that refuses what isn't a regular file and reads larger than any chunk."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, read_only=True)

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """What zarr asks for; None if there is no such file."""
        _check_read(self.root / key, byte_range)
        return await super().get(key, prototype, byte_range)

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """What zarr asks for; None if there is no such file."""
        _check_read(self.root / key, byte_range)
        return super().get_sync(key, prototype=prototype, byte_range=byte_range)


def _check_read(path: Path, byte_range: ByteRequest | None) -> None:
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise OSError(f"{path.name} is no regular file")
    asked = found.st_size
    if isinstance(byte_range, RangeByteRequest):
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
