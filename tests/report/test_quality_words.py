"""What a report says of a slide's quality, and that one which is not analysable shows no extent anywhere."""

from __future__ import annotations

import datetime as dt
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from html_page import Page
from PIL import Image
from pypdf import PdfReader
from report_factory import make_card, make_pictures, make_quality, make_result, tissue_grid

from batchscan.domain.quality import QualitySettings, judged
from batchscan.domain.records import SlideResult
from batchscan.evaluation.extent import withheld_counts, withheld_extent
from batchscan.report import figures
from batchscan.report.content import SlideContent, slide_content
from batchscan.report.render import render_slide_report, slide_html
from batchscan.report.sheet import Sheet

WHEN = dt.datetime(2025, 11, 23, 6, 30, tzinfo=dt.UTC)
REASON = "the slide is not analysable (blur)"


def found() -> np.ndarray:
    p = tissue_grid()
    p[10:16, 8:14] = 0.9
    return p


def refused() -> SlideResult:
    """A slide with a large focus, which is out of focus."""
    result = make_result(found(), quality=make_quality(sharpness=0.25, pen_share=0.04))
    return replace(result, extent=withheld_extent(REASON), counts=withheld_counts(result.counts))


def content_of(result: SlideResult) -> SlideContent:
    return slide_content(result, make_card(), WHEN, "9.9")


@pytest.mark.parametrize(
    ("values", "grade"),
    [
        ({}, ("Good", "Every measure is within its limits.")),
        ({"pen_share": 0.04}, ("Review", "Pen marks (4.0 %).")),
        (
            {"sharpness": 0.25, "pen_share": 0.04},
            ("Not analysable", "Blurred (0.25), pen marks (4.0 %)."),
        ),
        ({"eosin_od": 0.15}, ("Review", "Eosin too pale (0.15).")),
        ({"eosin_od": 0.45}, ("Not analysable", "Eosin too dark (0.45).")),
        ({"tissue_mm2": 2.0}, ("Review", "Little tissue (2.00 mm²).")),
    ],
)
def test_page_one_has_the_grade_and_what_it_comes_from(values: dict[str, float], grade: tuple[str, str]) -> None:
    judged = content_of(make_result(found(), quality=make_quality(**values))).judged
    assert (judged.grade, judged.findings) == grade


def test_each_measure_stands_beside_its_limits() -> None:
    rows = {row.label: row for row in content_of(make_result(found(), quality=make_quality(eosin_od=0.35))).judged.rows}
    eosin = rows["Eosin"]
    assert (eosin.value, eosin.good, eosin.refused, eosin.grade) == ("0.35", "0.2 to 0.3", "< 0.1 or > 0.4", "review")
    assert (rows["Pen"].good, rows["Pen"].refused, rows["Pen"].grade) == ("\u2264 2.0 %", "> 25 %", "good")
    assert (rows["Blurred patches"].refused, rows["Sharpness"].good) == ("never", "\u2265 1.5")
    nothing = rows["Haematoxylin"]
    assert (nothing.value, nothing.good, nothing.grade) == ("not defined", "any", "not judged")
    assert nothing.meaning == "No square of 0.4 mm is half tissue."


def test_what_is_not_judged_is_said_so() -> None:
    result = make_result(found(), quality=make_quality(sharpness=0.25))
    off = QualitySettings(enabled=False)
    measured = [measure.measured for measure in result.quality.measures]
    content = content_of(replace(result, settings=replace(result.settings, quality=off), quality=judged(measured, off)))
    assert (content.judged.grade, content.judged.mark) == ("Not judged", "")
    assert {row.grade for row in content.judged.rows} == {"not judged"}
    assert "held against no limit" in content.judged.note
    assert content.headline == "IDC-positive tissue found by this model"


