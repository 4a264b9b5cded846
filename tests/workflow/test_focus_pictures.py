"""Close-ups of foci are read from a slide's store where that is finer than the overview, and only as fine as a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from batchscan.domain.errors import SourceVanished, UnreadableSlide
from batchscan.domain.geometry import Box, Spacing, SpacingSource
from batchscan.domain.records import Extent, Focus, Pictures, SlideInfo, Uint8Array
from batchscan.stores.levels import Level
from batchscan.stores.pictures import read_pictures, write_pictures
from batchscan.workflow.focus_pictures import focus_pictures

FINE = 0.5
SIDE = 40_000
INFO = SlideInfo("S", "P", SIDE, SIDE, Spacing(FINE, SpacingSource.VENDOR), "sha256:ab")


class Store:
    """A pyramid of five levels, whose pixels say their spacing; a box that holds `broken` can't be read."""

    spacing = INFO.spacing
    levels = tuple(Level(str(i), SIDE >> i, SIDE >> i, 2.0**i, 2.0**i, FINE * 2**i, (256, 256)) for i in range(5))

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def read_box(self, box: Box, um_per_px: float) -> Uint8Array:
        if self.error:
            raise self.error
        step = um_per_px / FINE
        return np.full((round(box.height / step), round(box.width / step), 3), round(um_per_px), np.uint8)


def extent_of(*boxes: tuple[int, int, int, int]) -> Extent:
    foci = tuple(Focus(1.0, 1.0, 1.0, box, (0.0, 0.0), 0.9, 1, touches_edge=False, rings_px=()) for box in boxes)
    return Extent(1.0, 0.0, 1.0, 0.5, len(foci), 1.0, 1.0, 1.0, touches_edge=False, foci=foci, undefined={})


def test_each_is_read_as_fine_as_a_page_can_show() -> None:
    """A patch of 800 px with 1200 px on both sides is 4267 x 3200 px: 400 a side at most on the last level alone."""
    found = focus_pictures(Store(), INFO, extent_of((20_000, 20_000, 800, 800)), 16.0)
    ((box, pixels),) = found.items()
    assert box == (18_266, 18_800, 4268, 3200)
    assert pixels.shape == (200, 267, 3)
    assert pixels[0, 0, 0] == 8


def test_what_the_overview_shows_as_well_is_not_read() -> None:
    """8 mm of focus: on a page as coarse as 16 um a pixel."""
    assert focus_pictures(Store(), INFO, extent_of((1_000, 1_000, 16_000, 9_000)), 16.0) == {}


def test_a_part_that_cannot_be_read_is_left_to_the_overview_and_a_slide_that_is_gone_is_an_error() -> None:
    small = extent_of((20_000, 20_000, 800, 800))
    assert focus_pictures(Store(UnreadableSlide("S: x")), INFO, small, 16.0) == {}
    with pytest.raises(SourceVanished):
        focus_pictures(Store(SourceVanished("S: x")), INFO, small, 16.0)


def test_they_come_back_from_the_disk_by_what_they_show(tmp_path: Path) -> None:
    box = (18_266, 18_800, 4268, 3200)
    flat = np.full((30, 40, 3), 120, np.uint8)
    pictures = Pictures(flat, 160.0, np.ones((30, 40), np.bool_), {}, foci={box: flat})
    write_pictures(tmp_path, pictures)
    again = read_pictures(tmp_path).foci
    assert list(again) == [box]
    assert np.abs(again[box].astype(int) - 120).max() <= 2
