"""A report in its run folder -> whether this machine prints the very same bytes from the run's own files.

The seal of a PDF says that nobody changed it by accident; whoever changes a picture can compute it anew. What the run's
files come to when they are printed once more can't be had that way.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from batchscan import __version__
from batchscan.domain.card import ModelCard
from batchscan.domain.errors import BatchscanError
from batchscan.domain.job import Paper
from batchscan.domain.verified import Finding
from batchscan.report.render import pdf_library, render_slide_report
from batchscan.report.styles import ReportStyle
from batchscan.stores.enclosures import read_enclosures
from batchscan.stores.pictures import read_pictures
from batchscan.stores.report_files import ReportFile, read_report_bytes, read_report_file
from batchscan.stores.results import REPORT, RunFolder, read_result
from batchscan.workflow.styles import style_of_run

WHAT = "printed again"
_A4_WIDTH_PT = 595
_MOST_NAMED = 5


def printed_again(run: RunFolder, slide_id: str, report: Path, found: ReportFile, card: ModelCard) -> Finding:
    """Compare a report, byte by byte, with what its run comes to now, on its date, in its language, on its paper.

    Parameters
    ----------
    run, slide_id
        Whose it is; the templates are the run's.
    report, found
        The file, and what is in it.
    card
        The model's.
    """
    here = f"batchscan {__version__}, {pdf_library().removesuffix(' with Pango')}"
    by = f"{found.printed_by}, {found.producer}"
    if by != here:
        return Finding.left_out(WHAT, f"here are {here}, the report is by {by}: verify it with those")
    if found.printed_at is None:
        return Finding.of(WHAT, "the report says no date", agrees=False)
    folder = run.slide(slide_id)
    paper: Paper = "a4" if round(found.width_pt) == _A4_WIDTH_PT else "letter"
    style = ReportStyle(found.language, style_of_run(run).templates, paper)
    with tempfile.TemporaryDirectory() as place:
        again = Path(place, REPORT)
        try:
            result, pictures, enclosures = read_result(folder), read_pictures(folder), read_enclosures(folder, card)
            render_slide_report(result, card, pictures, again, found.printed_at, enclosures=enclosures, style=style)
        except BatchscanError as error:
            return Finding.left_out(WHAT, f"can't be printed here: {error}")
        if read_report_bytes(again) == read_report_bytes(report):
            return Finding.of(WHAT, "the same bytes", agrees=True)
        return Finding.of(WHAT, _difference(found, read_report_file(again)), agrees=False)


def _difference(found: ReportFile, again: ReportFile) -> str:
    """Where words differ; where none does it is in what is drawn, or in the file's make."""
    if len(found.pages) != len(again.pages):
        return f"{len(again.pages)} pages, the report has {len(found.pages)}"
    pages = [str(n) for n, (one, other) in enumerate(zip(found.pages, again.pages, strict=True), 1) if one != other]
    if pages:
        return f"other words on page {', '.join(pages[:_MOST_NAMED])}"
    return (
        "the same words, but other bytes: a picture was changed, or fonts or libraries differ from those of the print"
    )