def test_a_slide_that_is_not_analysable_says_why_in_place_of_its_extent() -> None:
    content = content_of(refused())
    assert content.headline == "Not analysable: blurred"
    assert content.answer == (
        "IDC is neither shown nor excluded, and no extent is given. Sharpness 0.25, at least 0.5 is analysable."
    )
    assert [(fact.label, fact.value) for fact in content.figures] == [("Sharpness", "0.25")]
    assert (content.foci, content.gallery, content.first.notices) == ((), (), ())
    assert content.second.title == "Quality"


_OF_AN_EXTENT = (
    "IDC-positive area",
    "Share of tissue",
    "Largest focus",
    "Field extent",
    "Uncertain patches",
    "Positive patches",
    "Tissue area",
    "Heat map",
    "IDC-positive tissue found",
    "positive from",
    "verdict",
)


def test_no_page_of_it_shows_an_extent(tmp_path: Path) -> None:
    result, shown = refused(), make_result(found(), quality=make_quality())
    image = dict.fromkeys(("overview", "heatmap", "marks", "tissue"), "data:,")
    words = {
        name: Page(
            slide_html(content_of(one), {**image, "patches": {}, "foci": dict.fromkeys("123456", "data:,")})
        ).words
        for name, one in (("refused", result), ("shown", shown))
    }
    extent = shown.extent
    assert extent.idc_mm2 == pytest.approx(36 * 0.16)
    areas = (f"{extent.idc_mm2:.2f} mm²", "36 patches")
    assert [word for word in _OF_AN_EXTENT if word not in words["shown"]] == ["positive from", "verdict"]
    assert areas[0] in words["shown"]
    for word in (*_OF_AN_EXTENT, *areas):
        assert word not in words["refused"]
    render_slide_report(result, make_card(), make_pictures(result), tmp_path / "r.pdf", WHEN)
    pages = [re.sub(r"\s+", " ", page.extract_text()) for page in PdfReader(tmp_path / "r.pdf").pages]
    assert "Not analysable: blurred" in pages[0]
    assert not any(word in page for page in pages for word in (*_OF_AN_EXTENT, *areas))


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_its_heat_map_has_no_colour() -> None:
    result = refused()
    pictures = make_pictures(result, np.full((60, 60, 3), 250, np.uint8), shrink=5)
    assert np.ptp(pixels(figures.heatmap_png(result, pictures)), axis=2).max() < 25  # the frame is a bluish grey
    plain = make_result(found())
    assert np.ptp(pixels(figures.heatmap_png(plain, pictures)), axis=2).max() > 50


def test_what_spoils_a_slide_is_marked_by_its_own_hatching(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pen, dark matter and blurred patches: three hatchings, each also in the legend with its word."""
    result = make_result(found())
    n = len(result.table)
    sharp = np.full(n, 4.0, np.float32)
    result = replace(result, table=replace(result.table, sharpness=sharp))
    plain = make_pictures(result)
    mask = np.zeros(plain.tissue.shape, np.bool_)
    mask[: len(mask) // 2] = True
    marked = {
        "pen": replace(plain, pen=mask),
        "dark": replace(plain, dark=mask),
        "blurred": plain,
    }
    blurred = replace(result, table=replace(result.table, sharpness=np.where(np.arange(n) < n // 2, 0.1, sharp)))
    words: list[str] = []
    text = Sheet.text

    def heard(self: Sheet, x_mm: float, y_mm: float, said: str) -> None:
        words.append(said)
        text(self, x_mm, y_mm, said)

    monkeypatch.setattr(Sheet, "text", heard)
    bare = pixels(figures.quality_png(result, plain))
    assert {"pen", "fold, debris", "blurred"} <= set(words)
    drawn = {
        name: pixels(figures.quality_png(blurred if name == "blurred" else result, pictures))
        for name, pictures in marked.items()
    }
    for name, picture in drawn.items():
        changed = np.abs(picture - bare).max(axis=2) > 30
        assert changed[: len(changed) // 3].mean() > 0.02, name
        assert not changed[-len(changed) // 4 :].any(), name
    grey = [picture.mean(axis=2) for picture in drawn.values()]
    # Also without colour no two are alike.
    assert all(np.abs(a - b).max() > 30 for i, a in enumerate(grey) for b in grey[:i])
