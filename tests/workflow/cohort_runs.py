"""Grids of probabilities become run folders as a scan leaves them, beside a manifest with reference labels.

Cells are 100 px of 4 um, 0.4 mm; a slide is 350 x 300 px, so that the last of its four columns is half on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.geometry import PatchGrid, PatchSpec, Spacing, SpacingSource
from batchscan.domain.records import (
    EngineInfo,
    ModelInfo,
    PatchTable,
    Pictures,
    ScanSettings,
    SlideInfo,
    SlideOutcome,
    SlideRequest,
    SlideResult,
    SlideStatus,
)
from batchscan.evaluation.extent import count_patches, measure_extent
from batchscan.stores.ledger import Ledger
from batchscan.stores.pictures import write_pictures
from batchscan.stores.regions import write_regions
from batchscan.stores.results import REGIONS, REPORT, RunFolder, write_result
from batchscan.stores.summary import summary_numbers

SPACING = Spacing(4.0, SpacingSource.VENDOR)
PATCH = PatchSpec(50, 8.0, 1.0)
MODEL = ModelInfo("idc-cnn", "1", "5e" * 32)
NAN, UNREADABLE = float("nan"), -1.0
P = ((0.9, 0.8, 0.2, 0.1), (0.7, 0.4, 0.3, 0.6), (0.1, 0.0, NAN, UNREADABLE))
"""With threshold 0.5: (0, 0), (0, 1), (1, 0) and (1, 3) are positive; (2, 2) has no tissue, (2, 3) wasn't read."""


def table(p: Sequence[Sequence[float]] = P) -> PatchTable:
    """All scanned cells are full of tissue, those of the last column half of the whole cell."""
    values = np.asarray(p, dtype=np.float32)
    row, col = (place.astype(np.int32) for place in np.nonzero(~np.isnan(values)))
    scores = values[row, col]
    readable = scores != UNREADABLE
    scores = np.where(readable, scores, np.nan).astype(np.float32)
    tissue = np.where(col == 3, 0.5, 1.0).astype(np.float32)
    grid = PatchGrid.over(350, 300, SPACING.um_per_px, PATCH)
    return PatchTable(grid, row, col, tissue, scores, scores, readable, np.arange(len(row), dtype=np.uint64))


def result(
    slide_id: str, p: Sequence[Sequence[float]] = P, *, patient_id: str = "", downsample: float = 1.0, pixels: str = ""
) -> SlideResult:
    """`pixels` decides the fingerprint."""
    settings = ScanSettings(PATCH, 0.1, 0.5, 0.5, 0.02)
    fingerprint = f"sha256:{hashlib.sha256((pixels or slide_id).encode()).hexdigest()}"
    patches = table(p)
    return SlideResult(
        slide=SlideInfo(slide_id, patient_id or slide_id, 350, 300, SPACING, fingerprint, downsample),
        model=MODEL,
        engine=EngineInfo("keras", "f32"),
        settings=settings,
        counts=count_patches(patches, settings),
        extent=measure_extent(patches, SPACING, settings.threshold),
        qc={},
        seconds=dict.fromkeys(("read", "tissue", "infer", "write", "total"), 0.1),
        scan_digest="sha256:" + "1" * 64,
        digest="sha256:" + "2" * 64,
        table=patches,
    )


def make_run(folder: Path, results: Iterable[SlideResult], ended: Iterable[SlideOutcome] = ()) -> Path:
    """A finished run with these results, and slides that ended in another way."""
    run = RunFolder(folder)
    run.create()
    results, ended = list(results), list(ended)
    asked = [(each.slide.slide_id, each.slide.patient_id) for each in results]
    asked += [(each.slide_id, each.slide_id) for each in ended]
    for each in results:
        _commit(run, each)
    done = [SlideOutcome(each.slide.slide_id, SlideStatus.DONE) for each in results]
    numbers = {each.slide.slide_id: summary_numbers(each) for each in results}
    with Ledger.hold(run.ledger) as ledger:
        ledger.begin([SlideRequest(*ids, folder) for ids in asked], {})
        for outcome in (*done, *ended):
            if outcome.status is not SlideStatus.PENDING:
                ledger.slide_started(outcome.slide_id)
                ledger.slide_ended(outcome, AttemptEnd(), numbers.get(outcome.slide_id, {}))
    return folder


def _commit(run: RunFolder, found: SlideResult) -> None:
    folder = run.slide(found.slide.slide_id)
    # Of the mask a pixel is 50 px wide: two a cell and way.
    write_pictures(folder, Pictures(np.zeros((6, 7, 3), np.uint8), 200.0, np.ones((6, 7), np.bool_), {}))
    write_regions(folder / REGIONS, found.slide.slide_id, found.extent.foci, MODEL, found.settings, found.scan_digest)
    write_result(folder, found)
    (folder / REPORT).write_bytes(b"%PDF-")


def labels_csv(path: Path, labels: Mapping[tuple[int, int], int], side_px: float = 100.0) -> str:
    """(row, col) -> label; returns the file's name."""
    rows = [f"{col * side_px:g},{row * side_px:g},{side_px:g},{label}" for (row, col), label in labels.items()]
    path.write_text("\n".join(["x_px,y_px,side_px,label", *rows]) + "\n")
    return path.name


def outlines_geojson(path: Path, *boxes: tuple[str, float, float, float, float]) -> str:
    """Class, left, top, right, bottom; returns the file's name."""
    features: list[Any] = []
    for name, left, top, right, bottom in boxes:
        ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "geometry": geometry, "properties": {"classification": {"name": name}}})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path.name


def make_manifest(folder: Path, *rows: Mapping[str, str]) -> Path:
    """Slides' own files, which an evaluation doesn't need, aren't there."""
    columns = list(dict.fromkeys(["slide_id", "path", *(name for row in rows for name in row)]))
    lines = [",".join(columns)]
    lines += [
        ",".join({"path": f"{row['slide_id']}.ome.zarr", **row}.get(name, "") for name in columns) for row in rows
    ]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"
