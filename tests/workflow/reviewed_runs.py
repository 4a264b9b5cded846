"""Runs with foci, and what reviewers send back of them: forms that are filled in, exports of QuPath."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from judged_runs import run_with_card

from batchscan.domain.records import SlideResult
from batchscan.stores.ledger import Ledger
from batchscan.stores.open_files import write_open_files
from batchscan.stores.results import RunFolder
from batchscan.stores.review_outlines import ExportRules
from batchscan.workflow.review import ReviewRequest, Taken, take_reviews, write_run_form

NOW = datetime(2025, 11, 26, 9, 30, tzinfo=UTC)
DRAWN = "0f0e0d0c-0000-4000-8000-000000000001"


def reviewed_run(folder: Path, *results: SlideResult) -> RunFolder:
    """A finished run with what its slides' folders hold."""
    run = RunFolder(run_with_card(folder, *results))
    for result in results:
        write_open_files(run.slide(result.slide.slide_id), result)
    return run


def form_rows(run: RunFolder, path: Path, *slide_ids: str) -> list[dict[str, str]]:
    """A new form's rows."""
    write_run_form(run, path, slide_ids, "")
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def filled(path: Path, rows: Iterable[Mapping[str, str]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    """A form as a reviewer's spreadsheet saves it."""
    rows = list(rows)
    with path.open("w", newline="", encoding=encoding) as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def features_of(run: RunFolder, slide_id: str, name: str = "qupath.geojson") -> list[dict[str, Any]]:
    """What a reviewer finds in QuPath."""
    found: list[dict[str, Any]] = json.loads((run.slide(slide_id) / name).read_text())["features"]
    return found


def drawn(left: float, top: float, right: float, bottom: float, **changed: Any) -> dict[str, Any]:
    """A rectangle that a reviewer drew."""
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    feature: dict[str, Any] = {
        "type": "Feature",
        "id": DRAWN,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"objectType": "annotation", "classification": {"name": "Tumor"}},
    }
    return {**feature, **changed}


def exported(path: Path, features: Iterable[Mapping[str, Any]]) -> Path:
    """As QuPath exports it."""
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return path


def classed(feature: dict[str, Any], name: str, description: str = "") -> dict[str, Any]:
    """A focus whose class a reviewer changed, and described why."""
    feature["properties"]["classification"] = {"name": name}
    if description:
        feature["properties"]["metadata"]["ANNOTATION_DESCRIPTION"] = description
    return feature


def take(run: RunFolder, *files: Path, reviewer: str = "A", slide_id: str = "", **rules: Any) -> Taken:
    """Take files in."""
    return take_reviews(run, ReviewRequest(files, reviewer, slide_id, ExportRules(**rules), NOW))


def kept(run: RunFolder) -> list[tuple[str, int | None, str, str]]:
    """All that was ever kept: slide, focus, reviewer, verdict."""
    with Ledger.read(run.ledger) as ledger:
        return [(one.slide_id, one.number, one.reviewer, one.verdict.value) for one in ledger.reviews()]
