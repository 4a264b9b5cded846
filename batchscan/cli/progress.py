"""What is done and to be done -> what the operator sees on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

import click

_PLAIN_EVERY_S = 10.0


class Display(Protocol):
    """Two counts, `jobs` (slides) and `units` (patches, pixels), with rate and time left, and lines of text."""

    def line(self, text: str) -> None:
        """Say something once."""

    def expect(self, *, jobs: int = 0, units: float = 0) -> None:
        """Raise what is to be done."""

    def advance(self, *, jobs: int = 0, units: float = 0) -> None:
        """Count what is done."""


class _Lines(Display):
    def __init__(self, jobs: str, units: str) -> None:
        self._names = jobs, units
        self._jobs = self._expected = 0
        self._units = self._expected_units = 0.0
        self._all_units_known = True
        self._began = self._said = time.monotonic()
        self._first_unit: float | None = None
        self._first_units = 0.0

    def line(self, text: str) -> None:
        click.echo(text, err=True)

    def expect(self, *, jobs: int = 0, units: float = 0) -> None:
        # Jobs whose units are said later make the sum of the units too small to wait for.
        self._all_units_known &= bool(units) or not jobs
        self._expected += jobs
        self._expected_units += units

    def advance(self, *, jobs: int = 0, units: float = 0) -> None:
        self._jobs += jobs
        self._units += units
        moment = time.monotonic()
        if units and self._first_unit is None:
            # What came before, such as decoding, is no part of the rate; nor is this unit: when it began is unknown.
            self._first_unit, self._first_units = moment, self._units
        if moment - self._said >= _PLAIN_EVERY_S:
            self._said = moment
            self.line(self._state(moment))

    def _state(self, moment: float) -> str:
        text = f"{self._jobs} of {self._expected} {self._names[0]}"
        rate = self._rate(moment)
        if rate:
            text += f", {rate:,.0f} {self._names[1]}/s"
        left_s = self._left_s(moment, rate)
        return text if left_s is None else f"{text}, about {duration(left_s)} left"

    def _rate(self, moment: float) -> float:
        """Units a second since the first one, 0 as long as there are no others."""
        if self._first_unit is None or moment <= self._first_unit:
            return 0.0
        return (self._units - self._first_units) / (moment - self._first_unit)

    def _left_s(self, moment: float, rate: float) -> float | None:
        """By units, where those of all jobs are known; else by jobs."""
        if self._all_units_known and self._expected_units:
            left = self._expected_units - self._units
            return left / rate if rate and left > 0 else None
        if 0 < self._jobs < self._expected:
            return (moment - self._began) / self._jobs * (self._expected - self._jobs)
        return None


@contextmanager
def display(jobs: str, units: str) -> Iterator[Display]:
    """A display of `jobs` done and `units` a second, for as long as the block runs."""
    if sys.stderr.isatty():
        from batchscan.cli.bars import bars  # noqa: PLC0415 - rich is slow to load, and --help doesn't need it

        with bars(jobs, units) as shown:
            yield shown
    else:
        yield _Lines(jobs, units)


@contextmanager
def announced_interrupt(shown: Display) -> Iterator[None]:
    """Say at once that Ctrl-C was heard: putting things away takes seconds."""

    def heard(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        shown.line("stopping")
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def drained(shown: Display) -> Iterator[Callable[[], bool]]:
    """Something to ask whether to stop: yes after a first Ctrl-C or SIGTERM; a second one stops at once.

    Batch systems send SIGTERM before they kill.
    """
    asked = threading.Event()

    def heard(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            shown.line("stopping")
            signal.default_int_handler(number, frame)
        asked.set()
        shown.line("no slide is begun any more; those under way are finished first (Ctrl-C again stops at once)")

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def duration(seconds: float) -> str:
    """Seconds as people say them: `42 s`, `3 min`, `2 h 05 min`."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"  # noqa: PLR2004
