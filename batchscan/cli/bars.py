"""Counts -> progress bars on a terminal; imported only when there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        # Slides end too seldom for a rate to say anything; patches and pixels don't.
        return Text(f"{task.speed:,.0f}/s" if task.speed and task.speed >= 1 else "")


class Bars:
    """Two bars on stderr, with lines of text above them."""

    def __init__(self, progress: Progress, jobs: str, units: str) -> None:
        self._progress = progress
        self._jobs: TaskID = progress.add_task(jobs, total=None)
        self._units: TaskID = progress.add_task(units, total=None)
        self._expected = {self._jobs: 0.0, self._units: 0.0}

    def line(self, text: str) -> None:
        """Say something once, above the bars."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def expect(self, *, jobs: int = 0, units: float = 0) -> None:
        """Raise what is to be done."""
        for task, more in ((self._jobs, jobs), (self._units, units)):
            self._expected[task] += more
            self._progress.update(task, total=self._expected[task] or None)

    def advance(self, *, jobs: int = 0, units: float = 0) -> None:
        """Count what is done."""
        self._progress.advance(self._jobs, jobs)
        self._progress.advance(self._units, units)


@contextmanager
def bars(jobs: str, units: str) -> Iterator[Bars]:
    """Bars for as long as the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bars(progress, jobs, units)
