"""A run's record and its summary rows become what index.html says; no layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from batchscan.report import numbers
from batchscan.report.words import RESEARCH_USE, Fact

_COUNTED = ("done", "failed", "excluded", "remaining")


@dataclass(frozen=True, slots=True)
class RunRow:
    """One slide of a run; `href` is empty unless there is a report to open.

    `has_extent` says whether there are numbers to show; where not, `remark` says why.
    """

    slide_id: str
    patient_id: str
    href: str
    status: str
    remark: str
    has_extent: bool
    tissue: str
    idc: str
    share: str
    n_foci: str
    largest: str
    field_extent: str
    n_patches: str
    n_positive: str
    n_unreadable: str
    edge: str
    seconds: str


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """Slides that are not done for the same reason."""

    status: str
    reason: str
    n_slides: str
    example: str


@dataclass(frozen=True, slots=True)
class RunContent:
    """Everything that a run's index says."""

    name: str
    version: str
    research_use: str
    headline: str
    facts: tuple[Fact, ...]
    not_done: tuple[ReasonGroup, ...]
    rows: tuple[RunRow, ...]


def run_content(run: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], batchscan_version: str) -> RunContent:
    """What the index page of a run says.

    Parameters
    ----------
    run
        `name`, `started`, `finished` (ISO 8601 text, or None if it stopped before all slides ended), `model` (mapping
        with name, version and sha256), `engine` (mapping with name and precision, or None before one is chosen),
        `threshold`, `counts` (done, failed, excluded, remaining -> number of slides), and optionally `reports`: False
        if none were printed, and `orientations` with `aggregation` (mapping with sigma), which older runs lack.
    rows
        As in summary.csv, values as numbers or as the CSV's text; empty text and None are undefined.
    batchscan_version
        The program's version.
    """
    counts = {status: int(run["counts"].get(status, 0)) for status in _COUNTED}
    return RunContent(
        name=str(run["name"]),
        version=batchscan_version,
        research_use=RESEARCH_USE,
        headline=_headline(counts),
        facts=_facts(run, counts["remaining"]),
        not_done=tuple(_not_done(rows)),
        rows=tuple(_row(row, reports=bool(run.get("reports", True))) for row in rows),
    )


def _headline(counts: Mapping[str, int]) -> str:
    total = numbers.count(sum(counts.values()), "slide")
    parts = [f"{n:,} {status}" for status, n in counts.items() if n or status != "remaining"]
    return f"{total}: {', '.join(parts)}"


def _facts(run: Mapping[str, Any], remaining: int) -> tuple[Fact, ...]:
    model, engine = run["model"], run["engine"]
    return (
        Fact("Started", _moment(run["started"]) or "not yet"),
        Fact("Finished", _moment(run["finished"]) or _unfinished(remaining)),
        Fact("Model", f"{model['name']} {model['version']}", f"sha256 {model['sha256'][:12]}"),
        Fact("Engine", f"{engine['name']}, {engine['precision']}" if engine else "not chosen yet"),
        Fact("Threshold", f"p(IDC) \u2265 {numbers.threshold(float(run['threshold']))}"),
        *_scores(run),
    )


def _scores(run: Mapping[str, Any]) -> Iterator[Fact]:
    """How p_raw and p_idc came about."""
    if "orientations" not in run or "aggregation" not in run:
        return
    yield Fact("Orientations", f"{run['orientations']}")
    sigma = float(run["aggregation"]["sigma"])
    yield Fact("Neighbours", f"averaged, Gaussian with \u03c3 = {sigma:g} patch sides" if sigma else "not used")


def _unfinished(remaining: int) -> str:
    verb = "remains" if remaining == 1 else "remain"
    return f"not finished: {numbers.count(remaining, 'slide')} {verb}; the same command goes on"


def _moment(iso: str | None) -> str:
    """ISO 8601 text as date, minute and time zone; empty when there is none."""
    return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M %Z}".rstrip() if iso else ""


def _not_done(rows: Sequence[Mapping[str, Any]]) -> Iterator[ReasonGroup]:
    """The reasons why slides failed or were excluded, most slides first."""
    of_reason = Counter(
        (str(row["status"]), str(row["reason"])) for row in rows if row["status"] in ("failed", "excluded")
    )
    examples = {(str(row["status"]), str(row["reason"])): str(row["sentence"]) for row in reversed(rows)}
    for (status, reason), n in sorted(of_reason.items(), key=lambda item: (-item[1], item[0])):
        yield ReasonGroup(status, reason, numbers.count(n, "slide"), examples[status, reason])


def _row(row: Mapping[str, Any], *, reports: bool) -> RunRow:
    slide_id, status = str(row["slide_id"]), str(row["status"])
    return RunRow(
        slide_id=slide_id,
        patient_id=str(row["patient_id"]),
        href=f"slides/{quote(slide_id, safe='')}/report.pdf" if reports and status == "done" else "",
        status=status,
        remark=str(row["sentence"] or row["reason"] or ""),
        has_extent=_number(row["idc_mm2"]) is not None,
        tissue=numbers.area(_number(row["tissue_mm2"])),
        idc=numbers.area(_number(row["idc_mm2"])),
        share=numbers.percent(_number(row["idc_fraction"])),
        n_foci=numbers.count(_whole(row["n_foci"])),
        largest=numbers.dimensions(_number(row["largest_focus_mm"]), _number(row["perpendicular_mm"])),
        field_extent=numbers.length(_number(row["field_extent_mm"])),
        n_patches=numbers.count(_whole(row["n_patches"])),
        n_positive=numbers.count(_whole(row["n_positive"])),
        n_unreadable=numbers.count(_whole(row["n_unreadable"])),
        edge="yes" if str(row["touches_edge"]).lower() in ("true", "1") else "",
        seconds=numbers.duration(_number(row["seconds_total"])),
    )


def _number(value: Any) -> float | None:
    return None if value is None or value == "" else float(value)


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else round(number)
