"""What survey and patches tell of a slide's quality -> its grade, its profile, what is left out, and its numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from batchscan.domain.profile import Profile
from batchscan.domain.quality import Quality, judged
from batchscan.domain.records import Counts, Extent, PatchTable, ScanSettings, SlideInfo, SlideResult
from batchscan.evaluation.extent import count_patches, measure_extent, withheld_counts, withheld_extent
from batchscan.scan.pipeline import Overview, Survey
from batchscan.scan.quality import table_profile, with_sharpness
from batchscan.stores.pyramids import SlideStore

_UM2_A_MM2 = 1e6


@dataclass(frozen=True)
class JudgedSlide:
    """A slide's quality and what follows from it."""

    quality: Quality
    profile: Profile
    counts: Counts
    extent: Extent


def judged_slide(info: SlideInfo, table: PatchTable, settings: ScanSettings, made: Survey | SlideResult) -> JudgedSlide:
    """Hold what was measured against the settings' limits; a slide beyond them has no numbers.

    Parameters
    ----------
    made
        The survey, or an earlier result of the same scan: values are measured once, and judged by any limits.
    """
    if isinstance(made, SlideResult):
        measured = tuple(measure.measured for measure in made.quality.measures)
    else:
        measured = made.measured
    quality = judged(with_sharpness(measured, table), settings.quality)
    counts = count_patches(table, settings)
    if quality.refuses:
        counts, extent = withheld_counts(counts), withheld_extent(not_analysable(quality))
    else:
        extent = measure_extent(table, info.spacing, settings.threshold)
    return JudgedSlide(quality, {**made.profile, **table_profile(table)}, counts, extent)


def left_out(store: SlideStore, found: Survey, overview: Overview) -> dict[str, float]:
    """QC facts on what of a slide isn't scanned: damaged squares and their area, tissue in cells with too little."""
    tissue = overview.tissue
    scanned_px = float((found.tissue_fraction * found.grid.cell_areas_px(found.row, found.col)).sum())
    tissue_mm2 = float(np.count_nonzero(tissue.mask)) * tissue.um_per_px**2 / _UM2_A_MM2
    return {
        "damaged_squares": len(store.damage),
        "damaged_mm2": store.spacing.mm2(store.damage.area_px),
        # A mask's pixels and the grid's cells end at different places: a hair below nothing is nothing.
        "unscanned_tissue_mm2": max(0.0, tissue_mm2 - store.spacing.mm2(scanned_px)),
    }


def not_analysable(quality: Quality) -> str:
    """Why a slide has no numbers, with the codes that summary.csv has."""
    return f"the slide is not analysable ({', '.join(quality.refusals)})"
