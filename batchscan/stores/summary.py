"""Results and the ledger <-> summary.csv, a row a slide; an undefined number is an empty cell, never 0."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from batchscan.domain.records import SlideResult
from batchscan.stores.atomic import write_atomically
from batchscan.stores.cells import TableWriter, from_cell
from batchscan.stores.ledger_view import LedgerRow

_EXTENT = (
    "tissue_mm2",
    "unreadable_mm2",
    "idc_mm2",
    "idc_fraction",
    "n_foci",
    "largest_focus_mm",
    "perpendicular_mm",
    "field_extent_mm",
    "touches_edge",
)
_COUNTS = {"n_patches": "tissue", "n_positive": "positive", "n_borderline": "borderline", "n_unreadable": "unreadable"}
_QC = ("tissue_share", "pen_share")
_SECONDS = ("read", "tissue", "infer", "write", "total")
_WHO = ("slide_id", "patient_id", "status", "reason", "sentence")
COLUMNS = (
    *_WHO,
    *_EXTENT,
    *_COUNTS,
    "qc_grade",
    "qc_findings",
    *(f"qc_{name}" for name in _QC),
    *(f"seconds_{name}" for name in _SECONDS),
)


def summary_numbers(result: SlideResult) -> dict[str, Any]:
    """The columns of summary.csv that a result fills, and the fingerprint of its slide."""
    numbers: dict[str, Any] = {name: getattr(result.extent, name) for name in _EXTENT}
    numbers |= {column: getattr(result.counts, name) for column, name in _COUNTS.items()}
    grade = result.quality.grade
    numbers |= {"qc_grade": grade and grade.value, "qc_findings": " ".join(result.quality.findings)}
    numbers |= {f"qc_{name}": result.qc.get(name) for name in _QC}
    numbers |= {f"seconds_{name}": round(result.seconds[name], 3) for name in _SECONDS}
    return numbers | {"fingerprint": result.slide.fingerprint}


def summary_row(row: LedgerRow) -> dict[str, Any]:
    """All columns of one slide; None where there is no number."""
    who = {name: getattr(row, name) for name in _WHO} | {"status": row.status.value}
    return {name: who.get(name, row.numbers.get(name)) for name in COLUMNS}


def write_summary(path: Path, rows: Iterable[LedgerRow]) -> None:
    """Write summary.csv atomically."""
    with write_atomically(path) as stream:
        writer = TableWriter(stream)
        writer.writerow(COLUMNS)
        writer.writerows(_cells(summary_row(row)) for row in rows)


def read_summary(path: Path) -> dict[str, dict[str, str]]:
    """slide_id -> its row, as text; nothing where there is no table that can be read."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [{name: from_cell(cell or "") for name, cell in row.items()} for row in csv.DictReader(stream)]
    except (OSError, ValueError, csv.Error):
        return {}
    return {row.get("slide_id", ""): row for row in rows}


def differing_cells(row: Mapping[str, str], result: SlideResult) -> tuple[str, ...]:
    """In words, what a row has otherwise than its result; seconds apart, of which a later print has others."""
    numbers = summary_numbers(result)
    expected = {"slide_id": result.slide.slide_id, "patient_id": result.slide.patient_id, "status": "done", **numbers}
    cells = dict(zip(COLUMNS, _cells({name: expected.get(name) for name in COLUMNS}), strict=True))
    told = [name for name in COLUMNS if not name.startswith("seconds_") and name not in {"reason", "sentence"}]
    return tuple(
        f"{name} {row.get(name) or 'empty'}, not {cells[name]}" for name in told if row.get(name) != str(cells[name])
    )


def _cells(row: Mapping[str, Any]) -> Iterator[Any]:
    for name in COLUMNS:
        value = row[name]
        yield "" if value is None else str(value).lower() if isinstance(value, bool) else value
