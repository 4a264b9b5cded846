"""A patch table becomes the few patches that a page shows close up."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.records import PatchTable

Why = Literal["highest", "uncertain", "isolated"]


class GalleryPatch(NamedTuple):
    """A patch of the grid and why it is shown.

    The `highest` p_idc, the most `uncertain` (nearest the threshold), or positive and `isolated`: none of its eight
    neighbours is, so that it is a focus by itself.
    """

    row: int
    col: int
    why: Why


def choose_gallery(table: PatchTable, threshold: float, n_each: int = 6) -> list[GalleryPatch]:
    """The patches to show: the highest p_idc first, then those nearest the threshold, then the highest isolated ones.

    Each of the three is complete by itself, so a patch may be in several; where all patches are among the highest,
    these are all there is. Unreadable patches are never chosen; equal values keep the grid's row-major order,
    so that the same table always gives the same gallery. Fewer patches than asked for are fewer pictures.

    Parameters
    ----------
    table
        The slide's scanned patches.
    threshold
        The p_idc from which a patch counts as positive.
    n_each
        How many of each kind at most.
    """
    readable = np.flatnonzero(table.readable)
    p = table.p_idc[readable].astype(np.float64)
    highest = readable[np.argsort(-p, kind="stable")[:n_each]]
    by_distance = readable[np.argsort(np.abs(p - threshold), kind="stable")]
    uncertain = by_distance[: n_each if len(readable) > n_each else 0]
    alone = isolated(table, threshold)[: n_each if len(readable) > n_each else 0]
    return [
        *_named(table, highest, "highest"),
        *_named(table, uncertain, "uncertain"),
        *_named(table, alone, "isolated"),
    ]


def isolated(table: PatchTable, threshold: float) -> NDArray[np.intp]:
    """(n,) intp: the positive patches without a positive one beside or diagonal to them, the highest p_idc first."""
    positive = table.positive(threshold)
    # A rim of one cell all around, so that every cell has eight neighbours.
    cells = np.zeros((table.grid.n_rows + 2, table.grid.n_cols + 2), dtype=np.int8)
    cells[table.row[positive] + 1, table.col[positive] + 1] = 1
    places = np.flatnonzero(positive)
    row, col = table.row[places], table.col[places]
    n_about = sum(cells[row + down, col + right] for down in range(3) for right in range(3))
    alone = places[np.asarray(n_about) == 1]
    return np.asarray(alone[np.argsort(-table.p_idc[alone].astype(np.float64), kind="stable")], dtype=np.intp)


def _named(table: PatchTable, chosen: NDArray[np.intp], why: Why) -> list[GalleryPatch]:
    return [GalleryPatch(int(table.row[i]), int(table.col[i]), why) for i in chosen]
