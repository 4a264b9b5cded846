"""Text from anywhere -> one line that a terminal, a log and a page show as it is, and act on nothing of."""

from __future__ import annotations


def plain(text: str) -> str:
    r"""The text on one line; what can't be seen is spelt out.

    Control characters could write elsewhere on a terminal, marks of direction could turn words round, and half of a
    character can't be written at all: all become their escapes, as `\x1b`. White space becomes single spaces.
    """
    return "".join(letter if letter.isprintable() else _spelt(letter) for letter in " ".join(text.split()))


def _spelt(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
