"""A Job -> what a run of it would do, without doing it: slides, patches, seconds, bytes, and what would go wrong."""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.domain.job import Job
from batchscan.domain.plan import (
    Sample,
    Seconds,
    SlideAction,
    SlidePlan,
    chosen_for_samples,
    duplicates,
    foreseen_bytes,
    foreseen_seconds,
    uncalibrated,
)
from batchscan.domain.records import EngineInfo, ScanSettings, SlideOutcome, SlideRequest, SlideStatus, without_path
from batchscan.report.style_check import check_style
from batchscan.scan.cluster import call_on_worker, connect, default_workers, n_workers
from batchscan.scan.dispatch import run_slides
from batchscan.scan.slide_events import Event, SlideFinished, SlideStopped
from batchscan.scan.underway import Patience, Steps
from batchscan.stores.packages import ModelPackage, open_package
from batchscan.stores.results import RunFolder
from batchscan.workflow import calibration, plan_steps, slide_steps
from batchscan.workflow.calibration import SampleWork
from batchscan.workflow.ingest_steps import store_path
from batchscan.workflow.quarantine import given_up
from batchscan.workflow.run import (
    WORKER_BYTES,
    RunReady,
    aside_of,
    check_run_folder,
    gpus_of,
    scan_settings,
    slide_work,
    where_of,
)
from batchscan.workflow.slide_steps import SlideWork
from batchscan.workflow.sources import AskedSlides, find_slides
from batchscan.workflow.styles import style_of

_INSPECTION = Steps(plan_steps.inspect, plan_steps.nothing_to_scan, plan_steps.as_inspected)
# A plan waits for a place that is away no longer than an operator would.
_AWAY_S = 60.0
_SAMPLING = Steps(calibration.take_sample, calibration.nothing_to_scan, calibration.as_taken)


@dataclass(frozen=True, slots=True)
class PlanBegun:
    """So many slides were asked for, and what the operator should know beforehand; the workers come next."""

    n_slides: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SlideInspected:
    """It is known what a run would do with one more slide of `n_patches`."""

    slide_id: str
    n_patches: int


