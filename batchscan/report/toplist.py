"""Things that come one by one -> the few that rank highest, and how many there were."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

T = TypeVar("T")


class TopList(Generic[T]):
    """The `size` things of highest rank among all that were added; of equal ones those that came first."""

    def __init__(self, size: int) -> None:
        self.n = 0
        self._size = size
        self._heap: list[tuple[float, int, T]] = []

    def add(self, rank: float, thing: T) -> None:
        """Count it, and keep it if it ranks high enough."""
        self.n += 1
        # No two have the same second place, so that things themselves are never compared.
        heapq.heappush(self._heap, (rank, -self.n, thing))
        if len(self._heap) > self._size:
            heapq.heappop(self._heap)

    @property
    def things(self) -> tuple[T, ...]:
        """Highest rank first."""
        return tuple(thing for _, _, thing in sorted(self._heap, key=lambda kept: kept[:2], reverse=True))
