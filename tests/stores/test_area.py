from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from batchscan.stores.area import AreaSum, Lattice, padded, shrink

Rgb = NDArray[np.uint8]


def covered(edge_low: float, edge_high: float, pixel: int) -> float:
    return max(0.0, min(edge_high, pixel + 1) - max(edge_low, pixel))


def by_hand(planes: Rgb, start: tuple[float, float], step: tuple[float, float], shape: tuple[int, int]) -> NDArray:
    """Square by square and pixel by pixel, with white all around."""
    _, n_rows, n_cols = planes.shape
    found = np.empty((*shape, 3))
    for row, col in np.ndindex(shape):
        top, left = start[1] + row * step[1], start[0] + col * step[0]
        total, weight = np.zeros(3), 0.0
        for y in range(int(np.floor(top)), int(np.ceil(top + step[1]))):
            for x in range(int(np.floor(left)), int(np.ceil(left + step[0]))):
                part = covered(top, top + step[1], y) * covered(left, left + step[0], x)
                inside = 0 <= y < n_rows and 0 <= x < n_cols
                total += part * (planes[:, y, x] if inside else np.full(3, 255))
                weight += part
        found[row, col] = total / weight
    return found


def averaged(planes: Rgb, lattice: Lattice, strip: int = 1000) -> Rgb:
    total = AreaSum(lattice)
    for y in range(0, planes.shape[1], strip):
        total.add(planes[:, y : y + strip], 0, y)
    return total.pixels()


def noise(rows: int, cols: int, seed: int = 1) -> Rgb:
    return np.random.default_rng(seed).integers(0, 256, (3, rows, cols), dtype=np.uint8)


steps = st.floats(0.4, 5.0)
starts = st.floats(-6.0, 12.0)


@settings(max_examples=60, deadline=None)
@given(starts, starts, steps, steps, st.integers(1, 6), st.integers(1, 6), st.integers(1, 9))
def test_averages_are_those_of_every_pixel_weighed_by_hand(
    x: float, y: float, step_x: float, step_y: float, rows: int, cols: int, strip: int
) -> None:
    planes = noise(9, 11)
    lattice = Lattice.of((x, y), (step_x, step_y), (rows, cols))
    expected = by_hand(planes, (x, y), (step_x, step_y), (rows, cols))
    assert np.abs(averaged(planes, lattice, strip).astype(float) - expected).max() <= 0.5 + 1e-3


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(1, 5))
def test_whole_factors_give_exactly_what_shrink_gives(factor: int, n: int) -> None:
    planes = noise(factor * n, factor * (n + 2))
    lattice = Lattice.of((0, 0), (factor, factor), (n, n + 2))
    assert np.array_equal(averaged(planes, lattice), np.stack([shrink(plane, factor) for plane in planes], axis=-1))


@pytest.mark.parametrize("step", [1.5, 2.0, 3.3])
def test_the_mean_is_kept(step: float) -> None:
    planes = noise(330, 330)
    n = int(330 / step)
    whole = averaged(planes[:, : round(n * step), : round(n * step)], Lattice.of((0, 0), (step, step), (n, n)))
    inside = planes[:, : int(n * step), : int(n * step)].mean(axis=(1, 2))
    assert whole.mean(axis=(0, 1)) == pytest.approx(inside, abs=0.5)


def test_a_strip_more_or_less_changes_nothing() -> None:
    planes = noise(40, 30)
    lattice = Lattice.of((1.3, 0.7), (2.6, 2.6), (14, 10))
    assert np.array_equal(averaged(planes, lattice, 7), averaged(planes, lattice, 1000))


def test_outside_the_image_is_white() -> None:
    black = np.zeros((3, 2, 2), dtype=np.uint8)
    found = averaged(black, Lattice.of((-1, 0), (2, 2), (2, 2)))
    # Squares: half on the image, half on it, then below it.
    assert found[..., 0].tolist() == [[128, 128], [255, 255]]


def test_shrinking_by_hand() -> None:
    plane = np.array([[0, 1, 10, 20], [1, 0, 30, 40], [255, 255, 1, 2], [255, 255, 1, 2]], dtype=np.uint8)
    # Sums 2, 100, 1020, 6: the first and last are halves, and go to the even neighbour.
    assert shrink(plane, 2).tolist() == [[0, 25], [255, 2]]
    assert shrink(plane, 4).tolist() == [[70]]  # 1128 / 16 = 70.5
    assert shrink(plane, 1) is plane


@pytest.mark.parametrize("factor", [2, 3, 16, 17, 40])
def test_no_sum_overflows(factor: int) -> None:
    assert shrink(np.full((factor, factor), 255, dtype=np.uint8), factor).tolist() == [[255]]


@pytest.mark.parametrize("factor", [2, 3, 4, 6, 8, 16, 17, 32])
@pytest.mark.parametrize("most", [2, 256])
def test_a_square_is_its_mean_and_halves_go_to_the_even_neighbour(factor: int, most: int) -> None:
    dice = np.random.default_rng(factor)
    for n_rows, n_cols in ((1, 1), (3, 5), (40, 9)):
        plane = dice.integers(256 - most, 256, (n_rows * factor, n_cols * factor), dtype=np.uint8)
        expected = np.rint(plane.reshape(n_rows, factor, n_cols, factor).mean(axis=(1, 3)))
        assert np.array_equal(shrink(plane, factor), expected)
        # Also of a part of something larger.
        assert np.array_equal(shrink(np.pad(plane, factor)[factor:-factor, factor:-factor], factor), expected)


def test_each_sum_of_four_is_rounded_as_it_should() -> None:
    sums = np.arange(4 * 255 + 1)
    plane = np.zeros((2, 2 * len(sums)), np.uint8)
    for index, (row, col) in enumerate(np.ndindex(2, 2)):
        plane[row, col::2] = np.clip(sums - 255 * index, 0, 255)
    assert shrink(plane, 2)[0].tolist() == np.rint(sums / 4).tolist()


def test_padding_is_white_and_only_where_needed() -> None:
    pixels = np.zeros((2, 3, 3), dtype=np.uint8)
    assert padded(pixels, 2, 3) is pixels
    wider = padded(pixels, 3, 4)
    assert wider.shape == (3, 4, 3)
    assert wider.sum() == 255 * 3 * (12 - 6)


def test_pixels_are_recognised_through_rounding_errors() -> None:
    spacing = 0.499 * 2**3 / (0.499 * 8)
    assert Lattice.of((3 * spacing, 5), (spacing, spacing), (4, 4)).is_pixels
    assert not Lattice.of((0.5, 0), (1, 1), (4, 4)).is_pixels
    assert not Lattice.of((0, 0), (2, 2), (4, 4)).is_pixels
