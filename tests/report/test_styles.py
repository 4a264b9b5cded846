"""A laboratory's templates folder: what it changes, what it can't reach, and how its faults are told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lab_templates import LOGO, write, write_example
from pypdf import PdfReader
from report_factory import make_card, make_pictures
from test_golden_slides import KINDS, WHEN, html_of

from batchscan.domain.errors import OutputError, TemplateError
from batchscan.report.content import slide_content
from batchscan.report.own_files import MOST_BYTES, fingerprint
from batchscan.report.render import render_slide_report
from batchscan.report.style_check import check_style
from batchscan.report.styles import ReportStyle, environment, styled

BLOCKS = (
    "title head style header footer answer figures certainty cautions pictures foci patches quality method performance "
    "limits identity definitions signoff"
).split()
EXTENDS = '{% extends "batchscan/slide.html" %}\n'
A_FILE = "file:" + "//" + "/hostname"


def page_in(folder: Path, language: str = "en") -> str:
    style = ReportStyle(language, folder)
    with styled(style):
        return html_of(slide_content(KINDS["slide"](), make_card(), WHEN, "1"), style)


def test_the_example_of_the_documentation_on_paper(tmp_path: Path) -> None:
    """Logo, name, German, a section less, one of its own."""
    result, style = KINDS["slide"](), ReportStyle("de", write_example(tmp_path / "own"))
    render_slide_report(result, make_card(), make_pictures(result), tmp_path / "r.pdf", WHEN, style=style)
    pages = [" ".join(page.extract_text().split()) for page in PdfReader(tmp_path / "r.pdf").pages]
    assert all("Institut für Pathologie, Musterstadt" in page for page in pages)
    assert all("Forschungsprojekt 4711" in page for page in pages)
    text = " ".join(pages)
    assert "Am wenigsten sicher" not in text
    assert "Beurteilung" in text
    assert "Institut für Pathologie, Musterstadt, Telefon 0123 456789, Präparat 8867" in text
    assert "IDC-positives Gewebe durch dieses Modell gefunden" in pages[0]


def test_the_logo_has_the_laboratorys_name_and_stands_in_the_page_itself(tmp_path: Path) -> None:
    page = page_in(write(tmp_path, words__en_ftl="lab-name = Lab & Co\n", logo_svg=LOGO))
    assert re.search(
        r'<img src="data:image/svg\+xml;base64,[A-Za-z0-9+/=]+" alt="Lab &amp; Co">Lab &amp; Co</div>', page
    )


def test_every_part_of_the_page_is_a_block_that_may_go(tmp_path: Path) -> None:
    assert set(environment().get_template("slide.html").blocks) == {*BLOCKS, "body"}
    empty = "".join(f"{{% block {name} %}}{{% endblock %}}" for name in BLOCKS)
    page = page_in(write(tmp_path, slide_html=EXTENDS + empty))
    body = page.split("<body>")[1]
    assert re.sub(r"<[^>]*>", "", body).split() == []
    for name in BLOCKS:
        assert f"`{name}`" in (Path(__file__).parents[2] / "docs" / "templates.md").read_text("utf-8")


def test_the_other_parts_stay_as_they_are(tmp_path: Path) -> None:
    ours = html_of(slide_content(KINDS["slide"](), make_card(), WHEN, "1"))
    own = page_in(write(tmp_path, slide_html=EXTENDS + "{% block quality %}{% endblock %}"))
    begin = ours.index('<section class="on">\n<div class="whole">\n<h2>Quality')
    end = ours.index("</section>", begin) + len("</section>\n")
    assert own == ours[:begin] + ours[end:]


def test_what_a_template_prints_is_escaped(tmp_path: Path) -> None:
    page = page_in(write(tmp_path, slide_html=EXTENDS + '{% block foci %}{{ "<script>" }}{% endblock %}'))
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"slide_html": EXTENDS + "\n{% block foci %}{{ content.fooci }}{% endblock %}"}, r"slide\.html, line 3: .*fo"),
        ({"slide_html": EXTENDS + "{% block foci %}\n{% if %}\n{% endblock %}"}, r"slide\.html, line 3: Expected an"),
        ({"slide_html": EXTENDS + "{% block foci %}{% endblok %}"}, r"slide\.html, line 2: .*endblok"),
        ({"unused_html": "{{ '"}, r"unused\.html, line 1: "),
        ({"slide_html": EXTENDS + '{% block foci %}{{ say("focii") }}{% endblock %}'}, r"slide\.html, line 2: .*focii"),
        ({"slide_html": '{% extends "slide.html" %}'}, r"extends or includes itself"),
        ({"slide_html": '{% extends "ours.html" %}'}, r"slide\.html, line 1: ours\.html"),
        ({"slide_html": EXTENDS + "{% block foci %}{{ say.__globals__ }}{% endblock %}"}, r"line 2: .*unsafe"),
        ({"slide_html": EXTENDS + "{% block foci %}{{ 1 // 0 }}{% endblock %}"}, r"slide\.html, line 2: .*division"),
        ({"slide_html": EXTENDS + '{% block foci %}{% include "../x.html" %}{% endblock %}'}, r"line 2: \.\./x\.html"),
        ({"words__en_ftl": "focii = foci\n"}, r"no page says focii; did you mean foci\?"),
        ({"words__en_ftl": "footer = { $when } { $what }\n"}, r"footer: there is no \$what; it may use \$digest, \$v"),
        ({"words__en_ftl": "footer = { -firm }\n"}, r"en\.ftl, footer: .*firm"),
        ({"words__en_ftl": "footer =\n    .title = a\n"}, r"'footer' isn't a message"),
        ({"logo_png": "\x89PNG\r\njunk"}, r"logo\.png: can't be shown"),
        ({"logo_png": "a text"}, r"logo\.png: isn't a picture of the kind"),
        ({"logo_svg": f'<svg><image href="{A_FILE}"/></svg>'}, r"logo\.svg: asks for something outside it"),
        ({"logo_svg": '<!DOCTYPE svg [<!ENTITY a "b">]><svg>&a;</svg>'}, r"logo\.svg: asks for something outside it"),
        ({"notice_html": "{{ content.fooci }}"}, r"notice\.html, line 1: .*fooci"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_before_anything_is_printed(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    with pytest.raises(TemplateError, match=said) as told:
        check_style(ReportStyle("en", write(tmp_path, **files)), make_card())
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "files",
    [
        {"lab_css": "h1 { background: url(https://example.org/a.png) }"},
        {"lab_css": f"h1 {{ background: url({A_FILE}) }}"},
        {"lab_html": f'<img src="{A_FILE}">'},
        {"slide_html": EXTENDS + '{% block head %}<link rel="stylesheet" href="https://a.org/a.css">{% endblock %}'},
    ],
)  # fmt: skip
def test_what_asks_for_something_outside_is_refused(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(OutputError, match="outside the report"):
        check_style(ReportStyle("en", write(tmp_path, **files)), make_card())


def to_elsewhere(folder: Path) -> None:
    (folder.parent / "secret.html").write_text("secret")
    (folder / "slide.html").symlink_to(folder.parent / "secret.html")


def to_a_folder_elsewhere(folder: Path) -> None:
    write(folder.parent / "words", en_ftl="lab-name = secret\n")
    (folder / "words").symlink_to(folder.parent / "words")


def a_logo_elsewhere(folder: Path) -> None:
    (folder.parent / "logo.svg").write_text(LOGO)
    (folder / "logo.svg").symlink_to(Path("..") / "logo.svg")


def to_nothing(folder: Path) -> None:
    (folder / "slide.html").symlink_to("none.html")


@pytest.mark.parametrize("link", [to_elsewhere, to_a_folder_elsewhere, a_logo_elsewhere, to_nothing])
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, link: Callable[[Path], None]) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    link(folder)
    with pytest.raises(TemplateError, match=r"leads out of the templates folder|is a link to no file"):
        page_in(folder)


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    folder = write(tmp_path, ours_html=EXTENDS + "{% block foci %}linked{% endblock %}")
    (folder / "slide.html").symlink_to("ours.html")
    assert "linked" in page_in(folder)


def test_a_file_that_is_too_large_or_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_bytes(b"<svg" + b" " * MOST_BYTES)
    with pytest.raises(TemplateError, match=r"logo\.svg: has more than 1,000,000 bytes"):
        environment(tmp_path)
    other = write(tmp_path / "other")
    other.mkdir()
    (other / "slide.html").write_bytes(b"\xff")
    with pytest.raises(TemplateError, match=r"slide\.html: can't be read .*expected UTF-8"):
        page_in(other)


def test_a_folder_that_is_not_there_is_never_taken_for_an_empty_one(tmp_path: Path) -> None:
    for act in (
        lambda: check_style(ReportStyle("en", tmp_path / "gone"), make_card()),
        lambda: page_in(tmp_path / "gone"),
    ):
        with pytest.raises(TemplateError, match="gone: there is no such folder of templates"):
            act()


def test_ours_alone_and_the_example_pass(tmp_path: Path) -> None:
    check_style(ReportStyle("de"), make_card())
    check_style(ReportStyle("de", write_example(tmp_path)), make_card())


def test_a_page_that_no_longer_says_what_it_is_for_is_refused(tmp_path: Path) -> None:
    own = write(tmp_path / "a", slide_html=EXTENDS + "{% block header %}{% endblock %}")
    with pytest.raises(TemplateError, match=r"slide\.html: leaves out what the page may be used for"):
        check_style(ReportStyle("en", own), make_card())
    elsewhere = "{% block header %}{% endblock %}{% block footer %}<p>{{ content.research_use }}</p>{% endblock %}"
    check_style(ReportStyle("en", write(tmp_path / "b", slide_html=EXTENDS + elsewhere)), make_card())


def test_a_folders_fingerprint_is_of_names_and_bytes(tmp_path: Path) -> None:
    one = write(tmp_path / "one", lab_css="a", words__en_ftl="b = c")
    assert fingerprint(one) == fingerprint(write(tmp_path / "two", lab_css="a", words__en_ftl="b = c"))
    assert fingerprint(one) != fingerprint(write(tmp_path / "three", lab_css="b", words__en_ftl="b = c"))
    assert fingerprint(one) != fingerprint(write(tmp_path / "four", lab_css="a", words__de_ftl="b = c"))
    (one / "lab.css").rename(one / "other.css")
    assert fingerprint(one) != fingerprint(tmp_path / "two")
