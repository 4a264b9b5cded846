"""Masks -> masks: dilated, opened and closed by squares, without their small pieces.

SciPy's filters and labels give the same to the pixel, and are what tests compare with. A mask is only true or false,
which is ten times less work: a square is fitted by a few shifts of the whole mask, and pieces are put together from the
runs of its rows, of which there are a hundred times fewer than pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from batchscan.domain.records import BoolArray

_IntArray = NDArray[np.intp]


def odd(width_px: float) -> int:
    """The odd whole number of pixels nearest to a width, at least 1."""
    return 2 * round((width_px - 1) / 2) + 1 if width_px > 1 else 1


def dilated(mask: BoolArray, radius_px: float) -> BoolArray:
    """What lies within a square of `radius_px` to each side around a pixel of the mask (rows, cols)."""
    return _widened(mask, 2 * round(radius_px) + 1)


def opened(mask: BoolArray, width_px: float) -> BoolArray:
    """What a square of `width_px` fits into; a piece may go on beyond the border."""
    side = odd(width_px)
    return _widened(~_widened(~mask, side), side)


def closed(mask: BoolArray, width_px: float) -> BoolArray:
    """The mask with what no square of `width_px` fits into between its parts; beyond the border nothing is."""
    side = odd(width_px)
    return ~_widened(~_widened(mask, side), side)


def without_small(mask: BoolArray, min_area_px: float) -> BoolArray:
    """The mask without its pieces smaller than `min_area_px`; where the border cuts one, what is seen counts.

    Pixels that touch at a corner are of one piece.
    """
    runs = _Runs.of(mask)
    piece, length = runs.pieces(), runs.stop - runs.start
    is_small = (np.bincount(piece, length) < min_area_px)[piece]
    kept = mask.copy()
    begin, length = (runs.row * mask.shape[1] + runs.start)[is_small], length[is_small]
    kept.reshape(-1)[_counted_on(begin, length)] = False
    return kept


def _widened(mask: BoolArray, side: int) -> BoolArray:
    """True where anything is True in the square of an odd `side` around; nothing is beyond the border."""
    if side == 1:
        return mask
    padded = np.pad(mask.view(np.uint8), side // 2)
    down = _any_of_next(padded, side)
    return _any_of_next(down.T, side).T.view(np.bool_)


def _any_of_next(mask: NDArray[np.uint8], n: int) -> NDArray[np.uint8]:
    """(rows - n + 1, cols): whether any of n pixels is 1, from each on downwards."""
    span = 1
    while span < n:
        step = min(span, n - span)
        mask = mask[:-step] | mask[step:]
        span += step
    return mask


@dataclass(frozen=True)
class _Runs:
    """Pixels of a mask that lie side by side: (n,) row, first column and the one beyond the last, row-major."""

    row: _IntArray
    start: _IntArray
    stop: _IntArray

    @classmethod
    def of(cls, mask: BoolArray) -> _Runs:
        rows, cols = mask.shape
        padded = np.zeros((rows, cols + 2), np.bool_)
        padded[:, 1:-1] = mask
        row, col = np.divmod(np.flatnonzero(padded[:, 1:] != padded[:, :-1]), cols + 1)
        return cls(row[::2], col[::2], col[1::2])

    def pieces(self) -> _IntArray:
        """(n,) from 0: which 8-connected piece each run belongs to."""
        n = len(self.row)
        if not n:
            return np.zeros(0, np.intp)
        # So long a line that the ends of one don't meet those of the next.
        line = int(self.stop.max()) + 2
        starts, stops = self.row * line + self.start, self.row * line + self.stop
        first = np.searchsorted(stops, starts + line)
        beyond = np.searchsorted(starts, stops + line, side="right")
        touched = _counted_on(first, beyond - first)
        ends = np.concatenate(([0], np.cumsum(beyond - first)))
        graph = csr_array((np.ones(len(touched), np.bool_), touched, ends), shape=(n, n))
        return np.asarray(connected_components(graph, directed=False)[1], np.intp)


def _counted_on(first: _IntArray, count: _IntArray) -> _IntArray:
    """From each of `first` on as many whole numbers as `count` says, one after the other."""
    before = np.cumsum(count) - count
    return np.asarray(np.arange(int(count.sum())) + np.repeat(first - before, count), dtype=np.intp)
