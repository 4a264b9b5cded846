"""Reports and notices in German: no English is left in them, numbers are written as there, and each is whole."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from html_page import Page
from pypdf import PdfReader
from report_factory import make_card, make_cross_validation, make_pictures
from test_golden_slides import KINDS, WHEN, html_of

from batchscan.domain.job import Language
from batchscan.domain.records import Extent, SlideResult, SlideStatus
from batchscan.evaluation.extent import NO_POSITIVE, NO_TISSUE, NOTHING_READABLE
from batchscan.report.content import SlideContent, slide_content
from batchscan.report.language import language, languages
from batchscan.report.notice import notice_content
from batchscan.report.render import page_html, render_slide_report
from batchscan.report.styles import ReportStyle, styled
from batchscan.report.words import reason
from batchscan.scan import quality as measuring
from batchscan.stores.ledger_view import LedgerRow

GERMAN = ReportStyle("de")
# What a German sentence has none of.
ENGLISH = frozenset(
    "the of and to is are were not this that with by from for on at it its their which where no none each "
    "below above than least most patch patches slide slides focus foci area tissue threshold found read seen number "
    "numbers measured grade high wide quality mean model".split()
)
# Formulas, names and words that both languages have.
ALIKE = {
    "eosin-od-label", "lab-name", "notice-patient", "notice-status", "performance-auroc", "performance-f1",
    "performance-patient", "performance-positive", "spacing-of",
}  # fmt: skip
QUOTED = "Englisches ist zitiert: aus der Modellkarte oder vom Programm."
CARD = {
    "cross_validation": make_cross_validation(),
    "architecture": "-",
    "intended_use": "-",
    "limits": (),
    "training_data": "-",
    "scale": make_card().scale.model_copy(update={"how_known": "-"}),
    "threshold": make_card().threshold.model_copy(update={"how_chosen": "-"}),
    "calibration": make_card().calibration.model_copy(update={"note": "-"}),
}


def as_measured(result: SlideResult) -> SlideResult:
    """The same with reasons in the words of a scan, not in those of the factory."""
    undefined = {name: NO_TISSUE if not len(result.table) else NO_POSITIVE for name in result.extent.undefined}
    measures = tuple(
        replace(one, undefined="no square of 0.4 mm is half tissue" if one.undefined else "")
        for one in result.quality.measures
    )
    extent: Extent = replace(result.extent, undefined=undefined)
    return replace(result, extent=extent, quality=replace(result.quality, measures=measures))


def german(result: SlideResult) -> SlideContent:
    with styled(GERMAN):
        return slide_content(as_measured(result), make_card(**CARD), WHEN, "1")


def english_words(words: str) -> set[str]:
    return {word.strip(".").lower() for word in re.findall(r"[A-Za-z_.]+", words)} & ENGLISH


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_has_no_english_in_it(kind: str) -> None:
    page = html_of(german(KINDS[kind]()), GERMAN)
    assert '<html lang="de">' in page
    alternatives = " ".join(re.findall(r'(?:alt|content)="([^"]*)"', page))
    assert english_words(f"{Page(page).words} {alternatives}") == set()
    assert "Nur für Forschungszwecke \u2013 nicht zur Diagnostik" in page


def test_numbers_and_words_of_page_one_by_hand() -> None:
    """The same slide as in English: 21 cells of 0.16 mm2."""
    found = german(KINDS["slide"]())
    assert found.headline == "IDC-positives Gewebe durch dieses Modell gefunden"
    assert found.answer.startswith("3,36 mm² in 2 Herden, 4,4 % des ausgewerteten Gewebes.")
    assert found.generated == "23.11.2025, 06:30 UTC"
    many = german(KINDS["slide-500-foci"]())
    assert "4.900 Kacheln" in {fact.note for fact in many.figures}
    assert german(KINDS["slide-no-tissue"]()).figures[0].note == "auf dem Präparat wurde kein Gewebe gefunden"


def test_a_notice_is_german_but_for_what_is_recorded() -> None:
    row = LedgerRow("8867", "P-7", SlideStatus.FAILED, "unreadable", "8867: level 0 can't be decoded", 1, 1, {})
    with styled(GERMAN):
        content = notice_content(row, "nachts", WHEN, "1")
    page = page_html("notice.html", content, GERMAN)
    assert '<dd lang="en">8867: level 0 can&#39;t be decoded</dd>' in page
    assert english_words(Page(page).words.replace("8867: level 0 can't be decoded", "")) == set()
    assert "Die Datei noch einmal von der Quelle kopieren oder neu scannen lassen." in page
    assert f'</dl>\n<p class="small">{QUOTED}</p>' in page


def test_a_notice_says_that_something_is_quoted_only_where_it_is() -> None:
    row = LedgerRow("8867", "P-7", SlideStatus.EXCLUDED, "no_spacing", "", 1, 1, {})
    with styled(GERMAN):
        nothing_quoted = notice_content(row, "nachts", WHEN, "1")
    assert QUOTED not in page_html("notice.html", nothing_quoted, GERMAN)
    english = page_html("notice.html", notice_content(replace(row, sentence="no spacing"), "night", WHEN, "1"))
    assert "no spacing" in english
    assert language("en").say("quoted-in-english") not in english


def test_what_the_model_card_says_is_marked_as_english() -> None:
    with styled(GERMAN):
        page = html_of(slide_content(KINDS["slide"](), make_card(), WHEN, "1"), GERMAN)
    assert re.search(r'<dd lang="en">Rescaling, three convolutions', page)
    assert re.search(r'<ul class="limits" lang="en">', page)
    assert 'lang="en"' not in html_of(slide_content(KINDS["slide"](), make_card(), WHEN, "1")).split("<body>")[1]


def test_every_message_is_translated() -> None:
    english, others = language("en"), language("de")
    values = dict.fromkeys({name for message in english.variables for name in english.variables[message]} - {"n"}, "1")
    same = {
        name
        for name in english.variables
        if name[0] != "-" and english.say(name, n=2, **values) == others.say(name, n=2, **values)
    }
    assert same == ALIKE


def test_no_message_has_english_in_it() -> None:
    german = language("de")
    values = dict.fromkeys({name for message in german.variables for name in german.variables[message]} - {"n"}, "1")
    for name in german.variables:
        if name[0] != "-":
            # A command is said as it is typed.
            said = re.sub("\u201ebatchscan [^\u201c]*\u201c", "", german.say(name, n=2, **values))
            assert english_words(said) == set(), name
            assert not re.search(r"[0-9]\.[0-9]|[\"']", said), name


def test_a_result_says_why_a_number_is_not_defined_in_words_that_are_translated() -> None:
    of_quality = ("NO_TISSUE", "_ALL_WHITE", "_SCATTERED", "_NO_PATCH")
    sentences = [NO_TISSUE, NOTHING_READABLE, NO_POSITIVE, *(getattr(measuring, name) for name in of_quality)]
    with styled(GERMAN):
        assert all(reason(words) != words for words in sentences)
        assert reason("an older result's own words") == "an older result's own words"


def test_a_job_may_ask_for_the_languages_that_are_shipped() -> None:
    assert set(Language.__args__) == set(languages())  # type: ignore[attr-defined]


def test_on_paper_the_document_is_german(tmp_path: Path) -> None:
    result = as_measured(KINDS["slide"]())
    render_slide_report(result, make_card(**CARD), make_pictures(result), tmp_path / "r.pdf", WHEN, style=GERMAN)
    reader = PdfReader(tmp_path / "r.pdf")
    pages = [page.extract_text() for page in reader.pages]
    assert reader.root_object["/Lang"] == "de"
    assert "graue Linie: Geweberand." in " ".join(pages[0].split())
    assert "Herde" in pages[1].split("\n")
    assert "Beurteilt durch" in pages[-1]
