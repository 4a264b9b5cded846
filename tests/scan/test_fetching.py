"""What steps returned comes in without anybody waiting for it, together where it can, and says so where it can't."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest
from distributed import Client, KilledWorker

from batchscan.scan.cluster import connect
from batchscan.scan.fetching import Fetched, fetch


class Unpicklable:
    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse, ()


def _refuse() -> None:
    raise ArithmeticError("can't be put together again")


def give(value: object) -> object:
    return value


def give_the_unpicklable() -> object:
    return Unpicklable()


def fail() -> None:
    raise KeyError("key")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(None, 1) as client:
        yield client


def what_became_of(client: Client, future: Any) -> Fetched:
    told: queue.SimpleQueue[Fetched] = queue.SimpleQueue()
    fetch(client, future, "token", told.put)
    return told.get(timeout=30)


def test_what_a_step_returned_comes_with_its_token(client: Client) -> None:
    assert what_became_of(client, client.submit(give, 7)) == Fetched("token", 7)


def test_errors_and_cancelled_steps_are_told(client: Client) -> None:
    assert isinstance(what_became_of(client, client.submit(fail)).error, KeyError)
    future = client.submit(give, 1, resources={"what nobody has": 1})
    future.cancel()
    assert isinstance(what_became_of(client, future).error, CancelledError)


def test_a_value_that_cannot_be_unpickled_is_an_error_of_that_step(client: Client) -> None:
    became = what_became_of(client, client.submit(give_the_unpicklable))
    assert became.value is None
    assert isinstance(became.error, ArithmeticError)


class SlowClient:
    """Gathers once `n` are wanted, or raises; on a loop of its own."""

    def __init__(self, n: int = 1, error: BaseException | None = None) -> None:
        self.loop = self
        self.asyncio_loop = asyncio.new_event_loop()
        self._n, self._error = n, error
        self._wanted = 0
        self._all_there = asyncio.Event()
        threading.Thread(target=self.asyncio_loop.run_forever, daemon=True).start()

    async def gather(self, future: DoneFuture, *, asynchronous: bool) -> object:
        assert asynchronous
        self._wanted += 1
        if self._wanted == self._n:
            self._all_there.set()
        await asyncio.wait_for(self._all_there.wait(), 30)
        if self._error is not None:
            raise self._error
        return future.value


class DoneFuture:
    """One that has returned."""

    status = "finished"

    def __init__(self, value: object) -> None:
        self.value = value
        self.is_cancelled = False

    def add_done_callback(self, call: Any) -> None:
        call(self)

    def cancel(self) -> None:
        self.is_cancelled = True


def test_none_waits_for_another_to_be_fetched() -> None:
    told: queue.SimpleQueue[Fetched] = queue.SimpleQueue()
    client: Any = SlowClient(n=3)
    for number in range(3):
        fetch(client, DoneFuture(number), str(number), told.put)
    assert sorted(told.get(timeout=30).value for _ in range(3)) == [0, 1, 2]
    client.asyncio_loop.call_soon_threadsafe(client.asyncio_loop.stop)


@pytest.mark.parametrize("error", [OSError("gone"), TimeoutError(), KilledWorker("task", None, 0)])
def test_what_is_lost_with_its_worker_is_neither_value_nor_error(error: Exception) -> None:
    client: Any = SlowClient(error=error)
    future = DoneFuture(1)
    assert what_became_of(client, future) == Fetched("token")
    assert future.is_cancelled
    client.asyncio_loop.call_soon_threadsafe(client.asyncio_loop.stop)


def test_without_a_loop_a_step_is_lost() -> None:
    client: Any = SlowClient()
    client.asyncio_loop.call_soon_threadsafe(client.asyncio_loop.stop)
    while client.asyncio_loop.is_running():
        pass
    client.asyncio_loop.close()
    assert what_became_of(client, DoneFuture(1)) == Fetched("token")
