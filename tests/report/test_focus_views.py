"""What of the slide a focus's close-up shows, and from which pixels it is drawn."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import replace

import numpy as np
from PIL import Image
from report_factory import make_card, make_pictures, make_result

from batchscan.domain.records import SlideResult
from batchscan.report.content import slide_content
from batchscan.report.focus_figures import focus_jpeg
from batchscan.report.focus_views import focus_views


def found(*blocks: tuple[int, int, int, int], shape: tuple[int, int] = (60, 60)) -> SlideResult:
    """Positive blocks (row, col, rows, cols) of cells of 50 px = 0.4 mm."""
    p = np.full(shape, 0.1)
    for row, col, rows, cols in blocks:
        p[row : row + rows, col : col + cols] = 0.9
    return make_result(p)


def views(result: SlideResult) -> tuple[tuple[int, int, int, int], ...]:
    return focus_views(result.extent, result.slide)


def test_a_small_focus_stands_in_the_middle_of_its_surroundings() -> None:
    """One cell and 0.6 mm = 75 px above and below it: 200 px high, a third more wide."""
    ((x, y, width, height),) = views(found((30, 30, 1, 1)))
    assert (y, height) == (1425, 200)
    assert (x, width) == (1391, 268)


def test_a_large_focus_has_a_fifth_of_its_size_about_it() -> None:
    """20 x 10 cells = 1000 x 500 px: 200 px about it make 1400 x 900, and 4 to 3 asks for 1050."""
    ((x, y, width, height),) = views(found((20, 20, 10, 20)))
    assert (x, width) == (800, 1400)
    assert (y, height) == (725, 1050)


def test_nothing_beyond_the_slide_is_shown() -> None:
    ((x, y, width, height),) = views(found((0, 0, 1, 1)))
    assert (x, y) == (0, 0)
    assert (width, height) == (267, 200)
    ((x, y, width, height),) = views(found((1, 1, 2, 2), shape=(4, 4)))
    assert (x, y, width, height) == (0, 0, 200, 200)


def test_the_six_of_largest_area_are_shown() -> None:
    result = found(*[(3 * i, 5, 1, 2 + i % 3) for i in range(9)])
    assert len(views(result)) == 6
    assert [view[2] for view in views(result)] == sorted((view[2] for view in views(result)), reverse=True)


def pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int)


def test_stored_pixels_are_drawn_where_there_are_any_and_the_overview_elsewhere() -> None:
    result = found((30, 30, 2, 2))
    (box,) = views(result)
    pictures = make_pictures(result)
    overview = np.full_like(pictures.overview, (40, 160, 40))
    green = replace(pictures, overview=overview)
    stored = np.full((300, 400, 3), (160, 40, 40), np.uint8)
    red = replace(green, foci={box: stored})
    for given, channel in ((green, 1), (red, 0)):
        picture = pixels(focus_jpeg(result, given, 1, box))
        assert picture[80, 60].argmax() == channel
        assert picture[80, 60].max() > 150


def test_its_own_outline_is_stronger_than_another_focus_s() -> None:
    result = found((30, 30, 2, 2), (30, 33, 1, 1))
    pictures = make_pictures(result, np.full((300, 300, 3), 250, np.uint8))
    first, second = views(result)
    dark = [int((pixels(focus_jpeg(result, pictures, number, first)).max(axis=2) < 110).sum()) for number in (1, 2)]
    assert dark[0] > dark[1]
    assert first != second


def test_close_ups_say_which_focus_and_where() -> None:
    content = slide_content(found((30, 30, 1, 1)), make_card(), dt.datetime(2025, 1, 1, tzinfo=dt.UTC), "9")
    (one,) = content.close_ups
    assert (one.number, one.size) == ("1", "0.6 \u00d7 0.6 mm, 0.16 mm²")
    assert one.position == "x 1,391 to 1,659, y 1,425 to 1,625"
    assert one.alt.startswith("Focus 1 outlined in its surroundings: 0.6 \u00d7 0.6 mm")
