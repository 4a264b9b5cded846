"""A store that an ingest says is whole, or all but, and its source -> what is wrong with it, by a way of its own.

Nothing here goes through batchscan's readers: pixels come from OpenSlide, zarr, zipfile and Pillow directly.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import zarr
from numpy.typing import NDArray
from PIL import Image

from fuzzing.originals import Kind, Rgb

WHITE = 255
READ_PX = 777
BLENDING_TOLERANCE = 1
FINEST_UM_PER_PX = 1.0
TOLERANCE = 1.02
# Of the area; boxes may be a pixel wider than what is damaged.
MOST_DAMAGED = 0.011
Box = tuple[int, int, int, int]
"""x, y, width, height in the store's level-0 pixels."""

_PATCH = re.compile(r"x(\d+)_y(\d+)_class([01])\.png$")


def check(kind: Kind, source: Path, store: Path, um_per_px: float | None, report: Callable[[int], None]) -> str:
    """What is wrong with a store; empty if nothing."""
    try:
        pixels = _whole(store, report)
        if kind is Kind.STORE:
            return "" if np.array_equal(pixels, _whole(source, report)) else "pixels aren't those of the source"
        if kind is Kind.PATCHES:
            return _check_patches(source, store, pixels)
        return _check_slide(source, pixels, um_per_px, _damaged_px(store), report)
    except Exception as error:  # noqa: BLE001 - whatever it is, the store is none
        return f"can't be checked: {type(error).__name__}: {str(error)[:200]}"


def _whole(store: Path, report: Callable[[int], None]) -> NDArray[Any]:
    """Every level is decoded; level 0 is kept, as stored."""
    group = json.loads((store / "zarr.json").read_text()) if (store / "zarr.json").exists() else None
    attributes = group["attributes"]["ome"] if group else json.loads((store / ".zattrs").read_text())
    paths = [each["path"] for each in attributes["multiscales"][0]["datasets"]]
    levels = []
    for path in paths:
        levels.append(np.asarray(zarr.open_array(store / path, mode="r")[...]))
        report(0)
    return levels[0]


def _check_patches(source: Path, store: Path, pixels: NDArray[Any]) -> str:
    patient = store.name.removesuffix(".ome.zarr")
    labels = set()
    expected = np.full((*pixels.shape[1:], 3), WHITE, dtype=np.uint8)
    with zipfile.ZipFile(source) as packed:
        for name in packed.namelist():
            found = _PATCH.search(name)
            if found and f"/{patient}_idx" in name:
                x, y = int(found[1]) - 1, int(found[2]) - 1
                patch = np.asarray(Image.open(io.BytesIO(packed.read(name))))
                expected[y : y + patch.shape[0], x : x + patch.shape[1]] = patch
                labels.add((float(x), float(y), int(found[3])))
    with (store.parent / f"{patient}.reference.csv").open(newline="") as stream:
        written = {(float(row["x_px"]), float(row["y_px"]), int(row["label"])) for row in csv.DictReader(stream)}
    if not np.array_equal(pixels.transpose(1, 2, 0), expected):
        return "pixels aren't those of the patches"
    return "" if labels == written else "labels aren't those of the names"


def _damaged_px(store: Path) -> list[Box]:
    """What the store says that its file couldn't give."""
    record = json.loads((store / "zarr.json").read_text())["attributes"]["batchscan"]
    return [(x, y, width, height) for x, y, width, height in record.get("damaged_px", [])]


