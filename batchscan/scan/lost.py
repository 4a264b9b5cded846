"""An overview of which some can't be known -> one that shows nothing there, and what was really seen on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from batchscan.domain.records import BoolArray, Uint8Array
from batchscan.domain.tissue_map import TissueMap

_EIGHT = np.ones((3, 3), np.bool_)


def filled(overview: Uint8Array, lost: BoolArray) -> Uint8Array:
    """The overview with what surrounds each lost place drawn into it, so that it has neither an edge nor a colour.

    Black squares would pass for ink or folds, and change what is found beside them.

    Parameters
    ----------
    overview
        (rows, cols, 3) uint8.
    lost
        (rows, cols) bool.

    Returns
    -------
    (rows, cols, 3) uint8, each lost pixel as the nearest that isn't lost; the same array where none is, or all are.
    """
    if not lost.any() or lost.all():
        return overview
    whole = overview.copy()
    label, _ = ndimage.label(lost, structure=_EIGHT)
    for rows, cols in ndimage.find_objects(label):
        # One pixel further on every side nothing of the same place is lost.
        window = slice(max(0, rows.start - 1), rows.stop + 1), slice(max(0, cols.start - 1), cols.stop + 1)
        nearest = ndimage.distance_transform_edt(lost[window], return_distances=False, return_indices=True)
        whole[window] = overview[window][tuple(nearest)]
    return whole


def seen_only(tissue: TissueMap, lost: BoolArray) -> TissueMap:
    """The map without what was found on pixels that nobody saw."""
    return replace(tissue, mask=tissue.mask & ~lost, pen=tissue.pen & ~lost)
