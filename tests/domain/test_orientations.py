from __future__ import annotations

import numpy as np
import pytest

from batchscan.domain.orientations import N_ORIENTATIONS, mean_over_orientations, oriented

# 1 2
# 3 4, written row by row; turned counterclockwise.
BY_HAND = ["1234", "4321", "2143", "3412", "2413", "3142", "1324", "4231"]
PATCHES = np.random.default_rng(5).integers(0, 256, (3, 7, 7, 3)).astype(np.uint8)


@pytest.mark.parametrize("index", range(8))
def test_each_way_by_hand(index: int) -> None:
    patch = np.array([[1, 2], [3, 4]], np.uint8)[np.newaxis, :, :, np.newaxis] * np.array([1, 10, 50], np.uint8)
    turned = oriented(patch, index)
    assert "".join(str(value) for value in turned[0, :, :, 0].ravel()) == BY_HAND[index]
    assert (turned[..., 1] == 10 * turned[..., 0]).all()
    assert (turned[..., 2] == 50 * turned[..., 0]).all()


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_the_first_1_2_4_8_are_groups(count: int) -> None:
    """Turning a turned patch again gives one of the same set, and all of the set comes up."""
    ways = {oriented(PATCHES, index).tobytes() for index in range(count)}
    assert len(ways) == count
    for first in range(count):
        again = {oriented(oriented(PATCHES, first), index).tobytes() for index in range(count)}
        assert again == ways


def test_shape_and_values_stay() -> None:
    for index in range(N_ORIENTATIONS):
        turned = oriented(PATCHES, index)
        assert (turned.shape, turned.dtype) == (PATCHES.shape, PATCHES.dtype)
        assert (np.sort(turned.reshape(3, -1, 3), axis=1) == np.sort(PATCHES.reshape(3, -1, 3), axis=1)).all()


@pytest.mark.parametrize("index", [-1, 8])
def test_no_such_way(index: int) -> None:
    with pytest.raises(IndexError, match="expected 0 to 7"):
        oriented(PATCHES, index)


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 2.5), (4, 2.5), (8, 2.5)])
def test_the_mean_over_orientations_by_hand(count: int, expected: float) -> None:
    """Scored by their upper left corner, which is 1, 4, 2, 3, 2, 3, 1, 4 in turn."""
    patch = np.array([[1, 2], [3, 4]], np.uint8)[np.newaxis, :, :, np.newaxis]
    mean = mean_over_orientations(patch, count, lambda patches: patches[:, 0, 0, 0].astype(np.float32))
    assert (mean.tolist(), str(mean.dtype)) == ([expected], "float64")
