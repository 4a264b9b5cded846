"""A laboratory's templates folder -> the files in it, and nothing from outside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from batchscan.domain.errors import TemplateError

MOST_BYTES = 1_000_000
"""Of one file. All of them are read into memory, and a logo stands in every report."""


def check_folder(folder: Path) -> None:
    """See that there is such a folder.

    Raises
    ------
    TemplateError
        If there is none.
    """
    if not folder.is_dir():
        raise TemplateError(f"{folder}: there is no such folder of templates; check [report] templates, or --templates")


def read_own(folder: Path, name: str) -> bytes | None:
    """A file of the folder; None where there is none of that name.

    Parameters
    ----------
    folder
        The laboratory's.
    name
        The file's path in it, with slashes.

    Raises
    ------
    TemplateError
        If it leads out of the folder, is too large, or can't be read.
    """
    path = folder / name
    if not path.is_file():
        if path.is_symlink():
            raise TemplateError(f"{path}: is a link to no file; put the file itself there")
        return None
    if not path.resolve().is_relative_to(folder.resolve()):
        raise TemplateError(f"{path}: leads out of the templates folder; put the file itself there")
    try:
        with path.open("rb") as stream:
            found = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise TemplateError(f"{path}: can't be read ({error.strerror}); mend its permissions") from error
    if len(found) > MOST_BYTES:
        raise TemplateError(f"{path}: has more than {MOST_BYTES:,} bytes, the most of a file of templates; shrink it")
    return found


def read_own_text(folder: Path, name: str) -> str | None:
    """The same as text.

    Raises
    ------
    TemplateError
        As `read_own`, and if it isn't UTF-8.
    """
    found = read_own(folder, name)
    try:
        return None if found is None else found.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TemplateError(f"{folder / name}: can't be read ({error}): expected UTF-8 text") from error


def own_names(folder: Path) -> Iterator[str]:
    """The paths in the folder of all files, in order."""
    yield from sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def fingerprint(folder: Path) -> str:
    """The same of folders whose files have the same names and bytes.

    Raises
    ------
    TemplateError
        As `read_own`.
    """
    found = hashlib.sha256()
    for name in own_names(folder):
        found.update(repr((name, read_own(folder, name))).encode())
    return found.hexdigest()
