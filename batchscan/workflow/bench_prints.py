"""The results of a run -> how long their reports take."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

from batchscan.domain.errors import BatchscanError
from batchscan.domain.speed import PdfSpeed, Unknown
from batchscan.report.render import render_slide_report
from batchscan.stores.enclosures import read_enclosures
from batchscan.stores.pictures import read_pictures
from batchscan.stores.results import RunFolder, read_result

_REPORTS = 4


def pdf_speed(run: Path, folder: Path) -> PdfSpeed | Unknown:
    """Print the reports of the run's first results, in this process, into a folder; why not, where that can't be."""
    committed = RunFolder(run)
    chosen = committed.results()[:_REPORTS]
    try:
        seconds = [_printed_s(committed, slide_id, folder / f"{slide_id}.pdf") for slide_id in chosen]
    except BatchscanError as error:
        return Unknown(str(error))
    if len(seconds) < 2:  # noqa: PLR2004 - a first one, and one after it
        return Unknown(f"the run has {len(seconds)} results to print, two are needed")
    return PdfSpeed(seconds[0], statistics.median(seconds[1:]))


def _printed_s(run: RunFolder, slide_id: str, path: Path) -> float:
    folder = run.slide(slide_id)
    result = read_result(folder)
    card, pictures = run.read_card(result.model.sha256), read_pictures(folder)
    clock = time.perf_counter()
    render_slide_report(result, card, pictures, path, datetime.now(UTC), enclosures=read_enclosures(folder, card))
    return time.perf_counter() - clock
