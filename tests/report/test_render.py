from __future__ import annotations

import datetime as dt
import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bait_file import SECRET
from jinja2 import UndefinedError
from PIL import Image
from pypdf import PdfReader
from report_factory import (
    UNREADABLE,
    make_card,
    make_cross_validation,
    make_pictures,
    make_result,
    rejudged,
    renamed,
    tissue_grid,
)
from weasyprint.text import fonts

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.errors import OutputError
from batchscan.domain.records import SlideResult
from batchscan.report.content import slide_content
from batchscan.report.render import print_pdf, render_slide_report, slide_html

WHEN = dt.datetime(2025, 11, 23, 6, 30, tzinfo=dt.UTC)
CAVEAT = "Slide-level, research use; cannot separate DCIS from IDC; not the specimen\u2019s tumour size."


def block(rows: int = 30, cols: int = 24) -> np.ndarray:
    p = tissue_grid(rows, cols)
    p[rows // 2 : rows // 2 + 4, cols // 2 : cols // 2 + 5] = 0.9
    return p


def many() -> np.ndarray:
    p = np.full((70, 70), 0.05)
    p[1:69:3, 1:67:3] = 0.9
    return p


def at_edge() -> np.ndarray:
    p = tissue_grid(24, 30)
    p[8:14, 0:6] = 0.9
    return p


def unreadable() -> np.ndarray:
    p = block()
    p[6:9, 8:14] = UNREADABLE
    return p


def cautious() -> np.ndarray:
    p = block(80, 12)
    p[0:10, 4:8], p[50:52, 4:8] = 0.501, UNREADABLE
    return p


AGGREGATION = Aggregation(sigma=0.75, temperature=1.25, intercept=-0.125)
CASES: dict[str, Callable[[], SlideResult]] = {
    "block": lambda: make_result(block()),
    "negative": lambda: make_result(tissue_grid()),
    "no tissue": lambda: make_result(np.full((30, 24), np.nan)),
    "506 foci": lambda: make_result(many()),
    "506 foci, neighbours": lambda: rejudged(make_result(many()), Aggregation(0.4, 1.25, -0.125), orientations=8),
    "unreadable": lambda: make_result(unreadable()),
    "edge": lambda: make_result(at_edge()),
    "long id": lambda: make_result(block(), slide_id="Hospital_" + "A1b2." * 40),
    "tall": lambda: make_result(block(80, 12)),
    "wide": lambda: make_result(block(16, 80)),
    "long id, seen, all cautions": lambda: renamed(make_result(cautious()), "8950." * 40),
    "tall, seen, all cautions": lambda: make_result(cautious(), slide_id="8950"),
    "other neighbours": lambda: rejudged(make_result(block()), AGGREGATION, orientations=8),
    "other neighbours, long id, seen, all cautions": lambda: rejudged(
        renamed(make_result(cautious()), "8950." * 40), AGGREGATION, orientations=8
    ),
}


N_PAGES = {"no tissue": 3, "506 foci": 6, "506 foci, neighbours": 6}


def printed(result: SlideResult, out: Path, **card: Any) -> PdfReader:
    render_slide_report(result, make_card(**card), make_pictures(result), out, WHEN)
    return PdfReader(out)


def words(page: Any) -> str:
    return re.sub(r"\s+", " ", page.extract_text())


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_slide_has_its_answer_on_page_one(case: str, tmp_path: Path) -> None:
    result = CASES[case]()
    out = tmp_path / "report.pdf"
    reader = printed(result, out)
    pages = [words(page) for page in reader.pages]
    content = slide_content(result, make_card(), WHEN, "9")
    n_pages = N_PAGES.get(case, 4)
    assert len(pages) == n_pages
    assert content.headline in pages[0]
    assert content.answer in pages[0]
    assert CAVEAT in pages[0]
    for fact in content.figures:
        assert f"{fact.label} {fact.value}" in pages[0]
    for fact in (*content.first.sure, *content.first.omitted):
        assert fact.label in pages[0]
        assert fact.value in pages[0]
    for notice in content.first.notices:
        assert notice in pages[0]
    for number, page in enumerate(pages, start=1):
        assert "Research use only \u2013 not for diagnosis" in page
        assert "Result c0ffeec0ffee" in page
        assert f"{number} / {n_pages}" in page
    # The case's words may need more lines than another's: they all fit on page one, with both its pictures.
    assert content.overview.caption in pages[0]
    assert content.second.caption in pages[0]
    assert all("Heat map" not in page for page in pages[1:])
    assert out.stat().st_size < 2_000_000
    assert [path.name for path in tmp_path.iterdir()] == ["report.pdf"]


def test_numbers_of_page_one_by_a_second_route(tmp_path: Path) -> None:
    """Counted from the probabilities themselves: 0.16 mm2 a cell, a block of 4 x 5 cells."""
    p = block()
    page = words(printed(make_result(p), tmp_path / "report.pdf").pages[0])
    n_tissue, n_positive = int((~np.isnan(p)).sum()), int((p >= 0.5).sum())
    assert n_positive == 20
    greatest = np.hypot(1.6, 2.0)
    assert f"IDC-positive area {n_positive * 0.16:.2f} mm²" in page
    assert f"Share of tissue {100 * n_positive / n_tissue:.1f} %" in page
    assert f"Tissue area {n_tissue * 0.16:.1f} mm²" in page
    assert f"{n_tissue} patches" in page
    assert f"Largest focus {greatest:.1f} \u00d7 {2 * 1.6 * 2.0 / greatest:.1f} mm" in page


def test_a_patient_that_the_model_has_seen_is_told_right_below_the_answer(tmp_path: Path) -> None:
    result = make_result(block(), slide_id="8865")
    page = words(printed(result, tmp_path / "report.pdf").pages[0])
    content = slide_content(result, make_card(), WHEN, "9")
    assert f"This patient was used to validate the model: the numbers are not independent of it. {CAVEAT}" in page
    assert content.first.independence in page


def test_the_method_page_names_what_made_the_numbers(tmp_path: Path) -> None:
    result = make_result(block())
    reader = printed(result, tmp_path / "report.pdf")
    method = " ".join(words(page) for page in reader.pages[2:])
    for text in (
        result.model.sha256,
        result.slide.fingerprint,
        result.digest,
        "openvino (16-bit numbers, bf16)",
        "8 µm/px (given by the operator or the patch layout\u2019s convention, not by the slide)",
        "(fingerprint of the stored pixels)",
        "red 246, green 245, blue 247",
        "400 µm \u00d7 400 µm (50 px at 8 µm/px, 0.16 mm²)",
        "p(IDC) ≥ 0.5",
        "validation (optimistic) 712 55 0.953 0.604 0.871 0.836 0.906",
        "test 979 207 0.941 not defined 0.881 1.000 >0.999",
        "16 patients",
        "infer 1.50 s",
    ):
        assert text in method


def test_the_method_page_says_how_scores_came_about(tmp_path: Path) -> None:
    context = make_card().context.model_copy(update={"orientations": 8, "sigma": 0.75})
    result = rejudged(make_result(block()), AGGREGATION, orientations=8)
    pages = printed(result, tmp_path / "report.pdf", context=context, cross_validation=make_cross_validation()).pages
    method = definitions = " ".join(words(page) for page in pages[2:])
    for text in (
        "8, turned and mirrored: their mean",
        "averaged, Gaussian with \u03c3 = 300 µm = 0.75 patch sides",
        "temperature 1.25, intercept \u22120.125",
        "8863 cross-validation 979 207 0.950 0.750 0.880 0.850 0.910",
        "8865 cross-validation 712 55 0.965 not defined 0.875 0.925 0.655",
        "2 slides pooled cross-validation 1,691 262 0.957 0.720 0.870 0.860 0.880",
        "test 979 207 0.941",
    ):
        assert text in method
    for text in (
        "the network\u2019s own score of one patch, from 0 to 1, mean over 8 ways",
        "logit p_mean = \u03a3 w logit p_raw \u00f7 \u03a3 w",
        "\u03c3 = 300 µm = 0.75 patch sides",
        "T = 1.25, b = \u22120.125",
    ):
        assert text in definitions


def test_metadata_language_bookmarks_and_alternative_texts(tmp_path: Path) -> None:
    result = make_result(block())
    reader = printed(result, tmp_path / "report.pdf")
    assert reader.metadata is not None
    assert reader.metadata.title == "Slide 8867 \u2013 batchscan report"
    assert str(reader.metadata.author).startswith("batchscan ")
    root: Any = reader.trailer["/Root"]
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"].value is True
    for bookmark in ("Slide 8867", "Foci", "Patches", "Quality of the slide", "Method and provenance"):
        assert f"'/Title': '{bookmark}'" in str(reader.outline)
    alts = [str(item.get("/Alt", "")) for item in _objects(reader)]
    assert any(alt.startswith("Overview of slide 8867, 9.6 mm wide, 12.0 mm high") for alt in alts)
    assert any(alt.startswith("Heat map of the same view") for alt in alts)
    assert sum(alt.startswith("Patch at x ") for alt in alts) == 12


def _objects(reader: PdfReader) -> list[dict[str, Any]]:
    indices = [*reader.xref.get(0, {}), *reader.xref_objStm]
    objects: list[Any] = [reader.get_object(index) for index in sorted(set(indices))]
    return [item for item in objects if isinstance(item, dict)]


def test_only_the_shipped_typeface_is_used(tmp_path: Path) -> None:
    reader = printed(rejudged(make_result(block()), AGGREGATION), tmp_path / "report.pdf")
    resources: list[Any] = [page["/Resources"] for page in reader.pages]
    fonts = {str(font.get_object()["/BaseFont"]) for used in resources for font in used["/Font"].values()}
    assert fonts
    assert all("IBM-Plex-Sans" in font or "IBMPlexSans" in font for font in fonts), fonts


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    result = make_result(block())
    for name in ("a.pdf", "b.pdf"):
        render_slide_report(result, make_card(), make_pictures(result), tmp_path / name, WHEN)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_hostile_words_come_out_as_words(tmp_path: Path, bait: Path) -> None:
    attack = f"<img src={bait.as_uri()}><script>alert(1)</script>{{{{ 7*7 }}}}"
    result = replace(renamed(make_result(block()), attack), qc={attack: attack})
    reader = printed(result, tmp_path / "report.pdf", limits=(attack,), architecture=attack)
    pages = [words(page) for page in reader.pages]
    for page in (pages[0], " ".join(pages[2:])):
        assert re.sub(r"\s", "", attack) in re.sub(r"\s", "", page)
    assert reader.metadata is not None
    assert attack in str(reader.metadata.title)
    assert SECRET not in " ".join(pages)


@pytest.mark.parametrize(
    "html",
    [
        "<img src='FILE'>",
        "<img src='http://127.0.0.1:9/x.png'>",
        "<link rel=stylesheet href='FILE'>",
        "<style>@import url(FILE);</style>",
        "<style>body { background: url(FILE) }</style>",
        "<style>@font-face { font-family: x; src: url(FILE) } body { font-family: x }</style><p>x",
        "<base href='FOLDER/'><img src='bait'>",
        "<object data='FILE'></object>",
        "<link rel=attachment href='FILE'>",
    ],
)
def test_a_template_that_reaches_outside_is_refused(html: str, tmp_path: Path, bait: Path) -> None:
    html = html.replace("FILE", bait.as_uri()).replace("FOLDER", bait.parent.as_uri())
    with pytest.raises(OutputError, match=r"outside the report.*only data: URIs are allowed"):
        print_pdf(html, tmp_path / "report.pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_patch_whose_pixels_are_not_stored_is_named_as_such(tmp_path: Path) -> None:
    result = make_result(block())
    pictures = replace(make_pictures(result), patches={})
    render_slide_report(result, make_card(), pictures, tmp_path / "report.pdf", WHEN)
    page = words(PdfReader(tmp_path / "report.pdf").pages[1])
    assert page.count("picture not stored") == 12


def test_the_pictures_of_patches_judged_with_neighbours_show_their_own_score(tmp_path: Path) -> None:
    """All six of highest p are in the block of .9; without neighbours p is the score itself and stands there once."""
    with_neighbours = words(printed(rejudged(make_result(block()), AGGREGATION), tmp_path / "a.pdf").pages[1])
    assert with_neighbours.count("p_raw 0.900") >= 6
    assert "Highest p(IDC) with its neighbours; each" in with_neighbours
    assert "p_raw 0." not in words(printed(make_result(block()), tmp_path / "b.pdf").pages[1])


def test_a_failed_print_leaves_the_old_report_and_nothing_else(
    tmp_path: Path, bait: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = make_result(block())
    out = tmp_path / "report.pdf"
    out.write_bytes(b"old")
    monkeypatch.setattr("batchscan.report.render.slide_html", lambda *_: f"<img src='{bait.as_uri()}'>")
    with pytest.raises(OutputError):
        render_slide_report(result, make_card(), make_pictures(result), out, WHEN)
    assert [path.name for path in tmp_path.iterdir()] == ["report.pdf"]
    assert out.read_bytes() == b"old"


def test_a_word_that_the_content_lacks_is_an_error() -> None:
    content = slide_content(make_result(block()), make_card(), WHEN, "9")
    with pytest.raises(UndefinedError):
        slide_html(content, {"overview": "data:,", "patches": {}})


def test_printing_leaves_pillow_strict_about_cut_images(tmp_path: Path) -> None:
    """WeasyPrint makes Pillow accept half an image, for the whole process: a cut patch would then be scanned."""
    print_pdf("<p>page</p>", tmp_path / "page.pdf")
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 50, 3), np.uint8)).save(whole, "PNG")
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(whole.getvalue()[:-2000])).load()


