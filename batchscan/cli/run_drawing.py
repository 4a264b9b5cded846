"""What happens in a run -> lines and counts on the operator's display."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from batchscan.cli.progress import Display

if TYPE_CHECKING:
    from batchscan.domain.records import SlideOutcome
    from batchscan.scan.slide_events import SlideRetried
    from batchscan.workflow.run import RunEvent


def draw_run(events: Iterator[RunEvent], shown: Display) -> dict[str, int]:
    """Draw a run to its end; returns how many slides were asked for, ended in which way, and remain."""
    from batchscan.workflow.run import RunEnded  # noqa: PLC0415 - see the package's docstring

    counts: dict[str, int] = {}
    n_reused = 0
    for event in events:
        if isinstance(event, RunEnded):
            counts = dict(event.counts)
        else:
            n_reused += _draw(event, shown)
    named = ("asked", "done", "failed", "excluded", *(["remaining"] if counts["remaining"] else []))
    totals = ", ".join(f"{counts[name]} {name}" for name in named)
    shown.line(f"{totals}; for {n_reused} nothing had to be done again" if n_reused else totals)
    return counts


def _draw(event: RunEvent, shown: Display) -> bool:
    """Returns whether a slide has ended for which nothing had to be done."""
    from batchscan.scan.slide_events import (  # noqa: PLC0415 - see the package's docstring
        BlockScanned,
        SlideRetried,
        SlideSurveyed,
        WorkersChanged,
    )
    from batchscan.workflow.run import RunPlanned, RunReady  # noqa: PLC0415
    from batchscan.workflow.run_record import SlideEnded  # noqa: PLC0415

    match event:
        case RunPlanned(folder, n_slides, notes):
            shown.line("\n".join((*notes, f"{_slides(n_slides)} -> {folder}; starting workers")))
            shown.expect(jobs=n_slides)
        case RunReady(workers, model, engine):
            shown.line(f"workers: {workers}, model: {model}, engine: {engine.name} {engine.precision}")
        case SlideSurveyed(_, n_patches):
            shown.expect(units=n_patches)
        case BlockScanned(_, n_patches):
            shown.advance(units=n_patches)
        case SlideEnded(outcome, reused):
            shown.advance(jobs=1)
            _say_trouble(outcome, shown)
            return reused
        case SlideRetried():
            _say_retry(event, shown)
        case WorkersChanged(n_threads):
            shown.line(_workers(n_threads))
    return False


def _slides(count: int) -> str:
    return f"{count} slide" if count == 1 else f"{count} slides"


def _say_trouble(outcome: SlideOutcome, shown: Display) -> None:
    if outcome.reason:
        shown.line(f"{outcome.slide_id}: {outcome.status.value} ({outcome.reason}): {outcome.sentence}")


def _say_retry(event: SlideRetried, shown: Display) -> None:
    outcome = event.outcome
    when = f"in {event.delay_s:.0f} s" if event.delay_s else "at once"
    shown.line(f"{outcome.slide_id}: tried again {when} ({outcome.reason}): {outcome.sentence}")


def _workers(n_threads: int) -> str:
    if n_threads:
        return f"worker threads now: {n_threads}"
    return "all workers are gone: waiting for new ones (Ctrl-C twice stops)"
