"""A slide store in an object store becomes files that may be read; listed when it is opened, and never written to."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.storage import FsspecStore

from batchscan.domain.places import Address, Place
from batchscan.stores.remote_files import read_part, read_parts, sizes_below
from batchscan.stores.store_files import LARGEST_READ_BYTES, LocalTree
from batchscan.stores.trees import Part, Tree
from batchscan.stores.zarr_documents import DOCUMENTS, LARGEST_DOCUMENT_BYTES

# Documents that are fetched together with the first one; an image has one a level, and one more.
MOST_DOCUMENTS_AT_ONCE = 64


class RemoteTree:
    """A folder of an object store, as it was when it was listed.

    Raises
    ------
    SourceVanished
        If the object store doesn't answer, then or later.
    """

    at_once = 256

    def __init__(self, root: Address) -> None:
        self.root = root
        self._sizes = sizes_below(root)
        self._documents: dict[str, bytes] = {}
        documents = [name for name in self._sizes if self._is_document(name)]
        if len(documents) <= MOST_DOCUMENTS_AT_ONCE:
            parts = [Part(name, 0, self._sizes[name]) for name in documents]
            self._documents = dict(zip(documents, self.read_parts(parts), strict=True))

    def is_file(self, name: str) -> bool:
        """Whether there is such a file."""
        return _plain(name) in self._sizes

    def size(self, name: str) -> int:
        """Bytes of a file that is there."""
        try:
            return self._sizes[_plain(name)]
        except KeyError:
            raise _missing(self.root / name) from None

    def read(self, name: str) -> bytes:
        """All of a document; what was read once stays as it was."""
        name = _plain(name)
        if name not in self._documents:
            (self._documents[name],) = self.read_parts([Part(name, 0, self.size(name))])
        return self._documents[name]

    def read_parts(self, parts: Sequence[Part]) -> list[bytes]:
        """The bytes of each part, in the same order."""
        return read_parts(self.root, parts)

    def names_in(self, folder: str) -> frozenset[str]:
        """What files lie right in a folder; nothing if there is none."""
        return self._names_by_folder.get(_plain(folder), frozenset())

    def files(self) -> Iterator[str]:
        """Every file, those of a folder before those of the folders in it, sorted by name."""
        yield from sorted(self._sizes, key=_walked)

    def check_plain(self) -> None:
        """Nothing to see: an object store has neither links nor pipes."""

    def array(self, name: str, *, complete: bool) -> RemoteArrayStore:
        """One array as zarr reads it."""
        return RemoteArrayStore(self, name, complete=complete)

    @cached_property
    def _names_by_folder(self) -> dict[str, frozenset[str]]:
        names: dict[str, list[str]] = {}
        for path in self._sizes:
            folder, _, name = path.rpartition("/")
            names.setdefault(folder, []).append(name)
        return {folder: frozenset(of_folder) for folder, of_folder in names.items()}

    def _is_document(self, name: str) -> bool:
        return name.rpartition("/")[2] in DOCUMENTS and self._sizes[name] <= LARGEST_DOCUMENT_BYTES


def tree_of(place: Place) -> Tree:
    """What a store at this place is read from; raises SourceVanished if an object store doesn't answer."""
    return LocalTree(place) if isinstance(place, Path) else RemoteTree(place)


class RemoteArrayStore(FsspecStore):
    """One array of a tree as zarr reads it: read only, within the same bound as a local one.

    Parameters
    ----------
    tree, array
        The store's folder, and the array's in it.
    complete
        Whether the array has a file for each of its chunks or shards: then a missing one is an error.
    """

    def __init__(self, tree: RemoteTree, array: str, *, complete: bool) -> None:
        # Not FsspecStore's own, which wants a file system on zarr's event loop: its connections would never be closed.
        Store.__init__(self, read_only=True)
        self.path, self.allowed_exceptions = (tree.root / array).path, ()
        self._tree, self._array, self._complete = tree, array, complete

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """What zarr asks for; None if there was no such file when the store was listed, and need not be."""
        name = f"{self._array}/{key}"
        buffer = (prototype or default_buffer_prototype()).buffer
        is_document = name.rpartition("/")[2] in DOCUMENTS
        if not self._tree.is_file(name):
            if self._complete and not is_document:
                raise _missing(self._tree.root / name)
            return None
        if is_document:
            return buffer.from_bytes(self._tree.read(name))
        start, stop = _span(byte_range, self._tree.size(name))
        return buffer.from_bytes(await self._read(_plain(name), start, stop))

    async def _read(self, name: str, start: int, stop: int) -> bytes:
        if stop - start > LARGEST_READ_BYTES:
            raise OSError(f"{name} has {stop - start} bytes to be read at once, more than any chunk")
        return await read_part(self._tree.root / name, start, stop) if stop > start else b""


def _span(asked: ByteRequest | None, size: int) -> tuple[int, int]:
    """(start, stop) of the bytes of a file that are there."""
    match asked:
        case RangeByteRequest(start, stop):
            return start, min(stop, size)
        case OffsetByteRequest(offset):
            return offset, size
        case SuffixByteRequest(suffix):
            return max(0, size - suffix), size
    return 0, size


def _walked(name: str) -> tuple[tuple[bool, str], ...]:
    """Orders names as a walk through folders does: a folder's files first."""
    *folders, file = name.split("/")
    return (*((True, folder) for folder in folders), (False, file))


def _plain(name: str) -> str:
    """Without `.` and doubled slashes, as a local path has it."""
    return PurePosixPath(name).as_posix()


def _missing(place: Address) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(place))
