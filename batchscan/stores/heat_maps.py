"""A scored grid -> heatmap.ome.zarr: p(IDC) as an image that lies on the slide's store, for napari and its like.

Its pixels are far smaller than a cell, and each has the p of the cell that its centre lies in. So it needs no
translation: readers don't agree on those (napari-ome-zarr 0.10 goes by a level's first transformation alone), nor on
whether a pixel's centre or its corner is meant, and any of them is off by half of such a pixel at most.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec
from zarr.storage import LocalStore

from batchscan.domain.errors import OutputError
from batchscan.domain.geometry import PatchGrid, Spacing, ceil_px
from batchscan.domain.records import Float32Array, Float64Array, SlideResult

HEAT_MAP = "heatmap.ome.zarr"
PIXELS_A_CELL = 16
LONGEST_PX = 2048


def heat_map(result: SlideResult) -> tuple[Float32Array, float]:
    """p_idc of a slide as an image.

    Returns
    -------
    (rows, cols) float32 in 0-1, NaN where nothing was scanned or read, or where the slide's numbers are not given; and
    the side of its pixels in micrometres. The centre of pixel (0, 0) is that of the store's level-0 pixel (0, 0).
    """
    grid, spacing = result.table.grid, result.slide.spacing
    um_per_px = _pixel_um(grid, spacing)
    step_px = um_per_px / spacing.um_per_px
    rows = _cell_of(grid.row_edges_px, grid.height_px, step_px)
    cols = _cell_of(grid.col_edges_px, grid.width_px, step_px)
    cells = np.full((grid.n_rows, grid.n_cols), np.nan, dtype=np.float32)
    if not result.quality.refuses:
        # What couldn't be read is NaN in the table too.
        cells[result.table.row, result.table.col] = result.table.p_idc
    return cells[np.ix_(rows, cols)], um_per_px


def write_heat_map(path: Path, result: SlideResult) -> None:
    """Write the image as OME-Zarr 0.5, axes y, x, one level in one chunk, into a folder that isn't there.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    pixels, um_per_px = heat_map(result)
    try:
        group = zarr.create_group(LocalStore(path), attributes={"ome": _attributes(result, um_per_px)})
        array = group.create_array(
            "0",
            shape=pixels.shape,
            dtype="float32",
            chunks=pixels.shape,
            compressors=ZstdCodec(level=1),
            fill_value=float("nan"),
            dimension_names=("y", "x"),
        )
        array[...] = pixels
    except OSError as error:
        raise OutputError(
            f"{path}: can't be written ({error.strerror or error}): check permissions and free space"
        ) from error


def _pixel_um(grid: PatchGrid, spacing: Spacing) -> float:
    """A sixteenth of a cell, but no more than 2,048 pixels along the slide."""
    longest_px = max(grid.width_px, grid.height_px)
    return max(grid.step_px / PIXELS_A_CELL, longest_px / LONGEST_PX, 1.0) * spacing.um_per_px


def _cell_of(edges_px: Float64Array, slide_px: int, step_px: float) -> Any:
    """(n,) intp: the row or column of the cell that the centre of each pixel lies in."""
    centres_px = np.arange(max(1, ceil_px((slide_px - 0.5) / step_px))) * step_px + 0.5
    return np.clip(np.searchsorted(edges_px, centres_px, side="right") - 1, 0, len(edges_px) - 2)


def _attributes(result: SlideResult, um_per_px: float) -> dict[str, Any]:
    name = result.slide.slide_id
    transformation = {"type": "scale", "scale": [um_per_px, um_per_px]}
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    window = {"min": 0.0, "max": 1.0, "start": 0.0, "end": 1.0}
    return {
        "version": "0.5",
        "multiscales": [
            {"name": name, "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": [transformation]}]}
        ],
        "omero": {
            "channels": [{"label": "p(IDC)", "color": "D55E00", "active": True, "window": window}],
            "rdefs": {"model": "color"},
        },
    }
