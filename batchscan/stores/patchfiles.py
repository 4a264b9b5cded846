"""A folder, or a zip read in place, becomes small files by name."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from batchscan.domain.errors import PatchSetError
from batchscan.domain.plain_text import plain

LARGEST_FILE_BYTES = 1 << 20
HEAD_BYTES = 64
# The public set has 277,524 patches, and its download has each twice.
MOST_MEMBERS = 1_000_000
LARGEST_DIRECTORY_BYTES = 200 << 20
# PNG is packed already; what else lies in a set is text.
MOST_UNPACKED = 100
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_SMALLEST_HEADER_BYTES = 30
_END, _END_64 = b"PK\x05\x06", b"PK\x06\x06"
_ENDS = {_END: struct.Struct("<12xI4x"), _END_64: struct.Struct("<40xQ8x")}
_LONGEST_END_BYTES = 22 + 65_535 + 20 + 56
_ALL_SET = 0xFFFFFFFF


class NamedFiles(Protocol):
    """What a folder and a zip have in common; names are relative, with forward slashes."""

    def names(self) -> Iterator[str]:
        """Names of all files, in a stable order."""
        ...

    def head(self, name: str) -> tuple[bytes, int]:
        """The file's first 64 bytes and its CRC-32."""
        ...

    def read(self, name: str) -> bytes:
        """The file's content."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


class FolderFiles:
    """Files of a folder; a checksum costs reading the file, which is small."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> Iterator[str]:
        """Names of all files, folder by folder."""
        for root, folders, files in os.walk(self._folder):
            folders.sort()
            relative = Path(root).relative_to(self._folder)
            yield from ((relative / file).as_posix() for file in sorted(files))

    def head(self, name: str) -> tuple[bytes, int]:
        """The file's first 64 bytes and its CRC-32."""
        content = self.read(name)
        return content[:HEAD_BYTES], zlib.crc32(content)

    def read(self, name: str) -> bytes:
        """The file's content; a link, pipe or device is refused, as reading one may lead anywhere or never end."""
        path = self._folder / name
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise PatchSetError(f"{path} is a link, pipe or device, expected a file: replace or remove it")
        _check_size(name, found.st_size)
        with path.open("rb") as stream:
            return stream.read(LARGEST_FILE_BYTES)

    def close(self) -> None:
        """Nothing is kept open."""


class ZipFiles:
    """Members of a zip: nothing is ever extracted to disk, so no name can lead out of a folder.

    Raises
    ------
    zipfile.BadZipFile, OSError
        If it can't be read, has more members than memory should hold, or members that lie in one another or unpack
        to far more than they are: what is meant to be read is patches.
    """

    def __init__(self, path: Path) -> None:
        _check_directory(path)
        self._zip = zipfile.ZipFile(path)
        try:
            _check_members(self._zip.infolist())
        except BaseException:
            self._zip.close()
            raise

    def names(self) -> Iterator[str]:
        """Names of all members that are files, sorted."""
        yield from sorted(name for name in self._zip.namelist() if not name.endswith("/"))

    def head(self, name: str) -> tuple[bytes, int]:
        """The member's first 64 bytes and the CRC-32 that the zip states."""
        with self._zip.open(name) as member:
            return member.read(HEAD_BYTES), self._zip.getinfo(name).CRC

    def read(self, name: str) -> bytes:
        """The member's content, checked against its CRC-32."""
        _check_size(name, self._zip.getinfo(name).file_size)
        return self._zip.read(name)

    def close(self) -> None:
        """Let go of the zip."""
        self._zip.close()


def open_files(path: Path, layout: str) -> NamedFiles:
    """The files of a folder or zip.

    Raises
    ------
    PatchSetError
        If it is neither; the text says that `layout` was expected in it.
    """
    if path.is_dir():
        return FolderFiles(path)
    try:
        return ZipFiles(path)
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise PatchSetError(
            f"{path} can't be read as a patch set ({error}): expected a folder or an intact zip with {layout}"
        ) from error


@contextlib.contextmanager
def translated(path: Path, name: str) -> Iterator[None]:
    """Name the file in what zipfile, zlib, Pillow and the system raise."""
    foreign = (OSError, LookupError, RuntimeError, ValueError, SyntaxError, EOFError, zipfile.BadZipFile, zlib.error)
    try:
        yield
    except foreign as error:
        raise PatchSetError(f"{path}: {name} can't be read ({error}): replace the file") from error


def _check_directory(path: Path) -> None:
    """See that the directory of all members fits into memory, from its own end alone.

    Layout: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.14 to 4.3.16.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _LONGEST_END_BYTES))
        end = stream.read()
    places = {signature: end.rfind(signature) for signature in (_END, _END_64)}
    stated = [_ENDS[signature].unpack_from(end, place) for signature, place in places.items() if place >= 0]
    # Where a number needs more than 32 bits, all of them are set, and the longer record has it.
    n_bytes = max((size for (size,) in stated if size != _ALL_SET), default=0)
    if n_bytes > LARGEST_DIRECTORY_BYTES:
        raise zipfile.BadZipFile(f"its directory has {n_bytes} bytes, expected at most {LARGEST_DIRECTORY_BYTES}")


def _check_members(members: Sequence[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS:
        raise zipfile.BadZipFile(f"it has {len(members)} members, expected at most {MOST_MEMBERS}")
    end = 0
    for member in sorted(members, key=lambda each: each.header_offset):
        if member.header_offset < end:
            raise zipfile.BadZipFile(f"{plain(member.filename)} lies within another member")
        end = member.header_offset + _SMALLEST_HEADER_BYTES + member.compress_size
        if member.compress_type not in _METHODS:
            raise zipfile.BadZipFile(f"{plain(member.filename)} is packed in a way other than stored or deflated")
        if member.file_size > MOST_UNPACKED * max(member.compress_size, HEAD_BYTES):
            raise zipfile.BadZipFile(
                f"{plain(member.filename)} says that {member.compress_size} bytes unpack to {member.file_size}"
            )


def _check_size(name: str, n_bytes: int) -> None:
    if n_bytes > LARGEST_FILE_BYTES:
        raise PatchSetError(f"{name} has {n_bytes} bytes, more than the {LARGEST_FILE_BYTES} of any patch: remove it")
