"""What is done and to be done -> what the operator sees on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
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
        self._units = 0.0
        self._began = self._said = time.monotonic()
        self._first_unit: float | None = None

    def line(self, text: str) -> None:
        click.echo(text, err=True)

    def expect(self, *, jobs: int = 0, units: float = 0) -> None:
        del units  # without a bar only the slides' total is of use
        self._expected += jobs

    def advance(self, *, jobs: int = 0, units: float = 0) -> None:
        self._jobs += jobs
        self._units += units
        moment = time.monotonic()
        if units and self._first_unit is None:
            self._first_unit = moment
        if moment - self._said >= _PLAIN_EVERY_S:
            self._said = moment
            self.line(self._state(moment))

    def _state(self, moment: float) -> str:
        text = f"{self._jobs} of {self._expected} {self._names[0]}"
        if self._first_unit is not None and moment > self._first_unit:
            text += f", {self._units / (moment - self._first_unit):,.0f} {self._names[1]}/s"
        if 0 < self._jobs < self._expected:
            left_s = (moment - self._began) / self._jobs * (self._expected - self._jobs)
            text += f", about {duration(left_s)} left"
        return text


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


def duration(seconds: float) -> str:
    """Seconds as people say them: `42 s`, `3 min`, `2 h 05 min`."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"  # noqa: PLR2004
