"""A number of threads becomes work that can be stopped, and of which only so much is under way at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self


class Crew:
    """Threads that decode and encode; several slides may share one. Ends as a context manager.

    Parameters
    ----------
    workers
        How many threads.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="pixels")
        self._stopped = threading.Event()

    def submit(self, task: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have a task done; after `stop` its future has a CancelledError."""
        return self._threads.submit(self._run, task, *arguments)

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
        self._threads.shutdown(wait=True)

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
        self._threads.shutdown(wait=True)


def wait_for(futures: Iterable[Future[Any]]) -> None:
    """Wait until all have ended, then raise the first error, if any."""
    for error in [future.exception() for future in list(futures)]:
        if error is not None:
            raise error
