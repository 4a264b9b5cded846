"""Decoded patches -> a plain file of uint8, patch after patch, of which rows are read when they are asked for.

The full public set is 2 GB decoded: in memory it would rule out small machines, and decoding a PNG again in each epoch
costs as much as augmenting it. Rows are read with `pread` and not through a memory map, so that what the system caches
isn't counted as the process's.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import OutputError
from batchscan.domain.records import Uint8Array
from batchscan.stores.atomic import write_atomically

PIXELS_FILE, ABOUT_FILE = "patches.pixels", "patches.json"
LAYOUT_VERSION = 1

Rows = NDArray[np.intp]


class Pixels(Protocol):
    """Patches to be had by their numbers: an array (n, p, p, 3) of uint8, or what reads them from elsewhere."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, rows: Any, /) -> Uint8Array:
        """(k, p, p, 3) uint8: those of a slice, or of an array of numbers or of bool."""
        ...


class Undecoded:
    """Patches whose pixels can't be had yet.

    Parameters
    ----------
    count
        How many there are.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, rows: Any, /) -> Uint8Array:
        raise TypeError("these patches are not decoded yet")


class PixelFile:
    """Rows of a file of decoded patches; closes when nothing refers to it any more.

    Parameters
    ----------
    descriptor
        Of the file, open for reading; it is owned from now on.
    count, side_px
        How many patches there are, and their side.
    """

    def __init__(self, descriptor: int, count: int, side_px: int) -> None:
        self._descriptor = descriptor
        self._count = count
        self._shape = (side_px, side_px, 3)
        weakref.finalize(self, os.close, descriptor)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, rows: Any, /) -> Uint8Array:
        numbers = _numbers(rows, self._count)
        patches = np.empty((len(numbers), *self._shape), dtype=np.uint8)
        # Neighbours in the file are read at one go.
        bounds = np.flatnonzero(np.diff(numbers, prepend=-2, append=-2) != 1)
        for start, stop in itertools.pairwise(bounds):
            self._read(patches[start:stop], int(numbers[start]))
        return patches

    def _read(self, into: Uint8Array, first: int) -> None:
        wanted, place = into.reshape(-1).data, first * int(np.prod(self._shape))
        while wanted:
            count = os.preadv(self._descriptor, [wanted], place)
            if not count:
                raise OutputError(
                    "the file of decoded patches ends early: it was changed during the training; start again"
                )
            wanted, place = wanted[count:], place + count


class PixelRows:
    """Some of the patches of another, in an order of their own; nothing is read before it is asked for.

    Parameters
    ----------
    source
        Where they are.
    rows
        Their numbers there, (n,).
    """

    def __init__(self, source: Pixels, rows: Rows) -> None:
        self._source = source
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any, /) -> Uint8Array:
        return self._source[self._rows[_numbers(rows, len(self._rows))]]

    def part(self, rows: Any) -> PixelRows:
        """Some of these: a part of the whole, so that a chain of parts costs nothing."""
        return PixelRows(self._source, self._rows[_numbers(rows, len(self._rows))])


def part_of(pixels: Pixels, rows: Any) -> PixelRows:
    """The patches that a slice, numbers or bools choose, still unread."""
    whole = pixels if isinstance(pixels, PixelRows) else PixelRows(pixels, np.arange(len(pixels)))
    return whole.part(rows)


def _numbers(rows: Any, count: int) -> Rows:
    """What a slice, numbers or bools choose of so many, as numbers from 0 up."""
    return np.atleast_1d(np.arange(count)[rows])


def stored_pixels(
    folder: Path | None, digest: str, count: int, side_px: int, blocks: Callable[[], Iterable[Uint8Array]]
) -> PixelFile:
    """The file of decoded patches in a folder, which is written unless the same is there already.

    Parameters
    ----------
    folder
        Of one process at a time; is made where it isn't there. None takes a temporary file that has no name and ends
        with the process.
    digest
        Of what the patches are: a file with another is replaced.
    count, side_px
        How many there will be, and their side.
    blocks
        Gives the patches, (k, p, p, 3) uint8 at a time; called only if they must be written. Nothing remains of them
        when it raises.

    Raises
    ------
    OutputError
        If the folder has no room for them (the text says how much is needed) or can't be written to.
    """
    if folder is None:
        return _nameless(count, side_px, blocks)
    pixels, about = folder / PIXELS_FILE, folder / ABOUT_FILE
    said = {"layout_version": LAYOUT_VERSION, "count": count, "side_px": side_px, "digest": digest}
    if not _is_there(pixels, about, said):
        _make_room(folder, about)
        with write_atomically(pixels, binary=True) as stream:
            _write(stream, folder, count, side_px, blocks)
        with write_atomically(about) as text:
            json.dump(said, text)
    return PixelFile(os.open(pixels, os.O_RDONLY | os.O_CLOEXEC), count, side_px)


def _nameless(count: int, side_px: int, blocks: Callable[[], Iterable[Uint8Array]]) -> PixelFile:
    folder = Path(tempfile.gettempdir())
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            _write(stream, folder, count, side_px, blocks)
            stream.flush()
            return PixelFile(os.dup(stream.fileno()), count, side_px)
    except OSError as error:
        raise OutputError(f"{folder}: can't be written ({error.strerror or error}): name another in TMPDIR") from error


def _is_there(pixels: Path, about: Path, said: dict[str, Any]) -> bool:
    try:
        known = json.loads(about.read_text("utf-8"))
        size = pixels.stat().st_size
    except (OSError, ValueError):
        return False
    return bool(known == said) and size == _bytes(said["count"], said["side_px"])


def _make_room(folder: Path, about: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        about.unlink(missing_ok=True)  # first, so that it never stands beside pixels that it doesn't describe
        for left_by_a_kill in folder.glob(f".{PIXELS_FILE}.*.tmp"):
            left_by_a_kill.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: can't be written ({error.strerror or error}): check permissions") from error


def _write(
    stream: IO[bytes], folder: Path, count: int, side_px: int, blocks: Callable[[], Iterable[Uint8Array]]
) -> None:
    needed = _bytes(count, side_px)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise _no_room(folder, needed, f"{_megabytes(free)} are free")
    for block in _checked(blocks(), count, side_px):
        try:
            stream.write(block.tobytes())
        except OSError as error:
            raise _no_room(folder, needed, f"writing ended with: {error.strerror or error}") from error


def _checked(blocks: Iterable[Uint8Array], count: int, side_px: int) -> Iterator[Uint8Array]:
    found = 0
    for block in blocks:
        if block.dtype != np.uint8 or block.shape[1:] != (side_px, side_px, 3):
            raise ValueError(f"{block.dtype} {block.shape}: expected uint8 (k, {side_px}, {side_px}, 3)")
        found += len(block)
        yield block
    if found != count:
        raise ValueError(f"{found} patches were given: expected {count}")


def _bytes(count: int, side_px: int) -> int:
    return count * side_px * side_px * 3


def _no_room(folder: Path, needed: int, found: str) -> OutputError:
    return OutputError(
        f"{folder}: the decoded patches need {_megabytes(needed)}, but {found}: make room, or name a folder elsewhere"
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
