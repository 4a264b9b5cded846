"""The attempts of a run -> where its workers' time went, which slides took longest, which were tried again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from batchscan.domain.attempts import Attempt
from batchscan.domain.records import SlideStatus
from batchscan.report.attention import Retries
from batchscan.report.toplist import TopList

N_SLOWEST = 10
RETRIED = "retried"
_INFER = "infer"
# In an attempt's seconds, but no stage: the sum of all, and what no worker was held for.
_BUSY = "busy"
_NO_STAGE = {"total", "wait", _BUSY}
_STAGES = ("read", "tissue", "infer", "write")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the slides that were done: worker seconds, and those of slides of which patches were scanned now."""

    name: str
    seconds: float
    scanning_s: float


@dataclass(frozen=True, slots=True)
class SlowAttempts:
    """What one slide took, over all its attempts in this run.

    Parameters
    ----------
    seconds
        Of workers' time; where no stage was timed, from start to end.
    timed
        Whether any stage was.
    longest_stage, share
        The stage that took most of it, and which share; empty and None where none was timed.
    peak_rss_mb
        MiB; None if unknown.
    """

    slide_id: str
    seconds: float
    timed: bool
    longest_stage: str
    share: float | None
    peak_rss_mb: float | None


@dataclass(frozen=True)
class WorkingTime:
    """What the attempts of a run came to.

    Parameters
    ----------
    stages
        Of attempts that ended in a done slide.
    lost_s
        Worker seconds of all others.
    workers
        Names of those that ended an attempt.
    scanned
        Ids of the slides whose `Stage.scanning_s` are counted.
    retries
        By slide.
    slowest
        Longest first.
    last_ended
        When the last attempt ended; None if none has.
    """

    stages: tuple[Stage, ...]
    lost_s: float
    workers: frozenset[str]
    scanned: frozenset[str]
    retries: Mapping[str, Retries]
    slowest: tuple[SlowAttempts, ...]
    last_ended: datetime | None


def working_time(attempts: Iterable[Attempt], started: datetime) -> WorkingTime:
    """Read the attempts once, in the order they began; those from before `started` are of an earlier run."""
    seen = _Seen()
    for attempt in attempts:
        if datetime.fromisoformat(attempt.started) >= started:
            seen.add(attempt)
    return seen.summed()


class _Seen:
    """What is kept of the attempts so far: sums, the few slowest, and something for each retried slide."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._scanning: defaultdict[str, float] = defaultdict(float)
        self._lost_s = 0.0
        self._workers = set[str]()
        self._scanned = set[str]()
        self._retried: defaultdict[str, list[Attempt]] = defaultdict(list)
        self._slowest = TopList[SlowAttempts](N_SLOWEST)
        self._last_ended: datetime | None = None

    def add(self, attempt: Attempt) -> None:
        if attempt.ended is None:
            return
        ended = datetime.fromisoformat(attempt.ended)
        self._last_ended = max(self._last_ended or ended, ended)
        self._workers |= {attempt.end.worker} - {""}
        seconds = _by_stage(attempt)
        if attempt.status == SlideStatus.DONE:
            self._add_done(attempt.slide_id, seconds)
        else:
            self._lost_s += sum(seconds.values())
        if attempt.status == RETRIED:
            self._retried[attempt.slide_id].append(attempt)
        else:
            slow = _together([*self._retried.get(attempt.slide_id, ()), attempt])
            self._slowest.add(slow.seconds, slow)

    def _add_done(self, slide_id: str, seconds: Mapping[str, float]) -> None:
        for stage, spent in seconds.items():
            self._seconds[stage] += spent
        if seconds.get(_INFER):
            self._scanned.add(slide_id)
            for stage, spent in seconds.items():
                self._scanning[stage] += spent

    def summed(self) -> WorkingTime:
        names = [*_STAGES, *sorted(set(self._seconds) - set(_STAGES))]
        return WorkingTime(
            stages=tuple(Stage(name, self._seconds[name], self._scanning[name]) for name in names),
            lost_s=self._lost_s,
            workers=frozenset(self._workers),
            scanned=frozenset(self._scanned),
            retries={slide_id: _retries(attempts) for slide_id, attempts in self._retried.items()},
            slowest=self._slowest.things,
            last_ended=self._last_ended,
        )


def _by_stage(attempt: Attempt) -> dict[str, float]:
    """Seconds by stage; what steps took besides is `other`."""
    seconds = attempt.end.seconds
    stages = {stage: spent for stage, spent in seconds.items() if stage not in _NO_STAGE}
    if _BUSY in seconds:
        stages["other"] = max(0.0, seconds[_BUSY] - sum(stages.values()))
    return stages


def _retries(attempts: list[Attempt]) -> Retries:
    return Retries(len(attempts), tuple(dict.fromkeys(attempt.reason or "no reason given" for attempt in attempts)))


def _together(attempts: list[Attempt]) -> SlowAttempts:
    seconds: defaultdict[str, float] = defaultdict(float)
    for attempt in attempts:
        for stage, spent in _by_stage(attempt).items():
            seconds[stage] += spent
    total, peaks = sum(seconds.values()), [one.end.peak_rss_mb for one in attempts if one.end.peak_rss_mb is not None]
    longest = max(seconds, key=lambda stage: seconds[stage], default="") if total else ""
    return SlowAttempts(
        slide_id=attempts[-1].slide_id,
        seconds=total or sum(map(_elapsed_s, attempts)),
        timed=bool(total),
        longest_stage=longest,
        share=seconds[longest] / total if longest else None,
        peak_rss_mb=max(peaks, default=None),
    )


def _elapsed_s(attempt: Attempt) -> float:
    if attempt.ended is None:
        return 0.0
    return (datetime.fromisoformat(attempt.ended) - datetime.fromisoformat(attempt.started)).total_seconds()
