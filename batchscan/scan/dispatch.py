"""Slides and their blocks -> tasks on Dask workers -> events, in the order things happen.

A slide is one survey task, a task for each of its blocks, and one finish task. Coordinates and scores travel,
pixels do not. Only so many slides are under way at once as keep the workers busy, so that memory stays flat
over thousands of slides, and steps of slides under way go before new slides.

What goes wrong costs one slide: whoever was at work on a worker that died is to blame, what merely waited there is
done again elsewhere; a step without a sign of life is ended with its worker; a slide is given up after so many
accidents, and waited for while its place can't be reached.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from distributed import Client, KilledWorker

from batchscan.domain.errors import ClusterError, ModelError, SourceVanished
from batchscan.domain.records import SlideOutcome
from batchscan.scan.cluster import dismiss, end_worker, left_in_order, n_threads
from batchscan.scan.grid import Block
from batchscan.scan.pipeline import BlockScores
from batchscan.scan.pulse import Pulse, Sign, heard
from batchscan.scan.revival import Revival
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
from batchscan.scan.step import Raised, Returned, Trouble, died, lost, run_step, stuck
from batchscan.scan.underway import Patience, Retry, SlideUnderWay, Task

_LOG = logging.getLogger(__name__)
_TICK_S = 1.0
# So many slides may wait for their place to come back; they keep no worker busy.
_MOST_AWAY = 50
# A step that merely waited on workers that died is handed out anew so often.
_MOST_LOST = 20
_FETCH_S = 120.0
# So often a slide is tried again that alone is gone: whoever replaces it may not be done.
_GONE_TRIES = 3
_DISCONNECTED = "the connection to the scheduler is lost; start the same command again to go on"


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


class _Board(Generic[W, S, R]):
    """Which task belongs to which slide, and what comes next for it."""

    def __init__(self, client: Client, steps: Steps[W, S, R], patience: Patience) -> None:
        self._client = client
        self._steps = steps
        self._patience = patience
        self._happened: queue.SimpleQueue[Pulse | str] = queue.SimpleQueue()
        self._tasks: dict[str, Task] = {}
        self._retries: list[Retry] = []
        self.under_way = 0
        self._topic = f"batchscan-{client.id}"
        self._leaving: set[str] = set()
        client.subscribe_topic(self._topic, lambda event: self._happened.put(heard(event)))
        client.subscribe_topic("all", self._on_cluster)
        self._threads = n_threads(client)
        self._revival = Revival(client)
        self._got_on = self._ticked = self._had_workers = time.monotonic()

    def _on_cluster(self, event: tuple[float, Any]) -> None:
        """Runs on the client's own thread."""
        message = event[1]
        if isinstance(message, dict) and message.get("action") == "remove-worker" and message.get("expected"):
            self._leaving.add(str(message.get("worker")))

    def has_room(self) -> bool:
        """Whether another slide should be begun, so that no worker waits."""
        room = 2 * self._threads + 1 if self._threads else 0
        return self.under_way < room and len(self._retries) < _MOST_AWAY

    @property
    def is_idle(self) -> bool:
        return not self.under_way and not self._retries

    def take(self, works: Iterator[W], accidents: Callable[[str], int]) -> Iterator[W] | None:
        """Start the next slide; returns where there are more, None when there are no more."""
        work = next(works, None)
        if work is None:
            return None
        self.start(SlideUnderWay(work, accidents(work.slide_id)))
        return works

    def start(self, slide: SlideUnderWay[W, S]) -> None:
        self.under_way += 1
        self._submit(slide, self._steps.survey, slide.work, priority=0)

    def next_events(self) -> Iterator[Event]:
        """Wait until something happens, a second at most, and hand out what follows from it."""
        try:
            happened = self._happened.get(timeout=_TICK_S)
        except queue.Empty:
            pass
        else:
            yield from self._on_pulse(happened) if isinstance(happened, Pulse) else self._on_done(happened)
        if time.monotonic() - self._ticked >= _TICK_S:
            self._ticked = time.monotonic()
            yield from self._tick()
            yield Waited()

    def _on_pulse(self, pulse: Pulse) -> Iterator[Event]:
        task = self._tasks.get(pulse.token)
        if task is None:
            return
        before, task.address, task.heard = task.address, pulse.address, time.monotonic()
        if pulse.sign is Sign.ENDED:
            # If its worker dies from now on, the step has nothing to do with that.
            task.address = task.heard = None
        elif pulse.sign is Sign.BEGUN and before is not None and not self._was_leaving(before):
            # The scheduler has handed it out again by itself.
            yield from self._trouble(task.slide, died())
        elif pulse.sign is Sign.BEGUN:
            yield from self._begin(task.slide)

    def _was_leaving(self, address: str) -> bool:
        return address in self._leaving or left_in_order(self._client, address)

    def _begin(self, slide: SlideUnderWay[W, S]) -> Iterator[Event]:
        if not slide.begun:
            slide.begun = True
            yield SlideStarted(slide.work.slide_id)

    def _on_done(self, token: str) -> Iterator[Event]:
        task = self._tasks.pop(token, None)
        if task is None:
            return
        slide = task.slide
        slide.tasks.discard(token)
        if task.future.cancelled():
            raise ClusterError(_DISCONNECTED)
        error = task.future.exception()
        if isinstance(error, KilledWorker) and task.address is None and task.n_lost < _MOST_LOST:
            self._submit(slide, task.step, *task.arguments, priority=task.priority, n_lost=task.n_lost + 1)
            return
        yield from self._begin(slide)
        if error is not None:
            # The step itself can't raise: its worker died, or what it returned can't be fetched.
            yield from self._trouble(slide, lost(error))
            return
        returned = self._fetched(task)
        if returned is None or self._dismissed(returned):
            self._submit(slide, task.step, *task.arguments, priority=task.priority, n_lost=task.n_lost + 1)
            return
        slide.saw_peak(returned.peak_rss_mb)
        if isinstance(returned, Returned):
            slide.busy_s += returned.busy_s
            self._got_on, slide.away_since, slide.n_away = time.monotonic(), None, 0
            yield from self._follow(slide, returned)
        else:
            yield from self._trouble(slide, returned)

    def _fetched(self, task: Task) -> Returned | Raised | None:
        """What a step returned; None if it was lost with its worker."""
        try:
            value: Returned | Raised = task.future.result(timeout=_FETCH_S)
        except CancelledError as error:
            raise ClusterError(_DISCONNECTED) from error
        except (TimeoutError, OSError, KilledWorker):
            task.future.cancel()
            return None
        return value

    def _dismissed(self, returned: Returned | Raised) -> bool:
        """Whether the worker was sent away because the model, fine where the run began, isn't what it has."""
        if isinstance(returned, Returned) or not isinstance(returned.error, ModelError):
            return False
        _LOG.warning("worker %s is dismissed: %s", returned.worker, returned.sentence)
        return dismiss(self._client, returned.worker)

    def _follow(self, slide: SlideUnderWay[W, S], returned: Returned) -> Iterator[Event]:
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
            yield SlideFinished(slide_id, slide.end(returned.worker), value)
            return
        if not slide.waiting:
            self._submit(slide, self._steps.finish, slide.work, slide.survey, slide.scores, priority=2)

    def _submit(
        self, slide: SlideUnderWay[W, S], step: Callable[..., Any], *arguments: Any, priority: int, n_lost: int = 0
    ) -> None:
        task = Task(slide, None, step, arguments, priority, n_lost=n_lost)
        task.future = self._client.submit(
            run_step, self._topic, task.token, step, *arguments, pure=False, priority=priority
        )
        slide.tasks.add(task.token)
        self._tasks[task.token] = task
        task.future.add_done_callback(lambda _, token=task.token: self._happened.put(token))

    def _trouble(self, slide: SlideUnderWay[W, S], raised: Raised) -> Iterator[Event]:
        if raised.error is not None:
            raise raised.error
        if raised.trace:
            _LOG.debug("a step of %s raised on %s:\n%s", slide.work.slide_id, raised.worker, raised.trace)
        accident = raised.trouble in {Trouble.ACCIDENT, Trouble.AGAIN}
        slide.accidents += accident
        outcome = SlideOutcome(slide.work.slide_id, raised.status, raised.reason, raised.sentence)
        end = slide.end(raised.worker, raised.error_class)
        delay_s = self._delay_s(slide, raised)
        self._drop(slide)
        if delay_s is None:
            yield SlideStopped(outcome, end, accident)
            return
        slide.restart()
        self._retries.append(Retry(slide, raised, time.monotonic() + delay_s))
        yield SlideRetried(outcome, end, accident, delay_s)

    def _delay_s(self, slide: SlideUnderWay[W, S], raised: Raised) -> float | None:
        """How long until the slide is tried again; None when it is given up."""
        if raised.trouble is Trouble.FINAL:
            return None
        if raised.trouble is Trouble.GONE:
            return slide.next_delay_s(self._patience) if slide.n_away < _GONE_TRIES else None
        if raised.trouble is not Trouble.AWAY:
            return 0.0 if slide.accidents < self._patience.attempts else None
        moment = time.monotonic()
        slide.away_since = slide.away_since or moment
        if moment - slide.away_since < self._patience.away_s:
            return slide.next_delay_s(self._patience)
        if moment - self._got_on >= self._patience.away_s:
            # Not this slide alone: the rest of the night would fail too.
            raise SourceVanished(
                f"the slides' place can't be reached: nothing could be read for {self._patience.away_s / 60:.0f} "
                f"minutes, {slide.work.slide_id} among others; the run stops, nothing is lost: start the same command "
                "again when the place is back"
            )
        return None

    def _tick(self) -> Iterator[Event]:
        moment = time.monotonic()
        yield from self._look_at_workers(moment)
        for task in list(self._tasks.values()):
            if task.heard is not None and moment - task.heard > self._patience.stall_s and task.token in self._tasks:
                address = task.address
                yield from self._trouble(task.slide, stuck(self._patience.stall_s))
                end_worker(self._client, str(address))
        due = [retry for retry in self._retries if retry.due <= moment]
        self._retries = [retry for retry in self._retries if retry.due > moment]
        for retry in due:
            self.start(retry.slide)

    def _look_at_workers(self, moment: float) -> Iterator[Event]:
        self._revival.look(moment)
        threads = n_threads(self._client)
        if threads:
            self._had_workers = moment
        elif moment - self._had_workers >= self._patience.away_s:
            raise ClusterError(
                f"there were no workers for {self._patience.away_s / 60:.0f} minutes: start some, and the same command "
                "again to go on"
            )
        if threads != self._threads:
            self._threads = threads
            yield WorkersChanged(threads)

    def _drop(self, slide: SlideUnderWay[W, S]) -> None:
        self.under_way -= 1
        for token in slide.tasks:
            task = self._tasks.pop(token, None)
            if task:
                task.future.cancel()

    def drop_waiting(self) -> None:
        """Take back the slides that nobody has begun with; those under way go on."""
        self._retries.clear()
        for slide in {id(task.slide): task.slide for task in self._tasks.values()}.values():
            if not slide.begun:
                self._drop(slide)

    def close(self) -> None:
        """Take back what is still under way."""
        self._client.unsubscribe_topic(self._topic)
        self._client.unsubscribe_topic("all")
        for task in self._tasks.values():
            task.future.cancel()


