"""An evaluation becomes a page for people: an HTML file that needs nothing else, or a PDF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from batchscan.domain.evaluated import Evaluation
from batchscan.domain.records import Uint8Array
from batchscan.report.evaluation_content import evaluation_content
from batchscan.report.render import render_document


def render_evaluation(
    evaluation: Evaluation,
    pictures: Sequence[Uint8Array],
    *,
    html: Path | None = None,
    pdf: Path | None = None,
) -> None:
    """Write the evaluation as a page; a file has its name only when it is whole, and an old one is replaced.

    The same evaluation and pictures give the same bytes with the same versions of the libraries.

    Parameters
    ----------
    evaluation
        All its figures.
    pictures
        (side, side, 3) uint8 each, by the numbers that its failures have.
    html, pdf
        Where to; None leaves it out. The HTML file needs neither network nor script nor any other file; its links to
        slides' reports are relative to the folder that it lies in.

    Raises
    ------
    ValueError
        If a failure names a picture that isn't there.
    OutputError
        If a file can't be written, or Pango is missing for the PDF.
    """
    asked = max((one.picture for one in evaluation.failures.patches if one.picture is not None), default=-1) + 1
    if asked > len(pictures):
        raise ValueError(
            f"{len(pictures)} pictures for the failures of {evaluation.provenance.name}, which name {asked}"
        )
    from batchscan.report import evaluation_figures, figures  # noqa: PLC0415 - matplotlib is slow to import

    content, drawn = evaluation_content(evaluation), evaluation_figures.charts(evaluation)
    patches = [figures.patch_png(pixels) for pixels in pictures]
    render_document("evaluation.html", content, drawn, patches, html=html, pdf=pdf)
