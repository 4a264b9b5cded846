"""A slide file's level -> how fast OpenSlide alone reads it: what an ingest of it is measured against."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openslide

from batchscan.domain.speed import Pace

# Multiples of any scanner's tiles: none is decoded twice.
_READ_PX = 2048


def openslide_pace(path: Path, level: int, threads: int, every: int = 1) -> Pace:
    """Read a level in squares on so many threads, and throw the pixels away.

    Parameters
    ----------
    path
        A file that OpenSlide opens.
    level
        Which level.
    threads
        How many read at once, through one handle.
    every
        1 reads all squares, 2 every second one, ...: tissue and glass are taken in the slide's own proportion.

    Returns
    -------
    Pace
        Pixels of the level and seconds.
    """
    with openslide.OpenSlide(path) as handle, ThreadPoolExecutor(threads, "openslide") as pool:
        downsample = handle.level_downsamples[level]

        def read(x: int, y: int, width: int, height: int) -> int:
            handle.read_region((round(x * downsample), round(y * downsample)), level, (width, height))
            return width * height

        squares = list(itertools.islice(_squares(*handle.level_dimensions[level]), None, None, every))
        clock = time.perf_counter()
        n_px = sum(pool.map(lambda square: read(*square), squares))
        return Pace(n_px, time.perf_counter() - clock)


def _squares(width_px: int, height_px: int) -> Iterator[tuple[int, int, int, int]]:
    """(x, y, width, height) of a level's squares, row by row."""
    for y, x in itertools.product(range(0, height_px, _READ_PX), range(0, width_px, _READ_PX)):
        yield x, y, min(_READ_PX, width_px - x), min(_READ_PX, height_px - y)