def run_slides(
    client: Client,
    works: Iterable[W],
    steps: Steps[W, S, R],
    patience: Patience = Patience(),  # noqa: B008 - frozen
    *,
    draining: Callable[[], bool] = lambda: False,
    accidents: Callable[[str], int] = lambda _: 0,
) -> Iterator[Event]:
    """Run the steps of every slide on the client's workers; yield what happens.

    Parameters
    ----------
    client
        From `cluster.connect`.
    works
        One a slide; taken as there is room.
    steps
        What to run; each may run twice, even at once, if a worker is taken for dead.
    patience
        What is borne.
    draining
        Once it says yes, no slide is begun any more; those that nobody has begun with are taken back without an event.
    accidents
        slide_id -> how many accidents it had in earlier runs.

    Yields
    ------
    Event
        SlideStarted for every attempt, and SlideFinished or SlideStopped last for every slide, unless it drains.

    Raises
    ------
    ClusterError, ModelError, OutputError, SourceVanished
        What no other slide could survive either.
    """
    board: _Board[W, S, R] = _Board(client, steps, patience)
    waiting: Iterator[W] | None = iter(works)
    try:
        while True:
            if draining():
                board.drop_waiting()
                waiting = None
            while waiting is not None and board.has_room():
                waiting = board.take(waiting, accidents)
            if board.is_idle and waiting is None:
                return
            yield from board.next_events()
    finally:
        board.close()
