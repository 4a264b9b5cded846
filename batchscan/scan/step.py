"""One step of one slide, run on a worker -> what it returned, or in words what it raised; both pickle."""

from __future__ import annotations

import resource
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from distributed import KilledWorker, get_worker

from batchscan.domain.errors import (
    BatchscanError,
    ClusterError,
    ModelError,
    OutputError,
    SlideChanged,
    SlideExcluded,
    SlideGone,
    SourceVanished,
)
from batchscan.domain.records import SlideStatus
from batchscan.scan.pulse import beating


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
    """What a step returned, where it ran and for how long, and the largest memory (MiB) of that process meanwhile."""

    worker: str
    value: Any
    peak_rss_mb: float | None
    busy_s: float


@dataclass(frozen=True, slots=True)
class Raised:
    """What a step raised, in words: a foreign error might not pickle. `error` is kept only if it stops the run."""

    worker: str
    trouble: Trouble
    status: SlideStatus
    reason: str
    sentence: str
    error_class: str
    trace: str = ""
    error: BatchscanError | None = None
    peak_rss_mb: float | None = None


def run_step(topic: str, token: str, step: Callable[..., Any], *arguments: Any) -> Returned | Raised:
    """Run one step of one slide. The one place where any error is caught, since it costs one slide only."""
    worker = get_worker()
    name = str(worker.name)
    _forget_peak()
    clock = time.perf_counter()
    with beating(worker, topic, token):
        try:
            value = step(*arguments)
            return Returned(name, value, _peak_rss_mb(), time.perf_counter() - clock)
        except BatchscanError as error:
            return _expected(name, error)
        except Exception as error:  # noqa: BLE001 - one slide's accident must not end the night
            trace = traceback.format_exc()
            return Raised(
                name,
                Trouble.ACCIDENT,
                SlideStatus.FAILED,
                "unexpected",
                _defect(error),
                type(error).__name__,
                trace,
                peak_rss_mb=_peak_rss_mb(),
            )


def _expected(worker: str, error: BatchscanError) -> Raised:
    status = SlideStatus.EXCLUDED if isinstance(error, SlideExcluded) else SlideStatus.FAILED
    trouble = Trouble.FINAL
    if isinstance(error, ModelError | ClusterError | OutputError):
        trouble = Trouble.FATAL
    elif isinstance(error, SourceVanished):
        trouble = Trouble.GONE if isinstance(error, SlideGone) else Trouble.AWAY
    elif isinstance(error, SlideChanged):
        trouble = Trouble.AGAIN
    return Raised(
        worker,
        trouble,
        status,
        error.code,
        str(error),
        type(error).__name__,
        error=error if trouble is Trouble.FATAL else None,
        peak_rss_mb=_peak_rss_mb(),
    )


def died() -> Raised:
    """What it means that a step's worker died under it."""
    return _accident(
        "worker_died",
        "the worker process that had this slide ended without a word; the slide may need more memory than there is, or "
        "be damaged in a way that kills its reader: look at it alone with --workers 1",
        "KilledWorker",
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
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{text}; this is a defect of batchscan or a kind of file that it doesn't know"


def _forget_peak() -> None:
    """Begin the process's peak anew, where the system can do that (Linux, proc(5): clear_refs)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_rss_mb() -> float | None:
    """Largest resident memory since `_forget_peak`; since the process began where the system can't forget."""
    with suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / (1 << 20)
