"""The pixels that a report is printed from <-> JPEG and PNG files in a result's folder."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from batchscan.domain.errors import DamagedResult
from batchscan.domain.records import BoolArray, BoxPx, Pictures, Uint8Array
from batchscan.stores.atomic import write_atomically, write_staged
from batchscan.stores.staging import check_writable

_PICTURES = "pictures"
PICTURES = f"{_PICTURES}/pictures.json"
_JPEG: dict[str, Any] = {"quality": 92, "subsampling": 0}
_SMALL_JPEG: dict[str, Any] = {"quality": 80, "optimize": True}
_SMALL_PX = 96


def write_pictures(folder: Path, pictures: Pictures, kept: Path | None = None) -> None:
    """Write overview, tissue mask, patch and focus pixels below `folder`; they are for looking at, not for measuring.

    Parameters
    ----------
    folder
        Nobody's result before `sync_tree`.
    pictures
        What is to be there.
    kept
        A folder that has some of them: its files are copied, since a JPEG loses something with each writing.

    Raises
    ------
    OutputError
        If they can't be written.
    """
    place, old = folder / _PICTURES, kept / _PICTURES if kept else None
    check_writable(place / "patches")
    _write_picture(place, "overview.jpg", pictures.overview, old)
    for name, mask in (("tissue", pictures.tissue), ("pen", pictures.pen), ("dark", pictures.dark)):
        if mask is not None:
            _write_picture(place, f"{name}.png", mask, old)
    for (row, col), pixels in pictures.patches.items():
        _write_picture(place, f"patches/r{row}_c{col}.jpg", pixels, old)
    if pictures.foci:
        check_writable(place / "foci")
    for (x, y, width, height), pixels in pictures.foci.items():
        _write_picture(place, f"foci/x{x}_y{y}_w{width}_h{height}.jpg", pixels, old)
    with write_staged(folder / PICTURES) as stream:
        json.dump({"overview_um_per_px": pictures.overview_um_per_px}, stream)


def write_thumbnail(path: Path, overview: Uint8Array) -> None:
    """Write a slide's overview at 96 px as a JPEG of some 2 kB, for a list of slides; atomically.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    image = Image.fromarray(overview)
    image.thumbnail((_SMALL_PX, _SMALL_PX), Image.Resampling.BOX, reducing_gap=2.0)
    with write_atomically(path, binary=True) as stream:
        image.save(stream, "JPEG", **_SMALL_JPEG)


def _write_picture(place: Path, name: str, pixels: Uint8Array | BoolArray, old: Path | None) -> None:
    kept = _content(old / name) if old else None
    with write_staged(place / name, binary=True) as stream:
        if kept is not None:
            stream.write(kept)
        elif name.endswith(".png"):
            # A mask is made of runs: to seek anything else in it takes longer, and makes it no smaller.
            Image.fromarray(pixels).save(stream, "PNG", compress_type=zlib.Z_RLE)
        else:
            Image.fromarray(pixels).save(stream, "JPEG", **_JPEG)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def read_pictures(folder: Path) -> Pictures:
    """The pictures that `write_pictures` stored.

    Raises
    ------
    DamagedResult
        If one is missing or damaged.
    """
    place = folder / _PICTURES
    try:
        facts = json.loads((folder / PICTURES).read_text(encoding="utf-8"))
        return Pictures(
            overview=_pixels(place / "overview.jpg"),
            overview_um_per_px=float(facts["overview_um_per_px"]),
            tissue=_pixels(place / "tissue.png").astype(np.bool_),
            patches=_patches(place),
            pen=_mask(place / "pen.png"),
            dark=_mask(place / "dark.png"),
            foci=_foci(place),
        )
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(place, error) from error


def with_stored_close_ups(folder: Path, pictures: Pictures) -> Pictures:
    """Pictures of a slide with the patches and foci that `write_pictures` stored of them, as JPEG has left them.

    Raises
    ------
    DamagedResult
        If one is damaged.
    """
    place = folder / _PICTURES
    try:
        return replace(pictures, patches=_patches(place), foci=_foci(place))
    except (OSError, ValueError) as error:
        raise _damaged(place, error) from error


def _damaged(place: Path, error: Exception) -> DamagedResult:
    return DamagedResult(f"{place}: the stored pictures can't be read ({error}); scan the slide again")


def _patches(place: Path) -> dict[tuple[int, int], Uint8Array]:
    return {_place(file): _pixels(file) for file in sorted((place / "patches").glob("r*_c*.jpg"))}


def _foci(place: Path) -> dict[BoxPx, Uint8Array]:
    return {_box(file): _pixels(file) for file in sorted((place / "foci").glob("x*_y*_w*_h*.jpg"))}


def _pixels(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as image:
        return np.asarray(image)


def _mask(path: Path) -> BoolArray | None:
    return _pixels(path).astype(np.bool_) if path.is_file() else None


def _place(file: Path) -> tuple[int, int]:
    row, col = file.stem.split("_")
    return int(row[1:]), int(col[1:])


def _box(file: Path) -> BoxPx:
    x, y, width, height = (int(part[1:]) for part in file.stem.split("_"))
    return x, y, width, height
