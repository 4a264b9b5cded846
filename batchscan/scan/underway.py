"""A slide and its tasks while it is under way: attempts, scores so far, accidents, and how long its place is away."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.errors import SourceVanished
from batchscan.scan.grid import Block
from batchscan.scan.pipeline import BlockScores
from batchscan.scan.slide_events import BlockScanned, SlideStarted, SlideSurveyed
from batchscan.scan.step import Raised, Trouble

# So often a slide is tried again that alone is gone: whoever replaces it may not be done.
_GONE_TRIES = 3


class Work(Protocol):
    """What a slide's tasks are given; must pickle."""

    @property
    def slide_id(self) -> str:
        """Whose work it is."""


class Surveyed(Protocol):
    """What a survey task returns; must pickle."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks still to be scanned; none when there is nothing to do or all is known."""

    @property
    def seconds(self) -> Mapping[str, float]:
        """What it spent, by stage."""


W = TypeVar("W", bound=Work)
S = TypeVar("S", bound=Surveyed)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Steps(Generic[W, S, R]):
    """The functions that tasks run, given by the caller; module-level, so that they pickle.

    A survey may tell its blocks (`pulse.herald`) before it returns them; they are then scanned meanwhile.
    """

    survey: Callable[[W], S]
    scan: Callable[[W, Sequence[Block]], list[BlockScores]]
    finish: Callable[[W, S, list[BlockScores]], R]


PATCHES_TOGETHER = 2000
_PATCHES_AT_LEAST = 64


def in_groups(blocks: Iterable[Block]) -> Iterator[tuple[Block, ...]]:
    """All blocks, in their order, so many together that they have at most two thousand patches; a larger one alone."""
    group: list[Block] = []
    for block in blocks:
        if group and sum(map(len, group)) + len(block) > PATCHES_TOGETHER:
            yield tuple(group)
            group = []
        group.append(block)
    if group:
        yield tuple(group)


def evened(blocks: Iterable[Block], n_threads: int) -> Iterator[tuple[Block, ...]]:
    """All cells of blocks, in their order; the less is left, the less is together, so that threads end together.

    What is together has no more patches than half of a thread's share of what is left; a block that alone has more is
    halved, down to 64.
    """
    waiting = [*blocks][::-1]
    n_left = sum(map(len, waiting))
    group: list[Block] = []
    room = 0.0
    while waiting:
        if not group:
            room = min(PATCHES_TOGETHER, n_left / (2 * n_threads))
        block = waiting.pop()
        if len(block) <= (room if group else max(room, _PATCHES_AT_LEAST)):
            group.append(block)
            room -= len(block)
            n_left -= len(block)
        elif group:
            waiting.append(block)
            yield tuple(group)
            group = []
        else:
            waiting.extend(block.halves()[::-1])
    if group:
        yield tuple(group)


def as_steps(blocks: Iterable[Block], n_threads: int | None) -> tuple[tuple[Block, ...], ...]:
    """What of a slide is one step each: for so many threads that have nothing else to do, or else as much as may be."""
    return tuple(in_groups(blocks) if n_threads is None else evened(blocks, n_threads))


@dataclass(frozen=True, slots=True)
class Patience:
    """What is borne before a slide, or the whole run, is given up.

    Parameters
    ----------
    attempts
        So many accidents (its worker died, it hung, a defect) end a slide.
    stall_s
        A step without a sign of life for so long is stuck.
    away_s
        So long slides whose place can't be reached, and a cluster without workers, are waited for.
    first_delay_s, longest_delay_s
        Between tries at a place that can't be reached: the first wait, doubled up to the longest.
    """

    attempts: int = 3
    stall_s: float = 600.0
    away_s: float = 1800.0
    first_delay_s: float = 2.0
    longest_delay_s: float = 60.0


@dataclass
class Task:
    """A step handed to the workers.

    `address` and `heard` (monotonic seconds) are None unless it is at work, `worker` is the name of who was last at it.
    `begun` is when its beginning was heard of, monotonic too; `said` is the same on its worker's own wall clock. Only
    `elsewhere` may do it; None: all.
    """

    slide: SlideUnderWay[Any, Any]
    future: Any
    step: Any
    arguments: tuple[Any, ...]
    priority: int
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    address: str | None = None
    heard: float | None = None
    worker: str = ""
    begun: float = 0.0
    said: float = 0.0
    elsewhere: list[str] | None = None
    n_lost: int = 0

    def at_work_s(self, moment: float) -> float:
        """How long it has been at work; 0 if it isn't."""
        return 0.0 if self.heard is None else moment - self.begun


