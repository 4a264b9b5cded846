"""Each kind of slide's page as HTML, word by word: what it says and how it is marked up; REGOLD=1 writes it anew."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from html_page import Page
from report_factory import (
    make_card,
    make_cross_validation,
    make_quality,
    make_result,
    rejudged,
    tissue_grid,
)

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.records import SlideResult, SlideStatus
from batchscan.evaluation.extent import withheld_counts, withheld_extent
from batchscan.report.content import SlideContent, slide_content
from batchscan.report.notice import notice_content
from batchscan.report.render import page_html, slide_html
from batchscan.report.styles import SHIPPED, ReportStyle
from batchscan.stores.ledger_view import LedgerRow

WHEN = dt.datetime(2025, 11, 23, 6, 30, tzinfo=dt.UTC)
GOLDEN = Path(__file__).parent / "golden"
LEFT_OUT = {"damaged_squares": 2, "damaged_mm2": 0.42, "unscanned_tissue_mm2": 0.31, "pen_share": 0.01}


def some() -> SlideResult:
    p = tissue_grid()
    p[15:19, 12:17] = 0.9
    p[4, 12] = 0.97
    result = rejudged(make_result(p, quality=make_quality(sharpness=0.9)), Aggregation(temperature=1.25))
    return replace(result, qc={**result.qc, **LEFT_OUT})


def one_patch() -> SlideResult:
    p = tissue_grid()
    p[12, 12] = 0.9
    return make_result(p, quality=make_quality())


def many() -> SlideResult:
    p = np.full((70, 70), 0.05)
    p[1:69:3, 1:67:3] = 0.9
    return make_result(p, quality=make_quality())


def refused() -> SlideResult:
    result = make_result(tissue_grid(), quality=make_quality(sharpness=0.25, pen_share=0.04))
    reason = "the slide is not analysable (blur)"
    return replace(result, extent=withheld_extent(reason), counts=withheld_counts(result.counts))


KINDS: dict[str, Callable[[], SlideResult]] = {
    "slide": some,
    "slide-no-focus": lambda: make_result(tissue_grid(), quality=make_quality()),
    "slide-one-patch": one_patch,
    "slide-500-foci": many,
    "slide-no-tissue": lambda: make_result(np.full((30, 24), np.nan)),
    "slide-not-analysable": refused,
}


def content_of(result: SlideResult) -> SlideContent:
    return slide_content(result, make_card(cross_validation=make_cross_validation()), WHEN, "VERSION")


def html_of(content: SlideContent, style: ReportStyle = SHIPPED) -> str:
    places = [picture.place for group in content.gallery for picture in group.pictures]
    images = {
        **{name: name.upper() for name in ("overview", "heatmap", "marks", "tissue")},
        "foci": {each.number: "FOCUS" for each in content.close_ups},
        "patches": dict.fromkeys(places, "PATCH"),
    }
    return scrubbed(slide_html(content, images, style=style))


def scrubbed(html: str) -> str:
    return re.sub(r"<style>.*?</style>", "<style>STYLE</style>", html, flags=re.DOTALL)


def same_as_golden(html: str, name: str) -> bool:
    path = GOLDEN / f"{name}.html"
    if os.environ.get("REGOLD"):
        path.write_text(html, encoding="utf-8")
    return html == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_golden_page(kind: str) -> None:
    assert same_as_golden(html_of(content_of(KINDS[kind]())), kind)


@pytest.mark.parametrize("status", [SlideStatus.FAILED, SlideStatus.EXCLUDED])
def test_golden_notice(status: SlideStatus) -> None:
    reason, sentence = {
        SlideStatus.FAILED: ("unreadable", "8867: level 0 can't be decoded; copy it again"),
        SlideStatus.EXCLUDED: ("no_spacing", "8867: its file has no spacing; give --um-per-px"),
    }[status]
    row = LedgerRow("8867", "P-7", status, reason, sentence, 400, 120, {"idc_mm2": 77.7})
    html = page_html("notice.html", notice_content(row, "overnight", WHEN, "VERSION"))
    assert same_as_golden(scrubbed(html), f"notice-{status}")


def test_numbers_of_the_kinds_by_hand() -> None:
    """Cells of 0.4 mm: 0.16 mm2 each, a diagonal of 0.57 mm; tissue_grid has 476 of them."""
    words = {kind: Page(html_of(content_of(make()))).words for kind, make in KINDS.items()}
    assert "IDC-positive area 3.36 mm²" in words["slide"]
    assert "Foci over 1 mm 1 of 2" in words["slide"]
    # The slide is 24 x 30 cells = 9.6 x 12.0 mm: 1 % of 115.2 mm2 is under pen.
    assert "Pen 1.15 mm² of the slide are under pen marks." in words["slide"]
    assert "Damaged file 2 damaged squares = 0.42 mm² of the slide could not be decoded." in words["slide"]
    assert "Not scanned 0.31 mm² of tissue, in cells with less than 10 % of it." in words["slide"]
    assert "Tissue not analysed 0.31 mm²" in words["slide"]
    assert "IDC-positive area 0 mm²" in words["slide-no-focus"]
    assert "Foci over 1 mm 0 " in words["slide-no-focus"]
    assert "There is no focus: no patch reaches the threshold." in words["slide-no-focus"]
    assert "is one patch, 0.4 mm wide and 0.57 mm across its corners." in words["slide-one-patch"]
    assert "Foci over 1 mm 0 of 1" in words["slide-one-patch"]
    assert "Foci over 1 mm 0 of 506" in words["slide-500-foci"]
    # 496 of them are not listed: 496 x 0.16 mm2.
    assert "The 10 of largest area out of 506; the others hold 79.4 mm² together" in words["slide-500-foci"]
    assert "all are in result.json and regions.geojson" in words["slide-500-foci"]
    assert "IDC-positive area not defined no tissue was found" in words["slide-no-tissue"]
    assert "IDC-positive area" not in words["slide-not-analysable"]
    assert "Sharpness 0.25 at least 0.5 is analysable" in words["slide-not-analysable"]


def test_a_notice_holds_no_number_of_the_slide() -> None:
    words = Page((GOLDEN / "notice-failed.html").read_text("utf-8")).words
    assert "77.7" not in words
    assert "120" not in words
    assert not re.search(r"[0-9] (mm|%|patch)", words)
    assert "No result: this slide failed" in words
    assert "Copy the file again from its source, or have it scanned again." in words


def test_a_time_too_short_to_print_is_escaped_once() -> None:
    result = KINDS["slide"]()
    quick = replace(result, seconds={**result.seconds, "read": 0.001})
    assert "Seconds: read &lt;0.01 s, tissue 0.42 s, infer 1.50 s." in html_of(content_of(quick))
