"""Slides and their blocks -> tasks on Dask workers -> events, in the order things happen.

A slide is one survey task, tasks for its blocks, and one finish task; or all of it is one task, where other slides keep
the workers busy. Coordinates and scores travel, pixels do not. Only so many slides are under way at once as keep the
workers busy, so that memory stays flat over thousands of slides, and steps of slides under way go before new slides.

What goes wrong costs one slide: whoever was at work on a worker that died is to blame, what merely waited there is
done again elsewhere; a step without a sign of life is ended with its worker; a slide is given up after so many
accidents, and waited for while its place can't be reached.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import Any, Generic

from distributed import Client, KilledWorker

from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.errors import ClusterError, ModelError
from batchscan.scan.cluster import DISCONNECTED
from batchscan.scan.fetching import Fetched, fetch, packed
from batchscan.scan.grid import Block
from batchscan.scan.in_one_go import Whole, in_one_go
from batchscan.scan.pulse import Line, Pulse, Sign, heard
from batchscan.scan.seats import ASIDE, NETWORK
from batchscan.scan.slide_events import (
    Event,
    SlideFinished,
    SlideRetried,
    SlideStopped,
    SlideSurveyed,
    Waited,
    WorkersChanged,
)
from batchscan.scan.step import Raised, Returned, Trouble, all_stuck, died, lost, run_step, stuck
from batchscan.scan.underway import Patience, R, Retry, S, SlideUnderWay, Steps, Task, W, as_steps
from batchscan.scan.workforce import Workforce

_LOG = logging.getLogger(__name__)
_TICK_S = 1.0
# So many slides may wait for their place to come back; they keep no worker busy.
_MOST_AWAY = 50
# A step that merely waited on workers that died is handed out anew so often.
_MOST_LOST = 20
_OWN_GAP_S = 5.0
_NOTHING_S = 120.0


class _Board(Generic[W, S, R]):
    """Which task belongs to which slide, and what comes next for it."""

    def __init__(self, client: Client, steps: Steps[W, S, R], patience: Patience) -> None:
        self._client = client
        self._steps = steps
        self._patience = patience
        self._happened: queue.SimpleQueue[Pulse | Fetched] = queue.SimpleQueue()
        self._tasks: dict[str, Task] = {}
        self._retries: list[Retry] = []
        self.under_way = 0
        self._topic = f"batchscan-{client.id}"
        client.subscribe_topic(self._topic, lambda event: self._happened.put(heard(event)))
        self._got_on = self._ticked = self._heard = self._probed = time.monotonic()
        self._workforce = Workforce(client, patience.away_s, self._ticked)
        # Workers that died under several steps at once: which of them it was, nobody knows.
        self._crowded: set[str] = set()

    def has_room(self) -> bool:
        """Whether another slide should be begun, so that no worker waits."""
        threads, moment = self._workforce.n_threads, time.monotonic()
        if not threads or self.under_way > 2 * threads:
            return False
        if len(self._retries) < _MOST_AWAY:
            return True
        # Most likely all the others are away too; but another folder may be there.
        is_due = moment - self._probed >= _TICK_S
        self._probed = moment if is_due else self._probed
        return is_due

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
        some_idle = len(self._tasks) < self._workforce.n_threads
        step = (self._steps.survey,) if some_idle else (in_one_go, self._steps)
        self._submit(slide, *step, slide.work, priority=0)

    def next_events(self) -> Iterator[Event]:
        """Wait until something happens, a second at most, and hand out what follows from it."""
        with contextlib.suppress(queue.Empty):
            yield from self._on(self._happened.get(timeout=_TICK_S))
            # All that has come in, before anybody is judged by what hasn't.
            while True:
                yield from self._on(self._happened.get_nowait())
        gap_s = time.monotonic() - self._ticked
        if gap_s >= _TICK_S:
            self._ticked += gap_s
            if gap_s > _OWN_GAP_S:
                # It is this process that stood still: what was said meanwhile may not have come in yet.
                self._forget_silence()
            yield from self._tick()
            yield Waited()

    def _on(self, happened: Pulse | Fetched) -> Iterator[Event]:
        yield from self._on_pulse(happened) if isinstance(happened, Pulse) else self._on_done(happened)

    def _on_pulse(self, pulse: Pulse) -> Iterator[Event]:
        self._heard = max(self._heard, pulse.at)
        task = self._tasks.get(pulse.token)
        if task is None:
            return
        before, task.address = task.address, pulse.address
        if pulse.sign is Sign.BEGUN and before is not None and not self._workforce.was_sent(before):
            # The scheduler has handed it out again by itself.
            yield from self._death(task, before)
            return
        task.heard, task.worker = pulse.at, pulse.worker
        task.slide.saw_peak(pulse.peak_rss_mb)
        if pulse.sign is Sign.ENDED:
            # If its worker dies from now on, the step has nothing to do with that.
            task.address = task.heard = None
        elif pulse.sign is Sign.BEGUN or not task.begun:
            # That it has begun may have been lost on the way: then this is the first that is heard of it.
            task.begun, task.said = pulse.at, pulse.said
            yield from task.slide.begin(pulse.worker)
        if pulse.sign is Sign.FOUND:
            yield from self._scan(task.slide, pulse.turn, pulse.found)

    def _on_done(self, fetched: Fetched) -> Iterator[Event]:
        task = self._tasks.pop(fetched.token, None)
        if task is None:
            return
        self._heard, slide = time.monotonic(), task.slide
        slide.tasks.discard(fetched.token)
        error, returned = fetched.error, fetched.value
        if isinstance(error, CancelledError):
            raise ClusterError(DISCONNECTED)
        if isinstance(error, KilledWorker) and task.address is None and task.n_lost < _MOST_LOST:
            yield from self._repeat(task)
            return
        yield from slide.begin()
        if isinstance(error, KilledWorker):
            yield from self._death(task, task.address or "")
            return
        if error is not None:
            # The step itself can't raise: what it returned can't be fetched.
            yield from self._trouble(slide, lost(error))
            return
        if returned is None or self._dismissed(returned):
            yield from self._repeat(task)
            return
        slide.saw_peak(returned.peak_rss_mb)
        slide.busy_s += returned.busy_s
        if isinstance(returned, Returned):
            self._got_on, slide.away_since, slide.n_away = time.monotonic(), None, 0
            yield from self._follow(task, returned)
        else:
            yield from self._trouble(slide, returned)

    def _repeat(self, task: Task) -> Iterator[Event]:
        """A step that nobody is to blame for; with its slide, where blocks of a survey that is lost are scanned."""
        if task.slide.turn and task.slide.survey is None and task.step is not self._steps.scan:
            yield from self._anew(task.slide, died(), task.worker)
        else:
            self._submit(task.slide, task.step, *task.arguments, priority=task.priority, n_lost=task.n_lost + 1)

    def _dismissed(self, returned: Returned | Raised) -> bool:
        """Whether the worker was sent away because the model, fine where the run began, isn't what it has."""
        if isinstance(returned, Returned) or not isinstance(returned.error, ModelError):
            return False
        _LOG.warning("worker %s is dismissed: %s", returned.worker, returned.sentence)
        return self._workforce.dismiss(returned.worker)

    def _follow(self, task: Task, returned: Returned) -> Iterator[Event]:
        slide, value = task.slide, returned.value
        if isinstance(value, Whole):
            yield from slide.went_through(value.sizes, value.seconds)
        if isinstance(value, Whole) or task.step is self._steps.finish:
            self.under_way -= 1
            result = value.result if isinstance(value, Whole) else value
            yield SlideFinished(slide.work.slide_id, slide.end(returned.worker), result)
            return
        if task.step is self._steps.scan:
            yield from slide.scanned(value)
        else:
            slide.spent(value.seconds)
            yield from self._scan(slide, returned.turn, value.blocks)
            if slide.turn != returned.turn:
                # It was done twice, and what is scanned are the blocks of the other time: the slide may have changed.
                yield from self._anew(slide, died(), returned.worker)
                return
            slide.survey = value
        if slide.survey is not None and not slide.waiting:
            self._submit(slide, self._steps.finish, slide.work, slide.survey, slide.scores, priority=2)

    def _scan(self, slide: SlideUnderWay[W, S], turn: str, blocks: Sequence[Block]) -> Iterator[Event]:
        """Hand out the blocks that a survey has found, unless that has been done."""
        if slide.turn:
            return
        # Each step costs messages: where others keep the workers busy it may be a large one.
        is_alone = len(self._tasks) - len(slide.tasks) < self._workforce.n_threads
        groups = as_steps(blocks, self._workforce.n_threads_for(NETWORK) if is_alone else None)
        slide.turn, slide.waiting = turn, len(groups)
        yield SlideSurveyed(slide.work.slide_id, sum(map(len, blocks)))
        for group in groups:
            self._submit(slide, self._steps.scan, slide.work, group, priority=1)

    def _submit(
        self, slide: SlideUnderWay[W, S], step: Callable[..., Any], *arguments: Any, priority: int, n_lost: int = 0
    ) -> None:
        if step is in_one_go and not self._workforce.is_of_one_kind:
            step, arguments = self._steps.survey, arguments[1:]
        # Where a slide had an accident, the next attempt goes elsewhere if there is anywhere else.
        kind = NETWORK if step is self._steps.scan else ASIDE
        elsewhere = self._workforce.elsewhere(slide.avoid, kind)
        task = Task(slide, None, step, arguments, priority, elsewhere=elsewhere, n_lost=n_lost)
        # What a survey finds is waited for where a worker has nothing else to do.
        is_awaited = step is self._steps.survey and len(self._tasks) + 1 < self._workforce.n_threads
        words = packed, run_step, Line(self._topic, task.token, is_awaited), step, *arguments
        task.future = self._workforce.submit(*words, priority=priority, among=elsewhere, kind=kind)
        slide.tasks.add(task.token)
        self._tasks[task.token] = task
        fetch(self._client, task.future, task.token, self._happened.put)

    def _death(self, task: Task, address: str) -> Iterator[Event]:
        """A step's worker has died under it: whoever was alone at work there is to blame."""
        slide = task.slide
        slide.busy_s += task.at_work_s(time.monotonic())
        if any(other.address == address for other in self._tasks.values() if other is not task):
            self._crowded.add(address)
        is_blameless = address in self._crowded or self._workforce.was_sent(address)
        begin_again = self._anew if is_blameless else self._trouble
        yield from begin_again(slide, replace(died(), address=address), task.worker)

    def _anew(self, slide: SlideUnderWay[W, S], raised: Raised, worker: str) -> Iterator[Event]:
        """Begin a slide again that has nothing to do with what happened; not for ever."""
        if slide.n_shared < _MOST_LOST:
            slide.n_shared += 1
            yield self._again(slide, raised, slide.end(worker), accident=False, delay_s=0.0)
        else:
            yield from self._trouble(slide, raised, worker)

    def _trouble(self, slide: SlideUnderWay[W, S], raised: Raised, worker: str = "") -> Iterator[Event]:
        if raised.error is not None:
            raise raised.error
        if raised.trace:
            _LOG.debug("a step of %s raised on %s:\n%s", slide.work.slide_id, raised.worker, raised.trace)
        accident = raised.trouble in {Trouble.ACCIDENT, Trouble.AGAIN}
        slide.accidents += accident
        # Where the worker died there is another one now.
        slide.avoid = raised.address if raised.worker else ""
        outcome, end = raised.outcome(slide.work.slide_id), slide.end(raised.worker or worker, raised.error_class)
        delay_s = slide.delay_s(raised, self._patience, self._got_on, time.monotonic())
        if delay_s is None:
            self._drop(slide)
            yield SlideStopped(outcome, end, accident)
            return
        yield self._again(slide, raised, end, accident=accident, delay_s=delay_s)

    def _again(
        self, slide: SlideUnderWay[W, S], raised: Raised, end: AttemptEnd, *, accident: bool, delay_s: float
    ) -> SlideRetried:
        outcome = raised.outcome(slide.work.slide_id)
        self._drop(slide)
        slide.restart()
        self._retries.append(Retry(slide, raised, time.monotonic() + delay_s))
        return SlideRetried(outcome, end, accident, delay_s)

    def _tick(self) -> Iterator[Event]:
        moment = time.monotonic()
        if self._workforce.look(moment):
            yield WorkersChanged(self._workforce.n_threads)
        for task in self._tasks.values():
            if task.address is not None:
                task.slide.saw_peak(self._workforce.rss_mb(task.address, task.said))
        for task in [task for task in self._tasks.values() if not self._workforce.has_any(task.elsewhere)]:
            self._submit_anywhere(task)
        yield from self._end_silent(moment)
        due = [retry for retry in self._retries if retry.due <= moment]
        self._retries = [retry for retry in self._retries if retry.due > moment]
        for retry in due:
            self.start(retry.slide)

    def _submit_anywhere(self, task: Task) -> None:
        """The scheduler would wait for workers that will never come back."""
        del self._tasks[task.token]
        task.slide.tasks.discard(task.token)
        task.slide.avoid = ""
        task.future.cancel()
        self._submit(task.slide, task.step, *task.arguments, priority=task.priority, n_lost=task.n_lost)

    def _end_silent(self, moment: float) -> Iterator[Event]:
        """End the steps that have given no sign of life for too long, with their workers."""
        stall_s = self._patience.stall_s
        at_work = [task for task in self._tasks.values() if task.heard is not None]
        silent = [task for task in at_work if moment - (task.heard or moment) > stall_s]
        is_common = len(at_work) > 1 and len(silent) == len(at_work) and moment - self._heard > stall_s
        for task in silent:
            address, raised = str(task.address), all_stuck(stall_s) if is_common else stuck(stall_s)
            if task.token in self._tasks:
                task.slide.busy_s += task.at_work_s(moment)
                yield from self._trouble(task.slide, replace(raised, address=address), task.worker)
                self._workforce.end(address)
        idle_s = moment - self._heard
        if not at_work and self._tasks and self._workforce.n_threads and idle_s > max(2 * stall_s, _NOTHING_S):
            raise ClusterError(
                f"workers are there, but for {idle_s:.0f} s none has begun anything: look at them, and start the same "
                "command again to go on"
            )

    def _forget_silence(self) -> None:
        self._heard = time.monotonic()
        for task in self._tasks.values():
            task.heard = None if task.heard is None else self._heard

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
        """Take back what is still under way; whatever state the scheduler is in."""
        self._workforce.close()
        with contextlib.suppress(Exception):
            self._client.unsubscribe_topic(self._topic)
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
    client, works
        From `cluster.connect`; one a slide, taken as there is room.
    steps, patience
        What to run, where each may run twice, even at once, if a worker is taken for dead; and what is borne.
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
