"""What a report's own seal can't show, since anybody can compute it: printed again from its run's files, it differs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageOps
from verified_runs import card, print_again, verified_run

from batchscan.domain.verified import Finding, Verdict
from batchscan.report.styles import ReportStyle
from batchscan.stores.pictures import read_pictures
from batchscan.stores.report_files import read_report_file
from batchscan.stores.results import RunFolder, read_result
from batchscan.stores.seals import is_sealed, sealed
from batchscan.workflow.checked_report import Nearby, checked_report, checked_result
from batchscan.workflow.printed_again import WHAT, printed_again
from batchscan.workflow.printing import print_slide
from batchscan.workflow.verify import verify_report

JPEG = re.compile(rb"/Filter /DCTDecode.*?stream\n(?P<data>.*?)\nendstream", re.DOTALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return verified_run(tmp_path_factory.mktemp("printed") / "run", "S1")


@pytest.fixture
def run(made: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy, to be spoilt."""
    return RunFolder(shutil.copytree(made.path, tmp_path / "run"))


def again(run: RunFolder) -> Finding:
    report = run.slide("S1") / "report.pdf"
    return printed_again(run, "S1", report, read_report_file(report), card())


def forged(run: RunFolder, change: Callable[[bytes], bytes]) -> None:
    """The report changed, and sealed anew."""
    report = run.slide("S1") / "report.pdf"
    content = re.sub(rb"/ID \[\([0-9a-f]{64}\) \([0-9a-f]{64}\)\]", b"", report.read_bytes())
    report.write_bytes(sealed(change(content)))


def another_picture(content: bytes) -> bytes:
    """One grey level of one block of a picture is another."""
    picture = next(JPEG.finditer(content))
    middle = (picture.start("data") + picture.end("data")) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_an_untouched_report_has_the_same_bytes(run: RunFolder) -> None:
    assert again(run) == Finding(WHAT, Verdict.AGREES, "the same bytes")


def test_so_has_one_in_german_on_letter(run: RunFolder) -> None:
    folder = run.slide("S1")
    found = read_report_file(folder / "report.pdf")
    assert found.printed_at is not None
    style = ReportStyle("de", None, "letter")
    pictures = read_pictures(folder)
    print_slide(read_result(folder), card(), pictures, folder, found.printed_at, report=True, style=style)
    assert read_report_file(folder / "report.pdf").language == "de"
    assert again(run).verdict is Verdict.AGREES


def test_a_forged_picture_with_a_seal_of_its_own_differs(run: RunFolder) -> None:
    forged(run, another_picture)
    report = run.slide("S1") / "report.pdf"
    assert is_sealed(report.read_bytes())
    beside = Nearby(run.slide("S1"), None, {})
    assert checked_report(report, beside, lambda _: None).differing == ()
    found = again(run)
    assert found.verdict is Verdict.DIFFERS
    assert found.words.startswith("the same words, but other bytes: a picture was changed")


def test_other_words_are_told_with_their_page(run: RunFolder) -> None:
    folder = run.slide("S1")
    result = read_result(folder)
    other = replace(result, seconds={**result.seconds, "read": 12345.0})
    found = read_report_file(folder / "report.pdf")
    assert found.printed_at is not None
    print_slide(other, card(), read_pictures(folder), folder, found.printed_at, report=True)
    assert again(run) == Finding(WHAT, Verdict.DIFFERS, "other words on page 4")


def test_what_other_libraries_printed_is_not_judged(run: RunFolder) -> None:
    report = run.slide("S1") / "report.pdf"
    found = replace(read_report_file(report), producer="WeasyPrint 1.0")
    not_judged = printed_again(run, "S1", report, found, card())
    assert not_judged.verdict is Verdict.NOT_CHECKED
    assert "the report is by batchscan " in not_judged.words


def test_it_is_one_of_the_findings_where_it_is_asked_for(run: RunFolder, tmp_path: Path) -> None:
    report = run.slide("S1") / "report.pdf"
    for wanted in (True, False):
        nearby = Nearby(run.slide("S1"), None, {}, again=wanted)
        found = checked_result(run.path, "S1", nearby, lambda _: None, with_report=True).findings
        assert (WHAT in {one.what for one in found}) is wanted
    assert {one.what: one.verdict for one in verify_report(report, again=True).findings}[WHAT] is Verdict.AGREES
    away = Path(shutil.copy(report, tmp_path / "away.pdf"))
    found = checked_report(away, Nearby(None, None, {}, again=True), lambda _: None).findings
    assert {one.what: one.verdict for one in found}[WHAT] is Verdict.NOT_CHECKED


def test_a_report_of_files_that_have_changed_since_differs(run: RunFolder) -> None:
    before = (run.slide("S1") / "report.pdf").read_bytes()
    overview = run.slide("S1") / "pictures/overview.jpg"
    with Image.open(overview) as image:
        ImageOps.invert(image).save(overview)
    assert again(run).verdict is Verdict.DIFFERS
    assert print_again(run, "S1").read_bytes() != before
