"""What happens in a run -> what is kept of it besides the slides' own results: ledger, run.json, tables, index page."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from batchscan import __version__
from batchscan.domain.errors import DamagedResult
from batchscan.domain.job import Job
from batchscan.domain.records import (
    ENDED,
    SCHEMA_VERSION,
    EngineInfo,
    ScanSettings,
    SlideOutcome,
    SlideRequest,
    without_path,
)
from batchscan.report.render import render_run_index
from batchscan.report.scores import other_scores
from batchscan.scan.dispatch import BlockScanned, Event, SlideFinished, SlideStarted, SlideStopped, SlideSurveyed
from batchscan.stores.ledger import Ledger, now
from batchscan.stores.packages import ModelPackage
from batchscan.stores.results import INDEX, RUN_FACTS, RunFolder, write_json
from batchscan.stores.summary import summary_row, write_summary
from batchscan.workflow.ingest_steps import store_path
from batchscan.workflow.slide_steps import FinishedSlide
from batchscan.workflow.sources import AskedSlides

_LIBRARIES = ("keras", "openvino", "distributed", "zarr", "numpy", "openslide-python", "weasyprint")


@dataclass(frozen=True, slots=True)
class SlideEnded:
    """A slide is accounted for; `reused` says that nothing had to be done for it now."""

    outcome: SlideOutcome
    reused: bool


class RunRecord:
    """What is kept of a run besides the slides' own results: ledger, run.json, summary.csv, index.html."""

    def __init__(
        self, folder: RunFolder, ledger: Ledger, job: Job, package: ModelPackage, settings: ScanSettings
    ) -> None:
        self.folder, self.ledger, self.job = folder, ledger, job
        self.package, self.settings = package, settings
        self.started = datetime.now(UTC)
        self.engine: EngineInfo | None = None
        self.paths: dict[str, Path] = {}

    def begin(self, asked: AskedSlides) -> tuple[str, ...]:
        """Open the books for these slides; what an earlier run said is gone. Returns what the operator should know."""
        self.paths = {request.slide_id: request.path for request in asked.requests}
        notes = (*self._changes(), *other_scores(self.settings, self.package.card), *self._unlisted(asked))
        absent = [SlideRequest(each.slide_id, each.slide_id, self.folder.path) for each in asked.not_ingested]
        self.ledger.begin([*asked.requests, *absent], {"started": now(), "name": self.folder.path.name})
        self._write_tables(finished=None)
        return notes

    def not_ingested(self, outcome: SlideOutcome) -> SlideEnded:
        """A slide of an archive has ended before the scan: its ingest has said why."""
        self.ledger.slide_ended(outcome, {}, "", None)
        return SlideEnded(outcome, reused=True)

    def keep(self, event: Event) -> Iterator[SlideSurveyed | BlockScanned | SlideEnded]:
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
            case SlideFinished(slide_id, worker, FinishedSlide(outcome, staged, numbers, _)):
                if staged is not None:
                    self.folder.commit(staged, slide_id)
                self.ledger.slide_ended(outcome, numbers, worker, None)
                yield SlideEnded(outcome, reused=staged is None)
            case SlideStopped(outcome, worker, error_class):
                # A file's name may tell who it is, and this gets printed.
                path, store = self.paths[outcome.slide_id], store_path(self.folder.stores, outcome.slide_id)
                outcome = without_path(outcome, path, store)
                self.folder.set_aside(outcome.slide_id)
                self.ledger.slide_ended(outcome, {}, worker, error_class)
                yield SlideEnded(outcome, reused=False)

    def close(self) -> dict[str, int]:
        """Print the tables; `finished` is said only when every slide has ended."""
        if any(row.status not in ENDED for row in self.ledger.rows()):
            self.ledger.interrupt()
            finished = None
        else:
            self.ledger.finish()
            finished = now()
        self.folder.clear_staging()
        return self._write_tables(finished)

    def _write_tables(self, finished: str | None) -> dict[str, int]:
        rows = self.ledger.rows()
        counts = {status.value: sum(row.status is status for row in rows) for status in ENDED}
        counts |= {"remaining": len(rows) - sum(counts.values()), "asked": len(rows)}
        write_summary(self.folder.path / "summary.csv", rows)
        facts = self._write_run_json(finished, counts)
        render_run_index(facts, [summary_row(row) for row in rows], self.folder.path / INDEX)
        return counts

    def _changes(self) -> Iterator[str]:
        """What an earlier run in this folder was made with that this one isn't."""
        try:
            old = self.folder.read_facts()
            if old["schema_version"] != SCHEMA_VERSION:
                yield "another version of batchscan made this run folder: its results are replaced"
                return
            pairs = {
                "model": (old["model"]["sha256"][:12], self.package.info.sha256[:12]),
                "threshold": (old["threshold"], self.settings.threshold),
                "stride": (old["job"]["patches"]["stride"], self.settings.patch.stride),
                "min_tissue": (old["job"]["patches"]["min_tissue"], self.settings.min_tissue),
                "orientations": (old["orientations"], self.settings.orientations),
                "neighbours": (old["aggregation"]["sigma"], self.settings.aggregation.sigma),
                "calibration": (_calibration(old["aggregation"]), _calibration(asdict(self.settings.aggregation))),
                "tolerance": (old.get("tolerance", self.settings.tolerance), self.settings.tolerance),
            }
        except (DamagedResult, KeyError, TypeError):
            return
        for name, (was, now_is) in pairs.items():
            if was != now_is:
                yield f"{name} was {was} in this run folder and is {now_is} now: its results are replaced"

    def _unlisted(self, asked: AskedSlides) -> Iterator[str]:
        wanted = {request.slide_id for request in asked.requests}
        others = [slide_id for slide_id in self.folder.results() if slide_id not in wanted]
        if others:
            yield (
                f"{len(others)} earlier results in this run folder are of slides not asked for now; they stay, "
                f"unlisted: {', '.join(others[:5])}"
            )

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
            "tolerance": self.settings.tolerance,
            "orientations": self.settings.orientations,
            "aggregation": asdict(self.settings.aggregation),
            "started": self.started.isoformat(timespec="seconds"),
            "finished": finished,
            "counts": dict(counts),
            "reports": self.job.report.per_slide,
        }
        write_json(self.folder.path / RUN_FACTS, facts)
        return facts


def _calibration(aggregation: Mapping[str, float]) -> str:
    return f"temperature {aggregation['temperature']:g}, intercept {aggregation['intercept']:g}"