def _check_slide(
    source: Path, pixels: NDArray[Any], um_per_px: float | None, damaged: list[Box], report: Callable[[int], None]
) -> str:
    with openslide.OpenSlide(source) as slide:
        um = (
            um_per_px
            or (
                float(slide.properties[openslide.PROPERTY_NAME_MPP_X])
                + float(slide.properties[openslide.PROPERTY_NAME_MPP_Y])
            )
            / 2
        )
        level, factor = _what_to_keep(slide, um)
        width, height = slide.level_dimensions[level]
        shape = math.ceil(height / factor), math.ceil(width / factor)
        if pixels.shape[1:] != shape:
            return f"{pixels.shape[2]} x {pixels.shape[1]} px instead of {shape[1]} x {shape[0]}"
        if sum(wide * high for _, _, wide, high in damaged) > MOST_DAMAGED * math.prod(shape):
            return f"{len(damaged)} boxes are damaged, more than may be"
        worst = 0
        # Other pieces than the product reads, so that a fault that depends on them shows.
        for x, y, wide, high in _places(shape[1], shape[0], damaged):
            expected = _averaged(slide, level, x * factor, y * factor, factor, (high, wide))
            found = pixels[:, y : y + high, x : x + wide].transpose(1, 2, 0)
            worst = max(worst, int(np.abs(found.astype(int) - expected).max()))
            report(0)
    readable = [box for box in damaged if not _fails(source, level, factor, box)]
    if readable:
        return f"{len(readable)} of {len(damaged)} damaged boxes can be read"
    return "" if worst <= BLENDING_TOLERANCE else f"pixels differ by up to {worst} from the file's"


def _fails(source: Path, level: int, factor: int, box: Box) -> bool:
    # After an error OpenSlide refuses everything on a handle.
    with openslide.OpenSlide(source) as slide:
        x, y, width, height = box
        try:
            _averaged(slide, level, x * factor, y * factor, factor, (height, width))
        except openslide.OpenSlideError:
            return True
        return False


def _what_to_keep(slide: openslide.OpenSlide, um: float) -> tuple[int, int]:
    """The coarsest level that is fine enough, and how many of its pixels make one."""
    downs = [down for down in slide.level_downsamples if um * down <= FINEST_UM_PER_PX * TOLERANCE]
    down = max(downs, default=slide.level_downsamples[0])
    level = slide.level_downsamples.index(down)
    return level, max(1, math.floor(FINEST_UM_PER_PX * TOLERANCE / (um * down) + 1e-9))


def _places(width: int, height: int, damaged: list[Box]) -> Iterator[Box]:
    """The whole of it but for the damaged boxes, in pieces that end where one of these begins or ends."""
    columns = _edges(width, [(x, x + wide) for x, _, wide, _ in damaged])
    rows = _edges(height, [(y, y + high) for _, y, _, high in damaged])
    for y, bottom in itertools.pairwise(rows):
        for x, right in itertools.pairwise(columns):
            if not any(x0 <= x < x0 + wide and y0 <= y < y0 + high for x0, y0, wide, high in damaged):
                yield x, y, right - x, bottom - y


def _edges(size: int, ends: list[tuple[int, int]]) -> list[int]:
    return sorted({*range(0, size, READ_PX), size, *itertools.chain(*ends)})


def _averaged(
    slide: openslide.OpenSlide, level: int, x: int, y: int, factor: int, shape: tuple[int, int]
) -> NDArray[Any]:
    rows, cols = shape[0] * factor, shape[1] * factor
    width, height = slide.level_dimensions[level]
    down = slide.level_downsamples[level]
    size = (min(cols, width - x), min(rows, height - y))
    rgba = np.asarray(slide.read_region((round(x * down), round(y * down)), level, size)).astype(np.float64)
    ground = bytes.fromhex(slide.properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR, "FFFFFF"))
    alpha = rgba[..., 3:] / 255
    found: Rgb = np.rint(rgba[..., :3] * alpha + np.frombuffer(ground, np.uint8) * (1 - alpha)).astype(np.uint8)
    whole = np.full((rows, cols, 3), WHITE, dtype=np.uint8)
    whole[: found.shape[0], : found.shape[1]] = found
    return np.rint(whole.reshape(shape[0], factor, shape[1], factor, 3).mean(axis=(1, 3)))
