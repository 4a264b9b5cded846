"""A printed notice by what PDF/A-3a and PDF/UA-1 ask of it: the same as of a report, but that it encloses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import test_conformance as of_reports
from pypdf import PdfReader
from test_render import WHEN

from batchscan.domain.records import SlideStatus
from batchscan.report.notice import notice_content
from batchscan.report.render import Archival, render_page
from batchscan.report.styles import ReportStyle, styled
from batchscan.stores.ledger_view import LedgerRow

STYLES = {"en": ReportStyle("en"), "de": ReportStyle("de", paper="letter")}


@pytest.fixture(scope="module", params=STYLES)
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PdfReader:
    row = LedgerRow("8867", "P-7", SlideStatus.FAILED, "unreadable", "8867: can't be decoded; copy it", 1, 1, {})
    style, out = STYLES[request.param], tmp_path_factory.mktemp("printed") / "notice.pdf"
    with styled(style):
        content = notice_content(row, "overnight", WHEN, "1")
    render_page("notice.html", content, pdf=out, archival=Archival(), style=style)
    return PdfReader(Path(out))


def test_it_says_what_it_conforms_to(reader: PdfReader) -> None:
    of_reports.test_it_says_what_it_conforms_to(reader)


def test_it_encloses_nothing(reader: PdfReader) -> None:
    assert reader.attachment_list is None or not list(reader.attachment_list)
    assert "/AF" not in reader.root_object


def test_a_reader_is_told_title_language_and_headings(reader: PdfReader) -> None:
    root, metadata = reader.root_object, reader.metadata
    assert metadata is not None
    title = {
        "en": "Slide 8867 \u2013 no result \u2013 batchscan notice",
        "de": "Präparat 8867 \u2013 kein Ergebnis \u2013 Mitteilung von batchscan",
    }
    assert metadata.title == title[root["/Lang"]]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert root["/MarkInfo"]["/Marked"]
    of_reports.test_headings_skip_no_level(reader)
    assert len(of_reports.named(reader, "/H2")) == 2


def test_whatever_is_painted_is_in_the_tree_or_set_apart(reader: PdfReader) -> None:
    (page,), (in_tree,) = reader.pages, of_reports.marks_in_tree(reader).values()
    numbers, n_heads, n_outside = of_reports.marks_painted(reader, page)
    assert numbers == in_tree
    assert n_outside == 0
    # The header's two parts, the footer's line and the page's number.
    assert n_heads >= 4


def test_all_typefaces_are_ours_embedded_and_readable_as_text(reader: PdfReader) -> None:
    of_reports.test_all_typefaces_are_ours_embedded_and_readable_as_text(reader)
