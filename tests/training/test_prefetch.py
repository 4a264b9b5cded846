"""Batches come in order, some ahead, and no thread outlives them."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchscan.training.prefetch import prefetched


def preparers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("batches")]


@given(st.integers(0, 12), st.integers(1, 5), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_every_step_comes_once_and_in_order(count: int, ahead: int, threads: int) -> None:
    with prefetched(lambda step: step * 10, count, ahead=ahead, threads=threads) as ready:
        assert list(ready) == [step * 10 for step in range(count)]
    assert preparers() == []


def test_so_many_are_prepared_ahead_and_no_more() -> None:
    begun: list[int] = []
    third = threading.Event()

    def prepare(step: int) -> int:
        begun.append(step)
        if step == 3:
            third.set()
        return step

    with prefetched(prepare, 100, ahead=3) as ready:
        assert next(ready) == 0
        assert third.wait(10)
        assert begun == [0, 1, 2, 3]


def test_it_is_done_in_another_thread() -> None:
    with prefetched(lambda _: threading.current_thread().name, 1, ahead=2) as ready:
        assert next(ready).startswith("batches")


def test_an_error_surfaces_where_its_batch_would_have_come() -> None:
    def prepare(step: int) -> int:
        if step == 2:
            raise OSError("the disk is gone")
        return step

    came: list[int] = []
    with pytest.raises(OSError, match="the disk is gone"), prefetched(prepare, 9, ahead=4) as ready:
        came.extend(ready)
    assert came == [0, 1]
    assert preparers() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_no_thread_is_left_whatever_ends_the_block(error: type[BaseException]) -> None:
    begun: list[int] = []

    def interrupted() -> Any:
        with prefetched(begun.append, 1000, ahead=4) as ready:
            next(ready)
            raise error

    with pytest.raises(error):
        interrupted()
    assert preparers() == []
    assert len(begun) <= 5
