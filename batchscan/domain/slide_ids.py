"""A name -> an id that is safe as a file's name, a word of a command, a cell and a part of an address anywhere."""

from __future__ import annotations

import re

LONGEST_ID = 100
"""A folder's name has at most 255 bytes, and endings and staging marks are added to the id."""

# Windows takes these for devices, whatever ending follows; archives get copied there.
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


# What an id may not be, and what to do about it.
_FAULTS = (
    (re.compile(r".*[^A-Za-z0-9._-].*|", re.DOTALL), "has characters other than letters, digits, '.', '_' and '-'"),
    (re.compile(r"\..*"), "starts with a dot, as hidden files do: begin with a letter or digit"),
    (re.compile(r"-.*"), "starts with '-', as options and formulas do: begin with a letter or digit"),
    (re.compile(r".*\."), "ends with a dot, which Windows drops: end with a letter or digit"),
    (_DEVICE, "is the name of a device on Windows: add something to it"),
)


def id_fault(text: str) -> str:
    """What keeps a text from being the id of a slide or patient, with the remedy; empty if nothing does."""
    if len(text) > LONGEST_ID:
        return f"{text[:40]!r}... has {len(text)} characters, more than {LONGEST_ID}: shorten it"
    return next((f"{text!r} {fault}" for pattern, fault in _FAULTS if pattern.fullmatch(text)), "")


def id_from(name: str) -> str:
    """The id of what has that name: other characters become `_`; `slide` where nothing is left."""
    made = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".-")[:LONGEST_ID].rstrip(".") or "slide"
    return f"slide_{made}"[:LONGEST_ID] if _DEVICE.fullmatch(made) else made
