"""An .npz file -> the plain arrays that it must hold and nothing else, of a size that was looked at first."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (
    *(OSError, EOFError, TypeError, SyntaxError, RuntimeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError),
    *(MemoryError, OverflowError, LookupError, AttributeError),  # what NumPy's reader of headers raises besides
)


def read_arrays(path: Path, names: tuple[str, ...], largest_bytes: int) -> tuple[NDArray[Any], ...]:
    """The arrays of an .npz file, in the order of `names`.

    Parameters
    ----------
    names
        All that must be in it, and all that may.
    largest_bytes
        What an array may unpack to at most.

    Raises
    ------
    ValueError
        If the file can't be read, or holds something else, pickled objects or more than that. Its text says which.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename: member for member in archive.infolist()}
            if sorted(members) != sorted(f"{name}.npy" for name in names) or len(archive.infolist()) != len(names):
                raise ValueError(f"expected exactly the arrays {', '.join(names)} in it")
            return tuple(_array(archive, members[f"{name}.npy"], largest_bytes) for name in names)
    except _DAMAGE as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, largest_bytes: int) -> NDArray[Any]:
    if member.compress_type not in _COMPRESSIONS:
        raise ValueError(f"{member.filename} is compressed as NumPy never does")
    if member.file_size > largest_bytes:
        raise ValueError(f"{member.filename} unpacks to {member.file_size} bytes: at most {largest_bytes} are read")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"{member.filename} is of an unknown version {version}")
        shape, columns_first, dtype = _HEADERS[version](stream)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds pickled objects: only plain arrays are read")
        values = stream.read()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(values):
        raise ValueError(f"{member.filename} says shape {shape} of {dtype}, but holds {len(values)} bytes")
    return np.frombuffer(values, dtype).reshape(shape, order="F" if columns_first else "C").copy()
