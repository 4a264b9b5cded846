"""Grids of probabilities become results, as a scan leaves them, over slides of any size, spacing and stride."""

from __future__ import annotations

import numpy as np

from batchscan.domain.geometry import PatchGrid, PatchSpec, Spacing, SpacingSource
from batchscan.domain.records import EngineInfo, ModelInfo, PatchTable, ScanSettings, SlideInfo, SlideResult
from batchscan.evaluation.extent import count_patches, measure_extent

MODEL = ModelInfo("idc-cnn", "1", "5e" * 32)


def stored_result(
    width_px: int,
    height_px: int,
    um_per_px: float,
    *,
    stride: float = 1.0,
    downsample: float = 1.0,
    seed: int = 5,
    threshold: float = 0.5,
) -> SlideResult:
    """Every p is another; some cells are not scanned, and one isn't readable."""
    draw = np.random.default_rng(seed)
    settings = ScanSettings(PatchSpec(50, 8.0, stride), 0.1, 0.5, threshold, 0.02)
    grid = PatchGrid.over(width_px, height_px, um_per_px, settings.patch)
    row, col = (place.astype(np.int32) for place in np.nonzero(draw.random((grid.n_rows, grid.n_cols)) < 0.8))
    n = len(row)
    p = draw.permutation(np.linspace(0, 1, n)).astype(np.float32)
    readable = np.arange(n) != n // 2
    p[~readable] = np.nan
    table = PatchTable(grid, row, col, np.ones(n, np.float32), p, p, readable, np.arange(n, dtype=np.uint64))
    spacing = Spacing(um_per_px, SpacingSource.VENDOR)
    return SlideResult(
        slide=SlideInfo("S1", "P1", width_px, height_px, spacing, "sha256:" + "a" * 64, downsample),
        model=MODEL,
        engine=EngineInfo("keras", "f32"),
        settings=settings,
        counts=count_patches(table, settings),
        extent=measure_extent(table, spacing, threshold),
        qc={},
        seconds=dict.fromkeys(("read", "tissue", "infer", "write", "total"), 0.1),
        scan_digest="sha256:" + "1" * 64,
        digest="sha256:" + "2" * 64,
        table=table,
    )
