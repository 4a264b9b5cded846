"""Labelled patches and a network's scores of them -> the profile that slides are held against, in flat memory.

Stain is counted over all patients that the network was trained on. Tissue and scores are counted over whole slides
only: most training patients have patches of one class alone, which no slide looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.job import MIN_TISSUE_FRACTION
from batchscan.domain.profile import Profile, TrainingProfile, histogram, summed
from batchscan.domain.records import Float32Array, Uint8Array
from batchscan.domain.tissue_map import TissueMap
from batchscan.scan.stain import STAINS, tissue_stain
from batchscan.scan.tissue import OVERVIEW_UM_PER_PX, find_tissue
from batchscan.training.architecture import PATCH_PX
from batchscan.training.dataset import PATCHES_AT_ONCE, WHITE, LabelledPatches
from batchscan.workflow.folds import LEAST_OF_A_CLASS

LEAST_PATCHES = 20
"""A patient with fewer has no say in the range of stains: a few patches may hold next to no nuclei."""

_RANGE_PERCENT = (5.0, 95.0)


@dataclass(frozen=True)
class _Mosaic:
    """One patient's patches where they lie, at an overview's spacing; white between them."""

    pixels: Uint8Array
    cell_px: int
    um_per_px: float


def whole_slides(patches: LabelledPatches, folds: Iterable[str]) -> tuple[str, ...]:
    """Patients whose patches stand for a slide: the recipe's folds, else those with enough patches of both classes."""
    counts = patches.counts()
    named = tuple(patient for patient in dict.fromkeys(folds) if patient in counts)
    return named or tuple(patient for patient, count in counts.items() if min(count) >= LEAST_OF_A_CLASS)


def training_profile(
    patches: LabelledPatches,
    um_per_px: float,
    training: Sequence[str],
    whole: Sequence[str],
    p_raw: Callable[[NDArray[np.int64]], Float32Array],
) -> TrainingProfile:
    """How the values of what a network was made with are spread.

    Parameters
    ----------
    patches
        All labelled ones.
    um_per_px
        Their spacing.
    training
        Patients that the network was fitted to.
    whole
        Patients whose patches stand for a slide.
    p_raw
        The network's scores of patches, by their places in the set.
    """
    stains, strengths = [], []
    for patient in training:
        rows = np.flatnonzero(patches.patient == patient)
        mosaic = _mosaic(patches, rows, um_per_px)
        stain = tissue_stain(mosaic.pixels, _tissue(mosaic))
        stains.append(stain.profile)
        if stain.strength and len(rows) >= LEAST_PATCHES:
            strengths.append(stain.strength)
    slides = [_slide_profile(patches, patient, um_per_px, p_raw) for patient in whole]
    return TrainingProfile(
        counts=summed((*stains, *slides)),
        patients={
            **({name: tuple(training) for name in STAINS} if any(stains) else {}),
            **({name: tuple(whole) for name in ("tissue_fraction", "p_raw")} if slides else {}),
        },
        ranges=_ranges(strengths),
        how_made=_how_made(len(training), len(strengths), whole, sorted(set(whole) & set(training))),
    )


def _ranges(strengths: Sequence[tuple[float, ...]]) -> dict[str, tuple[float, float]]:
    if not strengths:
        return {}
    low, high = np.percentile(strengths, _RANGE_PERCENT, axis=0).tolist()
    return {name: (low[i], high[i]) for i, name in enumerate(STAINS)}


def _how_made(n_training: int, n_ranged: int, whole: Sequence[str], seen: Sequence[str]) -> str:
    slides = "none: no patient's patches stand for a slide"
    if whole:
        slides = f"those that stand for whole slides, {', '.join(whole)}, scored by the package's own network"
    if seen:
        slides += f", which was trained on {', '.join(seen)}: there its scores are surer than on slides it never saw"
    return (
        f"Stain: tissue pixels of the labelled patches of all {n_training} training patients; its range is from the "
        f"5th to the 95th percentile of the {n_ranged} that have at least {LEAST_PATCHES} patches. Tissue and p_raw: "
        f"patches of {slides}. Few slides: what they say of a cohort's usual spread is rough."
    )


def _slide_profile(
    patches: LabelledPatches, patient: str, um_per_px: float, p_raw: Callable[[NDArray[np.int64]], Float32Array]
) -> Profile:
    """What a scan of the patient's slide would count; cells with too little tissue aren't scanned."""
    rows = np.flatnonzero(patches.patient == patient)
    mosaic = _mosaic(patches, rows, um_per_px)
    cells = _tissue(mosaic).mask.reshape(len(mosaic.pixels) // mosaic.cell_px, mosaic.cell_px, -1, mosaic.cell_px)
    row, col = _cells(patches, rows).T
    fraction = cells.mean(axis=(1, 3))[row, col]
    scanned = fraction >= MIN_TISSUE_FRACTION
    return {
        "tissue_fraction": histogram("tissue_fraction", fraction[scanned]),
        "p_raw": histogram("p_raw", p_raw(rows[scanned])),
    }


def _tissue(mosaic: _Mosaic) -> TissueMap:
    return find_tissue(mosaic.pixels, mosaic.um_per_px)


def _cells(patches: LabelledPatches, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n, 2) row and column of patches in a grid whose step is the patch side."""
    corners = np.column_stack([patches.y_px[rows], patches.x_px[rows]])
    return np.asarray(np.rint((corners - corners.min(axis=0, initial=np.inf)) / patches.side_px), dtype=np.int64)


def _mosaic(patches: LabelledPatches, rows: NDArray[np.int64], um_per_px: float) -> _Mosaic:
    """One patient's patches, read a few at a time."""
    factor = _shrink_factor(um_per_px)
    cell_px = PATCH_PX // factor
    places = _cells(patches, rows)
    n_rows, n_cols = places.max(axis=0, initial=-1) + 1
    pixels = np.full((n_rows * cell_px, n_cols * cell_px, 3), WHITE, np.uint8)
    chosen = patches.where(rows)
    for start in range(0, len(rows), PATCHES_AT_ONCE):
        piece = slice(start, start + PATCHES_AT_ONCE)
        blocks = chosen.pixels[piece].reshape(-1, cell_px, factor, cell_px, factor, 3)
        shrunk = np.rint(blocks.mean(axis=(2, 4), dtype=np.float32)).astype(np.uint8)
        for (row, col), patch in zip(places[piece], shrunk, strict=True):
            pixels[row * cell_px : (row + 1) * cell_px, col * cell_px : (col + 1) * cell_px] = patch
    return _Mosaic(pixels, cell_px, factor * um_per_px)


def _shrink_factor(um_per_px: float) -> int:
    """The largest whole number that divides a patch's side and keeps its spacing within an overview's."""
    fitting = [factor for factor in range(1, PATCH_PX + 1) if PATCH_PX % factor == 0]
    return max(factor for factor in fitting if factor == 1 or factor * um_per_px <= OVERVIEW_UM_PER_PX)
