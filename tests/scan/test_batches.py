"""A network that takes a fixed number of patches at a time, and several threads that ask."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from batchscan.scan.batches import SharedNetwork

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
        self.shared = SharedNetwork(PATCH_PX, self.logits, lambda: self.batch, self.mended)

    def logits(self, batch: Any) -> Any:
        assert len(batch) == self.batch
        self.at_work.set()
        for _ in range(WAIT_S * 1000):
            if self.seen or self.n_asking == 1 or any(not asked.n_taken for asked in list(self.shared._waiting)):
                break
            threading.Event().wait(0.001)
        self.seen.append(batch[:, 0, 0, 0].tolist())
        if len(batch) > self.room:
            raise MemoryError(f"{len(batch)}")
        if 13 in self.seen[-1]:
            raise ValueError("no such score")
        return np.stack([np.zeros(len(batch)), batch[:, 0, 0, 0]], axis=1).astype(np.float32)

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
