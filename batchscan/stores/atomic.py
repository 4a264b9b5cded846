"""Text or bytes -> a file that is either whole or not there, or one in a folder of which that will be true."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from batchscan.domain.errors import OutputError

_SUFFIX = ".tmp"


@contextmanager
def write_atomically(path: Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    """Open a temporary neighbour of `path` for writing; it takes the name when the block ends without an error.

    Raises
    ------
    OutputError
        If the file can't be written; the old file, if any, is untouched and nothing half-written remains.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_SUFFIX)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(handle, "wb") if binary else os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)  # noqa: PTH101 - mkstemp gives a name, and made the file private
        os.replace(temporary, path)  # noqa: PTH105 - same
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108 - same


@contextmanager
def write_staged(path: Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    """Open a new file in a folder that is nobody's result before `sync_tree` was called on it.

    That sees that each file is on the disk: to do so here too would be to wait for the disk twice.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    try:
        with path.open("wb") if binary else path.open("w", encoding="utf-8", newline="") as stream:
            os.fchmod(stream.fileno(), 0o644)
            yield stream
    except OSError as error:
        raise _cannot_write(path, error) from error


def remove_temporaries(path: Path) -> None:
    """Remove what a process left that was killed while it wrote `path`; none may be writing it now."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{_SUFFIX}"):
        left.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: can't be written ({error.strerror or error}): check permissions and free space")
