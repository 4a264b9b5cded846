"""Sharpness by hand, and what must not change it; how blur lowers it on a real slide is in test_slide_quality.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from batchscan.scan.sharpness import sharpness


def grey(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(rows, cols) -> one patch."""
    return np.repeat(plane[None, ..., None], 3, axis=3)


def test_one_bright_pixel_by_hand() -> None:
    # In 5 x 5 the Laplacian of a 1 in the middle is -4 there, 1 at its four neighbours, 0 at the other 4 of 9:
    # mean 0, variance (16 + 4) / 9. The grey levels' own variance is 1/25 - 1/625 = 24/625.
    plane = np.zeros((5, 5), np.uint8)
    plane[2, 2] = 200
    assert sharpness(grey(plane))[0] == pytest.approx((20 / 9) / (24 / 625), rel=1e-4)


def test_a_chessboard_is_as_sharp_as_can_be() -> None:
    # Each pixel differs from all four neighbours by the whole contrast c: the Laplacian is 4c or -4c, the grey c/2 or
    # -c/2 about its mean; (4c)^2 / (c/2)^2 = 64.
    plane = (np.indices((50, 50)).sum(axis=0) % 2 * 100 + 50).astype(np.uint8)
    assert sharpness(grey(plane))[0] == pytest.approx(64.0, rel=1e-3)


def test_a_ramp_has_no_fine_detail_and_a_flat_patch_none_at_all() -> None:
    ramp = np.tile(np.arange(50, dtype=np.uint8) * 4, (50, 1))
    flat = np.full((50, 50), 137, np.uint8)
    found = sharpness(np.concatenate([grey(ramp), grey(flat)]))
    assert found[0] == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(found[1])


def test_no_patch_has_no_sharpness() -> None:
    assert sharpness(np.empty((0, 50, 50, 3), np.uint8)).shape == (0,)


def test_patches_do_not_depend_on_their_neighbours() -> None:
    patches = np.random.default_rng(1).integers(0, 256, (300, 8, 8, 3), dtype=np.uint8)
    alone = np.concatenate([sharpness(patches[i : i + 1]) for i in range(300)])
    np.testing.assert_allclose(sharpness(patches), alone, rtol=1e-5)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_contrast_and_brightness_leave_it_alone(seed: int, factor: int) -> None:
    plane = np.random.default_rng(seed).integers(0, 40, (12, 12)).astype(np.uint8)
    plane[0, 0], plane[0, 1] = 0, 39
    changed = plane * factor + 20
    np.testing.assert_allclose(sharpness(grey(changed)), sharpness(grey(plane)), rtol=1e-3)
