"""What a file says of its own size -> believed, or refused before any memory or time is spent on it."""

from __future__ import annotations

from collections.abc import Iterable

from batchscan.domain.errors import UnopenableSlide
from batchscan.domain.places import Place

# 256 MiB as RGBA; scanners write tiles of 0.06 to 1 megapixel.
LARGEST_TILE_PX = 1 << 26
# Halves of 2^31 pixels are 31 levels.
MOST_LEVELS = 64
# White tiles come to some 5,000 pixels a byte, and slides may leave most of theirs out.
_MOST_PX_A_BYTE = 100_000
# Seconds of work, whatever is there.
_ALWAYS_PX = 1 << 29


def check_levels(path: Place, n_levels: int) -> None:
    """See that an image has no more levels than one can have.

    Raises
    ------
    UnopenableSlide
        If it has more than 64.
    """
    if n_levels > MOST_LEVELS:
        raise UnopenableSlide(
            f"{path}: says that it has {n_levels} levels, expected at most {MOST_LEVELS}: its metadata are wrong; "
            "export the slide again"
        )


def check_tile(path: Place, width_px: int, height_px: int) -> None:
    """See that what has to be decoded at once fits into memory.

    Raises
    ------
    UnopenableSlide
        If a tile has more than 64 megapixels.
    """
    if width_px * height_px > LARGEST_TILE_PX:
        raise UnopenableSlide(
            f"{path}: its tiles have {width_px} x {height_px} px, expected at most {LARGEST_TILE_PX >> 20} megapixels, "
            "as a tile is decoded whole: export the slide again with smaller tiles"
        )


def check_content(path: Place, width_px: int, height_px: int, file_bytes: Iterable[int]) -> None:
    """See that there is anything to be read of what is declared: a line of text can promise a square kilometre.

    Parameters
    ----------
    path
        Named in errors.
    width_px, height_px
        Of level 0.
    file_bytes
        Sizes of the slide's files; taken until they are enough, so that few are looked at.

    Raises
    ------
    UnopenableSlide
        If the bytes that are there can't come to that many pixels.
    """
    n_bytes = 0
    missing_px = width_px * height_px - _ALWAYS_PX
    for each in file_bytes if missing_px > 0 else ():
        n_bytes += each
        if n_bytes * _MOST_PX_A_BYTE >= missing_px:
            return
    if missing_px > 0:
        raise UnopenableSlide(
            f"{path}: says that it has {width_px} x {height_px} px, but only {n_bytes} bytes are there, too few for "
            "them: copy or export the slide again"
        )
