from __future__ import annotations

import threading

import pytest

from batchscan.stores.crew import Countdown, Crew, Errands


def test_tasks_that_have_further_ones_done_are_waited_for_as_a_whole() -> None:
    done: list[int] = []
    with Crew(2) as crew, Errands(crew) as errands:

        def split(n: int) -> None:
            done.append(n)
            for half in (n // 2, n - n // 2) if n > 1 else ():
                errands.submit(split, half)

        errands.submit(split, 8)
        errands.wait()
        # 8, two of 4, four of 2, eight of 1.
        assert sorted(done) == [1] * 8 + [2] * 4 + [4] * 2 + [8]


def test_the_first_error_ends_them_all_and_nothing_is_under_way_when_the_block_ends() -> None:
    done: list[str] = []
    may_end = threading.Event()

    def long() -> None:
        may_end.wait(30)
        done.append("long")

    def fail() -> None:
        may_end.set()
        raise ValueError("broken")

    def all_of_them(crew: Crew) -> None:
        with Errands(crew) as errands:
            errands.submit(long)
            errands.submit(fail)
            with pytest.raises(ValueError, match="broken"):
                errands.wait()
            errands.submit(done.append, "after the error")
            errands.wait()

    with Crew(2) as crew:
        with pytest.raises(ValueError, match="broken"):
            all_of_them(crew)
        assert done == ["long"]


def test_an_end_before_they_are_done_starts_no_more_of_them() -> None:
    done: list[int] = []
    started, may_end = threading.Event(), threading.Event()

    def first() -> None:
        started.set()
        may_end.wait(30)

    with Crew(1) as crew:

        def interrupted() -> None:
            with Errands(crew) as errands:
                errands.submit(first)
                errands.submit(done.append, 1)
                started.wait(30)
                # Ends while the block is waited for.
                threading.Timer(0.01, may_end.set).start()
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
    assert done == []


def test_something_can_be_waited_for_while_others_go_on() -> None:
    seen: list[str] = []
    may_end = threading.Event()
    with Crew(1) as crew, Errands(crew) as errands:
        errands.submit_slow(may_end.wait, 30)
        errands.submit(seen.append, "one")
        errands.wait(lambda: bool(seen))
        assert not may_end.is_set()
        may_end.set()


def test_what_waits_for_a_disk_keeps_no_thread_from_its_work() -> None:
    may_end = threading.Event()
    with Crew(1) as crew:
        slow = crew.submit_slow(may_end.wait, 30)
        crew.submit(may_end.set).result(30)
        assert slow.result(30)


def test_a_countdown_tells_the_last_one_only() -> None:
    count = Countdown(10)
    assert [count.is_last(n) for n in (1, 4, 4, 1)] == [False, False, False, True]
