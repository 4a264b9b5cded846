"""The pixels that a report is printed from <-> JPEG and PNG files in a result's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from batchscan.domain.errors import DamagedResult
from batchscan.domain.records import BoolArray, Pictures, Uint8Array
from batchscan.stores.atomic import write_atomically
from batchscan.stores.results import write_json
from batchscan.stores.staging import check_writable

_PICTURES = "pictures"
PICTURES = f"{_PICTURES}/pictures.json"
_JPEG: dict[str, Any] = {"quality": 92, "subsampling": 0}


def write_pictures(folder: Path, pictures: Pictures) -> None:
    """Write overview, tissue mask and patch pixels below `folder`; they are for looking at, not for measuring.

    Raises
    ------
    OutputError
        If they can't be written.
    """
    place = folder / _PICTURES
    check_writable(place / "patches")
    _write_picture(place / "overview.jpg", pictures.overview)
    for name, mask in (("tissue", pictures.tissue), ("pen", pictures.pen), ("dark", pictures.dark)):
        if mask is not None:
            _write_picture(place / f"{name}.png", mask)
    for (row, col), pixels in pictures.patches.items():
        _write_picture(place / "patches" / f"r{row}_c{col}.jpg", pixels)
    write_json(folder / PICTURES, {"overview_um_per_px": pictures.overview_um_per_px})


def _write_picture(path: Path, pixels: Uint8Array | BoolArray) -> None:
    options = {} if path.suffix == ".png" else _JPEG
    with write_atomically(path, binary=True) as stream:
        Image.fromarray(pixels).save(stream, "PNG" if path.suffix == ".png" else "JPEG", **options)


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
            patches={_place(file): _pixels(file) for file in sorted((place / "patches").glob("r*_c*.jpg"))},
            pen=_mask(place / "pen.png"),
            dark=_mask(place / "dark.png"),
        )
    except (OSError, ValueError, KeyError) as error:
        raise DamagedResult(f"{place}: the stored pictures can't be read ({error}); scan the slide again") from error


def _pixels(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as image:
        return np.asarray(image)


def _mask(path: Path) -> BoolArray | None:
    return _pixels(path).astype(np.bool_) if path.is_file() else None


def _place(file: Path) -> tuple[int, int]:
    row, col = file.stem.split("_")
    return int(row[1:]), int(col[1:])
