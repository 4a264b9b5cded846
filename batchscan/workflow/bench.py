"""A slide made here -> how fast each stage of the work is on this machine, against its ceiling, in one run."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.errors import OutputError
from batchscan.domain.job import Job, ModelSection, ReportSection, RunSection, SlidesSection
from batchscan.domain.records import EngineInfo
from batchscan.domain.speed import RUNS, BenchRecord, BenchSlide, EngineSpeed, RunSpeed, StartUp, Unknown, WorkerSpeeds
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
        How long each measurement on all workers lasts; a run on slide stores is of about twice as much work.
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
    date, clock = now(), time.monotonic()
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
        yield from _run_all(at, package, speeds, memory, runs, options.seconds)
        yield StageBegun("printing reports, starting commands")
        with memory.stage("pdf"):
            pdf = pdf_speed(at.run("scan"), folder)
        start = StartUp(command_s("--help"), command_s("status", str(at.run("scan"))))
    yield BenchRecord(
        place=place_of(date),
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


def _run_all(
    at: _Places,
    package: ModelPackage,
    speeds: WorkerSpeeds,
    memory: TreeMemory,
    runs: dict[str, RunSpeed | Unknown],
    seconds: float,
) -> Iterator[StageBegun]:
    """Fill in `runs`, one after the other."""
    write_many(at.stores, at.store, _n_slides(speeds, seconds))
    write_many(at.files, at.slide, speeds.workers)
    for name, words in RUNS.items():
        job = _job(name, at, package, speeds.workers, _other_engine(runs, speeds.engines))
        if job is not None:
            yield StageBegun(f"a real run: {words}")
            with memory.stage(name):
                runs[name] = timed_run(job)


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

    @property
    def stores(self) -> Path:
        """A manifest of the store, many times."""
        return self.folder / "stores.csv"

    @property
    def files(self) -> Path:
        """A manifest of the slide file, once a worker."""
        return self.folder / "files.csv"

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
    job = _job("scan", at, package, 1, None)
    assert job is not None
    settings = scan_settings(job, package)
    return BenchWork(at.store, settings, DEFAULT_MODEL, seconds)


def _n_slides(speeds: WorkerSpeeds, seconds: float) -> int:
    """So many that the fastest engine alone would need twice the seconds, and that a few end while others go on."""
    rates = [each.patches_per_s for each in speeds.engines if each.patches_per_s]
    enough = math.ceil(2 * seconds * max(rates, default=0.0) / speeds.n_patches)
    return max(_LEAST_SLIDES, 2 * speeds.workers, enough)


def _other_engine(runs: Mapping[str, RunSpeed | Unknown], engines: tuple[EngineSpeed, ...]) -> EngineInfo | None:
    """The fastest engine, if a run takes another by itself."""
    chosen = runs.get("scan")
    fastest = max(
        (each for each in engines if each.patches_per_s), key=lambda each: each.patches_per_s or 0.0, default=None
    )
    if fastest is None or not isinstance(chosen, RunSpeed) or fastest.info == chosen.engine:
        return None
    return fastest.info


def _job(name: str, at: _Places, package: ModelPackage, workers: int, other: EngineInfo | None) -> Job | None:
    """What is run under a name of `RUNS`; None where there is no other engine to run with."""
    given: dict[str, Any] = {}
    if name == "scan_fastest":
        if other is None:
            return None
        given = asdict(other)
    finest = package.card.scale.um_per_px if name == "from_file_coarse" else FINEST_UM_PER_PX
    return Job(
        slides=SlidesSection(sources=(at.stores if name.startswith("scan") else at.files,), finest_um_per_px=finest),
        model=ModelSection(engine=given.get("name", "auto"), precision=given.get("precision", "auto")),
        run=RunSection(out=at.run(name), workers=workers),
        report=ReportSection(per_slide=False),
    )


def _bench_slide(slide: SyntheticSlide, path: Path) -> BenchSlide:
    side_px = slide.side_px
    return BenchSlide(slide.side_mm, slide.um_per_px, slide.seed, side_px, side_px, path.stat().st_size)
