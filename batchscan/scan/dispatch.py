"""Slides and their blocks -> tasks on Dask workers -> events, in the order things happen.

A slide is one survey task, a task for each of its blocks, and one finish task. Coordinates and scores travel,
pixels do not. Only so many slides are under way at once as keep the workers busy, so that memory stays flat
over thousands of slides, and steps of slides under way go before new slides.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from distributed import Client, KilledWorker, as_completed, get_worker

from batchscan.domain.errors import BatchscanError, ClusterError, ModelError, OutputError, SlideError, SlideExcluded
from batchscan.domain.records import SlideOutcome, SlideStatus
from batchscan.scan.grid import Block
from batchscan.scan.pipeline import BlockScores

_LOG = logging.getLogger(__name__)


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


W = TypeVar("W", bound=Work)
S = TypeVar("S", bound=Surveyed)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Steps(Generic[W, S, R]):
    """The functions that tasks run, given by the caller; module-level, so that they pickle."""

    survey: Callable[[W], S]
    scan: Callable[[W, Block], BlockScores]
    finish: Callable[[W, S, list[BlockScores]], R]


@dataclass(frozen=True, slots=True)
class SlideStarted:
    """A slide's survey has been handed to the workers."""

    slide_id: str


@dataclass(frozen=True, slots=True)
class SlideSurveyed:
    """It is known how many patches a slide has."""

    slide_id: str
    n_patches: int


@dataclass(frozen=True, slots=True)
class BlockScanned:
    """So many more patches of a slide have a probability."""

    slide_id: str
    n_patches: int


@dataclass(frozen=True, slots=True)
class SlideFinished(Generic[R]):
    """A slide's finish task has returned."""

    slide_id: str
    worker: str
    result: R


@dataclass(frozen=True, slots=True)
class SlideStopped:
    """A slide's task has raised, or its worker has died; the others go on."""

    outcome: SlideOutcome
    worker: str
    error_class: str

    @property
    def slide_id(self) -> str:
        """Whose task it was."""
        return self.outcome.slide_id


Event = SlideStarted | SlideSurveyed | BlockScanned | SlideFinished[Any] | SlideStopped


