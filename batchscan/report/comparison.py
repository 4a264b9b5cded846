"""A comparison becomes a page for people: an HTML file that needs nothing else, or a PDF."""

from __future__ import annotations

from pathlib import Path

from batchscan.domain.compared import Comparison
from batchscan.report.comparison_content import comparison_content
from batchscan.report.render import render_document


def render_comparison(comparison: Comparison, *, html: Path | None = None, pdf: Path | None = None) -> None:
    """Write the comparison as a page; a file has its name only when it is whole, and an old one is replaced.

    The same comparison gives the same bytes with the same versions of the libraries.

    Parameters
    ----------
    html, pdf
        Where to; None leaves it out. The HTML file needs neither network nor script nor any other file.

    Raises
    ------
    OutputError
        If a file can't be written, or Pango is missing for the PDF.
    """
    from batchscan.report import comparison_figures  # noqa: PLC0415 - matplotlib is slow to import

    content, drawn = comparison_content(comparison), comparison_figures.charts(comparison)
    render_document("comparison.html", content, drawn, [], html=html, pdf=pdf)
