"""How many worker threads there are, moment by moment -> how long all of them together were there."""

from __future__ import annotations


class WorkerTime:
    """Threads times seconds. Moments are seconds on any clock that never goes back; they are given in order."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._since_s = self._sum_s = 0.0

    def changed(self, n_threads: int, at_s: float) -> None:
        """From now on there are so many."""
        self._sum_s = self.seconds(at_s)
        self._now, self._since_s = n_threads, at_s
        self.most = max(self.most, n_threads)

    def seconds(self, at_s: float) -> float:
        """The sum up to now."""
        return self._sum_s + self._now * (at_s - self._since_s)
