"""The arrays that a store's document names become its levels, checked before zarr may read a pixel of them."""

from __future__ import annotations

import logging
import lzma
import math
import zlib
from dataclasses import dataclass
from typing import Any

import zarr

from batchscan.domain.errors import UnopenableSlide, UnsuitableColour
from batchscan.stores.ngff import ImageDocument, ScaledDataset
from batchscan.stores.sizes import check_levels
from batchscan.stores.trees import Tree
from batchscan.stores.unpacking import bounded
from batchscan.stores.zarr_documents import read_array_document

log = logging.getLogger(__name__)

N_RGB, N_RGBA = 3, 4

ZARR_ERRORS = (
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
)
"""What codecs and zarr raise on damaged bytes."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a pyramid.

    Parameters
    ----------
    path
        Where its array lies in the store.
    width_px, height_px
        Its own size.
    downsample_x, downsample_y
        Level-0 pixels a pixel of it.
    um_per_px
        Its spacing.
    chunk_px
        (rows, cols) that are decoded at once.
    """

    path: str
    width_px: int
    height_px: int
    downsample_x: float
    downsample_y: float
    um_per_px: float
    chunk_px: tuple[int, int]


def open_levels(
    tree: Tree, image: ImageDocument, um_per_px: float, *, complete: bool
) -> tuple[list[Level], list[zarr.Array[Any]]]:
    """The levels of an image with their arrays, finest first; one whose size and scale differ is left out.

    Parameters
    ----------
    tree
        The store's folder.
    image
        What its group says.
    um_per_px
        Spacing of level 0.
    complete
        Whether each chunk or shard must have a file.

    Raises
    ------
    UnopenableSlide, UnsuitableColour
        If an array can't be read as RGB or RGBA.
    """
    levels: list[Level] = []
    arrays: list[zarr.Array[Any]] = []
    check_levels(tree.root, len(image.datasets))
    for dataset in image.datasets:
        level = _level(tree, dataset, image, um_per_px)
        if levels and not _fits(level, levels[0]):
            # Its pixels would be put in the wrong place; a finer level has them too.
            log.warning("%s: level %s is not used, its size and scale contradict each other", tree.root, dataset.path)
            continue
        levels.append(level)
        arrays.append(_open_array(tree, dataset.path, complete=complete))
    return levels, arrays


def _level(tree: Tree, dataset: ScaledDataset, image: ImageDocument, um_per_px: float) -> Level:
    path, document = tree.root, read_array_document(tree, dataset.path)
    if len(document.shape) != len(image.axes):
        raise UnopenableSlide(
            f"{path}: level {dataset.path} has shape {document.shape}, axes are {', '.join(image.axes)}"
        )
    size = dict(zip(image.axes, document.shape, strict=True))
    if size["c"] not in (N_RGB, N_RGBA):
        raise UnsuitableColour(f"{path}: has {size['c']} channels, expected RGB or RGBA: export it as a colour image")
    planes = {axis: size[axis] for axis in "tz" if size.get(axis, 1) != 1}
    if planes:
        raise UnopenableSlide(f"{path}: has several planes {planes}, expected one: export a single plane")
    chunk = dict(zip(image.axes, document.chunks, strict=True))
    finest = image.datasets[0]
    down_x, down_y = dataset.scale_x / finest.scale_x, dataset.scale_y / finest.scale_y
    um = um_per_px * math.sqrt(down_x * down_y)
    return Level(dataset.path, size["x"], size["y"], down_x, down_y, um, (chunk["y"], chunk["x"]))


def _fits(level: Level, finest: Level) -> bool:
    """Whether size times scale is the slide's size; writers round up or down at each step, so 2 pixels are allowed."""
    return (
        min(level.downsample_x, level.downsample_y) >= 1
        and abs(level.width_px - finest.width_px / level.downsample_x) <= 2  # noqa: PLR2004 - see above
        and abs(level.height_px - finest.height_px / level.downsample_y) <= 2  # noqa: PLR2004 - see above
    )


def _open_array(tree: Tree, name: str, *, complete: bool) -> zarr.Array[Any]:
    """From its own document, which has been checked; a group's consolidated copy has not."""
    try:
        array = bounded(zarr.open_array(tree.array(name, complete=complete), mode="r"))
    except ZARR_ERRORS as error:
        found = f"{tree.root / name}: zarr can't open it ({one_line(error)})"
        raise UnopenableSlide(f"{found}: write the image again") from error
    return array


def one_line(error: BaseException) -> str:
    """An error in one line, its kind first."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
