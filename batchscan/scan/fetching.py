"""Futures of steps -> what they returned, without anybody waiting: what is ready at the same time travels together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any

from distributed import Client, KilledWorker

_FETCH_S = 120.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of a step; of one that was lost with its worker neither value nor error is known.

    Parameters
    ----------
    token
        The step's.
    value
        What it returned.
    error
        Why there is no value: what Dask says of its worker, or CancelledError where the scheduler has gone.
    """

    token: str
    value: Any = None
    error: BaseException | None = None


def fetch(client: Client, future: Any, token: str, then: Callable[[Fetched], None]) -> None:
    """Hand out what became of a future, as soon as that is known.

    Parameters
    ----------
    client
        Whose future it is.
    future
        Of a step.
    token
        The step's.
    then
        Told once, on a thread of Dask's own.
    """
    future.add_done_callback(lambda done: _done(client, done, token, then))


def _done(client: Client, future: Any, token: str, then: Callable[[Fetched], None]) -> None:
    if future.status != "finished":
        then(Fetched(token, error=CancelledError() if future.cancelled() else future.exception()))
        return
    # The client puts together what is asked for while an answer is under way; to wait here would keep it from that.
    waiting = _gathered(client, future)
    try:
        gathered = asyncio.run_coroutine_threadsafe(waiting, _loop_of(client))
    except RuntimeError:
        waiting.close()
        then(Fetched(token))  # Dask's loop has ended, and so has the run
        return
    gathered.add_done_callback(lambda each: then(_fetched(future, token, each)))


def _loop_of(client: Client) -> asyncio.AbstractEventLoop:
    loop: Any = client.loop  # tornado's, around asyncio's
    found: asyncio.AbstractEventLoop = loop.asyncio_loop
    return found


async def _gathered(client: Client, future: Any) -> Any:
    return await asyncio.wait_for(client.gather(future, asynchronous=True), _FETCH_S)


def _fetched(future: Any, token: str, gathered: Future[Any]) -> Fetched:
    try:
        return Fetched(token, gathered.result())
    except CancelledError as error:
        return Fetched(token, error=error)
    except (TimeoutError, OSError, KilledWorker):
        future.cancel()
        return Fetched(token)
    except Exception as error:  # noqa: BLE001 - whatever unpickling it leads to
        return Fetched(token, error=error)
