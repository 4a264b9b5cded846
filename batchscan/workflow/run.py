"""A Job -> a run folder in which every slide asked for is done, failed or excluded; yields what happens meanwhile."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from batchscan.domain.errors import JobError, OutputError
from batchscan.domain.geometry import PatchSpec, Spacing, SpacingSource
from batchscan.domain.job import Job
from batchscan.domain.quality import QualitySettings
from batchscan.domain.quality_limits import quality_settings
from batchscan.domain.records import EngineInfo, ScanSettings, SlideRequest
from batchscan.report.style_check import check_style
from batchscan.scan.cluster import (
    begin_on_each,
    call_on_worker,
    connect,
    default_workers,
    n_workers,
    threads_by_address,
)
from batchscan.scan.dispatch import run_slides
from batchscan.scan.gpus import GpuChoice, choose_gpus
from batchscan.scan.grid import check_stride
from batchscan.scan.seats import ASIDE, NETWORK
from batchscan.scan.underway import Patience, Steps
from batchscan.stores.ledger import Ledger
from batchscan.stores.packages import ModelPackage, open_package, shipped_models
from batchscan.stores.results import RunFolder
from batchscan.stores.signatures import read_signing_key
from batchscan.stores.staging import check_could_write
from batchscan.workflow import slide_steps
from batchscan.workflow.archive_tables import MANIFEST
from batchscan.workflow.getting_ready import get_ready
from batchscan.workflow.printing import date_of_print
from batchscan.workflow.run_record import RunRecord, Shown
from batchscan.workflow.slide_steps import SlideWork
from batchscan.workflow.sources import find_slides
from batchscan.workflow.styles import style_of
from batchscan.workflow.turns import in_turn

WORKER_BYTES = 1_200_000_000
"""What one worker process needs with its network loaded: Keras took 1.1 GB at most, OpenVINO less than half."""
ASIDE_BYTES = 700_000_000
"""What one needs that opens no network, but prints: 560 MB at most."""
_STEPS = Steps(slide_steps.survey, slide_steps.scan, slide_steps.finish)


@dataclass(frozen=True, slots=True)
class RunPlanned:
    """So many slides were asked for; the cluster comes next. `notes` are sentences that the operator should know."""

    folder: Path
    n_slides: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunReady:
    """The workers are there, and this is what they compute with."""

    workers: int
    model: str
    engine: EngineInfo


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Every slide is accounted for; `counts` by status, asked and remaining."""

    folder: Path
    counts: Mapping[str, int]


RunEvent = RunPlanned | RunReady | Shown | RunEnded


def run_job(
    job: Job, *, fresh: bool = False, retry: bool = False, draining: Callable[[], bool] = lambda: False
) -> Iterator[RunEvent]:
    """Scan and report every slide of a job; the same job again does only what is missing.

    Parameters
    ----------
    job
        With absolute paths.
    fresh
        Redo everything, whatever is there.
    retry
        Try slides again that are in quarantine.
    draining
        Asked all the time: once it says yes, no slide is begun any more, and the run ends with those under way.

    Yields
    ------
    RunEvent
        RunPlanned first, RunEnded last, SlideEnded once for every slide asked for, unless it drains.

    Raises
    ------
    BatchscanError
        What stops the whole run: wrong job, unwritable folder or full disk, no model, no workers, no slide in reach.
    """
    package = open_package(job.model.package)
    settings = scan_settings(job, package)
    check_style(style_of(job.report), package.card)
    key = read_signing_key(job.report.signing_key) if job.report.signing_key else None
    override = Spacing(job.slides.um_per_px, SpacingSource.OPTION) if job.slides.um_per_px else None
    asked = find_slides(job.slides.sources, override)
    folder = RunFolder(job.run.out)
    check_run_folder(folder)
    folder.create()
    with Ledger.hold(folder.ledger) as ledger:
        folder.clear_staging()
        folder.keep_card(package.card, package.seen_path, package.profile_path)
        record = RunRecord(folder, ledger, job, package, settings, key)
        notes = record.begin(asked)
        gpus = gpus_of(job)
        yield RunPlanned(folder.path, len(asked), (*notes, *gpus.notes))
        try:
            yield from map(record.ended_before, asked.not_ingested)
            keen = retry or fresh
            yield from _scan_all(record, asked.requests, gpus.devices, fresh=fresh, retry=keen, draining=draining)
        except BaseException as error:
            record.stop(error)
            raise
        yield RunEnded(folder.path, record.close())


def check_run_folder(folder: RunFolder) -> None:
    """See that a run could be kept there, without writing anything.

    Raises
    ------
    OutputError
        If it is an archive of slides, or can't be written to.
    """
    check_could_write(folder.path)
    if (folder.path / MANIFEST).is_file() and not folder.ledger.is_file():
        raise OutputError(
            f"{folder.path}: is an archive of slides ({MANIFEST} is in it); give the run a folder of its own as --out"
        )


