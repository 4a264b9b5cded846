"""A slide store, or its patches in memory -> how fast one worker reads, cuts or scores them: what workers run."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from batchscan.domain.errors import ModelError, UnreadableSlide
from batchscan.domain.geometry import PatchGrid, PatchSpec
from batchscan.domain.records import EngineInfo, Float32Array, ScanSettings, SlideInfo, Uint8Array
from batchscan.domain.speed import Pace
from batchscan.scan.engines import Engine, open_engine
from batchscan.scan.grid import Block
from batchscan.scan.pipeline import read_patches, scan_block, survey_slide
from batchscan.stores.packages import open_package
from batchscan.stores.pyramids import SlideStore, open_store

# Patches that an engine is given at once, in batches of its own: as often as a scan would, so that the clock is seen.
_BATCHES = 8


@dataclass(frozen=True, slots=True)
class BenchWork:
    """What is measured on: a slide store, how it is scanned, with which model, and for about so many seconds."""

    store: Path
    settings: ScanSettings
    package: str
    seconds: float


def n_patches(work: BenchWork) -> int:
    """Patches with tissue; the store's first pixels are read and what they need is loaded meanwhile."""
    blocks = _surveyed(work).blocks
    cut_pace(BenchWork(work.store, work.settings, work.package, 0.0))
    return sum(len(block) for block in blocks)


def read_pace(work: BenchWork) -> Pace:
    """Bytes of pixels of the blocks' boxes, at the model's spacing."""
    of = _surveyed(work)

    def read(index: int) -> int:
        box = of.block(index).read_box(of.grid)
        return of.store.read_around(box, work.settings.patch.um_per_px)[0].nbytes

    return paced(read, work.seconds)


def cut_pace(work: BenchWork) -> Pace:
    """Patches read, cut, hashed and judged for sharpness: a scan whose network takes no time."""
    of, engine = _surveyed(work), _NoNetwork()

    def cut(index: int) -> int:
        return len(scan_block(of.store, of.grid, of.block(index), work.settings, engine).row)

    return paced(cut, work.seconds)


def try_engine(work: BenchWork, engine: EngineInfo) -> str:
    """Open an engine on this worker, for `engine_pace` to find it ready; returns why it can't be, empty if it can."""
    try:
        opened = _opened(work.package, engine)
    except ModelError as error:
        return str(error)
    opened.predict(_patches(work)[: opened.batch])
    return ""


def chosen_engine(work: BenchWork) -> EngineInfo | None:
    """The engine that a run takes by itself; None if there is none."""
    try:
        return open_engine(open_package(work.package)).info
    except ModelError:
        return None


def engine_pace(work: BenchWork, engine: EngineInfo) -> Pace:
    """Patches from memory through the network."""
    opened, patches = _opened(work.package, engine), _patches(work)
    step = min(len(patches), _BATCHES * opened.batch)
    starts = range(0, len(patches) - step + 1, step)

    def score(index: int) -> int:
        start = starts[index % len(starts)]
        return len(opened.predict(patches[start : start + step]))

    return paced(score, work.seconds)


def paced(step: Callable[[int], int], seconds: float) -> Pace:
    """Take one step after the other, each with its number, until the time is up; a step says how much it has done."""
    n, clock = 0, time.perf_counter()
    for index in itertools.count():
        n += step(index)
        spent = time.perf_counter() - clock
        if spent >= seconds:
            return Pace(n, spent)
    raise AssertionError("counting never ends")


@dataclass(frozen=True)
class _Surveyed:
    store: SlideStore
    grid: PatchGrid
    blocks: tuple[Block, ...]

    def block(self, index: int) -> Block:
        """One after the other, and from the start again."""
        return self.blocks[index % len(self.blocks)]


class _NoNetwork:
    """An engine that says 0 of every patch."""

    info = EngineInfo("none", "")
    batch = 1
    network_s = 0.0

    def predict(self, patches: Uint8Array) -> Float32Array:
        """Zeros."""
        return np.zeros(len(patches), np.float32)


def _surveyed(work: BenchWork) -> _Surveyed:
    return _survey(work.store, work.settings.patch, work.settings.min_tissue)


@functools.lru_cache(maxsize=1)
def _survey(path: Path, patch: PatchSpec, min_tissue: float) -> _Surveyed:
    store = open_store(path)
    info = SlideInfo("bench", "bench", store.width_px, store.height_px, store.spacing, "")
    # All that a survey goes by.
    settings = ScanSettings(patch, min_tissue, max_unreadable=0.0, threshold=0.5, tolerance=0.0)
    survey, _ = survey_slide(store, info, settings)
    if not survey.blocks:
        raise UnreadableSlide(f"{path}: no tissue was found on the slide that is measured on; give a larger --mm")
    return _Surveyed(store, survey.grid, survey.blocks)


def _patches(work: BenchWork) -> Uint8Array:
    """The patches of the block that has most."""
    of = _surveyed(work)
    return read_patches(of.store, of.grid, max(of.blocks, key=len), work.settings.patch)[0]


@functools.lru_cache(maxsize=1)
def _opened(package: str, engine: EngineInfo) -> Engine:
    return open_engine(open_package(package), engine.name, precision=engine.precision)
