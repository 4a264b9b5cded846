"""One step of one slide, run on a worker -> what it returned, or in words what it raised; both pickle."""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from distributed import KilledWorker, get_worker

from batchscan.domain.errors import (
    BatchscanError,
    ClusterError,
    DamagedResult,
    ModelError,
    OutputError,
    SlideChanged,
    SlideExcluded,
    SlideGone,
    SourceVanished,
)
from batchscan.domain.records import SlideOutcome, SlideStatus
from batchscan.scan.peak_memory import forget_peak, peak_rss_mb
from batchscan.scan.pulse import Line, beating

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class Trouble(StrEnum):
    """What an error asks for."""

    FINAL = "final"  # the slide is as it is: it ends here
    AGAIN = "again"  # the slide changed under the step: at once again
    AWAY = "away"  # its place can't be reached: wait, then again
    GONE = "gone"  # it alone can't be: a few times again
    ACCIDENT = "accident"  # a dead or stuck worker, or a defect: again, so often and no oftener
    FATAL = "fatal"  # no slide could survive it: the run stops


@dataclass(frozen=True, slots=True)
class Returned:
    """What a step returned, where it ran and for how long, and the largest memory (MiB) of that process meanwhile.

    `turn` is that of the signs which it gave (`pulse.Pulse`).
    """

    worker: str
    value: Any
    peak_rss_mb: float | None
    busy_s: float
    turn: str


@dataclass(frozen=True, slots=True)
class Raised:
    """What a step raised, in words: a foreign error might not pickle. `error` is kept only if it stops the run.

    `address` is where, for the next attempt to go elsewhere; `busy_s` and `peak_rss_mb` are as in `Returned`, and only
    the worker says them.
    """

    worker: str
    trouble: Trouble
    status: SlideStatus
    reason: str
    sentence: str
    error_class: str
    trace: str = ""
    error: BatchscanError | None = None
    peak_rss_mb: float | None = None
    address: str = ""
    busy_s: float = 0.0

    def outcome(self, slide_id: str) -> SlideOutcome:
        """What it means for a slide that isn't tried again."""
        return SlideOutcome(slide_id, self.status, self.reason, self.sentence)


def run_step(line: Line, step: Callable[..., Any], *arguments: Any) -> Returned | Raised:
    """Run one step of one slide. The one place where any error is caught, since it costs one slide only."""
    worker = get_worker()
    name = str(worker.name)
    forget_peak()
    clock = time.perf_counter()
    with beating(worker, line) as turn:
        try:
            value = step(*arguments)
            return Returned(name, value, peak_rss_mb(), time.perf_counter() - clock, turn)
        except BatchscanError as error:
            raised = _expected(name, error)
        except Exception as error:  # noqa: BLE001 - one slide's accident must not end the night
            raised = _unexpected(name, error, traceback.format_exc())
    busy_s = time.perf_counter() - clock
    return replace(raised, peak_rss_mb=peak_rss_mb(), address=str(worker.address), busy_s=busy_s)


def _unexpected(worker: str, error: Exception, trace: str) -> Raised:
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return _expected(worker, OutputError(f"worker {worker} can't write ({error.strerror}): make room there"))
    return replace(_accident("unexpected", _defect(error), type(error).__name__), worker=worker, trace=trace)


def _expected(worker: str, error: BatchscanError) -> Raised:
    status = SlideStatus.EXCLUDED if isinstance(error, SlideExcluded) else SlideStatus.FAILED
    trouble = Trouble.FINAL
    if isinstance(error, ModelError | ClusterError | OutputError):
        trouble = Trouble.FATAL
    elif isinstance(error, SourceVanished):
        trouble = Trouble.GONE if isinstance(error, SlideGone) else Trouble.AWAY
    elif isinstance(error, SlideChanged):
        trouble = Trouble.AGAIN
    elif isinstance(error, DamagedResult):
        # Of the run folder, as this worker sees it: no word on the slide.
        trouble = Trouble.ACCIDENT
    return Raised(
        worker,
        trouble,
        status,
        error.code,
        str(error),
        type(error).__name__,
        error=error if trouble is Trouble.FATAL else None,
    )


def died() -> Raised:
    """What it means that a step's worker died under it."""
    return _accident(
        "worker_died",
        "the worker process that had this slide ended without a word; the slide may need more memory than there is, or "
        "be damaged in a way that kills its reader: look at it alone with --workers 1",
        "KilledWorker",
    )


def all_stuck(stall_s: float) -> Raised:
    """What it means that no step anywhere has given a sign of life for `stall_s`: the slides' place is to blame."""
    return Raised(
        "",
        Trouble.AWAY,
        SlideStatus.FAILED,
        SourceVanished.code,
        f"no step of any slide gave a sign of life for {stall_s:.0f} s: most likely the disk or network folder that "
        "the slides are on doesn't answer",
        "Hung",
    )


def lost(error: BaseException) -> Raised:
    """What it means that a step has ended, but what it returned can't be had."""
    if isinstance(error, KilledWorker):
        return died()
    return _accident("unexpected", _defect(error), type(error).__name__)


def stuck(stall_s: float) -> Raised:
    """What it means that a step has given no sign of life for `stall_s`."""
    return _accident(
        "hung",
        f"a step of this slide gave no sign of life for {stall_s:.0f} s, and its worker was ended; its file may be "
        "damaged in a way that its reader never comes back from, or lie on a disk that doesn't answer: look at it "
        "alone with --workers 1, or bear more with stall_s in the job file",
        "Hung",
    )


def _accident(reason: str, sentence: str, error_class: str) -> Raised:
    return Raised("", Trouble.ACCIDENT, SlideStatus.FAILED, reason, sentence, error_class)


def _defect(error: BaseException) -> str:
    """Without the error's own words: they may repeat what a file says of a patient."""
    return (
        f"{type(error).__name__}: this is a defect of batchscan, a worker that lacks something, or a kind of file that "
        "batchscan doesn't know; --debug has the details"
    )