@dataclass(frozen=True, slots=True)
class PlanCalibrates:
    """All slides are known; the steps of so many are timed now."""

    n_samples: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would take: wall time, disk for results and for new slide stores; from so many timed slides."""

    seconds: Seconds
    result_bytes: int
    store_bytes: int
    n_samples: int

    @property
    def disk_bytes(self) -> int:
        """All that is written."""
        return self.result_bytes + self.store_bytes


@dataclass(frozen=True)
class JobPlan:
    """What a run of a job would do.

    Parameters
    ----------
    folder
        The run folder, which need not exist.
    asked
        Slides asked for: those of `slides`, and those that can't be used.
    slides
        Those that can be used, in the order asked for.
    problems
        Slides that would fail, be excluded, or that somebody should look at first; one may have several.
    workers, model, engine
        What would work on it; no engine where no slide needs one.
    forecast
        None where it can't be known, and `unknown` says why.
    free_bytes
        On the disk of the run folder.
    """

    folder: Path
    asked: int
    slides: tuple[SlidePlan, ...]
    problems: tuple[SlideOutcome, ...]
    workers: int
    model: str
    engine: EngineInfo | None
    forecast: Forecast | None
    unknown: str
    free_bytes: int

    @property
    def counts(self) -> dict[str, int]:
        """Slides by what would become of them; they add up to those asked for."""
        by_action = {action.value: sum(slide.action is action for slide in self.slides) for action in SlideAction}
        unusable = SlideStatus.FAILED, SlideStatus.EXCLUDED
        return by_action | {each.value: sum(problem.status is each for problem in self.problems) for each in unusable}

    @property
    def fits(self) -> bool:
        """Whether there is room for what would be written, as far as that is known."""
        return self.forecast is None or self.forecast.disk_bytes <= self.free_bytes

    @property
    def patches(self) -> int:
        """Patches that would be scanned."""
        return sum(slide.n_patches for slide in self.slides if slide.action is SlideAction.SCAN)

    @property
    def predicted_patches(self) -> int:
        """Those of them that are predicted from slide files, which have no store yet."""
        return sum(slide.n_patches for slide in self.slides if slide.predicted)

    def as_json(self) -> dict[str, Any]:
        """For `plan --json`."""
        forecast = self.forecast
        seconds = None if forecast is None else {k: round(v, 1) for k, v in asdict(forecast.seconds).items()}
        return {
            "schema_version": 1,
            "run": str(self.folder),
            "asked": self.asked,
            "counts": self.counts,
            "patches": {"scan": self.patches, "predicted": self.predicted_patches},
            "seconds": seconds,
            "disk": {
                "results_bytes": forecast and forecast.result_bytes,
                "stores_bytes": forecast and forecast.store_bytes,
                "free_bytes": self.free_bytes,
                "enough": self.fits if forecast else None,
            },
            "unknown": self.unknown or None,
            "calibrated_on": forecast and forecast.n_samples,
            "workers": self.workers,
            "model": self.model,
            "engine": self.engine and asdict(self.engine),
            "problems": [{**asdict(each), "status": each.status.value} for each in self.problems],
            "slides": [
                {
                    "slide_id": slide.slide_id,
                    "action": slide.action.value,
                    "patches": slide.n_patches,
                    "predicted": slide.predicted,
                }
                for slide in self.slides
            ],
        }


PlanEvent = PlanBegun | RunReady | SlideInspected | PlanCalibrates | JobPlan
_RunSteps = Callable[..., Iterator[Event]]


def plan_job(job: Job, began: float, *, fresh: bool = False, retry: bool = False) -> Iterator[PlanEvent]:
    """Look at every slide of a job and time the steps of a few; nothing is written but into temporary folders.

    Parameters
    ----------
    job
        With absolute paths.
    began
        When the command did, by `time.monotonic`: a run takes as long to begin.
    fresh, retry
        As of the run.

    Yields
    ------
    PlanEvent
        PlanBegun first, the JobPlan last, SlideInspected once for every slide that a worker looked at.

    Raises
    ------
    BatchscanError
        What would stop the whole run: wrong job or manifest, no model, no workers.
    """
    package = open_package(job.model.package)
    settings = scan_settings(job, package)
    check_style(style_of(job.report), package.card)
    override = Spacing(job.slides.um_per_px, SpacingSource.OPTION) if job.slides.um_per_px else None
    asked = find_slides(job.slides.sources, override)
    check_run_folder(RunFolder(job.run.out))
    model = f"{package.info.name} {package.info.version}"
    gpus = gpus_of(job)
    yield PlanBegun(len(asked), gpus.notes)
    findings = _Findings({} if fresh or retry else given_up(job, asked.requests, package.info.sha256))
    if len(findings.unusable) == len(asked.requests):
        yield _joined(job, asked, findings, 0, model, None, 0.0)
        return
    local = job.run.workers or len(gpus.devices) or default_workers(WORKER_BYTES)
    with connect(job.run.scheduler, local, gpus.devices, aside_of(gpus.devices, local)) as client:
        wanted = where_of(package, job), job.model.engine, job.model.precision
        engine = call_on_worker(client, slide_steps.resolve_engine, *wanted)
        workers = n_workers(client)
        opened_s = time.monotonic() - began
        yield RunReady(workers, model, engine)
        to_do = [each for each in asked.requests if each.slide_id not in findings.unusable]
        works = _works(to_do, job, package, settings, engine, fresh=fresh)
        patience = Patience(job.run.attempts, job.run.stall_s, min(_AWAY_S, job.run.away_s))
        run_steps = functools.partial(run_slides, client, patience=patience)
        yield from findings.inspect(run_steps, works)
        yield from findings.calibrate(run_steps, workers)
        clock = time.monotonic()
    yield _joined(job, asked, findings, workers, model, engine, opened_s + time.monotonic() - clock)


def _works(
    requests: Iterable[SlideRequest],
    job: Job,
    package: ModelPackage,
    settings: ScanSettings,
    engine: EngineInfo,
    *,
    fresh: bool,
) -> Iterator[SlideWork]:
    now = datetime.now(UTC)
    for request in requests:
        yield slide_work(request, job, package, settings, engine, now, fresh=fresh)


class _Findings:
    """What workers found, slide by slide."""

    def __init__(self, unusable: Mapping[str, SlideOutcome]) -> None:
        self.slides: dict[str, SlidePlan] = {}
        self.unusable = dict(unusable)
        self.samples: list[Sample] = []
        self._works: dict[str, SlideWork] = {}

    def inspect(self, run_steps: _RunSteps, works: Iterator[SlideWork]) -> Iterator[SlideInspected]:
        """Look at every slide."""
        for event in run_steps(map(self._noted, works), _INSPECTION):
            if isinstance(event, SlideFinished):
                self.slides[event.slide_id] = event.result
                yield SlideInspected(event.slide_id, event.result.n_patches)
            elif isinstance(event, SlideStopped):
                # A file's name may tell who it is, and this gets printed.
                work = self._works[event.slide_id]
                paths = work.request.path, store_path(work.run.stores, event.slide_id)
                self.unusable[event.slide_id] = without_path(event.outcome, *paths)
                yield SlideInspected(event.slide_id, 0)

    def calibrate(self, run_steps: _RunSteps, workers: int) -> Iterator[PlanCalibrates]:
        """Time the steps of some slides, one on each worker at once."""
        chosen = chosen_for_samples(self.slides.values(), workers)
        if not chosen:
            return
        yield PlanCalibrates(len(chosen))
        works = [SampleWork(self._works[slide.slide_id], number) for number, slide in enumerate(chosen)]
        ended = run_steps(works, _SAMPLING)
        self.samples += [event.result for event in ended if isinstance(event, SlideFinished)]

    def _noted(self, work: SlideWork) -> SlideWork:
        self._works[work.slide_id] = work
        return work


def _joined(
    job: Job,
    asked: AskedSlides,
    findings: _Findings,
    workers: int,
    model: str,
    engine: EngineInfo | None,
    around_s: float,
) -> JobPlan:
    order = [request.slide_id for request in asked.requests]
    slides = tuple(findings.slides[slide_id] for slide_id in order if slide_id in findings.slides)
    unusable = [findings.unusable[slide_id] for slide_id in order if slide_id in findings.unusable]
    remarks = [slide.remark for slide in slides if slide.remark]
    problems = (*asked.not_ingested, *unusable, *remarks, *duplicates(slides))
    unknown = uncalibrated(slides, findings.samples)
    return JobPlan(
        folder=job.run.out,
        asked=len(asked),
        slides=slides,
        problems=problems,
        workers=workers,
        model=model,
        engine=engine,
        forecast=None if unknown else _forecast(slides, findings.samples, workers, around_s),
        unknown=unknown,
        free_bytes=_free_bytes(job.run.out),
    )


def _forecast(slides: Sequence[SlidePlan], samples: Sequence[Sample], workers: int, around_s: float) -> Forecast:
    seconds = foreseen_seconds(slides, samples, max(1, workers), around_s)
    return Forecast(seconds, *foreseen_bytes(slides, samples), len(samples))


def _free_bytes(folder: Path) -> int:
    """On the disk where the folder is, or will be."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(there).free
