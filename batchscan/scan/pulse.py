"""A step at work on a Dask worker -> signs of life for the runner, whose watchdog tells slow from stuck by them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from distributed import Worker
from distributed.utils import sync

from batchscan.scan.peak_memory import peak_rss_mb

# A sign of life costs a message to the scheduler; more of them would tell nothing more.
_EVERY_S = 1.0
_CURRENT = threading.local()


class Sign(StrEnum):
    """What a step says of itself."""

    BEGUN = "begun"
    GETS_ON = "gets on"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the step `token` says, on the worker at an address.

    Parameters
    ----------
    at
        When it was heard, monotonic seconds.
    said
        When it was said, seconds of the worker's own wall clock.
    peak_rss_mb
        Largest resident memory (MiB) of the worker's process since the step began.
    worker
        The worker's name.
    """

    token: str
    address: str
    sign: Sign
    at: float
    said: float
    peak_rss_mb: float
    worker: str


class _Heart:
    def __init__(self, worker: Worker, topic: str, token: str) -> None:
        self._worker, self._topic, self._token = worker, topic, token
        self._last = time.monotonic()

    def beat(self) -> None:
        """Now and then; who hears it a little later, or not at all, hears the next one."""
        if time.monotonic() - self._last >= _EVERY_S:
            self._last = time.monotonic()
            self._worker.log_event(self._topic, self._message(Sign.GETS_ON))

    def say(self, sign: Sign) -> None:
        """Wait until it has arrived: the next thing may kill the process, and it must be known what was at work."""
        with contextlib.suppress(OSError):
            sync(self._worker.loop, self._worker.scheduler.log_event, topic=self._topic, msg=self._message(sign))

    def _message(self, sign: Sign) -> dict[str, Any]:
        return {
            "token": self._token,
            "address": self._worker.address,
            "worker": str(self._worker.name),
            "sign": sign.value,
            "said": time.time(),
            "peak": peak_rss_mb(),
        }


@contextlib.contextmanager
def beating(worker: Worker, topic: str, token: str) -> Iterator[None]:
    """Say that the step `token` begins with the block, and ends with it; within it `voice` speaks for it."""
    heart = _CURRENT.heart = _Heart(worker, topic, token)
    heart.say(Sign.BEGUN)
    try:
        yield
    finally:
        _CURRENT.heart = None
        heart.say(Sign.ENDED)


def voice() -> Callable[[], None]:
    """What says that the step on this thread gets on, from whichever thread it is called; call it as often as you like.

    Outside a worker's step it does nothing.
    """
    heart = getattr(_CURRENT, "heart", None)
    return _silence if heart is None else heart.beat


def _silence() -> None:
    pass


def heard(event: tuple[float, dict[str, Any]]) -> Pulse:
    """What a subscriber of the topic is given, as a record."""
    _, message = event
    token, address, worker = (str(message[name]) for name in ("token", "address", "worker"))
    said, peak = float(message["said"]), float(message["peak"])
    return Pulse(token, address, Sign(message["sign"]), time.monotonic(), said, peak, worker)
