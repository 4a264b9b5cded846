"""Stored results -> heat maps and PDFs, first or again, and notices; needs neither model nor slide."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from batchscan.domain.card import ModelCard
from batchscan.domain.errors import DamagedResult, OutputError, UsageError
from batchscan.domain.records import Pictures, SlideResult
from batchscan.report.render import render_slide_report
from batchscan.stores.atomic import write_atomically
from batchscan.stores.ledger import Ledger
from batchscan.stores.open_files import renew_open_files
from batchscan.stores.pictures import read_pictures, write_thumbnail
from batchscan.stores.results import HEATMAP, REPORT, THUMBNAIL, RunFolder, read_result
from batchscan.stores.summary import write_summary
from batchscan.workflow.morning import print_digest
from batchscan.workflow.notices import without_result


def print_slide(
    result: SlideResult, card: ModelCard, pictures: Pictures, folder: Path, generated: datetime, *, report: bool
) -> None:
    """Write heatmap.png, thumbnail.jpg and, if asked for, report.pdf into `folder`."""
    from batchscan.report.figures import heatmap_png  # noqa: PLC0415 - matplotlib is slow to import, a runner needs none

    with write_atomically(folder / HEATMAP, binary=True) as stream:
        stream.write(heatmap_png(result, pictures))
    write_thumbnail(folder / THUMBNAIL, pictures.overview)
    if report:
        render_slide_report(result, card, pictures, folder / REPORT, generated)


def reprint(run: RunFolder, slide_ids: tuple[str, ...], generated: datetime) -> Iterator[Path | DamagedResult]:
    """Print the reports of committed results again. Without ids, all of them; then the digest and the notices.

    Yields
    ------
    Path or DamagedResult
        Each PDF, of a slide without a result its notice; or why there is none, where a stored result can't be read.

    Raises
    ------
    UsageError
        If nothing is known of a slide here.
    OutputError
        If there is nothing to print.
    DamagedResult
        If run.json is damaged, so that there is no digest.
    """
    present = run.results()
    stopped = _without_result(run)
    unknown = sorted(set(slide_ids) - set(present) - set(stopped))
    if unknown:
        raise UsageError(
            f"{run.path}: no result of slide {', '.join(unknown)}; there are: {', '.join(present) or 'none'}"
        )
    if not present and not stopped:
        raise OutputError(f"{run.path}: holds no results to print; give the folder that --out named")
    for slide_id in (each for each in slide_ids or present if each in present):
        folder = run.slide(slide_id)
        try:
            result = read_result(folder)
            card, pictures = run.read_card(result.model.sha256), read_pictures(folder)
        except DamagedResult as error:
            yield error
            continue
        print_slide(result, card, pictures, folder, generated, report=True)
        renew_open_files(folder, result)
        yield folder / REPORT
    renew_digest(run)
    yield from (run.notice(slide_id) for slide_id in slide_ids or stopped if slide_id in stopped)


def _without_result(run: RunFolder) -> list[str]:
    """The slides that failed or were excluded; none where there is no ledger to ask."""
    if not run.ledger.is_file():
        return []
    with Ledger.read(run.ledger) as ledger:
        return without_result(ledger)


def renew_digest(run: RunFolder) -> None:
    """Make the digest link the reports and evaluations that are there now.

    Raises
    ------
    DamagedResult
        If run.json is damaged.
    OutputError
        If there is no ledger, or a page can't be written.
    """
    facts = run.read_facts()
    printed = all((run.slide(slide_id) / REPORT).is_file() for slide_id in run.results())
    with Ledger.read(run.ledger) as ledger:
        write_summary(run.path / "summary.csv", ledger.rows())
        training = run.training_counts(facts["model"]["sha256"])
        print_digest(run, ledger, {**facts, "reports": printed}, training, pdf=True, most_notices=None)
