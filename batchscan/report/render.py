"""What a page says becomes a PDF or an HTML file: templates, pictures and typeface put together, nothing fetched."""

from __future__ import annotations

import atexit
import base64
import contextlib
import hashlib
import io
import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

from PIL import ImageFile

from batchscan import __version__
from batchscan.domain.card import ModelCard
from batchscan.domain.errors import OutputError
from batchscan.domain.job import Paper
from batchscan.domain.records import Pictures, SlideResult
from batchscan.report.blocks import Document
from batchscan.report.conformance import finish
from batchscan.report.content import SlideContent, slide_content
from batchscan.report.layout import QUALITY_PICTURES_MM
from batchscan.report.model_card_content import ModelCardContent
from batchscan.report.morning_content import DigestContent
from batchscan.report.notice import NoticeContent
from batchscan.report.slide_list import SlidesPage
from batchscan.report.styles import SHIPPED, TEMPLATES, ReportStyle, data_uri, environment, rendered, styled
from batchscan.stores.atomic import write_atomically
from batchscan.stores.enclosures import ENCLOSED, Enclosures
from batchscan.stores.seals import sealed

# Letter: a page that is as high as A4 and as much wider, printed smaller, so that what fits on one fits on the other.
_PAPERS: Mapping[Paper, tuple[float, str]] = {
    "a4": (1.0, ""),
    "letter": (
        279.4 / 297,
        "@page { size: 229.5mm 297mm !important; margin-left: 21.75mm !important; margin-right: 21.75mm !important; }",
    ),
}
# PDF/A forbids pixels that a viewer makes up between those that are there.
_PLAIN_PIXELS = "img { image-rendering: pixelated; }"
_FACES = (("IBMPlexSans-Regular.ttf", 400), ("IBMPlexSans-SemiBold.ttf", 600))

# By thread. What they hold can't be given back any more once Python takes its modules apart.
_TYPEFACES: dict[int, tuple[Any, Any]] = {}
atexit.register(_TYPEFACES.clear)

logger = logging.getLogger(__name__)


def render_slide_report(
    result: SlideResult,
    card: ModelCard,
    pictures: Pictures,
    out_pdf: Path,
    generated: datetime,
    *,
    enclosures: Enclosures | None = None,
    style: ReportStyle = SHIPPED,
) -> None:
    """Print the report of one done slide as PDF/A-3a and PDF/UA-1; the file has its name only when it is whole.

    The same result, pictures and `generated` give the same bytes with the same versions of the libraries.

    Parameters
    ----------
    result, card, pictures, generated
        What is printed, and when.
    out_pdf
        The file.
    enclosures
        The very files that the result was read from: they are attached, and their digest stands on every page. None
        for a page alone, which can't be verified.
    style
        In which language, by whose templates and for which paper; Letter has the same pages 6 % smaller.

    Raises
    ------
    ModelError
        If the card belongs to another model than the result.
    OutputError
        If the file can't be written, or a template asks for a resource outside the report.
    TemplateError
        If the style can't be used.
    """
    data_digest = enclosures.digest if enclosures else ""
    with styled(style):
        content = slide_content(result, card, generated, __version__)
        html = slide_html(content, _images(content, result, pictures), data_digest, style)
    enclosed = enclosures.all if enclosures else {}
    with write_atomically(out_pdf, binary=True) as stream:
        print_pdf(html, stream, archival=Archival(enclosed, generated), paper=style.paper)
    logger.debug("printed %s", out_pdf)


def pdf_library() -> str:
    """The version of what prints PDFs.

    Raises
    ------
    OutputError
        If it, or Pango beneath it, can't be loaded.
    """
    return f"WeasyPrint {load_weasyprint().__version__} with Pango"


def render_page(
    template: str,
    content: DigestContent | NoticeContent | SlidesPage,
    *,
    html: Path | None = None,
    pdf: Path | None = None,
    archival: Archival | None = None,
    style: ReportStyle = SHIPPED,
) -> None:
    """Write a page of a run as a self-contained HTML file that needs no network, and no script to be read, or as PDF.

    `archival` and the style's paper are as for `print_pdf`.

    Raises
    ------
    OutputError
        If a file can't be written, or Pango is missing for the PDF.
    TemplateError
        If the style can't be used.
    """
    page = page_html(template, content, style)
    if html is not None:
        with write_atomically(html) as stream:
            stream.write(page)
    if pdf is not None:
        with write_atomically(pdf, binary=True) as stream:
            print_pdf(page, stream, archival=archival, paper=style.paper)


