"""How often, and when, a slide is tried again; nothing runs here."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from batchscan.domain.records import SlideStatus
from batchscan.scan.step import Raised, Trouble
from batchscan.scan.underway import Patience, SlideUnderWay

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