@dataclass(frozen=True, slots=True)
class _Returned:
    """What a step returned, and where it ran."""

    worker: str
    value: Any


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a step raised, in words: a foreign error might not pickle. `error` is kept only if it stops the run."""

    worker: str
    status: SlideStatus
    reason: str
    sentence: str
    error_class: str
    trace: str = ""
    error: BatchscanError | None = None


def _run_step(step: Callable[..., Any], *arguments: Any) -> _Returned | _Raised:
    """Run one step of one slide on a worker. The one place where any error is caught, since it costs one slide only."""
    worker = str(get_worker().name)
    try:
        return _Returned(worker, step(*arguments))
    except SlideError as error:
        status = SlideStatus.EXCLUDED if isinstance(error, SlideExcluded) else SlideStatus.FAILED
        return _Raised(worker, status, error.code, str(error), type(error).__name__)
    except (ModelError, ClusterError, OutputError) as error:
        return _Raised(worker, SlideStatus.FAILED, error.code, str(error), type(error).__name__, error=error)
    except BatchscanError as error:
        return _Raised(worker, SlideStatus.FAILED, error.code, str(error), type(error).__name__)
    except Exception as error:  # noqa: BLE001 - one slide's accident must not end the night
        trace = traceback.format_exc()
        return _Raised(worker, SlideStatus.FAILED, "unexpected", _defect(error), type(error).__name__, trace)


@dataclass
class _SlideUnderWay(Generic[W, S]):
    work: W
    survey: S | None = None
    waiting: int = 0
    scores: list[BlockScores] = field(default_factory=list)
    futures: set[Any] = field(default_factory=set)


class _Board(Generic[W, S, R]):
    """Which future belongs to which slide, and what comes next for it."""

    def __init__(self, client: Client, steps: Steps[W, S, R]) -> None:
        self._client = client
        self._steps = steps
        self._done = as_completed([])
        self._slides: dict[Any, _SlideUnderWay[W, S]] = {}
        self.under_way = 0

    def start(self, work: W) -> SlideStarted:
        slide: _SlideUnderWay[W, S] = _SlideUnderWay(work)
        self.under_way += 1
        self._submit(slide, self._steps.survey, work, priority=0)
        return SlideStarted(work.slide_id)

    def next_events(self) -> Iterator[Event]:
        """Wait for one task to end, and hand out what follows from it."""
        future = next(self._done)
        slide = self._slides.pop(future, None)
        if slide is None or future not in slide.futures:
            return
        slide.futures.discard(future)
        if future.cancelled():
            raise ClusterError("the connection to the scheduler is lost; start the same command again to go on")
        error = future.exception()
        if error is not None:
            # The step itself can't raise: its worker died, or what it returned can't be fetched.
            yield self._stopped(slide, _lost(error))
            return
        returned = future.result()
        if isinstance(returned, _Returned):
            yield from self._follow(slide, returned)
        elif returned.error is not None:
            raise returned.error
        else:
            yield self._stopped(slide, returned)

    def _stopped(self, slide: _SlideUnderWay[W, S], raised: _Raised) -> SlideStopped:
        self._drop(slide)
        if raised.trace:
            _LOG.debug("a step of %s raised on %s:\n%s", slide.work.slide_id, raised.worker, raised.trace)
        outcome = SlideOutcome(slide.work.slide_id, raised.status, raised.reason, raised.sentence)
        return SlideStopped(outcome, raised.worker, raised.error_class)

    def _follow(self, slide: _SlideUnderWay[W, S], returned: _Returned) -> Iterator[Event]:
        slide_id, value = slide.work.slide_id, returned.value
        if slide.survey is None:
            slide.survey = value
            slide.waiting = len(value.blocks)
            yield SlideSurveyed(slide_id, sum(len(block.rows) for block in value.blocks))
            for block in value.blocks:
                self._submit(slide, self._steps.scan, slide.work, block, priority=1)
        elif slide.waiting:
            slide.waiting -= 1
            slide.scores.append(value)
            yield BlockScanned(slide_id, len(value.p_raw))
        else:
            self.under_way -= 1
            yield SlideFinished(slide_id, returned.worker, value)
            return
        if not slide.waiting:
            self._submit(slide, self._steps.finish, slide.work, slide.survey, slide.scores, priority=2)

    def _submit(self, slide: _SlideUnderWay[W, S], step: Callable[..., Any], *arguments: Any, priority: int) -> None:
        future = self._client.submit(_run_step, step, *arguments, pure=False, priority=priority)
        slide.futures.add(future)
        self._slides[future] = slide
        self._done.add(future)

    def _drop(self, slide: _SlideUnderWay[W, S]) -> None:
        self.under_way -= 1
        futures, slide.futures = list(slide.futures), set()
        for future in futures:
            future.cancel()

    def close(self) -> None:
        """Take back what is still under way."""
        for future in list(self._slides):
            future.cancel()


def _lost(error: BaseException) -> _Raised:
    if isinstance(error, KilledWorker):
        reason = "worker_died"
        sentence = (
            "every worker process that had this slide ended without a word; the slide may need more memory than there "
            "is, or be damaged in a way that kills its reader: look at it alone with --workers 1"
        )
    else:
        reason, sentence = "unexpected", _defect(error)
    return _Raised("", SlideStatus.FAILED, reason, sentence, type(error).__name__)


def _defect(error: BaseException) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{text}; this is a defect of batchscan or a kind of file that it doesn't know"


def run_slides(client: Client, works: Iterable[W], steps: Steps[W, S, R]) -> Iterator[Event]:
    """Run the steps of every slide on the client's workers; yield what happens.

    Parameters
    ----------
    client
        From `cluster.connect`.
    works
        One a slide; taken as there is room.
    steps
        What to run. `survey` and `finish` may be run twice if a worker dies: they must be idempotent.

    Yields
    ------
    Event
        SlideStarted first and SlideFinished or SlideStopped last for every slide.

    Raises
    ------
    ClusterError, ModelError, OutputError
        What no other slide could survive either.
    """
    board: _Board[W, S, R] = _Board(client, steps)
    room = 2 * max(1, sum(client.nthreads().values())) + 1
    waiting = iter(works)
    try:
        while True:
            while board.under_way < room and (work := next(waiting, None)) is not None:
                yield board.start(work)
            if not board.under_way:
                return
            yield from board.next_events()
    finally:
        board.close()
