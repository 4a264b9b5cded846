"""Counts in bins, of a run and of its model's training -> the marks of a small drawing that reads in grey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 200.0, 56.0
"""Of the drawing, in its own units; the template's viewBox has the same."""

_HEAD = 0.94


@dataclass(frozen=True, slots=True)
class Bar:
    """A bin of the run: left, top, width, height, from the upper left corner."""

    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """The run as filled bars; the training as the points of a line in steps, `x,y x,y ...`."""

    bars: tuple[Bar, ...]
    outline: str


def histogram_marks(training: Sequence[int], run: Sequence[int]) -> Histogram:
    """Both as shares of their sums, on one scale; of what has nothing in it nothing is drawn."""
    shares = _shares(training), _shares(run)
    highest = max((share for both in shares for share in both), default=0.0)
    step = WIDTH / len(training)

    def top(share: float) -> float:
        return HEIGHT * (1 - _HEAD * share / highest)

    bars = tuple(
        Bar(_units(i * step), _units(top(share)), _units(step), _units(HEIGHT - top(share)))
        for i, share in enumerate(shares[1])
        if share
    )
    corners = [(i * step + side, top(share)) for i, share in enumerate(shares[0]) for side in (0, step)]
    line = [(0.0, HEIGHT), *corners, (WIDTH, HEIGHT)] if corners else []
    return Histogram(bars, " ".join(f"{_units(x)},{_units(y)}" for x, y in line))


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [count / total for count in counts] if total else []


def _units(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
