"""A Job -> a run folder in which every slide asked for is done, failed or excluded; yields what happens meanwhile."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from batchscan import __version__
from batchscan.domain.geometry import PatchSpec, Spacing, SpacingSource
from batchscan.domain.job import Job
from batchscan.domain.records import (
    SCHEMA_VERSION,
    EngineInfo,
    ScanSettings,
    SlideOutcome,
    SlideRequest,
    SlideStatus,
)
from batchscan.report.render import render_run_index
from batchscan.scan.cluster import call_on_worker, connect, default_workers, n_workers
from batchscan.scan.dispatch import (
    BlockScanned,
    Event,
    SlideFinished,
    SlideStarted,
    SlideStopped,
    SlideSurveyed,
    Steps,
    run_slides,
)
from batchscan.scan.grid import check_stride
from batchscan.stores.ledger import Ledger, now
from batchscan.stores.packages import ModelPackage, open_package, shipped_models
from batchscan.stores.results import RunFolder, write_json
from batchscan.stores.summary import summary_row, write_summary
from batchscan.workflow import slide_steps
from batchscan.workflow.slide_steps import FinishedSlide, SlideWork
from batchscan.workflow.sources import find_slides

_LOG = logging.getLogger(__name__)
# What one worker process needs with its network loaded, measured (docs/performance.md).
_WORKER_BYTES = 1_200_000_000
_ENDS = (SlideStatus.DONE, SlideStatus.FAILED, SlideStatus.EXCLUDED)
_LIBRARIES = ("keras", "openvino", "distributed", "zarr", "numpy", "openslide-python", "weasyprint")


@dataclass(frozen=True, slots=True)
class RunPlanned:
    """So many slides were asked for; the cluster comes next."""

    folder: Path
    n_slides: int


@dataclass(frozen=True, slots=True)
class RunReady:
    """The workers are there, and this is what they compute with."""

    workers: int
    model: str
    engine: EngineInfo


@dataclass(frozen=True, slots=True)
class SlideEnded:
    """A slide is accounted for."""

    outcome: SlideOutcome


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Every slide is accounted for."""

    folder: Path
    counts: Mapping[str, int]


RunEvent = RunPlanned | RunReady | SlideSurveyed | BlockScanned | SlideEnded | RunEnded


def run_job(job: Job, *, fresh: bool = False) -> Iterator[RunEvent]:
    """Scan and report every slide of a job; the same job again does only what is missing.

    Parameters
    ----------
    job
        With absolute paths.
    fresh
        Redo everything, whatever is there.

    Yields
    ------
    RunEvent
        RunPlanned first, RunEnded last, SlideEnded once for every slide asked for.

    Raises
    ------
    BatchscanError
        What stops the whole run: wrong job, unwritable folder, no model, no workers.
    """
    package = open_package(job.model.package)
    settings = scan_settings(job, package)
    override = Spacing(job.slides.um_per_px, SpacingSource.OPTION) if job.slides.um_per_px else None
    requests = find_slides(job.slides.sources, override)
    folder = RunFolder(job.run.out)
    folder.create()
    with Ledger.hold(folder.ledger) as ledger:
        folder.clear_staging()
        write_json(folder.card, package.card.model_dump(mode="json"))
        record = _Record(folder, ledger, job, package, settings)
        record.begin(requests)
        yield RunPlanned(folder.path, len(requests))
        try:
            yield from _scan_all(record, requests, fresh=fresh)
        finally:
            counts = record.close()
        yield RunEnded(folder.path, counts)


def scan_settings(job: Job, package: ModelPackage) -> ScanSettings:
    """What the job and the model's card come to.

    Raises
    ------
    JobError
        If the stride doesn't fit the model's patches.
    """
    card = package.card
    patch = PatchSpec(card.patch_px, card.scale.um_per_px, job.patches.stride)
    check_stride(patch)
    return ScanSettings(
        patch=patch,
        min_tissue=job.patches.min_tissue,
        max_unreadable=job.patches.max_unreadable,
        threshold=card.threshold.value if job.model.threshold is None else job.model.threshold,
        tolerance=card.engine_tolerance,
    )


