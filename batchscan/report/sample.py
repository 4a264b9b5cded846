"""A model's card -> made-up results that fill every part of a report, to try templates on before there is any result.

Nothing of them is ever printed for anyone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from batchscan.domain.card import ModelCard
from batchscan.domain.geometry import PatchGrid, PatchSpec, Spacing, SpacingSource
from batchscan.domain.quality import MEASURES, Grade, Measured, Quality, QualitySettings, judged
from batchscan.domain.records import (
    Counts,
    EngineInfo,
    Extent,
    Focus,
    ModelInfo,
    PatchTable,
    ScanSettings,
    SlideInfo,
    SlideResult,
)

_NAME = "sample"
_SIDE = 9
_SHA256 = "sha256:" + "0" * 64


def sample_results(card: ModelCard) -> Iterator[SlideResult]:
    """A slide with two foci, one without any, and one that is not analysable."""
    with_foci = _result(card)
    yield with_foci
    none = replace(with_foci.extent, idc_mm2=0.0, idc_fraction=0.0, n_foci=0, foci=())
    yield replace(with_foci, extent=none, table=_table(with_foci.table.grid, 0.1))
    refused = Quality(Grade.NOT_ANALYSABLE, tuple(replace(one, grade=None) for one in with_foci.quality.measures))
    yield replace(with_foci, quality=refused)


def _result(card: ModelCard) -> SlideResult:
    spacing = Spacing(card.scale.um_per_px, SpacingSource.OPTION)
    patch = PatchSpec(card.patch_px, spacing.um_per_px, 1.0)
    side_px = card.patch_px * _SIDE
    table = _table(PatchGrid.over(side_px, side_px, spacing.um_per_px, patch), 0.9)
    settings = ScanSettings(patch, 0.1, 0.01, card.threshold.value, card.engine_tolerance)
    return SlideResult(
        slide=SlideInfo(_NAME, _NAME, side_px, side_px, spacing, _SHA256),
        model=ModelInfo(card.name, card.version, card.weights_sha256),
        engine=EngineInfo(_NAME, "f32"),
        settings=settings,
        counts=Counts(grid=_SIDE**2, tissue=_SIDE**2, positive=5, borderline=1, unreadable=1),
        extent=_extent(spacing.mm(card.patch_px), card.patch_px),
        qc={
            "tissue_share": 1.0,
            "pen_share": 0.1,
            "damaged_squares": 1,
            "damaged_mm2": 1.0,
            "background_rgb": [0, 0, 0],
        },
        seconds={"read": 1.0, "tissue": 1.0, "infer": 1.0, "write": 1.0, "total": 4.0},
        scan_digest=_SHA256,
        digest=_SHA256,
        table=table,
        quality=judged((Measured(name, 0.5) for name in MEASURES), QualitySettings()),
    )


def _table(grid: PatchGrid, highest: float) -> PatchTable:
    row, col = np.divmod(np.arange(_SIDE**2, dtype=np.int32), np.int32(_SIDE))
    p = np.linspace(highest, 0.0, _SIDE**2, dtype=np.float32)
    readable = np.arange(_SIDE**2) > 0
    p[~readable] = np.nan
    return PatchTable(grid, row, col, np.ones_like(p), p, p, readable)


def _extent(cell_mm: float, cell_px: int) -> Extent:
    foci = (_focus(cell_mm, cell_px, 2), _focus(cell_mm, cell_px, 1))
    area_mm2 = cell_mm**2
    return Extent(
        tissue_mm2=area_mm2 * _SIDE**2,
        unreadable_mm2=area_mm2,
        idc_mm2=area_mm2 * 5,
        idc_fraction=5 / _SIDE**2,
        n_foci=len(foci),
        largest_focus_mm=foci[0].greatest_mm,
        perpendicular_mm=foci[0].perpendicular_mm,
        field_extent_mm=cell_mm * _SIDE,
        touches_edge=True,
        foci=foci,
        undefined={},
    )


def _focus(cell_mm: float, cell_px: int, n_cells: int) -> Focus:
    """A square of so many cells a side."""
    side_px, side_mm = float(cell_px * n_cells), cell_mm * n_cells
    ring = ((0.0, 0.0), (side_px, 0.0), (side_px, side_px), (0.0, side_px), (0.0, 0.0))
    return Focus(
        area_mm2=side_mm**2,
        greatest_mm=side_mm,
        perpendicular_mm=side_mm,
        bbox_px=(0, 0, cell_px * n_cells, cell_px * n_cells),
        centroid_px=(side_px / 2, side_px / 2),
        mean_p=0.9,
        n_patches=n_cells**2,
        touches_edge=True,
        rings_px=((ring,),),
    )