def gpus_of(job: Job) -> GpuChoice:
    """The GPUs for a job's workers; none where a scheduler has workers of its own."""
    return GpuChoice((), ()) if job.run.scheduler else choose_gpus(job.model.engine, job.run.workers)


def aside_of(devices: tuple[str, ...], workers: int) -> int:
    """How many processes work beside those that have a GPU: one a core that these leave, as far as memory allows."""
    return max(1, default_workers(ASIDE_BYTES) - workers) if devices else 0


def scan_settings(job: Job, package: ModelPackage) -> ScanSettings:
    """What the job and the model's card come to.

    Raises
    ------
    JobError
        If the stride doesn't fit the model's patches, or limits of quality contradict one another.
    """
    card, model = package.card, job.model
    patch = PatchSpec(card.patch_px, card.scale.um_per_px, job.patches.stride)
    check_stride(patch)
    return ScanSettings(
        patch=patch,
        min_tissue=job.patches.min_tissue,
        max_unreadable=job.patches.max_unreadable,
        threshold=card.threshold.value if model.threshold is None else model.threshold,
        tolerance=card.tolerance(model.precision),
        orientations=card.context.orientations if model.orientations is None else model.orientations,
        aggregation=card.aggregation if model.neighbours is None else replace(card.aggregation, sigma=model.neighbours),
        quality=_quality_settings(job, package),
    )


def _quality_settings(job: Job, package: ModelPackage) -> QualitySettings:
    section = job.quality
    try:
        return quality_settings(package.profile(), enabled=section.enabled, overrides=section.overrides)
    except ValueError as error:
        raise JobError(f"[quality] {error}: change that measure's limits in the job file") from error


def _scan_all(
    record: RunRecord,
    requests: tuple[SlideRequest, ...],
    devices: tuple[str, ...],
    *,
    fresh: bool,
    retry: bool,
    draining: Callable[[], bool],
) -> Iterator[RunEvent]:
    if retry:
        record.quarantine.forgive(request.slide_id for request in requests)
    given_up = {request.slide_id: record.quarantine.outcome(request.slide_id) for request in requests}
    yield from (record.ended_before(outcome) for outcome in given_up.values() if outcome)
    to_do = [request for request in requests if not given_up[request.slide_id]]
    if not to_do:
        return
    job, package = record.job, record.package
    workers = job.run.workers or len(devices) or default_workers(WORKER_BYTES)
    with connect(job.run.scheduler, workers, devices, aside_of(devices, workers)) as client:
        engine, loading = _loaded(client, job, package)
        record.engine, record.n_gpus = engine, len(devices)
        record.workers.changed(sum(threads_by_address(client).values()), time.monotonic())
        yield RunReady(n_workers(client), f"{package.info.name} {package.info.version}", engine)
        turns = in_turn(to_do, record.ledger.suspects())
        record.ledger.weigh({request.slide_id: seconds for request, seconds in turns})
        works = (
            slide_work(request, job, package, record.settings, engine, record.started, fresh=fresh)
            for request, _ in turns
        )
        patience = Patience(job.run.attempts, job.run.stall_s, job.run.away_s)
        accidents = record.quarantine.accidents
        for event in run_slides(client, works, _STEPS, patience, draining=draining, accidents=accidents):
            yield from record.keep(event)
        del loading


def _loaded(client: Any, job: Job, package: ModelPackage) -> tuple[EngineInfo, list[Any]]:
    """What a job's workers compute with, and futures to be held: all load and open what they need, side by side."""
    wanted = where_of(package, job), job.model.engine, job.model.precision, uuid.uuid4().hex
    style = style_of(job.report) if job.report.per_slide else None
    loading = begin_on_each(client, get_ready, style, kind=ASIDE)
    opening = begin_on_each(client, slide_steps.begin_to_open, *wanted, kind=NETWORK)
    return call_on_worker(client, slide_steps.resolve_engine, *wanted), [*loading, *opening]


def where_of(package: ModelPackage, job: Job) -> str:
    """Where workers find the package: another machine may keep the shipped models elsewhere, but knows them by name."""
    return job.model.package if job.model.package in shipped_models() else str(package.path)


def slide_work(
    request: SlideRequest,
    job: Job,
    package: ModelPackage,
    settings: ScanSettings,
    engine: EngineInfo,
    started: datetime,
    *,
    fresh: bool,
) -> SlideWork:
    """What the tasks of one slide of a job need to know."""
    return SlideWork(
        request=request,
        run=RunFolder(job.run.out),
        package=where_of(package, job),
        model=package.info,
        engine=engine,
        settings=settings,
        finest_um_per_px=job.slides.finest_um_per_px,
        print_report=job.report.per_slide,
        fresh=fresh,
        started=date_of_print(started),
        style=style_of(job.report),
    )
