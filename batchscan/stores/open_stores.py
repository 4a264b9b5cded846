"""Stores that this process has opened -> the same again, for as long as what is said of their pixels hasn't changed."""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from batchscan.domain.geometry import Spacing
from batchscan.domain.places import Place
from batchscan.stores.pyramids import SlideStore, open_store
from batchscan.stores.zarr_documents import DOCUMENTS

# A GPU's worker has six threads, each at a slide of its own.
_MOST = 16
# A file that was changed so shortly before may be changed again without being any later.
_UNSETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Document:
    """What tells a file from another of its name."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def at(cls, path: Path) -> _Document | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


_Mark = tuple[_Document | None, ...]


class OpenStores:
    """Opens each store once, however often it is asked for; safe to ask from several threads.

    Only for reading pixels, which are read from their files each time. What is found out about a store when it is
    opened, its fingerprint above all, is found out anew by `open_store`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[Path, Spacing | None], tuple[SlideStore, _Mark]] = OrderedDict()

    def get(self, path: Place, override: Spacing | None = None) -> SlideStore:
        """As `open_store`, and raises the same; a store whose documents are as they were isn't opened again.

        One in an object store always is: to see whether it has changed would take as long.
        """
        if not isinstance(path, Path):
            return open_store(path, override)
        with self._lock:
            known = self._open.get((path, override))
        if known and _mark(known[0], path) == known[1]:
            return known[0]
        began_ns = time.time_ns()
        store = open_store(path, override)
        self.keep(path, override, store, began_ns)
        return store

    def keep(self, path: Place, override: Spacing | None, store: SlideStore, began_ns: int) -> None:
        """Give it for the same words from now on; no earlier than at `began_ns` (`time.time_ns`) it was opened."""
        if not isinstance(path, Path):
            return
        mark = _mark(store, path)
        if any(document is not None and document.changed_ns >= began_ns - _UNSETTLED_NS for document in mark):
            return
        with self._lock:
            self._open[path, override] = store, mark
            self._open.move_to_end((path, override))
            while len(self._open) > _MOST:
                self._open.popitem(last=False)


def _mark(store: SlideStore, path: Path) -> _Mark:
    """All documents that zarr knows, of the store and of its levels."""
    folders = [path, *(path / level.path for level in store.levels)]
    return tuple(_Document.at(folder / name) for folder, name in itertools.product(folders, sorted(DOCUMENTS)))
