"""A folder in the making becomes a folder with its final name: whole, or not there at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from batchscan.domain.errors import OutputError

SUFFIX = ".partial"
_SWAPS = 5
_SYNCED_AT_ONCE = 8


@contextlib.contextmanager
def staged_folder(final: Path, on_step: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Give a new folder beside `final`, which gets that name when the block ends well and is removed when it doesn't.

    What had the name before is replaced. Everything is on the disk (fsync) before the name is given. Leftovers of
    a process that was killed are removed by the next one that makes the same folder, or by `remove_abandoned`.

    `on_step` is called whenever another file is on the disk: that may take long.

    Raises
    ------
    OutputError
        If something can't be written.
    """
    try:
        remove_abandoned(final)
        partial, lock = _locked_folder(final)
    except OSError as error:
        raise _output_error(final, error) from error
    try:
        yield partial
        take_name(partial, final, on_step)
    except OSError as error:
        raise _output_error(final, error) from error
    finally:
        os.close(lock)
        shutil.rmtree(partial, ignore_errors=True)


def _locked_folder(final: Path) -> tuple[Path, int]:
    """A new folder beside `final`, and the handle that its lock goes with."""
    while True:
        partial = _beside(final)
        partial.mkdir()
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(partial, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if partial.exists():
                return partial, lock
            os.close(lock)
        # Another maker took it for abandoned before the lock was on it.


def _beside(final: Path) -> Path:
    return final.parent / f".{final.name}.{uuid.uuid4().hex}{SUFFIX}"


def check_writable(folder: Path) -> None:
    """Make `folder` if need be, and see that files can be made in it.

    Raises
    ------
    OutputError
        If not.
    """
    probe = folder / f".{uuid.uuid4().hex}{SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _output_error(folder, error) from error


def remove_abandoned(final: Path) -> None:
    """Remove what makers of the folder `final` left half-made when they were killed; that of a live one stays.

    A live maker holds the lock on its folder; the system gives it back when the maker dies.
    """
    for left in final.parent.glob(f".{glob.escape(final.name)}.*{SUFFIX}"):
        try:
            handle = os.open(left, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Under the lock: a maker that has just made it is waiting for that, and then sees that it is gone.
            shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(handle)


def check_could_write(folder: Path) -> None:
    """See that a folder could be made, or written to, without doing it.

    Raises
    ------
    OutputError
        If not.
    """
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "may not be written to" if there.is_dir() else "is no folder"
        raise OutputError(f"{folder} can't be written: {there} {why}; choose another folder, or change its permissions")


def take_name(partial: Path, final: Path, on_step: Callable[[], None] = lambda: None) -> None:
    """Give a finished folder its final name on the same disk; what had the name before is replaced.

    Everything is on the disk (fsync) before the name is given: a folder of that name is whole even after a power loss.
    """
    sync_tree(partial, on_step)
    swap_in(partial, final)


def swap_in(synced: Path, final: Path) -> None:
    """The same for a folder that `sync_tree` has been called on; of several who do so at once, the last one's stays."""
    olds = []
    for _ in range(_SWAPS):
        # What isn't there (any more) needn't make way.
        with contextlib.suppress(FileNotFoundError):
            olds.append(final.rename(_beside(final)))
        try:
            synced.rename(final)
            break
        except OSError as error:
            # Another worker, taken for dead, was quicker.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    _sync_one(final.parent)
    # Only now: as long as this takes, there would be no folder of that name.
    for old in olds:
        shutil.rmtree(old, ignore_errors=True)


def give_name(partial: Path, final: Path) -> None:
    """Give a finished folder its final name on the same disk, on which it is (fsync) before; nothing is replaced.

    Raises
    ------
    OSError
        If something has the name already, but for an empty folder.
    """
    sync_tree(partial)
    partial.replace(final)
    _sync_one(final.parent)


def sync_tree(folder: Path, on_step: Callable[[], None] = lambda: None) -> None:
    """See that a folder and all in it are on the disk; `on_step` is called after each file.

    A disk takes about as long for several files together as for one, so they are waited for together.
    """
    places = [(Path(root), files) for root, _, files in os.walk(folder, topdown=False)]
    with ThreadPoolExecutor(_SYNCED_AT_ONCE) as threads:
        for _ in threads.map(_sync_one, (root / file for root, files in places for file in files)):
            on_step()
    for root, _ in places:
        _sync_one(root)


def tree_bytes(folder: Path) -> int:
    """Bytes of all files in a folder; 0 if it isn't there."""
    return sum((Path(root) / file).stat().st_size for root, _, files in os.walk(folder) for file in files)


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _output_error(target: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{target} can't be written ({error.strerror or error}): expected a writable folder with enough free space; "
        "choose another one or make room"
    )
