"""A printed report by what PDF/A-3a and PDF/UA-1 ask of it, as far as its objects tell."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader
from pypdf.generic import ContentStream
from report_factory import make_card, make_pictures, make_result, tissue_grid
from test_render import WHEN, block

from batchscan.domain.job import Paper
from batchscan.report.render import render_slide_report
from batchscan.report.styles import ReportStyle
from batchscan.stores.enclosures import Enclosures

ROOT = Path(__file__).parents[2]
ENCLOSURES = Enclosures(
    {"card.json": b"{}", "patches.parquet": b"PAR1", "regions.geojson": b"{}", "result.json": b"{}"}
)
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
PDF_A, PDF_UA = "{http://www.aiim.org/pdfa/ns/id/}", "{http://www.aiim.org/pdfua/ns/id/}"
SHOWS_TEXT = {b"Tj", b"TJ", b"'", b'"'}
PAINTS = SHOWS_TEXT | {b"Do", b"f", b"F", b"f*", b"S", b"s", b"B", b"B*", b"b", b"b*", b"sh", b"EI"}


@pytest.fixture(scope="module", params=["a4", "letter"])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PdfReader:
    return PdfReader(printed(tmp_path_factory.mktemp("printed") / "report.pdf", request.param))


def printed(out: Path, paper: Paper) -> Path:
    result = make_result(block())
    style = ReportStyle(paper=paper)
    render_slide_report(result, make_card(), make_pictures(result), out, WHEN, enclosures=ENCLOSURES, style=style)
    return out


def elements(reader: PdfReader) -> Iterator[Any]:
    """Every element of the tree of the document, in reading order."""
    todo = [reader.root_object["/StructTreeRoot"]]
    while todo:
        element = todo.pop().get_object()
        yield element
        kids = element.get("/K", [])
        todo += [kid for kid in reversed(kids if isinstance(kids, list) else [kids]) if not isinstance(kid, int)]


def named(reader: PdfReader, name: str) -> list[Any]:
    return [element for element in elements(reader) if element.get("/S") == name]


def test_it_says_what_it_conforms_to(reader: PdfReader) -> None:
    xmp = ET.fromstring(reader.root_object["/Metadata"].get_object().get_data())
    (rdf,) = xmp.iter(f"{RDF}RDF")
    said = {name: value for one in rdf for name, value in one.attrib.items()}
    assert (said[f"{PDF_A}part"], said[f"{PDF_A}conformance"], said[f"{PDF_UA}part"]) == ("3", "A", "1")
    (intent,) = reader.root_object["/OutputIntents"]
    assert intent["/S"] == "/GTS_PDFA1"
    assert intent["/DestOutputProfile"].get_data()[36:40] == b"acsp"
    assert reader.pdf_header == "%PDF-1.7"
    assert len(reader.trailer["/ID"]) == 2


def test_what_it_encloses_is_associated_with_the_document(reader: PdfReader) -> None:
    names = reader.root_object["/Names"]["/EmbeddedFiles"]["/Names"]
    assert names[::2] == list(ENCLOSURES.all)
    associated = [one.get_object() for one in reader.root_object["/AF"]]
    assert [one["/UF"] for one in associated] == list(ENCLOSURES.all)
    assert [one["/AFRelationship"] for one in associated] == ["/Supplement"] * 2 + ["/Data"] * 3
    assert all(one["/Desc"] and one["/F"] == one["/UF"] for one in associated)
    files = [one["/EF"]["/F"] for one in associated]
    assert [one.get_data() for one in files] == list(ENCLOSURES.all.values())
    assert [one["/Subtype"] for one in files][2:4] == ["/application/vnd.apache.parquet", "/application/geo+json"]


def test_a_reader_is_told_title_language_and_chapters(reader: PdfReader) -> None:
    root = reader.root_object
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert reader.metadata is not None
    assert reader.metadata.title == "Slide 8867 \u2013 batchscan report"

    def titles(outline: list[Any]) -> Iterator[str]:
        for one in outline:
            yield from titles(one) if isinstance(one, list) else [one.title]

    n_headings = sum(len(named(reader, f"/H{level}")) for level in (1, 2, 3))
    assert len(list(titles(reader.outline))) == n_headings > 5


def test_headings_skip_no_level(reader: PdfReader) -> None:
    levels = [int(name[2]) for one in elements(reader) if re.fullmatch("/H[1-6]", name := str(one.get("/S")))]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels


def test_every_picture_has_words_and_a_place_on_its_page(reader: PdfReader) -> None:
    figures = named(reader, "/Figure")
    n_drawn = sum(operator == b"Do" for page in reader.pages for _, operator in operations(reader, page))
    assert len(figures) == n_drawn > 3
    for figure in figures:
        assert len(figure["/Alt"]) > 20
        left, bottom, right, top = figure["/A"]["/BBox"]
        box = figure["/Pg"].get_object()["/MediaBox"]
        assert box[0] <= left < right <= box[2]
        assert box[1] <= bottom < top <= box[3]


def test_table_headings_have_a_scope_and_cells_their_headings(reader: PdfReader) -> None:
    headings = named(reader, "/TH")
    assert headings
    assert {heading["/A"]["/Scope"] for heading in headings} <= {"/Column", "/Row"}
    ids = {heading["/ID"] for heading in headings}
    assert all(set(cell["/A"]["/Headers"]) <= ids for cell in named(reader, "/TD"))
    assert any(cell["/A"]["/Headers"] for cell in named(reader, "/TD"))


def operations(reader: PdfReader, page: Any) -> list[tuple[Any, bytes]]:
    return ContentStream(page.get_contents(), reader).operations


def marks_in_tree(reader: PdfReader) -> dict[int, set[int]]:
    """By page."""
    found: dict[int, set[int]] = {number: set() for number in range(len(reader.pages))}
    for element in elements(reader):
        kids = element.get("/K", [])
        marks = {kid for kid in (kids if isinstance(kids, list) else [kids]) if isinstance(kid, int)}
        if marks:
            found[reader.get_page_number(element["/Pg"].get_object())] |= marks
    return found


def marks_painted(reader: PdfReader, page: Any) -> tuple[set[int], int, int]:
    """The marks by number, how many belong to running heads, and how often something is painted outside of any."""
    n_open = n_heads = n_outside = 0
    numbers = set()
    for operands, operator in operations(reader, page):
        if operator in (b"BDC", b"BMC"):
            about = operands[1] if operator == b"BDC" else {}
            n_heads += about.get("/Type") == "/Pagination"
            numbers |= {int(about["/MCID"])} if "/MCID" in about else set()
            n_open += 1
        n_open -= operator == b"EMC"
        n_outside += operator in PAINTS and not n_open
    return numbers, n_heads, n_outside


def test_whatever_is_painted_is_in_the_tree_or_set_apart(reader: PdfReader) -> None:
    for page, in_tree in zip(reader.pages, marks_in_tree(reader).values(), strict=True):
        numbers, n_heads, n_outside = marks_painted(reader, page)
        assert numbers == in_tree
        assert n_outside == 0
        # The header's two parts, the footer's two lines and the page's number.
        assert n_heads >= 5


def test_all_typefaces_are_ours_embedded_and_readable_as_text(reader: PdfReader) -> None:
    fonts = {font.idnum: font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()}
    assert len(fonts) == 2
    for font in fonts.values():
        assert re.fullmatch(r"/[A-Z]{6}\+IBM-?Plex-?Sans.*", font["/BaseFont"])
        assert "/FontFile2" in font["/DescendantFonts"][0]["/FontDescriptor"]
        assert font["/ToUnicode"].get_data()


def test_letter_has_the_pages_of_a4(tmp_path: Path) -> None:
    papers: tuple[Paper, ...] = ("a4", "letter")
    pages = {paper: PdfReader(printed(tmp_path / f"{paper}.pdf", paper)).pages for paper in papers}
    a4, letter = pages.values()
    assert [one.extract_text().split() for one in a4] == [one.extract_text().split() for one in letter]
    sizes = [
        (round(float(one[0].mediabox.width), 1), round(float(one[0].mediabox.height), 1)) for one in pages.values()
    ]
    assert sizes == [(595.3, 841.9), (612.0, 792.0)]


def test_every_letter_that_a_page_may_need_is_in_the_typefaces() -> None:
    """Of what pages are written with; names that somebody gives may need others."""
    sources = [*(ROOT / "batchscan" / "report").glob("*.py"), *(ROOT / "templates").glob("*.html")]
    text = "".join(path.read_text("utf-8") for path in sources)
    letters = {*text, *(chr(int(code, 16)) for code in re.findall(r"\\u([0-9a-f]{4})", text))} - {"\n"}
    assert {"\u00b2", "\u00d7", "\u2265", "\u03c3"} <= letters
    for typeface in (ROOT / "templates").glob("*.ttf"):
        known = TTFont(typeface).getBestCmap()
        assert {letter for letter in letters if ord(letter) not in known} == set(), typeface.name


def test_no_tissue_makes_a_report_that_conforms_too(tmp_path: Path) -> None:
    result = make_result(tissue_grid() * float("nan"))
    render_slide_report(result, make_card(), make_pictures(result), tmp_path / "r.pdf", WHEN, enclosures=ENCLOSURES)
    reader = PdfReader(tmp_path / "r.pdf")
    assert all("/Alt" in figure for figure in named(reader, "/Figure"))
    test_whatever_is_painted_is_in_the_tree_or_set_apart(reader)
