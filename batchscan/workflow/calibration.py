"""A slide of a job -> how long its steps take on this worker: the run's own steps, into a folder that is gone after."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from batchscan.domain.errors import UnreadableSlide
from batchscan.domain.geometry import floor_px
from batchscan.domain.pixel_hash import NO_HASH
from batchscan.domain.plan import Sample
from batchscan.domain.records import SlideInfo, Uint8Array
from batchscan.scan.grid import BLOCK_PATCHES, Block
from batchscan.scan.pipeline import BlockScores, survey_slide
from batchscan.stores.crew import Crew
from batchscan.stores.foreseen import ForeseenStore
from batchscan.stores.packages import open_package
from batchscan.stores.pyramid_writer import CHUNK, PixelSource, StoreFacts, write_pyramid
from batchscan.stores.pyramids import is_store
from batchscan.stores.results import RunFolder
from batchscan.stores.slides import VendorSlide
from batchscan.workflow import slide_steps
from batchscan.workflow.ingest_steps import store_path
from batchscan.workflow.slide_steps import FinishedSlide, SlideSurvey, SlideWork

# Patches are scored for about so long, after a few that see how fast that goes.
_SCORING_S = 2.5
_FIRST_PATCHES = 32
# No network is that fast; a clock may be that coarse.
_LEAST_S = 1e-6
# So large a square of a slide file is made a store to scan, and so many squares a side to see what is typical.
_PART_PX = 2048
_MOSAIC_SIDE = 5
_CHUNK_PX = CHUNK[-1]
_BLOCK_BYTES = 512


@dataclass(frozen=True, slots=True)
class SampleWork:
    """A slide to take a sample of; `number` tells samples of one slide apart."""

    work: SlideWork
    number: int

    @property
    def slide_id(self) -> str:
        """Whose it is: no slide's id has a space."""
        return f"sample {self.number}"


def take_sample(asked: SampleWork) -> Sample:
    """Run a slide's steps on this worker and see how long they take; at most some seconds' worth of its patches.

    Raises
    ------
    SlideError
        If the slide can't be read after all.
    """
    with tempfile.TemporaryDirectory(prefix="batchscan-plan-") as folder:
        run = RunFolder(Path(folder) / "run")
        run.create()
        run.keep_card(open_package(asked.work.package).card)
        work = replace(asked.work, run=run, fresh=True)
        return _sampled(work) if is_store(work.request.path) else _sampled_part(work)


def nothing_to_scan(asked: SampleWork, blocks: Sequence[Block]) -> list[BlockScores]:
    """A sample is taken in one step."""
    raise AssertionError(f"{asked.slide_id}: {len(blocks)} blocks are to be scanned besides")


def as_taken(asked: SampleWork, sample: Sample, scores: list[BlockScores]) -> Sample:
    """The sample is all there is."""
    del asked, scores
    return sample


def _sampled(work: SlideWork) -> Sample:
    # The sample is a step itself, and nobody is to scan its blocks.
    surveyed = slide_steps.survey_and_tell(work, lambda _: None)
    if surveyed.survey is None or not surveyed.blocks:
        raise UnreadableSlide(f"{work.slide_id}: no tissue is found where there was some: see who writes to the slide")
    begun_s, infer_s = _begun(work, surveyed.blocks[0])
    scores, scan_s = _scored(work, surveyed.blocks, infer_s)
    scores = [_unscored(surveyed, scores), *scores]
    (first_s, _), (finish_s, finished) = (_finished(work, surveyed, scores) for _ in range(2))
    n_patches = len(surveyed.survey.row)
    return Sample(
        n_patches=n_patches,
        tissue_mm2=work.settings.patch.cells_mm2(n_patches),
        n_scored=sum(len(each.row) for each in scores[1:]),
        scan_s=scan_s,
        finish_s=finish_s,
        begin_s=max(0.0, begun_s) + max(0.0, first_s - finish_s),
        result_bytes=_disk_bytes(finished.staged) if finished.staged else 0,
    )


def _begun(work: SlideWork, block: Block) -> tuple[float, float]:
    """Seconds by which the first patches took longer than when they were scanned again; and then, to score one."""
    few = _first_cells(block, min(_FIRST_PATCHES, len(block)))
    clock = time.perf_counter()
    slide_steps.scan(work, (few,))
    between = time.perf_counter()
    (scored,) = slide_steps.scan(work, (few,))
    return between - clock - (time.perf_counter() - between), max(_LEAST_S, scored.seconds["infer"] / len(few))


def _scored(work: SlideWork, blocks: tuple[Block, ...], infer_s: float) -> tuple[list[BlockScores], float]:
    """Scores of patches for about 2.5 s, and the seconds for them: of what a block's patches share, their part."""
    scores: list[BlockScores] = []
    scan_s = 0.0
    for block in blocks:
        n = min(BLOCK_PATCHES, floor_px((_SCORING_S - scan_s) / infer_s))
        if n < 1:
            break
        part = _first_cells(block, n if block is blocks[-1] else min(n, len(block)))
        clock = time.perf_counter()
        scores.extend(slide_steps.scan(work, (part,)))
        shared_s = time.perf_counter() - clock - scores[-1].seconds["infer"]
        scan_s += scores[-1].seconds["infer"] + shared_s * len(part) / len(block)
    return scores, scan_s


