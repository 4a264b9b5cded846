"""A patch -> the eight ways it can lie on the glass: a section has no up, no left and no front."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from batchscan.domain.records import Float32Array, Float64Array, Uint8Array

# (mirrored left-right first, quarter turns after). Each of the first 1, 2, 4 and 8 is a group: closed under its own
# turns, so that a patch and any of its versions among them come to the same mean.
_WAYS = ((False, 0), (False, 2), (True, 0), (True, 2), (False, 1), (False, 3), (True, 1), (True, 3))
N_ORIENTATIONS = len(_WAYS)


def oriented(patches: Uint8Array, index: int) -> Uint8Array:
    """The patches turned and mirrored in the way of that index.

    Parameters
    ----------
    patches
        (n, p, p, channels), (row, col); any dtype.
    index
        0: as they are; 1: turned by 180 degrees; 2: mirrored left-right; 3: mirrored, then turned by 180; 4 and 5:
        turned by 90 and 270 counterclockwise; 6 and 7: mirrored, then turned by 90 and 270.

    Returns
    -------
    A view of the same shape and dtype, whose memory may run backwards.

    Raises
    ------
    IndexError
        If there is no such way.
    """
    if not 0 <= index < N_ORIENTATIONS:
        raise IndexError(f"orientation {index}: expected 0 to {N_ORIENTATIONS - 1}")
    mirrored, quarter_turns = _WAYS[index]
    return np.rot90(patches[:, :, ::-1] if mirrored else patches, quarter_turns, axes=(1, 2))


def mean_over_orientations(
    patches: Uint8Array, count: int, scores: Callable[[Uint8Array], Float32Array]
) -> Float64Array:
    """Mean of what patches score in the first `count` ways that they can lie, added up in that order.

    Parameters
    ----------
    patches
        (n, p, p, channels).
    count
        1, 2, 4 or 8.
    scores
        (n, p, p, channels), a view -> (n,).

    Returns
    -------
    (n,) float64.
    """
    total = np.zeros(len(patches), dtype=np.float64)
    for index in range(count):
        total += scores(oriented(patches, index))
    return total / count
