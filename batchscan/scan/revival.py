"""A local cluster whose nannies have given up -> one with all its workers again.

A nanny starts another process when its worker dies, but not always: when the new one dies before it has said that it is
up (the first thing it was given to do may have killed it), the nanny closes, or waits for ever. And of a worker that
isn't back within some seconds, as on a busy machine, Dask's cluster strikes off nanny and seat.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from distributed import Client
from distributed.core import Status

_LOG = logging.getLogger(__name__)
_GONE = (Status.closed, Status.failed)
# A nanny whose process is dead for so long does nothing about it; one whose process hasn't come up in so long won't.
_DEAD_S = 4.0
_SLOW_S = 120.0


class Revival:
    """Looks after the workers of a client's own local cluster; those of an external scheduler are somebody else's."""

    def __init__(self, client: Client) -> None:
        self._cluster: Any = client.cluster
        self._missing: dict[Any, float] = {}
        self._on_their_way: set[Any] = set()

    def look(self, moment: float) -> None:
        """Replace the nannies that have given up; `moment` is monotonic seconds."""
        for name in list(getattr(self._cluster, "worker_spec", ())):
            nanny = self._cluster.workers.get(name)
            if name in self._on_their_way or _is_up(self._cluster, nanny):
                self._missing.pop(name, None)
                continue
            since = self._missing.setdefault(name, moment)
            if moment - since >= _borne_s(nanny):
                del self._missing[name]
                self._replace(name, nanny)

    def _replace(self, name: Any, nanny: Any) -> None:
        _LOG.debug("worker %s is started anew: its nanny has given up", name)
        cluster = self._cluster
        cluster.workers.pop(name, None)
        self._on_their_way.add(name)

        async def anew() -> None:
            with contextlib.suppress(Exception):
                if nanny is not None:
                    await nanny.close(timeout=5, reason="gave-up")
            # What scale() calls, for a cluster that is short of a worker; one that fails to start is seen here again.
            try:
                # It would wait for ever for one that hangs as it starts, and all the others would wait for it.
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(cluster._correct_state(), _SLOW_S)  # noqa: SLF001
            finally:
                self._on_their_way.discard(name)

        cluster.loop.add_callback(anew)


def _is_up(cluster: Any, nanny: Any) -> bool:
    return nanny is not None and nanny.worker_address is not None and nanny.worker_address in cluster.scheduler.workers


def _borne_s(nanny: Any) -> float:
    """So long a worker may be missing; there is no nanny where Dask has struck it off, and is about to close it."""
    if nanny is not None and nanny.status in _GONE:
        return 0.0
    return _SLOW_S if nanny is not None and _has_process(nanny) else _DEAD_S


def _has_process(nanny: Any) -> bool:
    return nanny.process is not None and bool(nanny.process.is_alive())
