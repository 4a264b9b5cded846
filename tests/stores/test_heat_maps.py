"""The heat map lies on the slide's store: what a reader makes of it, pixel by pixel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from stored_results import stored_result

from batchscan.domain.errors import OutputError
from batchscan.domain.quality import Grade, Quality
from batchscan.domain.records import SlideResult
from batchscan.stores.heat_maps import heat_map, write_heat_map


def read_by_a_peer(path: Path) -> tuple[np.ndarray, list[float], list[str]]:
    """Pixels, micrometres a pixel along y and x, and units: as ome-zarr-py reads them."""
    location = parse_url(path)
    assert location is not None
    (node,) = Reader(location)()
    (transformations,) = node.metadata["coordinateTransformations"]
    # A level's first transformation is all that napari-ome-zarr 0.10 goes by.
    (scale,) = transformations
    units = [axis["unit"] for axis in node.metadata["axes"]]
    return np.asarray(node.data[0]), scale["scale"], units


def p_at(result: SlideResult, x_px: float, y_px: float) -> float:
    """The p of the cell that a level-0 place lies in, by the boxes of the cells."""
    for row, col, p in zip(result.table.row, result.table.col, result.table.p_idc, strict=True):
        box = result.table.grid.cell_box(int(row), int(col))
        if box.x <= x_px < box.right and box.y <= y_px < box.bottom:
            return float(p)
    return float("nan")


@pytest.mark.parametrize(
    ("width_px", "height_px", "um_per_px", "stride"),
    [(350, 270, 8.0, 1.0), (1201, 903, 2.13, 1.0), (350, 270, 8.0, 0.5), (20, 12, 8.0, 1.0)],
    ids=["whole cells", "cells of no whole pixels", "overlap", "less than a cell"],
)
def test_each_pixel_shows_the_cell_that_it_lies_on_in_the_store(
    tmp_path: Path, width_px: int, height_px: int, um_per_px: float, stride: float
) -> None:
    result = stored_result(width_px, height_px, um_per_px, stride=stride)
    write_heat_map(tmp_path / "heatmap.ome.zarr", result)
    pixels, (um_y, um_x), units = read_by_a_peer(tmp_path / "heatmap.ome.zarr")
    assert um_y == um_x
    assert units == ["micrometer", "micrometer"]
    # In the world of the store level-0 pixel i is centred at i * um_per_px, and its left edge half a pixel before.
    for row in range(0, pixels.shape[0], 7):
        for col in range(0, pixels.shape[1], 7):
            x_px, y_px = (place * um_x / um_per_px + 0.5 for place in (col, row))
            np.testing.assert_equal(pixels[row, col], p_at(result, x_px, y_px), err_msg=f"{row}, {col}")
    # It covers the slide, and no more than a pixel beside it.
    for n, length_px in zip(pixels.shape, (height_px, width_px), strict=True):
        assert abs(n * um_x - length_px * um_per_px) <= um_x


def test_every_cell_that_was_read_is_there_and_no_other() -> None:
    result = stored_result(700, 500, 8.0)
    pixels, um_per_px = heat_map(result)
    assert um_per_px == 25.0
    found, n_pixels = np.unique(pixels[~np.isnan(pixels)], return_counts=True)
    assert np.array_equal(found, np.sort(result.table.p_idc[result.table.readable]))
    assert n_pixels.max() == 16 * 16


def test_a_large_slide_has_2048_pixels_at_most() -> None:
    pixels, um_per_px = heat_map(stored_result(80_000, 40_000, 1.0))
    assert (pixels.shape, um_per_px) == ((1024, 2048), 39.0625)


def test_a_slide_whose_numbers_are_not_given_shows_none() -> None:
    refused = replace(stored_result(350, 270, 8.0), quality=Quality(Grade.NOT_ANALYSABLE, ()))
    assert np.isnan(heat_map(refused)[0]).all()


def test_a_place_that_cant_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="can't be written"):
        write_heat_map(tmp_path / "file" / "heatmap.ome.zarr", stored_result(350, 270, 8.0))
