"""A network that takes a fixed number of patches at a time, and several threads that ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from batchscan.scan.batches import SharedNetwork, when_waited_for

PATCH_PX = 8
WAIT_S = 30


def patches(*values: int) -> np.ndarray:
    """Of one value each, which is the network's second logit; the first is 0."""
    return np.array(values, np.uint8)[:, None, None, None].repeat(PATCH_PX, 1).repeat(PATCH_PX, 2).repeat(3, 3)


def scores(*values: int) -> np.ndarray:
    return 1 / (1 + np.exp(-np.array(values, np.float64)))


class Network:
    """Remembers what it was shown; with two that ask, its first batch waits until patches of the other do."""

    def __init__(self, batch: int, n_asking: int = 1, room: int = 99) -> None:
        self.batch, self.room, self.n_asking = batch, room, n_asking
        self.seen: list[list[int]] = []
        self.at_work = threading.Event()
        self.shared = SharedNetwork(PATCH_PX, when_waited_for(self.logits), lambda: self.batch, self.mended)

    def logits(self, batch: Any) -> Any:
        assert len(batch) == self.batch
        self.at_work.set()
        for _ in range(WAIT_S * 1000):
            if self.seen or self.n_asking == 1 or len(self.asked()) > 1:
                break
            threading.Event().wait(0.001)
        self.seen.append(batch[:, 0, 0, 0].tolist())
        if len(batch) > self.room:
            raise MemoryError(f"{len(batch)}")
        if 13 in self.seen[-1]:
            raise ValueError("no such score")
        return np.stack([np.zeros(len(batch)), batch[:, 0, 0, 0]], axis=1).astype(np.float32)

    def asked(self) -> set[int]:
        """Threads whose patches wait or are in a batch."""
        begun = [piece for each in list(self.shared._begun) for piece in each.pieces]
        return {id(piece.of) for piece in [*begun, *list(self.shared._waiting)]}

    def mended(self, batch: int, error: Exception) -> Exception | None:
        if not isinstance(error, MemoryError):
            return error
        self.batch = batch // 2
        return None

    def asked_by_two(self, first: np.ndarray, second: np.ndarray) -> list[Any]:
        """The first thread's patches are at work when the second asks; what each gets, or its error."""
        with ThreadPoolExecutor(2) as threads:
            one = threads.submit(self.answered, first)
            assert self.at_work.wait(WAIT_S)
            other = threads.submit(self.answered, second)
            return [one.result(WAIT_S), other.result(WAIT_S)]

    def answered(self, asked: np.ndarray) -> Any:
        try:
            return self.shared.predict(asked), self.shared.seconds
        except ValueError as error:
            return error


def test_the_network_sees_full_batches_only() -> None:
    network = Network(4)
    np.testing.assert_allclose(network.shared.predict(patches(*range(10))), scores(*range(10)), rtol=1e-6)
    assert network.seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 0]]


def test_no_patches_are_no_batch() -> None:
    network = Network(4)
    assert network.shared.predict(patches()).shape == (0,)
    assert network.seen == []


@pytest.mark.parametrize(
    "wrong", [patches(1).astype(np.float32), patches(1)[0], patches(1)[:, :7], patches(1)[..., :2]], ids=str
)
def test_what_are_no_patches_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \(n, 8, 8, 3\)"):
        Network(4).shared.predict(wrong)


def test_threads_share_batches_and_each_gets_its_own_scores() -> None:
    network = Network(4, n_asking=2)
    one, other = network.asked_by_two(patches(1, 2, 3, 4, 5, 6), patches(7, 8, 9))
    # The second thread's patches fill the batch that the first one's end in; only the last is padded.
    assert network.seen == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 0, 0, 0]]
    np.testing.assert_allclose(one[0], scores(1, 2, 3, 4, 5, 6), rtol=1e-6)
    np.testing.assert_allclose(other[0], scores(7, 8, 9), rtol=1e-6)


def test_an_error_is_told_to_all_whose_patches_were_in_the_batch_and_to_nobody_else() -> None:
    network = Network(4, n_asking=2)
    one, other = network.asked_by_two(patches(1, 2, 3, 4, 5, 6), patches(13, 8, 9))
    assert str(one) == str(other) == "no such score"
    network = Network(2, n_asking=2)
    one, other = network.asked_by_two(patches(1, 2, 3, 4), patches(13, 8, 9, 10))
    np.testing.assert_allclose(one[0], scores(1, 2, 3, 4), rtol=1e-6)
    assert str(other) == "no such score"
    # What else that thread had asked for is forgotten, and the network serves on.
    np.testing.assert_allclose(network.shared.predict(patches(5, 6)), scores(5, 6), rtol=1e-6)
    assert network.seen[-1] == [5, 6]


