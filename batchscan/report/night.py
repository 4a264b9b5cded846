"""What the ledger holds of a run -> the figures of its night: counts, reasons, concerns, time and drift."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from batchscan.domain.attempts import Attempt
from batchscan.domain.errors import LedgerMismatch
from batchscan.domain.profile import Profile
from batchscan.domain.records import ENDED, SlideStatus
from batchscan.report.attention import CONCERNS, GRADES, Concern, Worry, worries
from batchscan.report.drift import Drift, RunProfile, comparable, run_drift, slide_drift
from batchscan.report.slide_table import TableRow, table_row
from batchscan.report.toplist import TopList
from batchscan.report.working_time import SlowAttempts, Stage, WorkingTime, working_time
from batchscan.stores.ledger_view import LedgerRow

N_LISTED = 10
"""Slides of each list on a page; how many more there are is said."""

N_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Counts:
    """Slides: done + failed + excluded + remaining = asked."""

    asked: int
    done: int
    failed: int
    excluded: int
    remaining: int


@dataclass(frozen=True, slots=True)
class SlideMention:
    """A slide on a list: where it stands among those asked for (from 0), whether it is done, and why it is here."""

    slide_id: str
    position: int
    done: bool
    found: str = ""


@dataclass(frozen=True, slots=True)
class ReasonFigures:
    """Slides that failed or were excluded for one reason: how many, the first of them, and the first one's sentence."""

    status: str
    reason: str
    n: int
    examples: tuple[SlideMention, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class ConcernFigures:
    """How many slides have a concern, and those that it matters most for."""

    concern: Concern
    n: int
    slides: tuple[SlideMention, ...]


@dataclass(frozen=True, slots=True)
class SlowSlide:
    """A slide that took long, and how many patches it has (None if that was never known)."""

    slide: SlideMention
    took: SlowAttempts
    n_patches: int | None


@dataclass(frozen=True, slots=True)
class TimeFigures:
    """Where a run's time went.

    Parameters
    ----------
    span_s
        From start to finish, or to the end of the last attempt; None if neither is known.
    workers
        How many at once at most, or where that isn't known how many ended anything; None if none did.
    there_s
        How long all workers together were there; None if that isn't known.
    stages, lost_s
        As in `WorkingTime`.
    n_patches
        Scanned in this run, whatever became of their slides.
    n_timed_patches
        Those of the slides whose `Stage.scanning_s` are counted.
    n_slides
        Done slides of which patches were scanned in this run.
    n_gpus
        That this machine's workers saw.
    """

    span_s: float | None
    workers: int | None
    there_s: float | None
    stages: tuple[Stage, ...]
    lost_s: float
    n_patches: int
    n_timed_patches: int
    n_slides: int
    n_gpus: int = 0

    @property
    def gpu_busy(self) -> float | None:
        """The network's share of the GPUs' time from start to finish; None without a GPU, or where it isn't known."""
        if not self.n_gpus or not self.span_s:
            return None
        return sum(stage.seconds for stage in self.stages if stage.name == "infer") / (self.n_gpus * self.span_s)

    @property
    def rest_s(self) -> float | None:
        """Worker seconds in no stage; None where nobody counted how long they were there, or more was timed."""
        if not self.there_s:
            return None
        rest = self.there_s - self.lost_s - sum(stage.seconds for stage in self.stages)
        return rest if rest >= 0 else None


@dataclass(frozen=True, slots=True)
class DriftFigures:
    """How far a run lies from its model's training.

    Parameters
    ----------
    measured
        Whether the model says what it was trained on.
    things
        What both have counts of.
    n_slides
        Of the run, with counts.
    n_ranked
        Of these, with enough of them.
    slides
        Those furthest away: (slide, name of the thing, its index).
    """

    measured: bool
    things: tuple[Drift, ...]
    n_slides: int
    n_ranked: int
    slides: tuple[tuple[SlideMention, str, float], ...]


@dataclass(frozen=True)
class RunFigures:
    """Everything that the digest of a run tells; `facts` are run.json's, `n_concerned` slides have any concern.

    `grades` counts what quality control said of done slides, "" for those that it didn't judge; `table` has a row a
    slide, in the order asked for.
    """

    facts: Mapping[str, Any]
    counts: Counts
    reasons: tuple[ReasonFigures, ...]
    concerns: tuple[ConcernFigures, ...]
    n_concerned: int
    grades: Mapping[str, int]
    slowest: tuple[SlowSlide, ...]
    time: TimeFigures
    drift: DriftFigures
    table: tuple[TableRow, ...]


def run_figures(
    facts: Mapping[str, Any], rows: Iterable[LedgerRow], attempts: Iterable[Attempt], training_profile: Profile | None
) -> RunFigures:
    """Read rows and attempts once each; what is kept of them are sums, short lists, and a line a slide.

    Parameters
    ----------
    facts
        What run.json says: `name`, `started`, `finished` (or None), `counts`, `model`, `engine`, `threshold`, and if
        known `workers` (`most` at once, `seconds` of all together, `gpus`), `reports`, `notices` (ids of
        the slides that have one), `orientations`, `aggregation`.
    rows
        Every slide, in the order asked for.
    attempts
        Of this run and earlier ones in its folder, in the order they began.
    training_profile
        What the model was trained on, summed over its slides; None if it doesn't say.

    Raises
    ------
    LedgerMismatch
        If run.json and ledger don't count the same slides.
    """
    time = working_time(attempts, datetime.fromisoformat(facts["started"]))
    night = _Night(time, comparable(training_profile))
    for row in rows:
        night.add(row)
    _check_counts(facts, night.counts())
    return night.figures(facts, measured=training_profile is not None)


def _check_counts(facts: Mapping[str, Any], counts: Counts) -> None:
    """What is asked for is known from the start; the other counts of run.json are the last ones once it is finished."""
    said = facts["counts"]
    names = ("asked", "done", "failed", "excluded", "remaining") if facts["finished"] else ("asked",)
    wrong = [name for name in names if name in said and said[name] != getattr(counts, name)]
    if wrong or counts.done + counts.failed + counts.excluded + counts.remaining != counts.asked:
        words = ", ".join(f"{name} {said.get(name)} and {getattr(counts, name)}" for name in wrong or names)
        raise LedgerMismatch(
            f"{facts['name']}: run.json and ledger.sqlite don't count the same slides ({words}); start the run again: "
            "whole results are used again"
        )


class _Night:
    """What is kept of the rows so far."""

    def __init__(self, time: WorkingTime, training: Profile) -> None:
        self._time, self._training = time, training
        self._n = self._n_concerned = 0
        self._statuses, self._grades = Counter[SlideStatus](), Counter[str]()
        self._reasons = Counter[tuple[str, str]]()
        self._examples: defaultdict[tuple[str, str], list[SlideMention]] = defaultdict(list)
        self._sentences: dict[tuple[str, str], str] = {}
        self._concerns = {concern.code: TopList[SlideMention](N_LISTED) for concern in CONCERNS}
        self._slow = {took.slide_id: took for took in time.slowest}
        self._slow_slides: dict[str, SlowSlide] = {}
        self._patches = self._timed_patches = self._scanned_slides = 0
        self._profile = RunProfile()
        # By fingerprint: the slide that had it first.
        self._first: dict[str, str] = {}
        self._drifting = TopList[tuple[SlideMention, str, float]](N_LISTED)
        self._table: list[TableRow] = []

    def add(self, row: LedgerRow) -> None:
        slide = SlideMention(row.slide_id, self._n, row.status is SlideStatus.DONE)
        self._n += 1
        self._statuses[row.status] += 1
        if row.slide_id in self._slow:
            self._slow_slides[row.slide_id] = SlowSlide(slide, self._slow[row.slide_id], row.n_patches)
        self._add_patches(row)
        self._add_concerns(row, slide)
        if row.status is SlideStatus.DONE:
            self._add_done(row, slide)
        elif row.status in ENDED:
            self._add_reason(row, slide)

    def _add_patches(self, row: LedgerRow) -> None:
        self._patches += row.n_scanned
        if row.status is SlideStatus.DONE and row.n_scanned:
            self._scanned_slides += 1
            self._timed_patches += row.n_scanned if row.slide_id in self._time.scanned else 0

    def _add_concerns(self, row: LedgerRow, slide: SlideMention) -> None:
        found = (*worries(row, self._time.retries.get(row.slide_id)), *self._seen_before(row))
        self._n_concerned += bool(found)
        self._table.append(table_row(row, (worry.concern for worry in found)))
        for worry in found:
            mention = SlideMention(slide.slide_id, slide.position, slide.done, worry.found)
            self._concerns[worry.concern].add(worry.rank, mention)

    def _seen_before(self, row: LedgerRow) -> Iterator[Worry]:
        fingerprint = row.numbers.get("fingerprint")
        if row.status is SlideStatus.DONE and fingerprint:
            first = self._first.setdefault(fingerprint, row.slide_id)
            if first != row.slide_id:
                yield Worry("duplicate", 0.0, f"the same as {first}")

    def _add_done(self, row: LedgerRow, slide: SlideMention) -> None:
        grade = row.numbers.get("qc_grade")
        self._grades[grade if grade in GRADES else ""] += 1
        self._profile.add(row.profile)
        drift = slide_drift(self._training, row.profile)
        if drift:
            self._drifting.add(drift[1], (slide, *drift))

    def _add_reason(self, row: LedgerRow, slide: SlideMention) -> None:
        key = row.status.value, row.reason
        self._reasons[key] += 1
        self._sentences.setdefault(key, row.sentence)
        if self._reasons[key] <= N_EXAMPLES:
            self._examples[key].append(slide)

    def counts(self) -> Counts:
        ended = {status.value: self._statuses[status] for status in ENDED}
        remaining = sum(n for status, n in self._statuses.items() if status not in ENDED)
        return Counts(asked=self._n, remaining=remaining, **ended)

    def figures(self, facts: Mapping[str, Any], *, measured: bool) -> RunFigures:
        most = sorted(self._reasons.items(), key=lambda item: (-item[1], item[0]))
        slow = (self._slow_slides.get(took.slide_id) for took in self._time.slowest)
        return RunFigures(
            facts=facts,
            counts=self.counts(),
            reasons=tuple(ReasonFigures(*key, n, tuple(self._examples[key]), self._sentences[key]) for key, n in most),
            concerns=tuple(
                ConcernFigures(concern, found.n, found.things)
                for concern in CONCERNS
                if (found := self._concerns[concern.code]).n
            ),
            n_concerned=self._n_concerned,
            grades={grade: self._grades[grade] for grade in (*GRADES, "")},
            slowest=tuple(one for one in slow if one is not None),
            time=self._time_figures(facts),
            drift=DriftFigures(
                measured=measured,
                things=run_drift(self._training, self._profile.counts),
                n_slides=self._profile.n_slides,
                n_ranked=self._drifting.n,
                slides=self._drifting.things,
            ),
            table=tuple(self._table),
        )

    def _time_figures(self, facts: Mapping[str, Any]) -> TimeFigures:
        started, finished = datetime.fromisoformat(facts["started"]), facts["finished"]
        there = facts.get("workers") or {}
        end = datetime.fromisoformat(finished) if finished else self._time.last_ended
        return TimeFigures(
            span_s=(end - started).total_seconds() if end else None,
            workers=there.get("most") or len(self._time.workers) or None,
            there_s=there.get("seconds"),
            stages=self._time.stages,
            lost_s=self._time.lost_s,
            n_patches=self._patches,
            n_timed_patches=self._timed_patches,
            n_slides=self._scanned_slides,
            n_gpus=there.get("gpus") or 0,
        )
