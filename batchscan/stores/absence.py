"""What goes wrong while a slide is read becomes: its place is gone for the moment, or the slide itself is damaged."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from batchscan.domain.errors import SlideError, SlideGone, SourceVanished
from batchscan.domain.places import Address, Place
from batchscan.stores.remote_files import names_in

# What a folder of another machine says when that machine, or the way to it, is gone; EIO is a soft mount's. Not every
# system has them all. A bad sector says EIO too: trying again costs little, and a wrong success is worse.
_AWAY = frozenset(
    number
    for name in (
        *("ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH", "EIO", "ENETDOWN", "ENETUNREACH"),
        *("ENODEV", "ENOLINK", "ENOTCONN", "ENXIO", "EREMOTEIO", "ESHUTDOWN", "ESTALE", "ETIMEDOUT"),
    )
    if (number := getattr(errno, name, None)) is not None
)


@contextlib.contextmanager
def noticed_absence(place: Place) -> Iterator[None]:
    """What fails inside while a slide can't be reached is due to that: no damage, and no reason to leave it out.

    Parameters
    ----------
    place
        The slide's file, folder or address; looked at after an error only.

    Raises
    ------
    SourceVanished
        Instead of a SlideError or OSError, if the place isn't there, or an error says that the way to it is down.
    SlideGone
        The same where there are other things in its folder.
    """
    try:
        yield
    except SourceVanished:
        raise
    except (SlideError, OSError) as error:
        why = _absence(place, error)
        if why is None:
            raise
        if _is_alone(place):
            raise SlideGone(
                f"{place}: isn't there any more, what lies beside it is: it was moved or deleted; put it back, or take "
                "it out of the manifest"
            ) from error
        raise SourceVanished(
            f"{place}: can't be reached ({why}): reconnect the disk or network folder that it is on, then start the "
            "same command again"
        ) from error


def _absence(place: Place, error: BaseException) -> str | None:
    """In which words the place is away; None if it is there."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in _AWAY:
            return cause.strerror
        if isinstance(cause, FileNotFoundError) and cause.filename and os.path.lexists(cause.filename):
            return "a file of it was missing and is there again"
    if isinstance(place, Address):
        return None if names_in(place) else os.strerror(errno.ENOENT)
    try:
        place.stat()
    except OSError as absence:
        is_away = absence.errno in {*_AWAY, errno.ENOENT, errno.ENOTDIR}
        return absence.strerror if is_away else None
    return None


def _is_alone(place: Place) -> bool:
    """Whether the place is missing from a folder that has other things in it; an empty one is a mount that is gone."""
    if isinstance(place, Address):
        return not names_in(place) and bool(names_in(place.parent))
    try:
        return not os.path.lexists(place) and any(place.parent.iterdir())
    except OSError:
        return False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
