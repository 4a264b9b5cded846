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
    WorkerFacts,
    dismiss,
    end_worker,
    facts_by_address,
    left_in_order,
    threads_by_address,
)
from batchscan.scan.revival import Revival
from batchscan.scan.seats import ASIDE, NETWORK


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
        self._facts: dict[str, WorkerFacts] = {}
        # What some worker was ever for: what only it can do waits until it has been started again.
        self._kinds: set[str] = set()
        self._look_at_each()
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

    def n_threads_for(self, kind: str) -> int:
        """Of those that are for a kind of steps, one at least."""
        if kind not in self._kinds:
            return max(1, self.n_threads)
        return max(1, sum(n for address, n in self._threads.items() if kind in self._offers(address)))

    @property
    def is_of_one_kind(self) -> bool:
        """Whether every worker is for every kind of steps, and always was."""
        return self._kinds.isdisjoint({NETWORK, ASIDE})

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
        self._look_at_each()
        if self._threads:
            self._had_workers = moment
        elif moment - self._had_workers >= self._away_s:
            raise ClusterError(
                f"there were no workers for {self._away_s / 60:.0f} minutes: start some, and the same command again to "
                "go on"
            )
        return self.n_threads != before

    def _look_at_each(self) -> None:
        self._facts = facts_by_address(self._client)
        self._kinds.update(*(facts.offers for facts in self._facts.values()))

    def rss_mb(self, address: str, since: float) -> float | None:
        """Resident memory (MiB) of the worker at an address, if it has said so `since` then on its own wall clock."""
        facts = self._facts.get(address)
        return facts.rss_mb if facts and facts.said is not None and facts.said >= since else None

    def submit(
        self, function: Callable[..., Any], *arguments: Any, priority: int, among: list[str] | None, kind: str
    ) -> Any:
        """Hand a call to one of the workers `among` (None: any) that are for its kind of steps; returns its future.

        Raises
        ------
        ClusterError
            If the scheduler is gone.
        """
        try:
            return self._client.submit(
                function,
                *arguments,
                pure=False,
                priority=priority,
                workers=among,
                resources={kind: 1} if kind in self._kinds else None,
            )
        except LOST as error:
            raise ClusterError(DISCONNECTED) from error

    def was_sent(self, address: str) -> bool:
        """Whether the worker at an address was ended from here, or told to go and said so: nobody's accident."""
        return address in self._ended or address in self._leaving or left_in_order(self._client, address)

    def elsewhere(self, address: str, kind: str) -> list[str] | None:
        """All workers for a kind of steps but that at an address; None if it is empty, or there are no others."""
        others = self._threads.keys() - {address} if address else set()
        if kind in self._kinds:
            others = {other for other in others if kind in self._offers(other)}
        return sorted(others) or None

    def _offers(self, address: str) -> frozenset[str]:
        facts = self._facts.get(address)
        return facts.offers if facts else frozenset()

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
