"""One slide store -> its patch table, in steps that can run anywhere: survey, then each block; no scheduler here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from batchscan.domain.errors import ModelError, UnreadableSlide, UnsuitableColour
from batchscan.domain.geometry import Box, PatchGrid, PatchSpec
from batchscan.domain.orientations import mean_over_orientations
from batchscan.domain.pixel_hash import NO_HASH, Uint64Array, pixel_hashes
from batchscan.domain.profile import Profile
from batchscan.domain.quality import Measured
from batchscan.domain.records import (
    BoolArray,
    Float32Array,
    Int32Array,
    PatchTable,
    ScanSettings,
    SlideInfo,
    Uint8Array,
)
from batchscan.domain.tissue_map import TissueMap
from batchscan.scan.engines import Engine
from batchscan.scan.grid import Block, blocks, cells_with, cut_patches, scanned_cells, tissue_fractions
from batchscan.scan.lost import filled, seen_only
from batchscan.scan.quality import overview_quality
from batchscan.scan.sharpness import sharpness
from batchscan.scan.tissue import OVERVIEW_UM_PER_PX, find_tissue, is_greyscale, qc_facts
from batchscan.stores.pyramids import SlideStore

# Patches of 50 px: two thousand. A block alone may be more.
_TOGETHER_BYTES = 15_000_000
# A whole number of every engine's batches; a slow network takes seconds for them, and whoever says nothing is stuck.
_ASKED_AT_ONCE = 1024
# An overview has at most so many pixels: a glass of 30 x 68 mm at the usual spacing.
_OVERVIEW_PX = 8_000_000


@dataclass(frozen=True)
class Survey:
    """What is to be scanned of a slide.

    Parameters
    ----------
    info, grid
        The slide, and the grid over it.
    row, col, tissue_fraction
        (n,) int32, int32, float32 of the cells with enough tissue, row-major.
    blocks
        The same cells, partitioned into what is read at once; the largest first, so that workers end together.
    qc
        Named facts.
    seconds
        `read` and `tissue`.
    measured, profile
        What the overview tells of the slide's quality (`scan/quality.py`).
    """

    info: SlideInfo
    grid: PatchGrid
    row: Int32Array
    col: Int32Array
    tissue_fraction: Float32Array
    blocks: tuple[Block, ...]
    qc: Mapping[str, Any]
    seconds: Mapping[str, float]
    measured: tuple[Measured, ...] = ()
    profile: Profile = field(default_factory=dict)


@dataclass(frozen=True)
class Overview:
    """The whole slide at a coarse spacing: (rows, cols, 3) uint8, and where tissue and dark matter are on it."""

    pixels: Uint8Array
    tissue: TissueMap
    dark: BoolArray


@dataclass(frozen=True)
class BlockScores:
    """What a block's patches came to: p_raw (n,) float32, NaN where not readable (n,) bool; seconds read, infer.

    `pixel_hash` is (n,) uint64 of the patches as the network saw them (`domain/pixel_hash.py`), 0 where not readable;
    `sharpness` (n,) float32 of the same pixels, NaN where not readable or not defined, None where not measured.
    """

    row: Int32Array
    col: Int32Array
    p_raw: Float32Array
    readable: BoolArray
    pixel_hash: Uint64Array
    seconds: Mapping[str, float]
    sharpness: Float32Array | None = None


class BoxSource(Protocol):
    """What an overview is read from: a slide store, or a slide file that is none yet."""

    def read_around(self, box: Box, um_per_px: float) -> tuple[Uint8Array, BoolArray]:
        """(rows, cols, 3) uint8 of a box in level-0 pixels at a spacing, (rows, cols) bool of what can't be known."""
        ...


def survey_slide(
    store: BoxSource,
    info: SlideInfo,
    settings: ScanSettings,
    tell: Callable[[tuple[Block, ...]], None] = lambda _: None,
) -> tuple[Survey, Overview]:
    """Find the tissue of a slide and lay the grid over it.

    What the slide's file couldn't give counts as tissue: its patches are asked for, and counted as unreadable. `tell`
    is given the blocks as soon as they are known; what is measured of the slide's quality follows.

    Raises
    ------
    UnsuitableColour
        If the slide has content but no colour: the network has only ever seen H&E.
    UnreadableSlide
        If the overview can't be read.
    """
    clock = time.perf_counter()
    um_per_px = overview_um_per_px(info)
    pixels, lost = store.read_around(Box(0, 0, info.width_px, info.height_px), um_per_px)
    read = time.perf_counter() - clock
    known = _channel_by_channel(filled(pixels, lost))
    if is_greyscale(known):
        raise UnsuitableColour(
            f"{info.slide_id}: is a greyscale image; the model needs an RGB scan of an H&E section: scan it in colour"
        )
    seen = seen_only(find_tissue(known, um_per_px), lost)
    tissue = replace(seen, mask=seen.mask | lost)
    grid = PatchGrid.over(info.width_px, info.height_px, info.spacing.um_per_px, settings.patch)
    fractions = tissue_fractions(tissue, grid, info.spacing.um_per_px)
    row, col = scanned_cells(fractions, grid, settings.min_tissue)
    largest_first = tuple(sorted(blocks(row, col, settings.patch), key=len, reverse=True))
    tell(largest_first)
    quality = overview_quality(known, seen)
    survey = Survey(
        info=info,
        grid=grid,
        row=row,
        col=col,
        tissue_fraction=fractions[row, col],
        blocks=largest_first,
        qc=qc_facts(tissue),
        seconds={"read": read, "tissue": time.perf_counter() - clock - read},
        measured=quality.measured,
        profile=quality.profile,
    )
    return survey, Overview(pixels, tissue, quality.dark & ~lost)


