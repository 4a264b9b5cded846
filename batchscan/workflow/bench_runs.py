"""A job -> how fast a real run of it is, with and without its start, and what its slides take besides the network."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path

from batchscan.domain.errors import BatchscanError, ManifestError
from batchscan.domain.job import Job
from batchscan.domain.records import EngineInfo, SlideRequest, SlideStatus
from batchscan.domain.speed import Pace, RunSpeed, Unknown
from batchscan.scan.slide_events import BlockScanned, SlideSurveyed
from batchscan.stores.ledger import Ledger
from batchscan.stores.manifest import write_manifest
from batchscan.stores.results import RunFolder
from batchscan.workflow.run import RunEnded, RunEvent, RunReady, run_job
from batchscan.workflow.run_record import SlideEnded

# So many slides a worker, and what comes after its first is most of the run.
_ENOUGH = 4


def write_many(manifest: Path, slide: Path, n_slides: int) -> None:
    """A manifest in which one slide is there under many names."""
    names = (f"bench-{number:04d}" for number in range(n_slides))
    write_manifest(manifest, [SlideRequest(name, name, slide) for name in names])


def timed_run(job: Job) -> RunSpeed | Unknown:
    """Run a job whose slides are all fit to be scanned; why there is no figure, where the run or a slide failed."""
    watched = _Watched()
    try:
        for event in run_job(job):
            watched.see(event)
    except ManifestError:
        raise
    except BatchscanError as error:
        return Unknown(str(error))
    return watched.speed(RunFolder(job.run.out))


class _Watched:
    """A run, as its events come in."""

    def __init__(self) -> None:
        self._began = self._ready = self._ended = self._last = time.monotonic()
        self._found_at = self._scanned_at = self._began
        self._engine = EngineInfo("", "")
        self._n_patches = self._n_slides = self._n_scanned = 0
        self._workers = 1
        # When as many slides had ended as there are workers, and how many patches had been scanned by then.
        self._warm: tuple[float, int] | None = None
        self._trouble = ""

    def see(self, event: RunEvent) -> None:
        moment = time.monotonic()
        match event:
            case RunReady(workers, _, engine):
                self._ready, self._engine, self._workers = moment, engine, workers
            case SlideSurveyed(_, n_patches):
                self._n_patches += n_patches
                self._found_at = moment
            case BlockScanned(_, n_patches):
                self._n_scanned += n_patches
                self._scanned_at = moment
            case SlideEnded(outcome, _):
                self._last = moment
                self._n_slides += 1
                if self._n_slides == self._workers:
                    self._warm = moment, self._n_scanned
                if outcome.status is not SlideStatus.DONE:
                    self._trouble = self._trouble or outcome.sentence
            case RunEnded():
                self._ended = moment

    def speed(self, folder: RunFolder) -> RunSpeed | Unknown:
        if self._trouble or not self._n_patches:
            return Unknown(self._trouble or "no slide had any tissue")
        with Ledger.read(folder.ledger) as ledger:
            spent = [attempt.end.seconds for attempt in ledger.attempts()]
        return RunSpeed(
            n_slides=self._n_slides,
            engine=self._engine,
            steady=Pace(self._n_patches, self._last - self._ready),
            whole=Pace(self._n_patches, self._ended - self._began),
            onward=self._onward(),
            blocks=self._blocks(),
            beside_s=statistics.median(map(_beside_s, spent)),
            tissue_s=statistics.median(each["tissue"] for each in spent),
            write_s=statistics.median(each["write"] for each in spent),
        )

    def _onward(self) -> Pace | None:
        if self._warm is None or self._n_slides < _ENOUGH * self._workers:
            return None
        since, n_before = self._warm
        return Pace(self._n_scanned - n_before, self._last - since)

    def _blocks(self) -> Pace | None:
        return Pace(self._n_patches, self._scanned_at - self._found_at) if self._n_slides == 1 else None


def _beside_s(seconds: Mapping[str, float]) -> float:
    """All that the slide's steps took on the workers but for reading pixels and the network."""
    return seconds["busy"] - seconds["read"] - seconds["infer"]
