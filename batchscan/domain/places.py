"""The words for where slides are -> a path of this machine, or an address in an object store; nothing is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PROTOCOLS = ("s3",)
_MARK = "://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


@dataclass(frozen=True, slots=True)
class Address:
    """A folder or file in an object store, as `s3://bucket/folder`; who may read it is the environment's matter.

    Parameters
    ----------
    protocol
        One of `PROTOCOLS`.
    path
        Bucket and key, with a slash between all parts and none at the end.
    """

    protocol: str
    path: str

    def __str__(self) -> str:
        return f"{self.protocol}{_MARK}{self.path}"

    def __truediv__(self, name: str) -> Address:
        return Address(self.protocol, f"{self.path}/{name}" if name else self.path)

    @property
    def name(self) -> str:
        """The last part, with its ending."""
        return self.path.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The ending of the last part, with its dot; empty if there is none."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> Address:
        """The folder that it lies in; a bucket is its own."""
        return Address(self.protocol, self.path.rpartition("/")[0] or self.path)

    def inside(self, text: str) -> Address | None:
        """What a relative path comes to below this folder; None if it leads out, or isn't plainly written."""
        parts = text.split("/")
        is_plain = _MARK not in text and "\\" not in text and not {"", ".."} & set(parts)
        plain = [part for part in parts if part != "."]
        return self / "/".join(plain) if is_plain and plain else None


Place = Path | Address


def place_of(text: str) -> Place:
    """What a word of a command or a job means: a path, or an address if it has `://`.

    Raises
    ------
    ValueError
        If it is an address of another kind, or has more than a bucket and a key. The text repeats none of it, as it may
        hold a password.
    """
    protocol, mark, path = text.partition(_MARK)
    if not mark:
        return Path(text)
    if protocol not in PROTOCOLS:
        kind = f"{protocol}{_MARK}" if protocol.isalnum() else "such an address"
        raise ValueError(f"is at {kind}, which isn't read from: expected a path, or s3://bucket/folder")
    bucket, _, key = path.partition("/")
    is_key = not {"", ".", ".."} & set(key.rstrip("/").split("/")) or not key.rstrip("/")
    if not _BUCKET.fullmatch(bucket) or "?" in path or not is_key or not path.isprintable():
        raise ValueError(
            f"isn't an address such as {protocol}://bucket/folder, of a bucket and a key alone: credentials and server "
            "come from the environment (AWS_PROFILE, AWS_ENDPOINT_URL)"
        )
    return Address(protocol, path.rstrip("/"))