def _channel_by_channel(pixels: Uint8Array) -> Uint8Array:
    """The same pixels, each channel contiguous in memory: arithmetic between whole channels is ten times faster so."""
    return np.ascontiguousarray(np.moveaxis(pixels, 2, 0)).transpose(1, 2, 0)


def overview_um_per_px(info: SlideInfo) -> float:
    """The spacing to look for tissue at: coarser than usual only where the glass is so large that memory would grow."""
    area_um2 = info.width_px * info.height_px * info.spacing.um_per_px**2
    return max(OVERVIEW_UM_PER_PX, math.sqrt(area_um2 / _OVERVIEW_PX))


@dataclass(frozen=True, slots=True)
class _ReadBlock:
    """A block before its patches are scored: those that could be read, (m, p, p, 3), and what is known of all n."""

    block: Block
    patches: Uint8Array
    readable: BoolArray
    pixel_hash: Uint64Array
    sharpness: Float32Array
    seconds: float

    def scored(self, p_read: Float32Array, seconds: float) -> BlockScores:
        """With p_raw (m,) of those that could be read."""
        p_raw = np.full(len(self.block), np.nan, np.float32)
        p_raw[self.readable] = p_read
        spent = {"read": self.seconds, "infer": seconds}
        rows, cols = self.block.rows, self.block.cols
        return BlockScores(rows, cols, p_raw, self.readable, self.pixel_hash, spent, self.sharpness)


def scan_block(store: SlideStore, grid: PatchGrid, block: Block, settings: ScanSettings, engine: Engine) -> BlockScores:
    """The same for one block; see `scan_blocks`."""
    return scan_blocks(store, grid, (block,), settings, engine)[0]


def scan_blocks(
    store: SlideStore,
    grid: PatchGrid,
    blocks: Iterable[Block],
    settings: ScanSettings,
    engine: Engine,
    gets_on: Callable[[], None] = lambda: None,
) -> list[BlockScores]:
    """Read blocks of a slide and give each of their patches its p_raw; patches that can't be read get NaN.

    The engine is asked for many blocks at once, so that few of its batches are padded; the patches of so many are in
    memory together, twice. `gets_on` is called after each block that was read, and now and then meanwhile.

    Raises
    ------
    ModelError
        If the network has no finite score for a patch that was read: NaN would pass for negative.
    """
    scored: list[BlockScores] = []
    waiting: list[_ReadBlock] = []
    for block in blocks:
        waiting.append(_read_block(store, grid, block, settings.patch))
        gets_on()
        if sum(each.patches.nbytes for each in waiting) >= _TOGETHER_BYTES:
            scored += _scored(waiting, settings, engine, gets_on)
            waiting = []
    return [*scored, *_scored(waiting, settings, engine, gets_on)] if waiting else scored


def _scored(
    found: Sequence[_ReadBlock], settings: ScanSettings, engine: Engine, gets_on: Callable[[], None]
) -> list[BlockScores]:
    """All of them through the network as if they were one."""
    before_s = engine.network_s
    patches = found[0].patches if len(found) == 1 else np.concatenate([each.patches for each in found])
    p_read = raw_scores(patches, settings.orientations, engine, gets_on)
    _check_finite(p_read, engine)
    a_patch_s = (engine.network_s - before_s) / max(1, len(p_read))
    ends = np.cumsum([len(each.patches) for each in found])
    parts = zip(found, np.split(p_read, ends[:-1]), strict=True)
    return [each.scored(p, a_patch_s * len(p)) for each, p in parts]


def _read_block(store: SlideStore, grid: PatchGrid, block: Block, patch: PatchSpec) -> _ReadBlock:
    clock = time.perf_counter()
    patches, readable = read_patches(store, grid, block, patch)
    # Indexing copies, and a block may be large.
    read_ones = patches if readable.all() else patches[readable]
    pixel_hash = np.full(len(block), NO_HASH, np.uint64)
    pixel_hash[readable] = pixel_hashes(read_ones)
    sharp = np.full(len(block), np.nan, np.float32)
    sharp[readable] = sharpness(read_ones)
    return _ReadBlock(block, read_ones, readable, pixel_hash, sharp, time.perf_counter() - clock)