def _scan_all(record: _Record, requests: tuple[SlideRequest, ...], *, fresh: bool) -> Iterator[RunEvent]:
    job, package = record.job, record.package
    # Another machine may keep the shipped models elsewhere, but knows them by name.
    where = job.model.package if job.model.package in shipped_models() else str(package.path)
    workers = job.run.workers or default_workers(_WORKER_BYTES)
    with connect(job.run.scheduler, min(workers, 2 * len(requests))) as client:
        engine = call_on_worker(client, slide_steps.resolve_engine, where, job.model.engine)
        record.engine = engine
        yield RunReady(n_workers(client), f"{package.info.name} {package.info.version}", engine)
        works = (
            SlideWork(
                request=request,
                run=record.folder,
                staged=record.folder.staging / request.slide_id,
                package=where,
                model=package.info,
                engine=engine,
                settings=record.settings,
                finest_um_per_px=job.slides.finest_um_per_px,
                print_report=job.report.per_slide,
                fresh=fresh,
                started=record.started,
            )
            for request in requests
        )
        steps = Steps(slide_steps.survey, slide_steps.scan, slide_steps.finish)
        for event in run_slides(client, works, steps):
            yield from record.keep(event)


class _Record:
    """What is kept of a run besides the slides' own results: ledger, run.json, summary.csv, index.html."""

    def __init__(
        self, folder: RunFolder, ledger: Ledger, job: Job, package: ModelPackage, settings: ScanSettings
    ) -> None:
        self.folder, self.ledger, self.job = folder, ledger, job
        self.package, self.settings = package, settings
        self.started = datetime.now(UTC)
        self.engine: EngineInfo | None = None
        self.paths: dict[str, Path] = {}

    def begin(self, requests: tuple[SlideRequest, ...]) -> None:
        self.paths = {request.slide_id: request.path for request in requests}
        self.ledger.begin(requests, {"started": now(), "name": self.folder.path.name})
        self._write_run_json(None, {"asked": len(requests)})

    def keep(self, event: Event) -> Iterator[RunEvent]:
        """Write down what happened, commit what is finished, and say what is worth drawing."""
        match event:
            case SlideStarted(slide_id):
                self.ledger.slide_started(slide_id)
            case SlideSurveyed(slide_id, n_patches):
                self.ledger.slide_surveyed(slide_id, n_patches)
                yield event
            case BlockScanned(slide_id, n_patches):
                self.ledger.patches_scanned(slide_id, n_patches)
                yield event
            case SlideFinished(slide_id, worker, FinishedSlide(outcome, staged, numbers)):
                if staged is not None:
                    self.folder.commit(staged, slide_id)
                self.ledger.slide_ended(outcome, numbers, worker, None)
                yield SlideEnded(outcome)
            case SlideStopped(outcome, worker, error_class):
                outcome = self._without_paths(outcome)
                self.folder.set_aside(outcome.slide_id)
                self.ledger.slide_ended(outcome, {}, worker, error_class)
                yield SlideEnded(outcome)

    def _without_paths(self, outcome: SlideOutcome) -> SlideOutcome:
        """The same outcome with the slide's id for its file: file names may tell who it is, and this gets printed."""
        store = self.folder.stores / f"{outcome.slide_id}.ome.zarr"
        sentence = outcome.sentence
        for path in (self.paths[outcome.slide_id], store):
            sentence = sentence.replace(str(path), outcome.slide_id)
        return replace(outcome, sentence=sentence)

    def close(self) -> dict[str, int]:
        """Print the tables; `finished` is said only when every slide has ended."""
        pending = sum(row.status not in _ENDS for row in self.ledger.rows())
        if pending:
            self.ledger.interrupt()
        else:
            self.ledger.finish()
        rows = self.ledger.rows()
        write_summary(self.folder.path / "summary.csv", rows)
        counts = {name.value: sum(row.status is name for row in rows) for name in _ENDS}
        counts |= {"remaining": pending, "asked": len(rows)}
        facts = self._write_run_json(None if pending else now(), counts)
        render_run_index(facts, [summary_row(row) for row in rows], self.folder.path / "index.html")
        return counts

    def _write_run_json(self, finished: str | None, counts: Mapping[str, int]) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "name": self.folder.path.name,
            "job": self.job.model_dump(mode="json"),
            "versions": {
                "batchscan": __version__,
                "python": platform.python_version(),
                **{name: version(name) for name in _LIBRARIES},
            },
            "host": {"name": platform.node(), "system": platform.platform(), "cpus": os.cpu_count()},
            "engine": asdict(self.engine) if self.engine else None,
            "model": asdict(self.package.info),
            "threshold": self.settings.threshold,
            "started": self.started.isoformat(timespec="seconds"),
            "finished": finished,
            "counts": dict(counts),
            "reports": self.job.report.per_slide,
        }
        write_json(self.folder.path / "run.json", facts)
        return facts
