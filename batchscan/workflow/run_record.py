"""What happens in a run -> what is kept of it besides the slides' own results: ledger, run.json, tables, digest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from batchscan import __version__
from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.errors import DamagedResult, LedgerMismatch, OutputError, RunBusyError
from batchscan.domain.job import Job
from batchscan.domain.places import Place
from batchscan.domain.records import (
    ENDED,
    SCHEMA_VERSION,
    EngineInfo,
    ScanSettings,
    SlideOutcome,
    SlideRequest,
    SlideStatus,
    without_path,
)
from batchscan.report.scores import other_scores
from batchscan.scan.slide_events import (
    BlockScanned,
    Event,
    SlideFinished,
    SlideRetried,
    SlideStarted,
    SlideStopped,
    SlideSurveyed,
    Waited,
    WorkersChanged,
)
from batchscan.stores.ledger import Ledger, now
from batchscan.stores.machine import versions_of
from batchscan.stores.packages import ModelPackage
from batchscan.stores.results import REPORT, RESULT, RUN_FACTS, SIGNATURE, SUMMARY, RunFolder, write_json
from batchscan.stores.signatures import SigningKey
from batchscan.stores.summary import write_summary
from batchscan.workflow.ingest_steps import store_path
from batchscan.workflow.morning import print_digest
from batchscan.workflow.quarantine import Quarantine
from batchscan.workflow.slide_steps import FinishedSlide
from batchscan.workflow.sources import AskedSlides
from batchscan.workflow.styles import style_of, style_of_facts
from batchscan.workflow.worker_time import WorkerTime

# How often the runner gives a sign of life in the ledger.
_BEAT_S = 30.0
# And how often it prints summary.csv and the pages anew: what is there when it is killed is no older.
_PRINT_S = 60.0
_LOG = logging.getLogger(__name__)
_LIBRARIES = (
    *("keras", "tensorflow-cpu", "tensorflow", "jax", "torch", "openvino"),
    *("distributed", "zarr", "numpy", "openslide-python", "weasyprint"),
)


@dataclass(frozen=True, slots=True)
class SlideEnded:
    """A slide is accounted for; `reused` says that nothing had to be done for it now."""

    outcome: SlideOutcome
    reused: bool


Shown = SlideSurveyed | BlockScanned | SlideRetried | SlideEnded | WorkersChanged | Waited


class RunRecord:
    """What is kept of a run besides the slides' own results: ledger, run.json, summary.csv, digest."""

    def __init__(
        self,
        folder: RunFolder,
        ledger: Ledger,
        job: Job,
        package: ModelPackage,
        settings: ScanSettings,
        key: SigningKey | None = None,
    ) -> None:
        self.folder, self.ledger, self.job, self._key = folder, ledger, job, key
        self.package, self.settings = package, settings
        self.started = datetime.now(UTC)
        self.engine: EngineInfo | None = None
        self.workers = WorkerTime()
        self.n_gpus = 0
        self.paths: dict[str, Place] = {}
        self.quarantine = Quarantine(ledger, (), package.info.sha256, job.run.attempts)
        self._asked: frozenset[str] = frozenset()
        self._beaten = self._printed = time.monotonic()
        self._n_bytes = self._n_committed = 0

    def begin(self, asked: AskedSlides) -> tuple[str, ...]:
        """Open the books for these slides; what an earlier run said is gone. Returns what the operator should know."""
        self.paths = {request.slide_id: request.path for request in asked.requests}
        self.quarantine = Quarantine(self.ledger, asked.requests, self.package.info.sha256, self.job.run.attempts)
        notes = (
            *self._changes(),
            *self._printed_otherwise(),
            *other_scores(self.settings, self.package.card),
            *self._unlisted(asked),
        )
        absent = [SlideRequest(each.slide_id, each.slide_id, self.folder.path) for each in asked.not_ingested]
        self._asked = frozenset(request.slide_id for request in (*asked.requests, *absent))
        self.ledger.begin([*asked.requests, *absent], {"started": now(), "name": self.folder.path.name})
        self._write_tables(finished=None, pdf=False)
        return notes

    def ended_before(self, outcome: SlideOutcome) -> SlideEnded:
        """A slide has ended before the scan: its archive's ingest has said why, or it is in quarantine."""
        self.folder.set_aside(outcome.slide_id)
        self.ledger.slide_ended(outcome, AttemptEnd())
        return SlideEnded(outcome, reused=False)

    def keep(self, event: Event) -> Iterator[Shown]:
        """Write down what happened, commit what is finished, and say what is worth drawing."""
        match event:
            case SlideStarted(slide_id, worker):
                self.ledger.slide_started(slide_id, worker)
            case SlideSurveyed() | BlockScanned():
                self._got_on(event)
                yield event
            case SlideFinished(slide_id, end, FinishedSlide() as finished):
                yield self._finished(slide_id, end, finished)
            case SlideRetried():
                yield self._retried(event)
            case SlideStopped():
                yield self._stopped(event)
            case WorkersChanged() | Waited():
                if isinstance(event, WorkersChanged):
                    self.workers.changed(event.n_threads, time.monotonic())
                self._beat()
                yield event

    def _got_on(self, event: SlideSurveyed | BlockScanned) -> None:
        if isinstance(event, SlideSurveyed):
            self.ledger.slide_surveyed(event.slide_id, event.n_patches)
        else:
            self.ledger.patches_scanned(event.slide_id, event.n_patches)

    def _finished(self, slide_id: str, end: AttemptEnd, finished: FinishedSlide) -> SlideEnded:
        self.ledger.check_held()
        if finished.staged is not None:
            self.folder.commit(finished.staged, slide_id)
            self._n_bytes += finished.n_bytes
            self._n_committed += 1
        self._sign(slide_id)
        self.folder.clear_attempts(slide_id)
        self.quarantine.forgive([slide_id])
        end = replace(end, seconds={**end.seconds, **finished.seconds})
        self.ledger.slide_ended(finished.outcome, end, finished.numbers, finished.profile)
        return SlideEnded(finished.outcome, reused=finished.staged is None)

    def _sign(self, slide_id: str) -> None:
        """Sign its report, also one that an earlier run left unsigned. Workers can't: they have no key."""
        report, signature = (self.folder.slide(slide_id) / name for name in (REPORT, SIGNATURE))
        if self._key and report.is_file() and not self._key.has_signed(report, signature):
            self._key.sign(report, signature)

    def _retried(self, event: SlideRetried) -> SlideRetried:
        outcome = self._without_path(event.outcome)
        if event.accident:
            self.quarantine.strike(outcome.slide_id)
        self.ledger.slide_retried(outcome, event.end)
        return replace(event, outcome=outcome)

    def _stopped(self, event: SlideStopped) -> SlideEnded:
        outcome = self._without_path(event.outcome)
        if event.accident:
            self.quarantine.strike(outcome.slide_id)
            n = self.quarantine.accidents(outcome.slide_id)
            outcome = replace(outcome, sentence=f"{outcome.sentence}; given up after {n} attempts")
        self.ledger.check_held()
        self.folder.clear_attempts(outcome.slide_id)
        self.folder.set_aside(outcome.slide_id)
        self.ledger.slide_ended(outcome, event.end)
        return SlideEnded(outcome, reused=False)

    def _without_path(self, outcome: SlideOutcome) -> SlideOutcome:
        """A file's name may tell who it is, and this gets printed."""
        path, store = self.paths[outcome.slide_id], store_path(self.folder.stores, outcome.slide_id)
        return without_path(outcome, path, store)

    def _beat(self) -> None:
        if time.monotonic() - self._beaten >= _BEAT_S:
            self._beaten = time.monotonic()
            self.ledger.beat()
        if time.monotonic() - self._printed >= _PRINT_S:
            self._write_tables(finished=None, pdf=False)

    def close(self) -> dict[str, int]:
        """Print the tables; `finished` is said only when every slide has ended.

        Raises
        ------
        LedgerMismatch
            If a slide isn't accounted for.
        """
        # First, since where the disk is full this is what makes room for the rest.
        self.folder.clear_staging()
        statuses = self.ledger.statuses()
        if any(status not in ENDED for status in statuses.values()):
            self.ledger.interrupt()
            return self._write_tables(finished=None, pdf=True, running=False)
        self._check_accounts(statuses)
        self.ledger.finish()
        return self._write_tables(now(), pdf=True, running=False)

    def stop(self, error: BaseException) -> None:
        """Save what can be saved when the run stops on an error; one that says there is no room says what is needed."""
        if isinstance(error, RunBusyError):
            # The folder is another runner's now.
            return
        try:
            self.close()
        except Exception as another:  # noqa: BLE001 - the first error is the one to be told
            _LOG.info("what could be saved is saved: %s", another)
        if isinstance(error, OutputError):
            error.args = (f"{error}; {self.need()}",)

    def _check_accounts(self, statuses: Mapping[str, SlideStatus]) -> None:
        lost = statuses.keys() ^ self._asked
        done = [slide_id for slide_id, status in statuses.items() if status is SlideStatus.DONE]
        lost |= {slide_id for slide_id in done if not (self.folder.slide(slide_id) / RESULT).is_file()}
        if lost:
            raise LedgerMismatch(
                f"{self.folder.path}: the ledger and the results don't agree for {len(lost)} of {len(self._asked)} "
                f"slides ({', '.join(sorted(lost)[:5])}): somebody else may have changed the folder; run the job again"
            )

    def need(self) -> str:
        """What the slides that are left will take on the disk, going by those that this run has committed."""
        try:
            free = shutil.disk_usage(self.folder.path).free
        except OSError:
            return "its disk can't be looked at"
        text = f"{_megabytes(free)} are free on its disk"
        left = sum(status not in ENDED for status in self.ledger.statuses().values())
        if not self._n_committed or not left:
            return text
        each = self._n_bytes / self._n_committed
        return f"{text}; the {left} slides left need about {_megabytes(each * left)}, {_megabytes(each)} each"

    def _write_tables(self, finished: str | None, *, pdf: bool, running: bool = True) -> dict[str, int]:
        self._printed = time.monotonic()
        found = Counter(self.ledger.statuses().values())
        counts = {status.value: found[status] for status in ENDED}
        counts |= {"remaining": found.total() - sum(counts.values()), "asked": found.total()}
        write_summary(self.folder.path / SUMMARY, self.ledger.rows())
        facts = self._write_run_json(finished, counts, running=running)
        training = self.folder.training_counts(self.package.info.sha256)
        print_digest(self.folder, self.ledger, facts, training, pdf=pdf)
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
                "the digest of quality limits": (_short(old["quality"]), _short(asdict(self.settings.quality))),
                "tolerance": (old.get("tolerance", self.settings.tolerance), self.settings.tolerance),
            }
        except (DamagedResult, KeyError, TypeError):
            return
        for name, (was, now_is) in pairs.items():
            if was != now_is:
                yield f"{name} was {was} in this run folder and is {now_is} now: its results are replaced"

    def _printed_otherwise(self) -> Iterator[str]:
        """That results which are there already keep the pages that they have."""
        if not self.job.report.per_slide or not self.folder.results():
            return
        with contextlib.suppress(DamagedResult):
            was, now_is = style_of_facts(self.folder.read_facts()), style_of(self.job.report)
            if was != now_is:
                yield (
                    "reports of results that are done already keep the language, paper and templates that they were "
                    f"printed in; `batchscan report {self.folder.path}` prints all of them as this run has it"
                )

    def _unlisted(self, asked: AskedSlides) -> Iterator[str]:
        wanted = {request.slide_id for request in asked.requests}
        others = [slide_id for slide_id in self.folder.results() if slide_id not in wanted]
        if others:
            yield (
                f"{len(others)} earlier results in this run folder are of slides not asked for now; they stay, "
                f"unlisted: {', '.join(others[:5])}"
            )

    def _write_run_json(self, finished: str | None, counts: Mapping[str, int], *, running: bool) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "name": self.folder.path.name,
            # Where the key is kept is nobody's business who has the run folder.
            "job": self.job.model_dump(mode="json", exclude={"report": {"signing_key"}}),
            "versions": {
                "batchscan": __version__,
                "python": platform.python_version(),
                **versions_of(_LIBRARIES),
            },
            "host": {"name": platform.node(), "system": platform.platform(), "cpus": os.cpu_count()},
            "engine": asdict(self.engine) if self.engine else None,
            "model": asdict(self.package.info),
            "threshold": self.settings.threshold,
            "tolerance": self.settings.tolerance,
            "orientations": self.settings.orientations,
            "aggregation": asdict(self.settings.aggregation),
            "quality": asdict(self.settings.quality),
            "started": self.started.isoformat(timespec="seconds"),
            "finished": finished,
            "running": running,
            "as_of": now(),
            "counts": dict(counts),
            "reports": self.job.report.per_slide,
            "workers": {
                "most": self.workers.most,
                "seconds": round(self.workers.seconds(time.monotonic()), 3),
                "gpus": self.n_gpus,
            },
        }
        write_json(self.folder.path / RUN_FACTS, facts)
        return facts


def _calibration(aggregation: Mapping[str, float]) -> str:
    return f"temperature {aggregation['temperature']:g}, intercept {aggregation['intercept']:g}"


def _short(settings: Mapping[str, Any]) -> str:
    """Stands for settings that are too many to print."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]


def _megabytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:,.0f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e6:.1f} MB"  # noqa: PLR2004 - a whole one
