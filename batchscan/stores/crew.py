"""A number of threads becomes work that can be stopped, and of which only so much is under way at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self


class Crew:
    """Threads that decode and encode, and one that waits for disks; several slides may share one.

    Ends as a context manager.

    Parameters
    ----------
    workers
        How many threads.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="pixels")
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self._stopped = threading.Event()

    def submit(self, task: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have a task done; after `stop` its future has a CancelledError."""
        return self._threads.submit(self._run, task, *arguments)

    def submit_slow(self, task: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """The same for what mostly waits for a disk, and would keep one of the threads from its work."""
        return self._disk.submit(self._run, task, *arguments)

    def run(self, task: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], at_once: int) -> None:
        """Run the task on each of the arguments, with at most `at_once` under way; the first error is raised.

        When this returns or raises, nothing of it is under way any more.
        """
        under_way: deque[Future[Any]] = deque()
        try:
            for each in arguments:
                if len(under_way) >= at_once:
                    under_way.popleft().result()
                under_way.append(self.submit(task, *each))
        finally:
            wait_for(under_way)

    def stop(self) -> None:
        """Let no task start any more."""
        self._stopped.set()

    def check(self) -> None:
        """Raise CancelledError after `stop`; for long work that isn't a task of the crew's."""
        if self._stopped.is_set():
            raise CancelledError

    def abandon(self) -> None:
        """Stop, and wait until no task is under way any more; nothing can be submitted afterwards."""
        self.stop()
        self._shut_down()

    def _shut_down(self) -> None:
        self._threads.shutdown(wait=True)
        self._disk.shutdown(wait=True)

    def _run(self, task: Callable[..., Any], *arguments: Any) -> Any:
        self.check()
        return task(*arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.stop()
        self._shut_down()


class Errands:
    """Tasks of a crew that have further tasks done, and are waited for together; the first error ends them all.

    When the block of this context manager ends, however it does, nothing of them is under way any more.

    Parameters
    ----------
    crew
        Does them.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._changed = threading.Condition()
        self._n_open = 0
        self._error: BaseException | None = None
        self._is_over = False

    def submit(self, task: Callable[..., Any], *arguments: Any) -> None:
        """Have a task done on any of the threads; also from within one."""
        self._submit(self._crew.submit, task, arguments)

    def submit_slow(self, task: Callable[..., Any], *arguments: Any) -> None:
        """The same for what mostly waits for a disk."""
        self._submit(self._crew.submit_slow, task, arguments)

    def wait(self, until: Callable[[], bool] = lambda: False) -> None:
        """Wait until no task is under way, or something is true, looked at whenever one has ended; raise an error."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or self._n_open == 0 or until())
            if self._error is not None:
                raise self._error

    def _submit(self, submit: Callable[..., Future[Any]], task: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        with self._changed:
            self._n_open += 1
        try:
            future = submit(self._run, task, *arguments)
        except BaseException:
            self._end(None)
            raise
        future.add_done_callback(lambda done: self._end(done.exception()))

    def _run(self, task: Callable[..., Any], *arguments: Any) -> None:
        if not self._is_over and self._error is None:
            task(*arguments)

    def _end(self, error: BaseException | None) -> None:
        with self._changed:
            self._n_open -= 1
            self._error = self._error or error
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        with self._changed:
            self._changed.wait_for(lambda: self._n_open == 0)


class Countdown:
    """So many things are to be done on any thread; whoever does the last one is told."""

    def __init__(self, n: int) -> None:
        self._left = n
        self._lock = threading.Lock()

    def is_last(self, n: int = 1) -> bool:
        """Count `n` as done; whether nothing is left."""
        with self._lock:
            self._left -= n
            return self._left == 0


def wait_for(futures: Iterable[Future[Any]]) -> None:
    """Wait until all have ended, then raise the first error, if any."""
    for error in [future.exception() for future in list(futures)]:
        if error is not None:
            raise error
