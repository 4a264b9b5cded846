"""How often, and when, a slide is tried again, and which blocks are one step; nothing runs here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from batchscan.domain.records import SlideStatus
from batchscan.scan.grid import Block
from batchscan.scan.step import Raised, Trouble
from batchscan.scan.underway import Patience, SlideUnderWay, as_steps, evened, in_groups

PATIENCE = Patience(attempts=3, first_delay_s=2.0)


@dataclass(frozen=True)
class Work:
    slide_id: str = "S"


def _raised(trouble: Trouble) -> Raised:
    return Raised("cpu-0", trouble, SlideStatus.FAILED, "why", "why", "Error")


def _delays(*troubles: Trouble) -> list[float | None]:
    """What follows from one after the other, as the dispatcher counts accidents."""
    slide: SlideUnderWay[Work, object] = SlideUnderWay(Work())  # type: ignore[type-var]
    found = []
    for trouble in troubles:
        slide.accidents += trouble in {Trouble.ACCIDENT, Trouble.AGAIN}
        found.append(slide.delay_s(_raised(trouble), PATIENCE, 0.0, 1.0))
    return found


@pytest.mark.parametrize(
    ("troubles", "expected"),
    [
        ((Trouble.FINAL,), [None]),
        ((Trouble.ACCIDENT, Trouble.ACCIDENT, Trouble.ACCIDENT), [0.0, 0.0, None]),
        ((Trouble.AGAIN, Trouble.AGAIN, Trouble.AGAIN), [2.0, 4.0, None]),
        # While it is being replaced it may seem to be damaged, or no slide at all.
        ((Trouble.AGAIN, Trouble.FINAL, Trouble.FINAL), [2.0, 4.0, None]),
        ((Trouble.GONE, Trouble.FINAL), [2.0, None]),
    ],
)
def test_a_slide_is_tried_again_so_often(troubles: tuple[Trouble, ...], expected: list[float | None]) -> None:
    assert _delays(*troubles) == expected


def _block(n_patches: int) -> Block:
    cells = np.arange(n_patches, dtype=np.int32)
    return Block(cells, cells, 0, 0, n_patches, n_patches)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([2500], [[2500]]),
        ([900, 900, 200, 1], [[900, 900, 200], [1]]),
        ([2200, 300, 200], [[2200], [300, 200]]),
        ([800] * 5, [[800, 800], [800, 800], [800]]),
    ],
)
def test_blocks_of_up_to_two_thousand_patches_are_one_step(sizes: list[int], expected: list[list[int]]) -> None:
    assert [[len(block) for block in group] for group in in_groups(map(_block, sizes))] == expected


@pytest.mark.parametrize(
    ("sizes", "n_threads", "expected"),
    [
        ([], 2, []),
        ([40], 2, [[40]]),
        ([100], 1, [[50], [50]]),
        # 400 of 1,000 are more than a quarter; then 800 are left, and so on.
        ([400, 400, 200], 2, [[200], [200], [100], [100], [100], [50], [50], [50], [50], [50], [50]]),
        # As small as 64 allows at once, where there are many threads.
        ([400, 200], 64, [[50]] * 12),
        # Small ones go together while there is enough for all, and never more than two thousand.
        ([100] * 16, 2, [[100] * 4, [100] * 3, [100] * 2, *[[100]] * 4, *[[50]] * 6]),
        ([800] * 20, 1, [*[[800] * 2] * 9, [800], [400], [200], [100], [50], [50]]),
    ],
)
def test_less_is_together_as_less_is_left(sizes: list[int], n_threads: int, expected: list[list[int]]) -> None:
    found = [[len(block) for block in group] for group in evened(map(_block, sizes), n_threads)]
    assert found == expected


def test_no_thread_gets_more_than_half_of_its_share_of_what_is_left() -> None:
    left = 5348
    for group in evened(map(_block, [400] * 4 + [358] * 10 + [168]), 3):
        assert sum(map(len, group)) <= max(64, left / 6)
        left -= sum(map(len, group))
    assert left == 0


@pytest.mark.parametrize(("n_threads", "expected"), [(None, [[300, 200]]), (1, [[150], [150], [100], [50], [50]])])
def test_a_slide_beside_others_has_few_steps_one_alone_many(n_threads: int | None, expected: list[list[int]]) -> None:
    steps = as_steps([_block(300), _block(200)], n_threads)
    assert [[len(block) for block in group] for group in steps] == expected
