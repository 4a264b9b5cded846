"""Where a run's time went -> the lines and sentences that say it; no layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from batchscan.report import numbers
from batchscan.report.night import TimeFigures
from batchscan.report.words import Fact, plain

_STAGES = {
    "read": "Reading pixels",
    "tissue": "Finding tissue",
    "infer": "Network",
    "write": "Writing, printing",
    "other": "Opening, checking, loading",
}
_SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, slots=True)
class TimeLine:
    """One part of the workers' time; `width` is its share in percent, for a bar.

    `rate` is in patches a second of one worker; empty where it makes no sense.
    """

    label: str
    time: str
    share: str
    width: str
    rate: str


def time_lines(time: TimeFigures) -> tuple[TimeLine, ...]:
    """Every stage, what came to nothing, and what was in no stage; nothing if no attempt ended."""
    whole = _whole_s(time)
    if not whole:
        return ()
    return tuple(
        TimeLine(
            label, numbers.duration(seconds), numbers.percent(seconds / whole), f"{100 * seconds / whole:.2f}", rate
        )
        for label, seconds, rate in _parts(time)
    )


def time_note(time: TimeFigures) -> str:
    """What the shares are of, and what the rates count."""
    if not _whole_s(time):
        return "No worker\u2019s time was recorded in this run."
    patches = numbers.count(time.n_timed_patches, "patch", "patches")
    rates = (
        f"Patches a second are those of one worker in that stage, over {patches} scanned in this run; what was used "
        "again from earlier is not counted."
    )
    if time.rest_s is None:
        return f"Shares are of the time in stages: how long the workers were there is not known. {rates}"
    whole = f"the {numbers.duration(time.there_s)} that all workers were there, taken together"
    rest = "\u201cIn no stage\u201d: waiting, starting, committing."
    return f"Shares are of {whole}. {rest} {rates}"


def speed_facts(time: TimeFigures) -> tuple[Fact, ...]:
    """What the run got through."""
    span = time.span_s
    return (
        Fact("Patches scanned", numbers.count(time.n_patches), "what was used again is not counted"),
        Fact(
            "All workers together", numbers.rate(_a_second(time.n_patches, span), "patches/s"), "from start to finish"
        ),
        Fact(
            "Slides an hour",
            numbers.rate(_a_second(time.n_slides * _SECONDS_AN_HOUR, span) if time.n_slides else None, "slides/h"),
            f"{numbers.count(time.n_slides, 'slide')} scanned in this run",
        ),
        Fact("Workers", numbers.count(time.workers), _there(time)),
        *_gpus(time),
    )


def _gpus(time: TimeFigures) -> Iterator[Fact]:
    if time.gpu_busy is not None:
        note = f"the network on {numbers.count(time.n_gpus, 'GPU')}, from start to finish, for slides that were done"
        yield Fact("GPU busy", numbers.percent(time.gpu_busy), note)


def _there(time: TimeFigures) -> str:
    if time.there_s:
        return f"at most, in {numbers.duration(time.span_s)}"
    return f"ended a slide, in {numbers.duration(time.span_s)}" if time.workers else ""


def _whole_s(time: TimeFigures) -> float:
    return sum(seconds for _, seconds, _ in _parts(time))


def _parts(time: TimeFigures) -> Iterator[tuple[str, float, str]]:
    for stage in time.stages:
        patches = time.n_timed_patches
        rate = numbers.rate(patches / stage.scanning_s if stage.scanning_s and patches else None)
        yield _STAGES.get(stage.name, plain(stage.name)), stage.seconds, rate
    yield "Attempts without a result", time.lost_s, ""
    if time.rest_s is not None:
        yield "In no stage", time.rest_s, ""


def _a_second(count: float, span_s: float | None) -> float | None:
    return count / span_s if count and span_s else None
