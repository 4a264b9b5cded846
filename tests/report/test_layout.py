from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_factory import make_result

from batchscan.domain.geometry import Box
from batchscan.report.layout import number_boxes, picture_layout, scale_bar_mm


@given(st.integers(1, 200_000), st.integers(1, 200_000))
def test_the_slide_fits_its_box_in_its_own_proportions(width_px: int, height_px: int) -> None:
    layout = picture_layout(width_px, height_px)
    assert 0 < layout.width_mm <= layout.box_mm[0] + 1e-9
    assert 0 < layout.height_mm <= layout.box_mm[1] + 1e-9
    assert layout.width_mm * height_px == pytest.approx(layout.height_mm * width_px)


def test_wide_slides_are_stacked() -> None:
    assert picture_layout(4000, 800).arrangement == "stacked"
    assert picture_layout(3250, 2300).arrangement == "beside"
    assert picture_layout(600, 4000).arrangement == "beside"


@pytest.mark.parametrize(("longest", "bar"), [(7.4, 5), (5, 5), (4.99, 2), (1.2, 1), (0.099, 0.05), (30, 20)])
def test_scale_bar_is_round(longest: float, bar: float) -> None:
    assert scale_bar_mm(longest) == pytest.approx(bar)


def test_words_take_height_from_the_pictures() -> None:
    whole, less = picture_layout(1000, 1500, 120.0), picture_layout(1000, 1500, 100.0)
    assert whole.height_mm - less.height_mm == pytest.approx(20.0)
    assert picture_layout(1000, 1500, 10.0).height_mm >= 40


def test_a_large_focus_has_its_number_deep_inside_and_a_small_one_beside() -> None:
    p = np.zeros((20, 20))
    p[2:14, 2:14] = 0.9
    p[5:14, 5:14] = 0.0
    p[2:9, 2:9] = 0.9
    p[17, 17] = 0.9
    large, small = number_boxes(make_result(p).extent.foci, Box(0, 0, 1000, 1000), 60)
    assert large.x > 100
    assert large.right < 450
    assert large.y > 100
    assert large.bottom < 450
    assert small.right <= 850 or small.x >= 900 or small.bottom <= 850 or small.y >= 900


def test_a_number_hides_no_other_focus_where_it_can() -> None:
    p = np.zeros((20, 20))
    p[10, 10] = p[8, 11] = p[8, 12] = p[9, 12] = 0.9
    foci = make_result(p).extent.foci
    boxes = number_boxes(foci, Box(0, 0, 1000, 1000), 45)
    for number, (row, col) in itertools.product(boxes, np.argwhere(p)):
        x, y = col * 50, row * 50
        assert number.x >= x + 50 or number.right <= x or number.y >= y + 50 or number.bottom <= y


def test_numbers_stand_inside_and_apart_and_touch_their_focus() -> None:
    p = np.zeros((20, 20))
    for row, col in itertools.product(range(0, 20, 4), range(0, 20, 10)):
        p[row : row + 2, col : col + 3] = 0.9
    foci = make_result(p).extent.foci
    assert len(foci) == 10
    slide = Box(0, 0, 1000, 1000)
    boxes = number_boxes(foci, slide, 40)
    for box, focus in zip(boxes, foci, strict=True):
        assert box.x >= 0
        assert box.y >= 0
        assert box.right <= 1000
        assert box.bottom <= 1000
        x, y, width, height = focus.bbox_px
        assert box.x <= x + width
        assert box.right >= x
        assert box.y <= y + height
        assert box.bottom >= y
    for a, b in itertools.combinations(boxes, 2):
        assert a.right <= b.x or b.right <= a.x or a.bottom <= b.y or b.bottom <= a.y
