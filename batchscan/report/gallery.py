"""A patch table becomes the few patches that a page shows close up."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.records import PatchTable

Why = Literal["highest", "uncertain"]


class GalleryPatch(NamedTuple):
    """A patch of the grid and why it is shown: the `highest` p_idc, or the most `uncertain` (nearest the threshold)."""

    row: int
    col: int
    why: Why


def choose_gallery(table: PatchTable, threshold: float, n_each: int = 6) -> list[GalleryPatch]:
    """The patches to show: the highest p_idc first, then those nearest the threshold.

    Each of the two is complete by itself, so a patch may be in both; where all patches are among the highest,
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
    return [*_named(table, highest, "highest"), *_named(table, uncertain, "uncertain")]


def _named(table: PatchTable, chosen: NDArray[np.intp], why: Why) -> list[GalleryPatch]:
    return [GalleryPatch(int(table.row[i]), int(table.col[i]), why) for i in chosen]
