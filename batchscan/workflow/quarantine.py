"""Slides that had so many accidents that they are given up -> left out of later runs, until something has changed."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from batchscan import __version__
from batchscan.domain.errors import OutputError
from batchscan.domain.job import Job
from batchscan.domain.places import Place
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus
from batchscan.stores.folders import file_mark
from batchscan.stores.ledger import Ledger
from batchscan.stores.results import RunFolder

QUARANTINED = "quarantined"


class Quarantine:
    """Accidents of slides in this run and earlier ones of the folder, counted in the ledger.

    Parameters
    ----------
    ledger
        Held by this runner.
    requests
        The slides asked for.
    model_sha256
        Another model may get on where this one didn't.
    attempts
        How many accidents are borne.
    """

    def __init__(self, ledger: Ledger, requests: Iterable[SlideRequest], model_sha256: str, attempts: int) -> None:
        self._ledger, self._attempts = ledger, attempts
        known = ledger.strikes()
        # Only what had an accident before is looked at: a file's mark costs a look at the disk.
        struck = {slide_id for slide_id, _ in known}
        self._model = model_sha256
        self._paths: Mapping[str, Place] = {request.slide_id: request.path for request in requests}
        self._marks = {slide_id: self._mark(slide_id) for slide_id in struck & set(self._paths)}
        self._counts = {slide_id: known.get((slide_id, mark), 0) for slide_id, mark in self._marks.items()}

    def accidents(self, slide_id: str) -> int:
        """How many a slide had in a row, as it is now."""
        return self._counts.get(slide_id, 0)

    def outcome(self, slide_id: str) -> SlideOutcome | None:
        """How a slide that is given up ends without being tried; None for others."""
        n = self.accidents(slide_id)
        if n < self._attempts:
            return None
        return SlideOutcome(
            slide_id,
            SlideStatus.FAILED,
            QUARANTINED,
            f"is not tried any more after {n} accidents (a dead or stuck worker, or a defect; the ledger's attempts "
            "say which) until its file changes: look at it alone, or give --retry",
        )

    def strike(self, slide_id: str) -> None:
        """Count an accident."""
        mark = self._marks.setdefault(slide_id, self._mark(slide_id))
        self._counts[slide_id] = self._ledger.strike(slide_id, mark)

    def forgive(self, slide_ids: Iterable[str]) -> None:
        """Forget the accidents of slides: they have ended well, or are to be tried again."""
        struck = [slide_id for slide_id in slide_ids if self._counts.pop(slide_id, 0)]
        if struck:
            self._ledger.forgive(struck)

    def _mark(self, slide_id: str) -> str:
        """Tells a slide's file from a replaced one without opening it, which may be what kills."""
        path = self._paths[slide_id]
        parts = [__version__, self._model]
        for place in (path, path / "zarr.json", path / ".zattrs"):
            mark = file_mark(place)
            if mark:
                parts.append(f"{place.name} {mark}")
        return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()


def given_up(job: Job, requests: Sequence[SlideRequest], model_sha256: str) -> dict[str, SlideOutcome]:
    """slide_id -> how a slide would end that a run of the job wouldn't try; the run folder stays as it is.

    Empty where there is no ledger, or one that says nothing to this version.
    """
    ledger = RunFolder(job.run.out).ledger
    with tempfile.TemporaryDirectory(prefix="batchscan-plan-") as folder:
        # Whoever opens a ledger leaves files beside it.
        copy = Path(folder) / ledger.name
        try:
            for suffix in ("", "-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(f"{ledger}{suffix}", f"{copy}{suffix}")
            with Ledger.read(copy) as known:
                quarantine = Quarantine(known, requests, model_sha256, job.run.attempts)
        except (OSError, OutputError):
            return {}
    outcomes = ((request.slide_id, quarantine.outcome(request.slide_id)) for request in requests)
    return {slide_id: outcome for slide_id, outcome in outcomes if outcome}
