"""A slide made here -> how fast each stage of the work is on this machine, against its ceiling, in one run."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.errors import OutputError
from batchscan.domain.job import Job, ModelSection, ReportSection, RunSection, SlidesSection
from batchscan.domain.records import EngineInfo
from batchscan.domain.speed import RUNS, BenchRecord, BenchSlide, RunSpeed, StartUp, Unknown, WorkerSpeeds
from batchscan.scan.cluster import default_workers
from batchscan.stores.ledger import now
from batchscan.stores.packages import ModelPackage, open_package
from batchscan.stores.staging import check_writable
from batchscan.stores.synthetic_slides import SyntheticSlide, write_slide
from batchscan.workflow.bench_ingest import ingest_speed
from batchscan.workflow.bench_machine import n_cores, place_of
from batchscan.workflow.bench_memory import TreeMemory
from batchscan.workflow.bench_prints import pdf_speed
from batchscan.workflow.bench_runs import timed_run, write_many
from batchscan.workflow.bench_starts import command_s
from batchscan.workflow.bench_tasks import BenchWork
from batchscan.workflow.bench_workers import worker_speeds
from batchscan.workflow.demo import demo_patches
from batchscan.workflow.ingest import FINEST_UM_PER_PX
from batchscan.workflow.ingest_steps import store_path
from batchscan.workflow.run import WORKER_BYTES, scan_settings

# Bytes that a pixel takes in the slide file, and in a slide store with its pyramid; both rather too much.
_FILE_BYTES, _STORE_BYTES = 0.4, 3.5
_RESULT_BYTES = 3_000_000
_LEAST_SLIDES = 4
_SLIDE_ID = "bench"


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What to measure on.

    Parameters
    ----------
    slide
        The slide to make.
    workers
        Worker processes, and threads of an ingest; None: as many as a run takes by itself.
    seconds
        How long each measurement on all workers lasts; a run on slide stores is of about three times as much work.
    """

    slide: SyntheticSlide
    workers: int | None = None
    seconds: float = 4.0


@dataclass(frozen=True, slots=True)
class StageBegun:
    """What is measured from now on, in words."""

    words: str


BenchEvent = StageBegun | BenchRecord


def bench(options: BenchOptions, folder: Path) -> Iterator[BenchEvent]:
    """Measure everything; what is made for it stays in a folder that is new or empty.

    Yields
    ------
    BenchEvent
        StageBegun for each stage, the BenchRecord last.

    Raises
    ------
    OutputError
        If the folder isn't empty, can't be written, or has no room.
    BatchscanError
        If the slide can't be made or ingested, or no workers start. An engine or run that fails is part of the record.
    """
    place, clock = place_of(now()), time.monotonic()
    workers = options.workers or default_workers(WORKER_BYTES)
    check_folder(folder, options.slide, workers)
    package, at = open_package(DEFAULT_MODEL), _Places(folder.resolve())
    with TreeMemory() as memory:
        yield StageBegun(f"making a slide of {options.slide.side_mm:g} x {options.slide.side_mm:g} mm")
        with memory.stage("making"), demo_patches() as patches:
            write_slide(at.slide, patches, options.slide, n_cores())
        yield StageBegun("ingesting it, then OpenSlide alone")
        with memory.stage("ingest"):
            ingested = ingest_speed(at.slide, at.archive, workers)
        yield StageBegun(f"reading, cutting and each engine on {workers} workers at once")
        with memory.stage("workers"):
            speeds = worker_speeds(_work(at, package, options.seconds), workers)
        runs: dict[str, RunSpeed | Unknown] = {}
        for name, job in _jobs(at, package, speeds, options.seconds):
            yield StageBegun(f"a real run: {RUNS[name]}")
            with memory.stage(name):
                runs[name] = timed_run(job)
        yield StageBegun("printing reports, starting commands")
        with memory.stage("pdf"):
            pdf = pdf_speed(at.run("scan"), folder)
        start = StartUp(command_s("--help"), command_s("status", str(at.run("scan"))))
    yield BenchRecord(
        place=place,
        model=f"{package.info.name} {package.info.version}",
        slide=_bench_slide(options.slide, at.slide),
        together=speeds,
        runs=runs,
        ingest=ingested,
        pdf=pdf,
        start=start,
        peak_mib=memory.peaks_mib,
        seconds=time.monotonic() - clock,
    )