def _check_finite(p_raw: Float32Array, engine: Engine) -> None:
    n_bad = int((~np.isfinite(p_raw)).sum())
    if n_bad:
        info = engine.info
        raise ModelError(
            f"engine {info.name} ({info.precision}): the network's score is no finite number for {n_bad} of "
            f"{len(p_raw)} patches that were read, expected 0 to 1: check the package with `batchscan model verify`, "
            "or use another engine"
        )


def raw_scores(
    patches: Uint8Array, orientations: int, engine: Engine, gets_on: Callable[[], None] = lambda: None
) -> Float32Array:
    """p_raw of patches (n, p, p, 3): the engine's, mean over the first `orientations` of the eight; (n,) float32."""

    def predict(turned: Uint8Array) -> Float32Array:
        parts = []
        for start in range(0, len(turned), _ASKED_AT_ONCE):
            parts.append(engine.predict(turned[start : start + _ASKED_AT_ONCE]))
            gets_on()
        return np.concatenate([*parts, np.empty(0, np.float32)])

    return mean_over_orientations(patches, orientations, predict).astype(np.float32)


def read_patches(store: SlideStore, grid: PatchGrid, block: Block, patch: PatchSpec) -> tuple[Uint8Array, BoolArray]:
    """The patches of a block, (n, p, p, 3) as the network sees them, and (n,) which could be read; black if not."""
    try:
        pixels, lost = store.read_around(block.read_box(grid), patch.um_per_px)
    except UnreadableSlide:
        # Something in the block is damaged: find out which patches it costs.
        cells = zip(block.rows.tolist(), block.cols.tolist(), strict=True)
        tried = [_read_patch(store, grid, row, col, patch) for row, col in cells]
    else:
        patches = cut_patches(pixels, block, patch)
        if not lost.any():
            return patches, np.ones(len(block.rows), np.bool_)
        # Cut from the same read as if the slide were whole, so that the others have the same pixels to the bit.
        readable = ~cells_with(lost, block, patch)
        patches[~readable] = 0
        return patches, readable
    blank = np.zeros((patch.patch_px, patch.patch_px, 3), np.uint8)
    pixels = np.stack([blank if one is None else one for one in tried])
    return pixels, np.array([one is not None for one in tried], np.bool_)


def _read_patch(store: SlideStore, grid: PatchGrid, row: int, col: int, patch: PatchSpec) -> Uint8Array | None:
    try:
        return store.read_box(grid.patch_box(row, col), patch.um_per_px)
    except UnreadableSlide:
        return None


def patch_table(survey: Survey, scores: Iterable[BlockScores], settings: ScanSettings) -> PatchTable:
    """The blocks' scores in row-major grid order, whatever the order they came in, and what they come to as p_idc."""
    p_by_cell = np.full((survey.grid.n_rows, survey.grid.n_cols), np.nan, np.float32)
    readable_by_cell = np.zeros(p_by_cell.shape, np.bool_)
    hash_by_cell = np.full(p_by_cell.shape, NO_HASH, np.uint64)
    sharpness_by_cell = np.full(p_by_cell.shape, np.nan, np.float32)
    for block in scores:
        p_by_cell[block.row, block.col] = block.p_raw
        readable_by_cell[block.row, block.col] = block.readable
        hash_by_cell[block.row, block.col] = block.pixel_hash
        if block.sharpness is not None:
            sharpness_by_cell[block.row, block.col] = block.sharpness
    p_raw = p_by_cell[survey.row, survey.col]
    table = PatchTable(
        grid=survey.grid,
        row=survey.row,
        col=survey.col,
        tissue_fraction=survey.tissue_fraction,
        p_raw=p_raw,
        p_idc=p_raw,
        readable=readable_by_cell[survey.row, survey.col],
        pixel_hash=hash_by_cell[survey.row, survey.col],
        sharpness=sharpness_by_cell[survey.row, survey.col],
    )
    return table.judged(settings)


def check_readable(info: SlideInfo, table: PatchTable, max_unreadable: float) -> None:
    """See that enough of the slide could be read for its numbers to mean something.

    Raises
    ------
    UnreadableSlide
        If more than `max_unreadable` of the tissue patches could not.
    """
    check_unreadable(info.slide_id, int((~table.readable).sum()), len(table), max_unreadable)


def check_unreadable(slide_id: str, n_bad: int, n_patches: int, max_unreadable: float) -> None:
    """The same for counted patches; raises the same."""
    if n_bad > max_unreadable * n_patches:
        raise UnreadableSlide(
            f"{slide_id}: {n_bad} of {n_patches} tissue patches can't be read (at most {max_unreadable:.1%} may "
            "be missing); the slide store, or the file that it was made from, is damaged: copy that again from the "
            "scanner, then ingest the slide again"
        )
