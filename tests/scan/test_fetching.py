"""What steps returned comes in without anybody waiting for it, together where it can, and says so where it can't."""

from __future__ import annotations

import asyncio
import pickle
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest
from distributed import Client, KilledWorker, wait

from batchscan.scan import fetching
from batchscan.scan.cluster import connect
from batchscan.scan.fetching import Fetched, fetch, packed


class Unpicklable:
    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse, ()


def _refuse() -> None:
    raise ArithmeticError("can't be put together again")


def give(value: object) -> object:
    return value


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
    assert what_became_of(client, client.submit(packed, give, 7)) == Fetched("token", 7)


def test_errors_and_cancelled_steps_are_told(client: Client) -> None:
    assert isinstance(what_became_of(client, client.submit(fail)).error, KeyError)
    future = client.submit(give, 1, resources={"what nobody has": 1})
    future.cancel()
    assert isinstance(what_became_of(client, future).error, CancelledError)


def test_a_value_that_cannot_be_unpickled_is_an_error_of_that_step_alone(client: Client) -> None:
    """Asked for together, they travel together."""
    told: queue.SimpleQueue[Fetched] = queue.SimpleQueue()
    values = [Unpicklable() if number == 3 else number for number in range(8)]
    futures = [client.submit(packed, type(value) if number == 3 else give, *() if number == 3 else (value,), pure=False)
               for number, value in enumerate(values)]  # fmt: skip
    wait(futures)
    for number, future in enumerate(futures):
        fetch(client, future, str(number), told.put)
    became = {each.token: each for each in (told.get(timeout=30) for _ in values)}
    assert isinstance(became.pop("3").error, ArithmeticError)
    assert {each.value for each in became.values()} == {0, 1, 2, 4, 5, 6, 7}


class SlowClient:
    """Gathers once `n` are wanted, or raises; on a loop of its own."""

    def __init__(self, n: int = 1, error: BaseException | None = None) -> None:
        self.loop = self
        self.asyncio_loop = asyncio.new_event_loop()
        self._n, self._error = n, error
        self._wanted = self.n_answered = 0
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
        self.n_answered += 1
        return pickle.dumps(future.value)


class DoneFuture:
    """One that has returned."""

    status = "finished"

    def __init__(self, value: object) -> None:
        self.value = value

    def add_done_callback(self, call: Any) -> None:
        call(self)

    def cancelled(self) -> bool:
        return False


def test_none_waits_for_another_to_be_fetched() -> None:
    told: queue.SimpleQueue[Fetched] = queue.SimpleQueue()
    client: Any = SlowClient(n=3)
    for number in range(3):
        fetch(client, DoneFuture(number), str(number), told.put)
    assert sorted(told.get(timeout=30).value for _ in range(3)) == [0, 1, 2]
    client.asyncio_loop.call_soon_threadsafe(client.asyncio_loop.stop)


@pytest.mark.parametrize(
    "error", [OSError("gone"), TimeoutError(), KilledWorker("task", None, 0), asyncio.CancelledError()]
)
def test_what_is_lost_with_its_worker_is_neither_value_nor_error(error: BaseException) -> None:
    client: Any = SlowClient(error=error)
    assert what_became_of(client, DoneFuture(1)) == Fetched("token")
    client.asyncio_loop.call_soon_threadsafe(client.asyncio_loop.stop)


def test_whose_patience_ends_takes_nothing_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    told: queue.SimpleQueue[Fetched] = queue.SimpleQueue()
    client: Any = SlowClient(n=2)
    monkeypatch.setattr(fetching, "_FETCH_S", 0.0)
    fetch(client, DoneFuture("late"), "impatient", told.put)
    assert told.get(timeout=30) == Fetched("impatient")
    monkeypatch.setattr(fetching, "_FETCH_S", 30.0)
    fetch(client, DoneFuture("there"), "patient", told.put)
    assert told.get(timeout=30) == Fetched("patient", "there")
    assert client.n_answered == 2
    client.asyncio_loop.call_soon_threadsafe(client.asyncio_loop.stop)


def test_without_a_loop_a_step_is_lost() -> None:
    client: Any = SlowClient()
    client.asyncio_loop.call_soon_threadsafe(client.asyncio_loop.stop)
    while client.asyncio_loop.is_running():
        pass
    client.asyncio_loop.close()
    assert what_became_of(client, DoneFuture(1)) == Fetched("token")
