"""`batchscan plan`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchscan.cli.exits import EXIT_SOME_MISSING
from batchscan.cli.progress import Display, announced_interrupt, display, duration
from batchscan.cli.run import FRESH_OPTION, RETRY_OPTION, SCHEDULER_OPTION, planned_evaluation, quieten_dask

if TYPE_CHECKING:
    from batchscan.domain.records import SlideOutcome
    from batchscan.workflow.plan import Forecast, JobPlan, PlanEvent

_SHOWN_PROBLEMS = 50
_SHORT_S = 120
_DOES = {
    "scan": "to scan",
    "report": "to judge and report anew, without a scan",
    "none": "done already",
    "failed": "would fail",
    "excluded": "would be excluded",
}


@click.command()
@click.argument("job", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="Run folder, instead of the job file's.")
@SCHEDULER_OPTION
@click.option("--workers", type=click.IntRange(1), help="Worker processes, instead of the job file's.")
@FRESH_OPTION
@RETRY_OPTION
@click.option("--json", "as_json", is_flag=True, help="One JSON object, every slide in it.")
def plan(
    job: Path,
    out: Path | None,
    scheduler: str | None,
    workers: int | None,
    *,
    fresh: bool,
    retry: bool,
    as_json: bool,
) -> None:
    """Say what a run of a job file would do; change nothing.

    Every slide is opened as the run would open it, and the steps of a few are timed: patches, time and disk are
    predicted, and slides that would fail or be excluded, have no tissue or are there twice are named. Exit code 3 if
    there are any, or if the disk is too small.
    """
    began = time.monotonic()
    from batchscan.domain.job import overridden, read_job  # noqa: PLC0415 - see the package's docstring
    from batchscan.workflow.plan import plan_job  # noqa: PLC0415

    given = {"out": out and out.resolve(), "scheduler": scheduler, "workers": workers}
    chosen = overridden(read_job(job), given)
    evaluation = planned_evaluation(chosen)
    quieten_dask()
    with display("slides", "patches") as shown, announced_interrupt(shown):
        made = _draw(plan_job(chosen, began, fresh=fresh, retry=retry), shown)
        if evaluation:
            shown.line("the evaluation after the scan isn't part of the time")
    click.echo(json.dumps(made.as_json()) if as_json else "\n".join(_page(made)))
    if made.problems or not made.fits:
        raise click.exceptions.Exit(EXIT_SOME_MISSING)


def _draw(events: Iterator[PlanEvent], shown: Display) -> JobPlan:
    from batchscan.workflow.plan import (  # noqa: PLC0415 - see the package's docstring
        JobPlan,
        PlanBegun,
        PlanCalibrates,
        SlideInspected,
    )
    from batchscan.workflow.run import RunReady  # noqa: PLC0415

    for event in events:
        match event:
            case PlanBegun(n_slides, notes):
                shown.line("\n".join((*notes, f"{_number(n_slides, 'slide')} to look at; starting workers")))
                shown.expect(jobs=n_slides)
            case RunReady(workers, model, engine):
                shown.line(f"workers: {workers}, model: {model}, engine: {engine.name} {engine.precision}")
            case SlideInspected():
                shown.advance(jobs=1)
            case PlanCalibrates(n_samples):
                shown.line(f"timing {_number(n_samples, 'sample')}, all workers at once")
            case JobPlan():
                return event
    raise AssertionError("a plan ends with itself")


def _page(plan: JobPlan) -> Iterator[str]:
    yield f"{_number(plan.asked, 'slide')} asked for: {', '.join(_counted(plan))}"
    yield f"patches  {plan.patches:,} to scan{_predicted(plan)}"
    yield f"time     {_time(plan)}"
    yield f"disk     {_disk(plan)}"
    if not plan.problems:
        return
    yield ""
    yield f"{_number(len(plan.problems), 'finding')} to look at before the run:"
    for problem in plan.problems[:_SHOWN_PROBLEMS]:
        yield f"  {problem.slide_id}: {_ending(problem)}: {problem.sentence.removeprefix(f'{problem.slide_id}: ')}"
    left = len(plan.problems) - _SHOWN_PROBLEMS
    if left > 0:
        yield f"  and {left} more: --json lists all"


def _counted(plan: JobPlan) -> Iterator[str]:
    for name, count in plan.counts.items():
        if count:
            yield f"{count:,} {_DOES[name]}"


def _ending(problem: SlideOutcome) -> str:
    word = _DOES.get(problem.status.value)
    return f"{word} ({problem.reason})" if word else problem.reason


def _predicted(plan: JobPlan) -> str:
    if not plan.predicted_patches:
        return ""
    return f", {plan.predicted_patches:,} of them predicted: their slide files are stored first"


def _time(plan: JobPlan) -> str:
    if plan.forecast is None:
        return f"not known: {plan.unknown}"
    seconds = plan.forecast.seconds
    return (
        f"about {_span(seconds.expected)} ({_span(seconds.low)} to {_span(seconds.high)}) on "
        f"{_number(plan.workers, 'worker')}{_timed(plan.forecast)}"
    )


def _timed(forecast: Forecast) -> str:
    n = forecast.n_samples
    return f", by {_number(n, 'sample')} timed here just now" if n else ""


def _disk(plan: JobPlan) -> str:
    free = f"{_size(plan.free_bytes)} free at {plan.folder}"
    if plan.forecast is None:
        return free
    stores = plan.forecast.store_bytes
    stored = f", {_size(stores)} of it for slide stores" if stores else ""
    enough = "" if plan.fits else ": NOT ENOUGH, make room or choose another --out"
    return f"about {_size(plan.forecast.disk_bytes)} needed{stored}; {free}{enough}"


def _span(seconds: float) -> str:
    """Short times in seconds, so that a range isn't from 1 min to 1 min."""
    return f"{seconds:.0f} s" if seconds < _SHORT_S else duration(seconds)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _size(n_bytes: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if n_bytes >= size:
            return f"{n_bytes / size:,.1f} {unit}"
    return f"{n_bytes / 1000:,.0f} kB"
