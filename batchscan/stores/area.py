"""Pixels become area averages: by a whole factor, or over squares that start and end inside pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from batchscan.domain.records import Float32Array, Float64Array, Uint8Array

WHITE = 255
# Coordinates come from products of spacings; what is this close to a pixel's edge is meant to lie on it.
_SNAP_PX = 1e-6
_LARGEST_UINT16_FACTOR = 16
_POWERS_OF_2 = (2, 4, 8, 16)
_STRIP_PX = 1 << 17
# So many pixels are turned into floats at once.
_PART_PX = 1 << 22


def shrink(plane: Uint8Array, factor: int) -> Uint8Array:
    """Average squares of `factor` x `factor` pixels; halves are rounded to the even neighbour.

    Parameters
    ----------
    plane
        (rows, cols) uint8, both multiples of `factor`.
    factor
        A whole number.

    Returns
    -------
    (rows / factor, cols / factor) uint8.
    """
    if factor == 1:
        return plane
    rows, cols = (side // factor for side in plane.shape)
    shrunk = np.empty((rows, cols), np.uint8)
    # What is at work at once stays in the processor's cache.
    step = max(1, _STRIP_PX // max(1, plane.shape[1] * factor))
    average = _averages_of_halves if factor in _POWERS_OF_2 else _averages
    for row in range(0, rows, step):
        shrunk[row : row + step] = average(plane[row * factor : (row + step) * factor], factor)
    return shrunk


def _averages(plane: Uint8Array, factor: int) -> NDArray[Any]:
    # A square's sum is at most 255 factor^2.
    by_row: NDArray[Any] = plane[0::factor].astype(np.uint16 if factor <= _LARGEST_UINT16_FACTOR else np.uint32)
    for offset in range(1, factor):
        by_row += plane[offset::factor]
    sums = by_row[:, 0::factor].copy()
    for offset in range(1, factor):
        sums += by_row[:, offset::factor]
    return np.asarray(np.rint(sums / float(factor * factor)))


def _averages_of_halves(plane: Uint8Array, factor: int) -> NDArray[Any]:
    """The same in integers, two neighbours in a number: each step is one on contiguous memory."""
    pairs = np.ascontiguousarray(plane).view(np.uint16)
    sums = pairs & 0xFF
    sums += pairs >> 8
    by_row = sums[0::factor] + sums[1::factor]
    for offset in range(2, factor):
        by_row += sums[offset::factor]
    for _ in range(factor.bit_length() - 2):
        neighbours = by_row.view(np.uint32)
        by_row = ((neighbours & 0xFFFF) + (neighbours >> 16)).astype(np.uint16)
    bits = 2 * (factor.bit_length() - 1)
    rounded = by_row >> bits
    rounded &= 1
    rounded += by_row
    rounded += (1 << (bits - 1)) - 1
    rounded >>= bits
    return np.asarray(rounded)


def padded(pixels: Uint8Array, rows: int, cols: int) -> Uint8Array:
    """The image with white added below and to the right, up to `rows` x `cols`."""
    missing = (rows - pixels.shape[0], cols - pixels.shape[1])
    if missing == (0, 0):
        return pixels
    widths = ((0, missing[0]), (0, missing[1]), *(((0, 0),) * (pixels.ndim - 2)))
    return np.pad(pixels, widths, constant_values=WHITE)


@dataclass(frozen=True)
class Lattice:
    """Squares laid over an image, by their edges: (cols + 1,) along x and (rows + 1,) along y, in its pixels."""

    edges_x: Float64Array
    edges_y: Float64Array

    @classmethod
    def of(cls, start: tuple[float, float], step: tuple[float, float], shape: tuple[int, int]) -> Lattice:
        """`shape` (rows, cols) squares of `step` (x, y) pixels from `start` (x, y) on; none of these is rounded."""
        return cls(_edges(start[0], step[0], shape[1]), _edges(start[1], step[1], shape[0]))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return len(self.edges_y) - 1, len(self.edges_x) - 1

    @property
    def span_x(self) -> tuple[int, int]:
        """First column that a square touches, and the first beyond."""
        return _span(self.edges_x)

    @property
    def span_y(self) -> tuple[int, int]:
        """First row that a square touches, and the first beyond."""
        return _span(self.edges_y)

    @property
    def is_pixels(self) -> bool:
        """Whether each square is exactly one pixel."""
        return all(
            float(edges[0]).is_integer() and bool(np.all(np.diff(edges) == 1)) for edges in (self.edges_x, self.edges_y)
        )

    def parts(
        self, width_px: int, height_px: int, chunk_px: tuple[int, int], most_px: int
    ) -> Iterator[tuple[int, int, int, int]]:
        """What the squares touch of an image of a size, in parts that end with chunks, so that each is decoded once.

        Parameters
        ----------
        width_px, height_px
            The image's.
        chunk_px
            (rows, cols) of its chunks.
        most_px
            A part has no more pixels, unless it is of one chunk: memory is bounded whatever the image's size.

        Yields
        ------
        (x, y, width, height), row by row.
        """
        left, right = max(self.span_x[0], 0), min(self.span_x[1], width_px)
        top, bottom = max(self.span_y[0], 0), min(self.span_y[1], height_px)
        width = max(1, right - left)
        high, wide = chunk_px
        rows = max(1, most_px // width // high) * high
        cols = width if width * rows <= most_px else max(1, most_px // rows // wide) * wide
        for y, height in _spans(top, bottom, high, rows):
            for x, part in _spans(left, right, 1 if cols == width else wide, cols):
                yield x, y, part, height


class AreaSum:
    """Sums up, part by part, an image's area average over a lattice; outside the image is white."""

    def __init__(self, lattice: Lattice) -> None:
        self._lattice = lattice
        # Blackness, not brightness, is summed up: what lies outside then adds nothing.
        # It is kept turned, (3, cols, rows): columns are summed up last.
        self._black: Float32Array = np.zeros((3, *lattice.shape[::-1]), dtype=np.float32)

    def add(self, planes: Uint8Array, x: int, y: int) -> None:
        """Take in one part of the image, once.

        Parameters
        ----------
        planes
            (3, rows, cols) uint8.
        x, y
            Where its upper left pixel lies in the image.
        """
        _, n_rows, n_cols = planes.shape
        step = max(1, _PART_PX // n_cols)
        for row in range(0, n_rows, step):
            self._add_part(planes[:, row : row + step], x, y + row)

    def _add_part(self, planes: Uint8Array, x: int, y: int) -> None:
        _, n_rows, n_cols = planes.shape
        touched_x = _touched(self._lattice.edges_x, x, n_cols)
        touched_y = _touched(self._lattice.edges_y, y, n_rows)
        by_row = _overlaps(self._lattice.edges_y[touched_y.start : touched_y.stop + 1], y, n_rows)
        by_col = _overlaps(self._lattice.edges_x[touched_x.start : touched_x.stop + 1], x, n_cols)
        if by_row.shape[0] == 0 or by_col.shape[0] == 0:
            return
        for channel, plane in enumerate(planes):
            black = (WHITE - plane).astype(np.float32)
            self._black[channel, touched_x, touched_y] += by_col @ (by_row @ black).T

    def pixels(self) -> Uint8Array:
        """(rows, cols, 3) uint8: the average of each square."""
        rows, cols = self._lattice.shape
        widths, heights = np.diff(self._lattice.edges_x), np.diff(self._lattice.edges_y)
        pixels = np.empty((rows, cols, 3), dtype=np.uint8)
        step = max(1, _PART_PX // max(1, rows))
        for col in range(0, cols, step):
            part = slice(col, col + step)
            squares = np.outer(widths[part], heights).astype(np.float32)
            for channel, black in enumerate(self._black[:, part]):
                average = black / squares
                np.subtract(WHITE, average, out=average)
                pixels[:, part, channel] = np.rint(average, out=average).T
        return pixels


def _touched(edges: Float64Array, start: int, n: int) -> slice:
    """The squares that pixels start ... start + n - 1 may lie in."""
    first, last = np.searchsorted(edges, (start, start + n), side="right")
    return slice(max(int(first) - 1, 0), min(int(last), len(edges) - 1))


def _edges(start: float, step: float, n: int) -> Float64Array:
    """The n + 1 edges of n squares."""
    edges = start + step * np.arange(n + 1)
    whole = np.rint(edges)
    return np.where(np.abs(edges - whole) < _SNAP_PX, whole, edges)


def _span(edges: Float64Array) -> tuple[int, int]:
    return int(np.floor(edges[0])), int(np.ceil(edges[-1]))


def _spans(start: int, end: int, chunk: int, length: int) -> Iterator[tuple[int, int]]:
    """(start, length) of parts of at most `length` pixels, which end with chunks."""
    while start < end:
        beyond = min(start // chunk * chunk + length, end)
        yield start, beyond - start
        start = beyond


def _overlaps(edges: Float64Array, start: int, n: int) -> csr_array:
    """(squares, n) lengths of pixels start ... start + n - 1 that lie in each square."""
    left, right = edges[:-1], edges[1:]
    first = np.clip(np.floor(left), start, start + n).astype(np.int64)
    beyond = np.clip(np.ceil(right), start, start + n).astype(np.int64)
    counts = beyond - first
    ends = np.cumsum(counts)
    square = np.repeat(np.arange(len(counts)), counts)
    pixel = np.arange(len(square)) - np.repeat(ends - counts, counts) + np.repeat(first, counts)
    lengths = np.minimum(pixel + 1, right[square]) - np.maximum(pixel, left[square])
    offsets = np.concatenate(([0], ends))
    return csr_array((lengths.astype(np.float32), pixel - start, offsets), shape=(len(counts), n))
