"""A local cluster whose nannies have given up -> one with all its workers again.

A nanny starts another process when its worker dies, but not always: when the new one dies before it has said that it is
up (the first thing it was given to do may have killed it), the nanny closes, or waits for ever.
"""

from __future__ import annotations

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

    def look(self, moment: float) -> None:
        """Replace the nannies that have given up; `moment` is monotonic seconds."""
        workers = getattr(self._cluster, "workers", {})
        for name, nanny in list(workers.items()):
            if _is_up(self._cluster, nanny):
                self._missing.pop(name, None)
                continue
            since = self._missing.setdefault(name, moment)
            borne_s = 0.0 if nanny.status in _GONE else _SLOW_S if _has_process(nanny) else _DEAD_S
            if moment - since >= borne_s:
                del self._missing[name]
                self._replace(name, nanny)

    def _replace(self, name: Any, nanny: Any) -> None:
        _LOG.debug("worker %s is started anew: its nanny has given up (%s)", name, nanny.status)
        cluster = self._cluster
        cluster.workers.pop(name, None)

        async def anew() -> None:
            with contextlib.suppress(Exception):
                await nanny.close(timeout=5, reason="gave-up")
            await cluster._correct_state()  # noqa: SLF001 - what scale() calls, for a cluster that is short of a worker

        cluster.loop.add_callback(anew)


def _is_up(cluster: Any, nanny: Any) -> bool:
    return nanny.worker_address is not None and nanny.worker_address in cluster.scheduler.workers


def _has_process(nanny: Any) -> bool:
    return nanny.process is not None and bool(nanny.process.is_alive())
