"""The figures of a run's night, and its slides, become pages in its folder: index.html, digest.pdf, slides-001.html."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from batchscan import __version__
from batchscan.domain.errors import OutputError
from batchscan.report.morning_content import FileLink, digest_content
from batchscan.report.morning_lists import PAPER, SCREEN
from batchscan.report.night import RunFigures
from batchscan.report.render import pdf_library, render_page
from batchscan.report.slide_list import slides_file, slides_pages
from batchscan.stores.evaluations import EVALUATION, PAGE, REPORT
from batchscan.stores.ledger_view import LedgerRow
from batchscan.stores.results import INDEX

DIGEST, SUMMARY = "digest.pdf", "summary.csv"

_LOG = logging.getLogger(__name__)


def render_digest(figures: RunFigures, folder: Path, *, pdf: bool) -> None:
    """Write index.html, and digest.pdf on one page.

    Parameters
    ----------
    figures
        From `run_figures`.
    folder
        The run's, where reports, evaluations, summary.csv and the pages of `render_slides` are.
    pdf
        False leaves the PDF out, and takes away an older one, which would tell of another run. On a machine that
        can't print any, the index says so.

    Raises
    ------
    OutputError
        If a file can't be written.
    """
    missing = "" if pdf else "printed when the run ends"
    if pdf:
        try:
            pdf_library()
        except OutputError as error:
            missing = str(error)
            _LOG.warning("%s is not printed: %s", DIGEST, error)
    if missing:
        (folder / DIGEST).unlink(missing_ok=True)
    else:
        paper = digest_content(figures, PAPER, (), __version__)
        render_page("digest.html", paper, pdf=folder / DIGEST)
    files = tuple(_files(folder, figures, missing))
    render_page("run.html", digest_content(figures, SCREEN, files, __version__), html=folder / INDEX)


def render_slides(name: str, rows: Iterable[LedgerRow], n_slides: int, folder: Path, *, reports: bool) -> None:
    """Write the pages that list every slide, and take away those of an earlier, longer list.

    Parameters
    ----------
    name
        The run's.
    rows
        `n_slides` of them, in the order asked for.
    folder
        The run's.
    reports
        Whether done slides have a report to link.

    Raises
    ------
    OutputError
        If a file can't be written.
    """
    written = set()
    for page in slides_pages(name, rows, n_slides, __version__, reports=reports):
        render_page("slides.html", page, html=folder / page.file)
        written.add(page.file)
    for old in folder.glob("slides-*.html"):
        if old.name not in written:
            old.unlink()


def _files(folder: Path, figures: RunFigures, missing: str) -> Iterator[FileLink]:
    yield FileLink("All slides", slides_file(0), f"{figures.counts.asked:,}, in the order asked for")
    yield FileLink(SUMMARY, SUMMARY, "every number of every slide, a row a slide")
    yield FileLink("This digest on one page", "" if missing else DIGEST, missing or "PDF")
    started = datetime.fromisoformat(figures.facts["started"])
    for record in sorted(folder.glob(f"*/{EVALUATION}")):
        yield from _evaluation(record, started)


def _evaluation(record: Path, started: datetime) -> Iterator[FileLink]:
    """The pages of an evaluation in the run folder; what was made before this run began is said to be older."""
    created = _created(record)
    if created is None:
        return
    age = f", made {created:%Y-%m-%d %H:%M %Z}, before this run" if created < started else ""
    for file, kind in ((PAGE, "page"), (REPORT, "PDF")):
        if (record.parent / file).is_file():
            name = record.parent.name
            yield FileLink(f"Evaluation {name}", f"{quote(name, safe='')}/{file}", kind + age)


def _created(record: Path) -> datetime | None:
    """When an evaluation was made; None where its record can't be read."""
    try:
        said: Any = json.loads(record.read_text(encoding="utf-8"))
        return datetime.fromisoformat(said["provenance"]["created"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
