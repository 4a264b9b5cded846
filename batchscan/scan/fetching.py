"""Futures of steps -> what they returned, without anybody waiting: what is ready at the same time travels together."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any

from distributed import Client, KilledWorker

# Less than the dispatcher waits for a sign of anybody.
_FETCH_S = 60.0


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
        Of a step that went through `packed`.
    token
        The step's.
    then
        Told once, on a thread of Dask's own.
    """
    future.add_done_callback(lambda done: _done(client, done, token, then))


def answer_of(client: Client, future: Any) -> Future[Any]:
    """What a future comes to; whoever waits for that may stop waiting at any time.

    Not so with `future.result(timeout=...)`: one that runs out while the answer comes calls off the one request that
    all answers share, and every later one joins the dead one.
    """
    return asyncio.run_coroutine_threadsafe(_answer(client, future), _loop_of(client))


async def _answer(client: Client, future: Any) -> Any:
    return await client.gather(future, asynchronous=True)


def packed(step: Callable[..., Any], *arguments: Any) -> bytes:
    """What a worker does for `fetch`: a step, and what it returned as bytes.

    Many results travel together, and one that can't be put together again would be the error of them all.
    """
    return pickle.dumps(step(*arguments), protocol=pickle.HIGHEST_PROTOCOL)


def _done(client: Client, future: Any, token: str, then: Callable[[Fetched], None]) -> None:
    if future.cancelled():
        then(Fetched(token, error=CancelledError()))
        return
    if future.status == "error":
        then(Fetched(token, error=future.exception()))
        return
    # The client puts together what is asked for while an answer is under way; to wait here would keep it from that.
    # What was lost meanwhile is done again, and the client waits for that by itself.
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
    asked = asyncio.ensure_future(client.gather(future, asynchronous=True))
    # Whose patience ends first must not take the answer from the others that wait for the same one.
    asked.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await asyncio.wait_for(asyncio.shield(asked), _FETCH_S)


def _fetched(future: Any, token: str, gathered: Future[Any]) -> Fetched:
    try:
        return Fetched(token, pickle.loads(gathered.result()))  # noqa: S301 - from our own workers, as all that Dask brings
    except CancelledError as error:
        # Another's request may have been cancelled; only a future of ours that was says that the scheduler has gone.
        return Fetched(token, error=error) if future.cancelled() else Fetched(token)
    except (TimeoutError, OSError, KilledWorker):
        return Fetched(token)
    except Exception as error:  # noqa: BLE001 - whatever unpickling it leads to
        return Fetched(token, error=error)
