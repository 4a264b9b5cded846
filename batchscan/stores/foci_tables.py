"""A result's foci -> foci.csv, a row a focus, under the ids that they have in QuPath and in reviews."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from batchscan.domain.records import Focus, SlideResult
from batchscan.stores.atomic import write_staged
from batchscan.stores.cells import TableWriter
from batchscan.stores.regions import focus_ids

FOCI = "foci.csv"
COLUMNS = (
    "slide_id", "number", "focus_id", "area_mm2", "greatest_mm", "perpendicular_mm", "mean_p", "n_patches",
    "bbox_x_px", "bbox_y_px", "bbox_width_px", "bbox_height_px", "centroid_x_px", "centroid_y_px", "touches_edge",
)  # fmt: skip


def write_foci(path: Path, result: SlideResult) -> None:
    """Write the table into a folder that is nobody's result yet; without foci it is a header.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    slide_id, foci = result.slide.slide_id, result.extent.foci
    ids = focus_ids(slide_id, len(foci), result.model, result.settings, result.scan_digest)
    with write_staged(path) as stream:
        writer = TableWriter(stream)
        writer.writerow(COLUMNS)
        for number, (focus, known) in enumerate(zip(foci, ids, strict=True), start=1):
            writer.writerow([slide_id, number, known, *_numbers(focus)])


def _numbers(focus: Focus) -> Iterator[Any]:
    yield from (focus.area_mm2, focus.greatest_mm, focus.perpendicular_mm, focus.mean_p, focus.n_patches)
    yield from focus.bbox_px
    yield from focus.centroid_px
    # As pandas reads it without being told.
    yield str(focus.touches_edge).lower()