def page_html(template: str, content: DigestContent | NoticeContent | SlidesPage, style: ReportStyle = SHIPPED) -> str:
    """A page of a run as HTML."""
    with styled(style):
        return rendered(template, style.templates, content=content, script=_script())


def slide_html(
    content: SlideContent, images: Mapping[str, Any], data_digest: str = "", style: ReportStyle = SHIPPED
) -> str:
    """The report as HTML for paper.

    Parameters
    ----------
    content
        What it says.
    images
        `overview`, `heatmap`, `tissue` and `marks`: data: URIs; `foci`: number of a focus -> data: URI; `patches`:
        (row, col) -> data: URI.
    data_digest
        Of the files that the report encloses; empty if it encloses none.
    style
        That its words and pictures are in.
    """
    with styled(style):
        return rendered("slide.html", style.templates, content=content, images=images, data_digest=data_digest)


def model_card_html(
    content: ModelCardContent, charts: Mapping[str, bytes], pictures: Sequence[bytes], *, with_typeface: bool
) -> str:
    """A model card as HTML, for screen and paper.

    Parameters
    ----------
    content
        What it says.
    charts
        Name of a figure -> its SVG document.
    pictures
        PNG of each of the card's examples.
    with_typeface
        Whether it brings its typeface along, as a file of its own must.
    """
    return _page("model-card.html", content, charts, pictures, with_typeface=with_typeface, links=False)


def render_document(
    template: str,
    content: Document,
    charts: Mapping[str, bytes],
    pictures: Sequence[bytes],
    *,
    html: Path | None = None,
    pdf: Path | None = None,
) -> None:
    """Write a page of sections as an HTML file that needs nothing else, and as PDF; None leaves either out.

    Parameters
    ----------
    template
        One that extends `document.html`.
    content
        What it says.
    charts
        Name of a figure -> its SVG document.
    pictures
        PNG of each patch, by the numbers that galleries name.

    Raises
    ------
    OutputError
        If a file can't be written, or Pango is missing for the PDF.
    """
    if html is not None:
        with write_atomically(html) as stream:
            stream.write(_page(template, content, charts, pictures, with_typeface=True, links=True))
    if pdf is not None:
        page = _page(template, content, charts, pictures, with_typeface=False, links=False)
        with write_atomically(pdf, binary=True) as stream:
            print_pdf(page, stream)


@dataclass(frozen=True)
class Archival:
    """What makes a document one for archives: the files that it encloses, by name in order, and their date.

    PDF/A-3 allows files and asks for none: who encloses nothing needs no date.
    """

    enclosed: Mapping[str, bytes] = field(default_factory=dict)
    date: datetime | None = None


def print_pdf(html: str, out_pdf: Path | IO[bytes], *, archival: Archival | None = None, paper: Paper = "a4") -> None:
    """HTML for paper to a tagged PDF; only data: URIs are resolved, anything else stops the printing.

    Parameters
    ----------
    html, out_pdf
        What is printed, and to where.
    archival
        Makes it a PDF/A-3a and PDF/UA-1; None for a plain tagged PDF.
    paper
        The HTML is laid out for A4; on Letter it is printed smaller.

    Raises
    ------
    OutputError
        If the HTML asks for a file or an address.
    """
    weasyprint = load_weasyprint()
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=("data",), fail_on_errors=True)
    fonts, faces = _typeface(weasyprint, fetcher)
    zoom, page_css = _PAPERS[paper]
    options = _archival_options(weasyprint, archival, zoom) if archival else {"pdf_tags": True}
    try:
        sheet = weasyprint.CSS(string=page_css + (_PLAIN_PIXELS if archival else ""), url_fetcher=fetcher)
        page = weasyprint.HTML(string=html, url_fetcher=fetcher)
        printed = page.write_pdf(stylesheets=[faces, sheet], font_config=fonts, zoom=zoom, **options)
    except weasyprint.urls.FatalURLFetchingError as error:
        raise OutputError(
            f"the report is not printed: its template asks for something outside the report ({error}): "
            "only data: URIs are allowed in templates"
        ) from error
    if archival:
        printed = sealed(printed)
    if isinstance(out_pdf, Path):
        out_pdf.write_bytes(printed)
    else:
        out_pdf.write(printed)