def test_a_batch_that_was_too_large_is_done_again_in_smaller_ones_for_all_threads() -> None:
    network = Network(8, n_asking=2, room=2)
    one, other = network.asked_by_two(patches(1, 2, 3), patches(4, 5))
    np.testing.assert_allclose(one[0], scores(1, 2, 3), rtol=1e-6)
    np.testing.assert_allclose(other[0], scores(4, 5), rtol=1e-6)
    assert [len(batch) for batch in network.seen] == [8, 4, 2, 2, 2]
    assert network.seen[2:] == [[1, 2], [3, 4], [5, 0]]


def test_the_networks_time_is_shared_out_by_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr("batchscan.scan.batches.time.perf_counter", lambda: float(next(ticks)))
    network = Network(4, n_asking=2)
    one, other = network.asked_by_two(patches(1, 2, 3, 4, 5, 6), patches(7, 8, 9))
    # Each of the three batches took a second: 4 + 0, 2 + 2, 0 + 1 patches.
    assert (one[1], other[1]) == (1.5, 1.5)
    assert network.shared.seconds == 0.0


class Ahead(Network):
    """Is given its next batch while it works; notes when it begins with one and when it has ended."""

    def __init__(self, batch: int, n_asking: int = 1, room: int = 99, *, raises_at_once: bool = False) -> None:
        super().__init__(batch, n_asking, room)
        self.notes: list[str] = []
        self.raises_at_once = raises_at_once
        self.shared = SharedNetwork(PATCH_PX, self.begin, lambda: self.batch, self.mended, ahead=1)

    def begin(self, batch: Any) -> Callable[[], Any]:
        name = "".join(map(str, batch[:, 0, 0, 0]))
        self.notes.append(f"+{name}")
        if self.raises_at_once and len(batch) > self.room:
            raise MemoryError(name)

        def end() -> Any:
            self.notes.append(f"-{name}")
            return self.logits(batch) if self.n_asking > 1 or len(batch) == self.batch else self.too_many(batch)

        return end

    def too_many(self, batch: Any) -> Any:
        raise MemoryError(f"{len(batch)} were begun with before there were fewer")


def test_the_next_full_batch_is_there_before_one_has_ended() -> None:
    network = Ahead(2)
    np.testing.assert_allclose(network.shared.predict(patches(1, 2, 3, 4, 5, 6, 7)), scores(*range(1, 8)), rtol=1e-6)
    # One that would be padded waits until nothing else is at work: more may come meanwhile.
    assert network.notes == ["+12", "+34", "-12", "+56", "-34", "-56", "+70", "-70"]


def test_threads_share_batches_that_are_given_ahead() -> None:
    network = Ahead(4, n_asking=2)
    one, other = network.asked_by_two(patches(1, 2, 3, 4, 5, 6), patches(7, 8, 9))
    assert network.seen == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 0, 0, 0]]
    np.testing.assert_allclose(one[0], scores(1, 2, 3, 4, 5, 6), rtol=1e-6)
    np.testing.assert_allclose(other[0], scores(7, 8, 9), rtol=1e-6)


@pytest.mark.parametrize("raises_at_once", [False, True])
def test_two_batches_that_were_too_large_are_both_done_again(*, raises_at_once: bool) -> None:
    network = Ahead(4, room=2, raises_at_once=raises_at_once)
    np.testing.assert_allclose(network.shared.predict(patches(*range(1, 10))), scores(*range(1, 10)), rtol=1e-6)
    assert network.batch == 2
    ended = [name for name in network.notes if name.startswith("-") and len(name) == len("-12")]
    assert sorted(ended) == ["-12", "-34", "-56", "-78", "-90"]


def test_an_error_at_the_beginning_is_told_to_a_thread_that_waits_for_an_earlier_batch() -> None:
    network, has_failed = Ahead(4), threading.Event()
    begin = network.begin

    def broken(batch: Any) -> Any:
        network.at_work.set()
        if 13 in batch:
            has_failed.set()
            raise ValueError("no such score")
        end = begin(batch)
        return lambda: has_failed.wait(WAIT_S) and end()

    network.shared = SharedNetwork(PATCH_PX, broken, lambda: network.batch, network.mended, ahead=1)
    # The second thread's patches are in one batch with the last of the first, which waits for its others.
    one, other = network.asked_by_two(patches(1, 2, 3, 4, 5, 6), patches(13, 8, 9))
    assert str(one) == str(other) == "no such score"


def test_what_was_given_ahead_counts_from_when_the_network_was_free(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 1.0, 5.0, 9.0])  # two begun, two ended
    monkeypatch.setattr("batchscan.scan.batches.time.perf_counter", lambda: next(ticks))
    network = Ahead(2)
    network.shared.predict(patches(1, 2, 3, 4))
    assert network.shared.seconds == 9.0
