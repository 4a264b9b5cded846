"""An address in an object store -> names, sizes and bytes; read only, and the only module that knows fsspec.

Who may read, and which server is asked, comes from the environment alone (AWS_PROFILE, AWS_ENDPOINT_URL, ~/.aws).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from batchscan.domain.errors import SourceVanished, UsageError
from batchscan.domain.places import Address
from batchscan.stores.trees import Part

LARGEST_TABLE_BYTES = 64 << 20
# Requests that are under way at once, and bytes between two wanted parts that are cheaper read than asked around.
AT_ONCE = 64
SMALL_GAP_BYTES = 64 << 10
# An object store answers within milliseconds. Three layers try twice each, so that a server that hangs is given up
# after three minutes, and the slide tried again later.
_TRIES = 2
_OPTIONS: dict[str, Any] = {
    "use_listings_cache": False,
    "skip_instance_cache": True,
    "config_kwargs": {
        "connect_timeout": 10,
        "read_timeout": 20,
        "max_pool_connections": AT_ONCE,
        "retries": {"total_max_attempts": _TRIES},
    },
}
_DENIED = frozenset(
    {"PermissionError", "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError"}
)


@contextlib.contextmanager
def answered(place: Address) -> Iterator[None]:
    """Whatever fails inside on the way to the store is said in our words: foreign texts quote addresses and keys.

    Raises
    ------
    FileNotFoundError
        If the store says that there is no such file, or no such bucket.
    SourceVanished
        If it doesn't answer, or refuses to.
    """
    try:
        yield
    except (SourceVanished, UsageError):
        raise
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(place)) from None
    except Exception as error:  # noqa: BLE001 - botocore's and aiohttp's have no base in common
        # The chain is cut, as a trace of it would repeat the server's address as it was given.
        raise SourceVanished(f"{place}: can't be reached ({_kind(error)}): {_remedy(error)}") from None


def _kind(error: Exception) -> str:
    """The error's class, and the code that an S3 server gave; both are free of names."""
    response = getattr(error.__cause__, "response", None)
    code = str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
    return f"{type(error).__name__} {code}".strip() if code.isalnum() else type(error).__name__


def _remedy(error: Exception) -> str:
    if type(error).__name__ in _DENIED:
        return "give credentials that may list and read it, in AWS_PROFILE or AWS_ACCESS_KEY_ID, to every worker too"
    return "check the network and AWS_ENDPOINT_URL, then start the same command again"


@functools.lru_cache
def _filesystem(protocol: str) -> Any:
    """The fsspec file system of a protocol, in the environment's name; one a process, with an event loop of its own.

    Raises
    ------
    UsageError
        If its package isn't installed.
    """
    import fsspec  # noqa: PLC0415 - takes a while, and most runs need none

    try:
        files = fsspec.filesystem(protocol, **_OPTIONS)
    except ImportError as error:
        remedy = f"python -m pip install 'batchscan[{protocol}]'"
        raise UsageError(f"{protocol}:// can't be read without one more package: {remedy}") from error
    files.retries = _TRIES
    return files


def is_file(place: Address) -> bool:
    """Whether a file has this very address; raises SourceVanished."""
    return _facts(place) is not None


def version_of(place: Address) -> str | None:
    """What the store calls this version of a file; None if there is none. Raises SourceVanished."""
    found = _facts(place)
    return None if found is None else f"{found['size']} {found.get('ETag', found.get('LastModified', ''))}"


def _facts(place: Address) -> Mapping[str, Any] | None:
    try:
        with answered(place):
            found: Mapping[str, Any] = _filesystem(place.protocol).info(place.path)
    except FileNotFoundError:
        return None
    return found if found["type"] == "file" else None


def names_in(folder: Address) -> frozenset[str]:
    """What lies right in a folder, files and folders; nothing if there is no such folder. Raises SourceVanished."""
    try:
        with answered(folder):
            found = _filesystem(folder.protocol).ls(folder.path, detail=False)
    except FileNotFoundError:
        return frozenset()
    return frozenset(path.rstrip("/").rpartition("/")[2] for path in found)


def sizes_below(folder: Address) -> dict[str, int]:
    """Relative name -> bytes of every file below a folder; nothing if there is no such folder.

    Raises
    ------
    SourceVanished
        If the store doesn't answer.
    """
    start = f"{folder.path}/"
    try:
        with answered(folder):
            found = _filesystem(folder.protocol).find(folder.path, detail=True)
    except FileNotFoundError:
        return {}
    # A name that ends with a slash is a mark that some programs leave for a folder.
    return {
        path.removeprefix(start): int(entry["size"])
        for path, entry in found.items()
        if path.startswith(start) and not path.endswith("/")
    }


def read_table(place: Address) -> bytes:
    """All bytes of a small file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    OSError
        If it is too large for a table.
    SourceVanished
        If the store doesn't answer.
    """
    found = _facts(place)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(place))
    size = int(found["size"])
    if size > LARGEST_TABLE_BYTES:
        raise OSError(errno.EFBIG, f"has {size} bytes, more than {LARGEST_TABLE_BYTES >> 20} MiB")
    (content,) = read_parts(place.parent, [Part(place.name, 0, size)])
    return content


def read_parts(folder: Address, parts: Sequence[Part]) -> list[bytes]:
    """The bytes of parts of files below a folder, many at once; parts that lie close are read as one.

    Raises
    ------
    FileNotFoundError, OSError
        If a file isn't there; if it has become shorter.
    SourceVanished
        If the store doesn't answer.
    """
    spans = list(_merged(part for part in parts if part.stop > part.start))
    with answered(folder):
        found = _filesystem(folder.protocol).cat_ranges(
            [f"{folder.path}/{span.name}" for span in spans],
            [span.start for span in spans],
            [span.stop for span in spans],
            batch_size=AT_ONCE,
            on_error="raise",
        )
    for span, content in zip(spans, found, strict=True):
        if len(content) != span.stop - span.start:
            raise _shorter(folder / span.name)
    by_name: dict[str, list[tuple[Part, bytes]]] = {}
    for span, content in zip(spans, found, strict=True):
        by_name.setdefault(span.name, []).append((span, content))
    return [_cut(part, by_name.get(part.name, [])) for part in parts]


async def read_part(place: Address, start: int, stop: int) -> bytes:
    """Bytes `start` to `stop` of a file, for who waits on another event loop than the file system's.

    Raises
    ------
    FileNotFoundError, OSError
        If the file isn't there; if it has become shorter.
    SourceVanished
        If the store doesn't answer.
    """
    with answered(place):
        files = _filesystem(place.protocol)
        reading = files._cat_file(place.path, start=start, end=stop)  # noqa: SLF001 - fsspec has no other to await
        content: bytes = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(reading, files.loop))
    if len(content) != stop - start:
        raise _shorter(place)
    return content


def _shorter(place: Address) -> OSError:
    return OSError(errno.EIO, "a file has become shorter while it was read", str(place))


def _merged(parts: Iterable[Part]) -> Iterator[Part]:
    last: Part | None = None
    for part in sorted(parts, key=lambda part: (part.name, part.start)):
        if last is None:
            last = part
        elif part.name == last.name and part.start <= last.stop + SMALL_GAP_BYTES:
            last = Part(last.name, last.start, max(last.stop, part.stop))
        else:
            yield last
            last = part
    if last is not None:
        yield last


def _cut(part: Part, spans: Iterable[tuple[Part, bytes]]) -> bytes:
    for span, content in spans:
        if span.start <= part.start and part.stop <= span.stop:
            return content[part.start - span.start : part.stop - span.start]
    return b""