def _archival_options(weasyprint: Any, archival: Archival, zoom: float) -> dict[str, Any]:
    date = archival.date.astimezone(UTC) if archival.date else None
    attachments = [
        weasyprint.Attachment(
            string=content,
            name=name,
            description=ENCLOSED[name].description,
            created=date,
            modified=date,
        )
        for name, content in archival.enclosed.items()
    ]
    finisher = partial(finish, zoom=zoom)
    return {
        "pdf_variant": "pdf/a-3a",
        # It gets its own when it is sealed; this library's would pack everything twice.
        "pdf_identifier": False,
        "attachments": attachments,
        "finisher": finisher,
    }


def _typeface(weasyprint: Any, fetcher: Any) -> tuple[Any, Any]:
    """Fonts and the style sheet that names them, once a thread: Pango never gives back all of what it has loaded."""
    thread = threading.get_ident()
    if thread not in _TYPEFACES:
        fonts = weasyprint.text.fonts.FontConfiguration()
        _TYPEFACES[thread] = fonts, weasyprint.CSS(string=_font_faces(), font_config=fonts, url_fetcher=fetcher)
    return _TYPEFACES[thread]


def _page(
    template: str,
    content: ModelCardContent | Document,
    charts: Mapping[str, bytes],
    pictures: Sequence[bytes],
    *,
    with_typeface: bool,
    links: bool,
) -> str:
    images = {
        "charts": {name: data_uri("image/svg+xml", drawing) for name, drawing in charts.items()},
        "patches": [data_uri("image/png", picture) for picture in pictures],
    }
    faces = _font_faces() if with_typeface else ""
    return rendered(template, None, content=content, images=images, faces=faces, links=links)


def load_weasyprint() -> Any:
    """WeasyPrint, loaded only to print: it is slow to load, and fails where Pango is missing.

    Raises
    ------
    OutputError
        If Pango is, with what to run.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # where it would print a page on where to get help
            import weasyprint.text.fonts  # noqa: PLC0415 - as said
            import weasyprint.urls  # noqa: PLC0415
    except (ImportError, OSError) as error:
        # What of it was loaded would be taken for the whole the next time.
        for name in [name for name in sys.modules if name.partition(".")[0] == "weasyprint"]:
            del sys.modules[name]
        packages = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
        raise OutputError(f"Pango can't be loaded ({error}); run: sudo apt-get install {packages}") from error
    # It tells Pillow to take cut images for whole ones, in all of the process: nobody else here may.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    return weasyprint


def _images(content: SlideContent, result: SlideResult, pictures: Pictures) -> dict[str, Any]:
    from batchscan.report import figures, focus_figures  # noqa: PLC0415 - matplotlib is slow to import, only to print

    free_mm, lower_mm = content.free_mm, min(content.free_mm, QUALITY_PICTURES_MM)
    # The second picture of page one is not on another page too.
    marks = data_uri("image/png", figures.quality_png(result, pictures, free_mm if content.refused else lower_mm))
    heatmap = marks if content.refused else data_uri("image/png", figures.heatmap_png(result, pictures, free_mm))
    shown = [picture.place for group in content.gallery for picture in group.pictures]
    return {
        "overview": data_uri("image/jpeg", figures.overview_jpeg(result, pictures, free_mm)),
        "heatmap": heatmap,
        "marks": marks,
        "tissue": data_uri("image/png", figures.tissue_png(result, pictures, lower_mm)),
        "foci": {
            each.number: data_uri("image/jpeg", focus_figures.focus_jpeg(result, pictures, int(each.number), each.box))
            for each in content.close_ups
        },
        "patches": {
            place: data_uri("image/jpeg", figures.patch_jpeg(pictures.patches[place]))
            for place in dict.fromkeys(shown)
            if place in pictures.patches
        },
    }


@dataclass(frozen=True, slots=True)
class _Script:
    """What a page runs: its text, and the only source of scripts that the page allows."""

    text: str
    source: str


def _script() -> _Script:
    shipped = environment()
    assert shipped.loader is not None
    text, _, _ = shipped.loader.get_source(shipped, "run.js")
    digest = hashlib.sha256(text.encode()).digest()
    return _Script(text, f"sha256-{base64.b64encode(digest).decode('ascii')}")


@cache
def _font_faces() -> str:
    """The style sheet that brings the typeface along, so that a page is the same on every machine."""
    rule = '@font-face {{ font-family: "IBM Plex Sans"; font-weight: {}; src: url("{}"); }}'
    folder = files(TEMPLATES)
    return "\n".join(
        rule.format(weight, data_uri("font/ttf", folder.joinpath(name).read_bytes())) for name, weight in _FACES
    )
