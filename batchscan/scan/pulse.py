"""A step at work on a Dask worker -> signs of life for the runner, whose watchdog tells slow from stuck by them.

A step that others wait for also says what it has found before it ends.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
import uuid
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
    FOUND = "found"
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
    turn
        Which time it is that this step is done; it may be done again under the same token.
    found
        What it has found so far, where that is the sign.
    """

    token: str
    address: str
    sign: Sign
    at: float
    said: float
    peak_rss_mb: float
    worker: str
    turn: str = ""
    found: Any = None


@dataclass(frozen=True, slots=True)
class Line:
    """Where a step speaks, and as which; `is_awaited` says whether anybody waits for what it finds before it ends."""

    topic: str
    token: str
    is_awaited: bool = False


class _Heart:
    def __init__(self, worker: Worker, line: Line) -> None:
        self._worker, self._line = worker, line
        self._last = time.monotonic()
        self.turn = uuid.uuid4().hex

    def beat(self) -> None:
        """Now and then; who hears it a little later, or not at all, hears the next one."""
        if time.monotonic() - self._last >= _EVERY_S:
            self._last = time.monotonic()
            self._worker.log_event(self._line.topic, self._message(Sign.GETS_ON))

    def tell(self, found: Any) -> None:
        """Where somebody waits for it; who doesn't hear it is told when the step ends."""
        if self._line.is_awaited:
            told = {"found": pickle.dumps(found, protocol=pickle.HIGHEST_PROTOCOL)}
            self._worker.log_event(self._line.topic, self._message(Sign.FOUND) | told)

    def say(self, sign: Sign) -> None:
        """Wait until it has arrived: the next thing may kill the process, and it must be known what was at work."""
        with contextlib.suppress(OSError):
            sync(self._worker.loop, self._worker.scheduler.log_event, topic=self._line.topic, msg=self._message(sign))

    def _message(self, sign: Sign) -> dict[str, Any]:
        return {
            "token": self._line.token,
            "address": self._worker.address,
            "worker": str(self._worker.name),
            "turn": self.turn,
            "sign": sign.value,
            "said": time.time(),
            "peak": peak_rss_mb(),
        }


@contextlib.contextmanager
def beating(worker: Worker, line: Line) -> Iterator[str]:
    """Say that a step begins with the block, and ends with it; within it `voice` and `herald` speak for it.

    Yields which turn this is.
    """
    heart = _CURRENT.heart = _Heart(worker, line)
    heart.say(Sign.BEGUN)
    try:
        yield heart.turn
    finally:
        _CURRENT.heart = None
        heart.say(Sign.ENDED)


def voice() -> Callable[[], None]:
    """What says that the step on this thread gets on, from whichever thread it is called; call it as often as you like.

    Outside a worker's step it does nothing.
    """
    heart = getattr(_CURRENT, "heart", None)
    return _silence if heart is None else heart.beat


def herald() -> Callable[[Any], None]:
    """What tells the runner, where it waits for that, what the step on this thread has found before it ends.

    What is told must pickle. Outside a worker's step it does nothing.
    """
    heart = getattr(_CURRENT, "heart", None)
    return _silence if heart is None else heart.tell


def _silence(*_: Any) -> None:
    pass


def heard(event: tuple[float, dict[str, Any]]) -> Pulse:
    """What a subscriber of the topic is given, as a record."""
    _, message = event
    token, address, worker, turn = (str(message[name]) for name in ("token", "address", "worker", "turn"))
    said, peak, sign = float(message["said"]), float(message["peak"]), Sign(message["sign"])
    # From our own workers, as all that Dask brings.
    found = pickle.loads(message["found"]) if sign is Sign.FOUND else None  # noqa: S301
    return Pulse(token, address, sign, time.monotonic(), said, peak, worker, turn, found)
