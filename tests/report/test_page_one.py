"""Page one holds both its pictures, whatever it says, and they fill what its words leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from report_factory import make_card, make_cross_validation, make_pictures
from test_golden_slides import KINDS, WHEN

from batchscan.domain.records import SlideResult
from batchscan.report.content import SlideContent, slide_content
from batchscan.report.layout import picture_layout
from batchscan.report.render import render_slide_report
from batchscan.report.styles import ReportStyle, styled

CARD = make_card(cross_validation=make_cross_validation())
MM_PER_PT = 25.4 / 72
BOTTOM_MARGIN_MM = 16.0


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("kind", KINDS)
def test_both_pictures_stand_on_page_one_and_fill_it(kind: str, language: str, tmp_path: Path) -> None:
    result, style = KINDS[kind](), ReportStyle(language)
    render_slide_report(result, CARD, make_pictures(result), tmp_path / "r.pdf", WHEN, style=style)
    with styled(style):
        content = slide_content(result, CARD, WHEN, "9")
    page, *_ = PdfReader(tmp_path / "r.pdf").pages
    words = unbroken(page.extract_text())
    for picture in (content.overview, content.second):
        assert unbroken(picture.title) in words
        assert unbroken(picture.caption) in words
    if not as_wide_as_can_be(result, content):
        assert below_words_mm(page) < 12


def unbroken(words: str) -> str:
    return " ".join(words.split())


def as_wide_as_can_be(result: SlideResult, content: SlideContent) -> bool:
    layout = picture_layout(result.slide.width_px, result.slide.height_px, content.free_mm)
    return layout.height_mm < layout.box_mm[1] - 0.01


def below_words_mm(page: Any) -> float:
    """From the lowest line of words above the footer to the lower margin."""
    lines_mm: list[float] = []

    def visit(text: str, cm: list[float], tm: list[float], *_: object) -> None:
        if text.strip():
            lines_mm.append((cm[3] * tm[5] + cm[5]) * MM_PER_PT)

    page.extract_text(visitor_text=visit)
    return min(y for y in lines_mm if y > BOTTOM_MARGIN_MM) - BOTTOM_MARGIN_MM
