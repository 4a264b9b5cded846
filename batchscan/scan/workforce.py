"""A client's workers -> who is there, who was told to go, where else a step may run, and who is ended or sent away."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from distributed import Client

from batchscan.domain.errors import ClusterError
from batchscan.scan.cluster import (
    DISCONNECTED,
    LOST,
    dismiss,
    end_worker,
    left_in_order,
    memory_by_address,
    threads_by_address,
)
from batchscan.scan.revival import Revival


class Workforce:
    """The workers of a run, as last looked at.

    Parameters
    ----------
    client
        Of their scheduler.
    away_s
        So long new workers are waited for when there are none.
    moment
        Now, monotonic seconds, as everywhere here.
    """

    def __init__(self, client: Client, away_s: float, moment: float) -> None:
        self._client, self._away_s = client, away_s
        self._revival = Revival(client)
        self._leaving: set[str] = set()
        self._ended: set[str] = set()
        self._threads = threads_by_address(client)
        self._memory: dict[str, tuple[float, float]] = {}
        self._had_workers = moment
        client.subscribe_topic("all", self._on_cluster)

    def _on_cluster(self, event: tuple[float, Any]) -> None:
        """Runs on the client's own thread."""
        message = event[1]
        if isinstance(message, dict) and message.get("action") == "remove-worker" and message.get("expected"):
            self._leaving.add(str(message.get("worker")))

    @property
    def n_threads(self) -> int:
        """Of all workers together."""
        return sum(self._threads.values())

    def look(self, moment: float) -> bool:
        """Look again; returns whether the number of threads has changed.

        Raises
        ------
        ClusterError
            If the scheduler is gone, or there were no workers for too long.
        """
        if self._client.status in {"closing", "closed"}:
            raise ClusterError(DISCONNECTED)
        self._revival.look(moment)
        before, self._threads = self.n_threads, threads_by_address(self._client)
        self._memory = memory_by_address(self._client)
        if self._threads:
            self._had_workers = moment
        elif moment - self._had_workers >= self._away_s:
            raise ClusterError(
                f"there were no workers for {self._away_s / 60:.0f} minutes: start some, and the same command again to "
                "go on"
            )
        return self.n_threads != before

    def rss_mb(self, address: str, since: float) -> float | None:
        """Resident memory (MiB) of the worker at an address, if it has said so `since` then on its own wall clock."""
        said, rss_mb = self._memory.get(address, (since, None))
        return rss_mb if said >= since else None

    def submit(self, function: Callable[..., Any], *arguments: Any, priority: int, among: list[str] | None) -> Any:
        """Hand a call to one of the workers `among` (None: any); returns its future.

        Raises
        ------
        ClusterError
            If the scheduler is gone.
        """
        try:
            return self._client.submit(function, *arguments, pure=False, priority=priority, workers=among)
        except LOST as error:
            raise ClusterError(DISCONNECTED) from error

    def was_sent(self, address: str) -> bool:
        """Whether the worker at an address was ended from here, or told to go and said so: nobody's accident."""
        return address in self._ended or address in self._leaving or left_in_order(self._client, address)

    def elsewhere(self, address: str) -> list[str] | None:
        """All workers but that at an address; None if it is empty, or there are no others."""
        return [other for other in self._threads if other != address] or None if address else None

    def has_any(self, addresses: list[str] | None) -> bool:
        """Whether one of these workers is there; None stands for any."""
        return addresses is None or not self._threads.keys().isdisjoint(addresses)

    def end(self, address: str) -> None:
        """End a worker process that is stuck; what else was at work on it has nothing to do with that."""
        self._ended.add(address)
        end_worker(self._client, address)

    def dismiss(self, name: str) -> bool:
        """Send one worker away; False if there is no other to go on with."""
        return dismiss(self._client, name)

    def close(self) -> None:
        """Hear no more of the cluster."""
        with contextlib.suppress(Exception):
            self._client.unsubscribe_topic("all")
