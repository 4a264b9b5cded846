"""The bytes of a printed PDF -> the same with their sha256 in them, and whether it still is theirs.

It is the PDF's identifier (`/ID`, in the dictionary of its list of objects), which may be any text and is no part of a
page; it is taken over all bytes with zeros in its place. Anybody can make it anew: it finds what changed by accident,
or was saved by another program, and proves nothing about who did it.
"""

from __future__ import annotations

import hashlib
import re

_LIST = b"<</Type /XRef"
_IDENTIFIER = re.compile(rb"<</Type /XRef/ID \[\(([0-9a-f]{64})\) \(\1\)\]")


def sealed(content: bytes) -> bytes:
    """The PDF, printed without an identifier, with its own.

    Raises
    ------
    ValueError
        If it has no list of objects.
    """
    head, beginning, tail = content.rpartition(_LIST)
    if not beginning:
        raise ValueError("the PDF has no list of objects")
    return head + _identified(_sha256(head, tail)) + tail


def is_sealed(content: bytes) -> bool:
    """Whether these are the very bytes that were printed."""
    # The last such list: what lies before it may be anything.
    place = max(_IDENTIFIER.finditer(content), key=lambda found: found.start(), default=None)
    return place is not None and _sha256(content[: place.start()], content[place.end() :]) == place[1].decode()


def _sha256(head: bytes, tail: bytes) -> str:
    return hashlib.sha256(head + _identified("0" * 64) + tail).hexdigest()


def _identified(identifier: str) -> bytes:
    """The beginning of the list; it may grow, since all that is said to lie somewhere lies before it."""
    return _LIST + f"/ID [({identifier}) ({identifier})]".encode()
