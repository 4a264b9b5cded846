"""Numbered steps -> what each needs, prepared in the background while the steps before it are taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Prepared = TypeVar("Prepared")


@contextmanager
def prefetched(
    prepare: Callable[[int], Prepared], count: int, *, ahead: int, threads: int = 1
) -> Iterator[Iterator[Prepared]]:
    """What `prepare` makes of 0, 1, ... count - 1, in that order, with at most `ahead` of them waiting.

    What it raises is raised where its result would have come. When the block ends, however it ends, no thread is left.
    With more than one thread, `prepare` must not depend on the order in which it is called.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="batches") as workers:
        under_way: deque[Future[Prepared]] = deque()

        def in_order() -> Iterator[Prepared]:
            for number in range(count + ahead):
                if number < count:
                    under_way.append(workers.submit(prepare, number))
                if number >= ahead and under_way:
                    yield under_way.popleft().result()

        try:
            yield in_order()
        finally:
            for future in under_way:
                future.cancel()