@dataclass
class SlideUnderWay(Generic[W, S]):
    """What the dispatcher knows of one slide.

    `avoid` is the address of a worker where it had an accident; `n_shared` counts deaths that others may have caused,
    `n_changed` attempts that came to nothing since it was seen to be replaced or written to. `turn` is that of the
    survey whose blocks were handed out; `waiting` counts the steps of these that haven't returned.
    """

    work: W
    accidents: int = 0
    avoid: str = ""
    n_shared: int = 0
    survey: S | None = None
    turn: str = ""
    waiting: int = 0
    scores: list[BlockScores] = field(default_factory=list)
    tasks: set[str] = field(default_factory=set)
    begun: bool = False
    peak_rss_mb: float | None = None
    busy_s: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    away_since: float | None = None
    n_away: int = 0
    n_changed: int = 0

    def restart(self) -> None:
        """Forget this attempt; the next one begins with the survey."""
        self.survey, self.turn, self.waiting, self.scores = None, "", 0, []
        self.tasks, self.begun, self.peak_rss_mb, self.busy_s, self.seconds = set(), False, None, 0.0, {}

    def begin(self, worker: str = "") -> Iterator[SlideStarted]:
        """Say that this attempt has begun, once."""
        if not self.begun:
            self.begun = True
            yield SlideStarted(self.work.slide_id, worker)

    def saw_peak(self, peak_rss_mb: float | None) -> None:
        """Keep the largest memory that a worker was seen to have while it was at a step of this attempt."""
        if peak_rss_mb is not None:
            self.peak_rss_mb = max(self.peak_rss_mb or 0.0, peak_rss_mb)

    def spent(self, *parts: Mapping[str, float]) -> None:
        """Add what steps that have returned say that they spent, by stage."""
        for part in parts:
            for stage, spent_s in part.items():
                self.seconds[stage] = self.seconds.get(stage, 0.0) + spent_s

    def scanned(self, found: Sequence[BlockScores]) -> Iterator[BlockScanned]:
        """Keep what one of the steps that are waited for has found in some blocks."""
        self.waiting -= 1
        for scores in found:
            self.scores.append(scores)
            self.spent(scores.seconds)
            yield BlockScanned(self.work.slide_id, len(scores.p_raw))

    def went_through(
        self, sizes: Sequence[int], seconds: Sequence[Mapping[str, float]]
    ) -> Iterator[SlideSurveyed | BlockScanned]:
        """What there is to tell of blocks of so many patches each that were scanned in one go."""
        self.spent(*seconds)
        yield SlideSurveyed(self.work.slide_id, sum(sizes))
        yield from (BlockScanned(self.work.slide_id, n_patches) for n_patches in sizes)

    def end(self, worker: str, error_class: str | None = None) -> AttemptEnd:
        """What this attempt came to; `busy` is all the time of its steps on the workers, the stages are part of it."""
        return AttemptEnd(worker, error_class, {**self.seconds, "busy": self.busy_s}, self.peak_rss_mb)

    def delay_s(self, raised: Raised, patience: Patience, got_on: float, moment: float) -> float | None:
        """How long until the slide is tried again; None when it is given up.

        Parameters
        ----------
        got_on
            When a step of any slide last returned; monotonic seconds, as `moment`, which is now.

        Raises
        ------
        SourceVanished
            If nothing could be read for too long.
        """
        if raised.trouble is Trouble.AGAIN or (raised.trouble is Trouble.FINAL and self.n_changed):
            # Whoever replaces it may not be done: until then it may seem to be damaged, or no slide at all.
            self.n_changed += 1
            tries = max(self.accidents, self.n_changed)
            return self._next_delay_s(patience) if tries < patience.attempts else None
        if raised.trouble is Trouble.FINAL:
            return None
        if raised.trouble is Trouble.GONE:
            return self._next_delay_s(patience) if self.n_away < _GONE_TRIES else None
        if raised.trouble is not Trouble.AWAY:
            return 0.0 if self.accidents < patience.attempts else None
        self.away_since = self.away_since or moment
        if moment - self.away_since < patience.away_s:
            return self._next_delay_s(patience)
        if moment - got_on < patience.away_s:
            return None
        # Not this slide alone: the rest of the night would fail too.
        raise SourceVanished(
            f"the slides' place can't be reached: nothing could be read for {patience.away_s / 60:.0f} minutes, "
            f"{self.work.slide_id} among others; the run stops, nothing is lost: start the same command again when the "
            "place is back"
        )

    def _next_delay_s(self, patience: Patience) -> float:
        """How long to wait before the place is tried again."""
        delay = min(patience.first_delay_s * 2.0**self.n_away, patience.longest_delay_s)
        self.n_away += 1
        return delay


@dataclass(frozen=True, slots=True)
class Retry:
    """An attempt that ended as `raised`, to be made again at `due` (monotonic seconds)."""

    slide: SlideUnderWay[Any, Any]
    raised: Raised
    due: float