@dataclass(frozen=True, slots=True)
class _Places:
    """Where everything is in the folder."""

    folder: Path

    @property
    def slide(self) -> Path:
        return self.folder / f"{_SLIDE_ID}.tiff"

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def store(self) -> Path:
        return store_path(self.archive, _SLIDE_ID)

    def manifest(self, name: str) -> Path:
        """Of what a run of this name is of."""
        return self.folder / f"{name}.csv"

    def run(self, name: str) -> Path:
        return self.folder / f"run-{name}"


def check_folder(folder: Path, slide: SyntheticSlide, workers: int) -> None:
    """See that a bench can be made there.

    Raises
    ------
    OutputError
        If not.
    """
    check_writable(folder)
    if any(folder.iterdir()):
        raise OutputError(f"{folder}: isn't empty; what is there would be measured as done already: name a new folder")
    # One store is ingested, and each worker makes another two of its own.
    level_px = slide.side_px**2
    store_px = level_px * min(1.0, slide.um_per_px / FINEST_UM_PER_PX) ** 2
    need = _FILE_BYTES * level_px + _STORE_BYTES * store_px * (1 + 2 * workers) + _RESULT_BYTES * 100
    free = shutil.disk_usage(folder).free
    if need > free:
        raise OutputError(
            f"{folder}: has no room for the bench: {free / 1e9:.1f} GB are free, about {need / 1e9:.1f} GB are needed; "
            "make room, name another folder with --out, or take a smaller slide (--mm) or fewer --workers"
        )


def _work(at: _Places, package: ModelPackage, seconds: float) -> BenchWork:
    settings = scan_settings(_job("scan", at, package, 1), package)
    return BenchWork(at.store, settings, DEFAULT_MODEL, seconds)


def _jobs(at: _Places, package: ModelPackage, speeds: WorkerSpeeds, seconds: float) -> Iterator[tuple[str, Job]]:
    """What is run under the names of `RUNS`, with its manifest written."""
    for name in RUNS:
        engine = None
        if name == "scan_fastest":
            if speeds.fastest == speeds.chosen:
                continue
            engine = speeds.fastest
        slide = at.slide if name.startswith("from_file") else at.store
        write_many(at.manifest(name), slide, _n_slides(name, speeds, engine or speeds.chosen, seconds))
        yield name, _job(name, at, package, speeds.workers, engine)


def _n_slides(name: str, speeds: WorkerSpeeds, engine: EngineInfo | None, seconds: float) -> int:
    """Of stores so many that the engine alone would need three times the seconds, and a few end while others go on."""
    if name == "scan_one":
        return 1
    if name.startswith("from_file"):
        return speeds.workers
    enough = math.ceil(3 * seconds * (speeds.rate(engine) or 0.0) / speeds.n_patches)
    return max(_LEAST_SLIDES, 2 * speeds.workers, enough)


def _job(name: str, at: _Places, package: ModelPackage, workers: int, engine: EngineInfo | None = None) -> Job:
    """With the engine that a run takes by itself, if none is given."""
    given = {"engine": engine.name, "precision": engine.precision} if engine else {}
    finest = package.card.scale.um_per_px if name == "from_file_coarse" else FINEST_UM_PER_PX
    return Job(
        slides=SlidesSection(sources=(at.manifest(name),), finest_um_per_px=finest),
        model=ModelSection.model_validate(given),
        run=RunSection(out=at.run(name), workers=workers),
        report=ReportSection(per_slide=False),
    )


def _bench_slide(slide: SyntheticSlide, path: Path) -> BenchSlide:
    side_px = slide.side_px
    return BenchSlide(slide.side_mm, slide.um_per_px, slide.seed, side_px, side_px, path.stat().st_size)
