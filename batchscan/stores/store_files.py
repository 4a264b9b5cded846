"""A slide store's folder becomes files that may be read: regular ones only, and never more of one than its bound."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from zarr.abc.store import ByteRequest, RangeByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from batchscan.domain.errors import UnopenableSlide, UnreadableSlide
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


def check_shards(store: Path, level: str, n_rows: int, n_cols: int) -> None:
    """See that every shard of a level of a store of ours is there: zarr reads a missing one as fill value.

    Raises
    ------
    UnreadableSlide
        If one is missing.
    """
    for row in range(n_rows):
        folder = store / level / "c" / "0" / str(row)
        found = {shard.name for shard in folder.iterdir()} if folder.is_dir() else set()
        missing = next((folder / str(col) for col in range(n_cols) if str(col) not in found), None)
        if missing:
            raise UnreadableSlide(
                f"{store}: shard {missing.relative_to(store)} is missing, so the store is damaged: ingest the slide "
                "again, or copy the store again"
            )


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