def test_the_typeface_is_loaded_once_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pango keeps some 200 kB of each that it was ever given: a run prints thousands of pages."""
    print_pdf("<p>page</p>", tmp_path / "a.pdf")
    made: list[object] = []

    class Counted(fonts.FontConfiguration):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(fonts, "FontConfiguration", Counted)
    for name in ("b.pdf", "c.pdf"):
        print_pdf("<p>page</p>", tmp_path / name)
    assert made == []
    other = threading.Thread(target=print_pdf, args=("<p>page</p>", tmp_path / "d.pdf"))
    other.start()
    other.join()
    assert len(made) == 1
    assert (tmp_path / "d.pdf").read_bytes() == (tmp_path / "a.pdf").read_bytes()


# As WeasyPrint is loaded where Pango is missing: half of it, then an error, and a page of advice on stdout.
HALF = {
    "__init__.py": "import weasyprint.urls\nimport weasyprint.text.fonts\n",
    "urls.py": "",
    "text/__init__.py": "",
    "text/fonts.py": "print('advice')\nraise OSError('cannot load library')\n",
}
TWICE = """
from batchscan.domain.errors import OutputError
from batchscan.report.render import pdf_library
for _ in range(2):
    try:
        pdf_library()
    except OutputError as error:
        print(error)
"""


def test_a_missing_pango_is_one_line_each_time_it_is_missed(tmp_path: Path) -> None:
    for name, content in HALF.items():
        path = tmp_path / "weasyprint" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", TWICE]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("Pango can't be loaded (cannot load library); run: ") for line in lines)
