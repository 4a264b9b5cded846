"""Masks against SciPy's filters and labels, which are slower, on noise of every density and on a real section."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from whole_mounts import whole_mount

from batchscan.scan.masks import closed, dilated, odd, opened, without_small

Mask = NDArray[np.bool_]

SHAPES = [(1, 1), (1, 40), (40, 1), (3, 200), (61, 83)]


def filtered(rank: Callable[..., NDArray[np.uint8]], mask: Mask, side: int, outside: int) -> Mask:
    return rank(mask.view(np.uint8), size=side, mode="constant", cval=outside).astype(np.bool_)


def labelled_without_small(mask: Mask, min_area_px: float) -> Mask:
    label, n = ndimage.label(mask, structure=np.ones((3, 3)))
    keep = np.bincount(label.ravel(), minlength=n + 1) >= min_area_px
    keep[0] = False
    return keep[label]


@cache
def section() -> Mask:
    """What is darker than glass of a real whole mount: large pieces, holes, specks, and a border that cuts some."""
    return whole_mount("8863").overview(4)[200:500, 150:520].mean(axis=2) < 215


def masks() -> list[Mask]:
    dice = np.random.default_rng(7)
    noise = [dice.random(shape) < share for shape in SHAPES for share in (0.0, 0.02, 0.4, 0.6, 0.98, 1.0)]
    return [*noise, section(), ~section()]


@pytest.mark.parametrize("radius_px", [0, 1, 2.5, 6, 30])
def test_dilated_is_what_a_greatest_filter_gives(radius_px: float) -> None:
    for mask in masks():
        expected = filtered(ndimage.maximum_filter, mask, 2 * round(radius_px) + 1, 0)
        np.testing.assert_array_equal(dilated(mask, radius_px), expected)


@pytest.mark.parametrize("width_px", [0.4, 1, 3, 6.25, 10, 41])
def test_opened_and_closed_are_what_two_filters_give(width_px: float) -> None:
    side = odd(width_px)
    for mask in masks():
        eroded = filtered(ndimage.minimum_filter, mask, side, 1)
        np.testing.assert_array_equal(opened(mask, width_px), filtered(ndimage.maximum_filter, eroded, side, 0))
        grown = filtered(ndimage.maximum_filter, mask, side, 0)
        np.testing.assert_array_equal(closed(mask, width_px), filtered(ndimage.minimum_filter, grown, side, 1))


@pytest.mark.parametrize("min_area_px", [0, 1, 2, 5.5, 40, 1e9])
def test_without_small_is_what_labels_give(min_area_px: float) -> None:
    for mask in masks():
        np.testing.assert_array_equal(without_small(mask, min_area_px), labelled_without_small(mask, min_area_px))


def test_pixels_that_touch_at_a_corner_are_of_one_piece_and_those_across_the_border_are_not() -> None:
    mask = np.zeros((4, 6), np.bool_)
    mask[0, 0] = mask[1, 1] = mask[2, 0] = True
    mask[1, 5] = mask[2, 5] = True
    np.testing.assert_array_equal(without_small(mask, 3), mask & (np.arange(6) < 5))


def test_the_nearest_odd_width() -> None:
    assert [odd(width) for width in (0.2, 1, 2.9, 3.1, 6.25, 9, 10.1, 12.5)] == [1, 1, 3, 3, 7, 9, 11, 13]


def test_nothing_is_changed_in_place() -> None:
    mask = section().copy()
    for change in (dilated, opened, closed, without_small):
        change(mask, 9)
    np.testing.assert_array_equal(mask, section())
