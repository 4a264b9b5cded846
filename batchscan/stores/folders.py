"""A folder, here or in an object store -> its tables' text, and the places in it that relative words come to."""

from __future__ import annotations

from pathlib import Path

from batchscan.domain.errors import SourceVanished
from batchscan.domain.places import Address, Place
from batchscan.stores.remote_files import names_in, read_table, version_of


class Folder:
    """A folder that a manifest lies in; in an object store each folder is listed once, however many rows there are."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._listed: dict[Address, frozenset[str]] = {}

    def inside(self, text: str) -> Place | None:
        """Where a relative path leads; None if that is outside. Raises OSError, ValueError, RuntimeError if nowhere."""
        if isinstance(self._place, Address):
            return self._place.inside(text)
        root = self._place.resolve()
        full = (root / text).resolve()
        return full if full.is_relative_to(root) else None

    def has(self, place: Place) -> bool:
        """Whether something is there; raises SourceVanished if an object store doesn't answer."""
        if isinstance(place, Address):
            if place.parent not in self._listed:
                self._listed[place.parent] = names_in(place.parent)
            return place.name in self._listed[place.parent]
        try:
            return place.exists()
        except OSError:
            # A name that is too long, or a folder that may not be entered.
            return False


def read_text(place: Place, encoding: str) -> str:
    """All of a table; raises OSError, UnicodeDecodeError, SourceVanished."""
    if isinstance(place, Path):
        return place.read_text(encoding=encoding)
    return read_table(place).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def file_mark(place: Place) -> str | None:
    """Tells a file from another in its place, without reading it; None if it can't be looked at."""
    try:
        if isinstance(place, Address):
            return version_of(place)
        found = place.stat()
        return f"{found.st_size if place.is_file() else 0} {found.st_mtime_ns}"
    except (OSError, SourceVanished):
        return None
