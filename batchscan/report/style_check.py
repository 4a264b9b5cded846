"""A style -> nothing, or the fault in it that would have stopped a report in the night."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

from batchscan import __version__
from batchscan.domain.card import ModelCard
from batchscan.domain.errors import TemplateError
from batchscan.domain.records import SlideStatus
from batchscan.report.content import SlideContent, slide_content
from batchscan.report.notice import notice_content
from batchscan.report.render import Archival, page_html, print_pdf, slide_html
from batchscan.report.sample import sample_results
from batchscan.report.styles import ReportStyle, compile_own, styled
from batchscan.stores.ledger_view import LedgerRow

_DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
_PICTURES = ("overview", "heatmap", "tissue", "marks")
_TAG = re.compile(r"<[^>]*>")
_WHEN = datetime(2000, 1, 1, tzinfo=UTC)


def check_style(style: ReportStyle, card: ModelCard) -> None:
    """See that reports and notices can be printed in this style, by printing some of made-up slides to nowhere.

    Parameters
    ----------
    style
        Without a templates folder only its language is looked at.
    card
        Of the model whose reports they will be.

    Raises
    ------
    TemplateError
        If it can't be used, or leaves out that it is for research only; the text says in which file and where it can in
        which line.
    OutputError
        If its templates ask for something outside the folder, or Pango is missing.
    """
    with styled(style):
        if style.templates is None:
            return
        compile_own(style.templates)
        contents = [slide_content(result, card, _WHEN, __version__) for result in sample_results(card)]
        notice = notice_content(_row(), "sample", _WHEN, __version__)
    pages = [slide_html(content, _images(content), "0" * 64, style) for content in contents]
    for content, page in zip(contents, pages, strict=True):
        _check_use(style.templates, content.research_use, page)
    for page in (pages[0], page_html("notice.html", notice, style)):
        print_pdf(page, io.BytesIO(), archival=Archival())


def _check_use(templates: Path, research_use: str, page: str) -> None:
    """See that the page still says what it may be used for; a laboratory may word that, but not leave it out."""
    words = unescape(_TAG.sub(" ", page.partition("<body")[2]))
    if not research_use.strip() or " ".join(research_use.split()) not in " ".join(words.split()):
        raise TemplateError(
            f"{templates / 'slide.html'}: leaves out what the page may be used for; keep "
            "{{ content.research_use }}, as the block `header` has it"
        )


def _images(content: SlideContent) -> dict[str, object]:
    shown = [picture.place for group in content.gallery for picture in group.pictures]
    return {
        **dict.fromkeys(_PICTURES, _DOT),
        "foci": {each.number: _DOT for each in content.close_ups},
        "patches": dict.fromkeys(shown, _DOT),
    }


def _row() -> LedgerRow:
    return LedgerRow("sample", "sample", SlideStatus.FAILED, "unreadable", "a sample", 0, 0, {})
