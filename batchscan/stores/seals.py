"""The bytes of a printed PDF -> the same with their sha256 in them, and whether it still is theirs.

It stands in the first half of the PDF's identifier (`/ID` in its trailer), which may be any text and is no part of a
page. It is taken over all bytes with zeros in its place. Anybody can make it anew: it finds what changed by accident,
or was saved by another program, and proves nothing about who did it.
"""

from __future__ import annotations

import hashlib
import re

BLANK = "0" * 64
"""The identifier that a PDF is to be printed with."""

_IDENTIFIER = re.compile(rb"(?<=/ID \[\()[0-9a-f]{64}(?=\) )")


def sealed(content: bytes) -> bytes:
    """The PDF with its sha256 in the place of `BLANK`.

    Raises
    ------
    ValueError
        If it wasn't printed with that identifier.
    """
    place = _place(content)
    if not place or place[0] != BLANK.encode():
        raise ValueError("the PDF has no blank identifier")
    return content[: place.start()] + hashlib.sha256(content).hexdigest().encode() + content[place.end() :]


def is_sealed(content: bytes) -> bool:
    """Whether these are the very bytes that were printed."""
    place = _place(content)
    if not place:
        return False
    blank = content[: place.start()] + BLANK.encode() + content[place.end() :]
    return hashlib.sha256(blank).hexdigest().encode() == place[0]


def _place(content: bytes) -> re.Match[bytes] | None:
    """Of the last such identifier: what lies before it may be anything."""
    return max(_IDENTIFIER.finditer(content), key=lambda found: found.start(), default=None)
