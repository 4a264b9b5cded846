"""The box on paper for what `batchscan review` takes in."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import numpy as np
import pytest
from pypdf import PdfReader
from report_factory import make_card, make_result, tissue_grid

from batchscan.report.content import SlideContent, slide_content
from batchscan.report.render import print_pdf
from batchscan.report.styles import environment

PAGE = (
    "<html lang='en'><head><title>t</title><style>{% include 'print.css' %}{% include 'signoff.css' %}</style></head>"
    "<body><p>before</p>{% include 'signoff.html' %}</body></html>"
)


def content(n_foci: int) -> SlideContent:
    p = tissue_grid(40, 40)
    for number in range(n_foci):
        row, col = 8 + 4 * (number // 6), 8 + 4 * (number % 6)
        p[row : row + 2, col : col + 2] = 0.9
    return slide_content(make_result(p), make_card(), dt.datetime(2025, 11, 23, tzinfo=dt.UTC), "1")


def html(found: SlideContent) -> str:
    return environment().from_string(PAGE).render(content=found)


@pytest.mark.parametrize(("n_foci", "n_rows"), [(0, 0), (3, 3), (8, 8), (20, 8)])
def test_there_is_a_row_a_focus_and_room_for_who_and_when(n_foci: int, n_rows: int) -> None:
    page = html(content(n_foci))
    assert re.findall(r"<tr><td class=\"text\">(\d+)</td>", page) == [str(number + 1) for number in range(n_rows)]
    assert page.count('class="tick') == 3 * n_rows + 2
    assert ("the others are in the form" in page) == (n_foci > 8)
    assert "Reviewed by" in page
    assert "no independent reading" in page


def test_where_there_is_no_focus_there_is_no_other_idc_and_no_outline() -> None:
    none, some = html(content(0)), html(content(1))
    for words in ("no IDC seen on this slide", "IDC seen, at:", "saw what the program says of this slide"):
        assert words in none
        assert words not in some
    for words in ("no other IDC seen", "IDC elsewhere, at:", "outlines", "The same answers"):
        assert words not in none
        assert words in some


def test_on_paper_the_box_is_whole_and_names_the_result(tmp_path: Path) -> None:
    found = content(20)
    print_pdf(html(found), tmp_path / "box.pdf")
    (page,) = PdfReader(tmp_path / "box.pdf").pages
    text = page.extract_text()
    assert found.digest_short in text
    assert np.all([word in text for word in ("agree", "disagree", "unsure", "Signature", found.slide_id)])