def _first_cells(block: Block, n: int) -> Block:
    """The block with so many patches, some of them again if it hasn't so many; as much is read for them."""
    return replace(block, rows=np.resize(block.rows, n), cols=np.resize(block.cols, n))


def _unscored(surveyed: SlideSurvey, scores: list[BlockScores]) -> BlockScores:
    """All cells as if they were like the median patch; those that have scores keep theirs, as they come after."""
    assert surveyed.survey is not None
    row, col = surveyed.survey.row, surveyed.survey.col
    median = np.nanmedian(np.concatenate([each.p_raw for each in scores]))
    n = len(row)
    return BlockScores(
        row, col, np.full(n, median, np.float32), np.ones(n, np.bool_), np.full(n, NO_HASH, np.uint64), {}
    )


def _finished(work: SlideWork, surveyed: SlideSurvey, scores: list[BlockScores]) -> tuple[float, FinishedSlide]:
    clock = time.perf_counter()
    finished = slide_steps.finish(work, surveyed, scores)
    return time.perf_counter() - clock, finished


def _sampled_part(work: SlideWork) -> Sample:
    """Of a slide file: tissue from it becomes a small slide store to go on with, what is typical of it another."""
    request = work.request
    path, typical = (store_path(work.run.stores, name) for name in (work.slide_id, f"{work.slide_id}-typical"))
    work.run.stores.mkdir()
    with VendorSlide(request.local_path) as slide:
        store = ForeseenStore(slide, request.spacing or slide.spacing(), work.finest_um_per_px)
        facts = StoreFacts(work.slide_id, store.spacing, {})
        _write(path, _richest(work, store), facts)
        mosaic = _Mosaic(store)
        clock = time.perf_counter()
        _write(typical, mosaic, facts)
        store_s = time.perf_counter() - clock
    sample = _sampled(replace(work, request=replace(request, path=path, spacing=None)))
    n_px = mosaic.width_px * mosaic.height_px
    return replace(sample, store_px=n_px, store_s=store_s, store_bytes=_disk_bytes(typical))


def _write(path: Path, pixels: PixelSource, facts: StoreFacts) -> None:
    """As a run makes a slide's store, on one thread."""
    with Crew(1) as crew:
        write_pyramid(path, pixels, facts, crew, lambda _: None)


@dataclass(frozen=True)
class _Part:
    """A rectangle of the store that a slide file would be, in its level-0 pixels, as a slide of its own."""

    store: ForeseenStore
    x: int
    y: int
    width_px: int
    height_px: int

    @property
    def tile_px(self) -> int:
        return self.store.pixels.tile_px

    def read(self, x: int, y: int, width: int, height: int) -> Uint8Array:
        return self.store.pixels.read(self.x + x, self.y + y, width, height)


@dataclass(frozen=True)
class _Mosaic:
    """Squares from all over such a store side by side, tissue and glass alike; they are its chunks' size."""

    store: ForeseenStore
    width_px: int = _MOSAIC_SIDE * _CHUNK_PX
    height_px: int = _MOSAIC_SIDE * _CHUNK_PX
    tile_px: int = _CHUNK_PX

    def read(self, x: int, y: int, width: int, height: int) -> Uint8Array:
        col, row = x // self.tile_px, y // self.tile_px
        left = self._corner(col, self.store.width_px) + x % self.tile_px
        top = self._corner(row, self.store.height_px) + y % self.tile_px
        return self.store.pixels.read(left, top, width, height)

    def _corner(self, index: int, size_px: int) -> int:
        """Of a square in the middle of each fifth of the slide: its edges are no more than they are of the whole."""
        middle_px = size_px * (2 * index + 1) // (2 * _MOSAIC_SIDE)
        return min(max(0, middle_px - self.tile_px // 2), max(0, size_px - self.tile_px))


def _richest(work: SlideWork, store: ForeseenStore) -> _Part:
    width, height = min(_PART_PX, store.width_px), min(_PART_PX, store.height_px)
    info = SlideInfo(work.slide_id, work.slide_id, store.width_px, store.height_px, store.spacing, "")
    survey, _ = survey_slide(store, info, work.settings)
    box = max(survey.blocks, key=len).read_box(survey.grid)
    x = min(max(0, floor_px(box.x + (box.width - width) / 2)), store.width_px - width)
    y = min(max(0, floor_px(box.y + (box.height - height) / 2)), store.height_px - height)
    return _Part(store, x, y, width, height)


def _disk_bytes(folder: Path) -> int:
    return sum(path.lstat().st_blocks * _BLOCK_BYTES for path in (folder, *_all_below(folder)))


def _all_below(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        yield from (Path(root) / name for name in (*folders, *files))
