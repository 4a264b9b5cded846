"""Slides without a result have a notice each: printed once, gone with a result, never too many at a run's end."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from tiny_cards import TODAYS

from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.card import parse_card
from batchscan.domain.errors import UsageError
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus
from batchscan.report.styles import ReportStyle
from batchscan.stores.ledger import Ledger, now
from batchscan.stores.results import RunFolder
from batchscan.stores.seals import is_sealed
from batchscan.workflow import notices
from batchscan.workflow.morning import print_digest
from batchscan.workflow.notices import print_notices, without_result
from batchscan.workflow.printing import reprint

FAILED = SlideOutcome("b", SlideStatus.FAILED, "unreadable", "b: level 0 can't be decoded; copy it again")
EXCLUDED = SlideOutcome("c", SlideStatus.EXCLUDED, "no_spacing", "c: has no spacing; give --um-per-px")
SHA = "5e" * 32


def a_run(tmp_path: Path, *outcomes: SlideOutcome) -> RunFolder:
    """A run of the slides a, b and c in which these have ended."""
    run = RunFolder(tmp_path / "run")
    run.create()
    said = {**TODAYS, "weights_sha256": SHA, "examples": [], "examples_sha256": None}
    run.keep_card(parse_card(json.dumps(said)))
    with Ledger.hold(run.ledger) as ledger:
        requests = [SlideRequest(slide_id, f"P-{slide_id}", Path("elsewhere") / slide_id) for slide_id in "abc"]
        ledger.begin(requests, {"started": now()})
        for outcome in outcomes:
            ledger.slide_started(outcome.slide_id)
            ledger.slide_ended(outcome, AttemptEnd("w1"), {"n_patches": 4321, "idc_mm2": 77.7})
        facts = {"name": "overnight", "finished": now(), "model": {"name": "m", "version": "1", "sha256": SHA}}
        facts |= {"engine": None, "threshold": 0.5, "started": ledger.facts()["started"], "counts": {"asked": 3}}
    (run.path / "run.json").write_text(json.dumps(facts))
    return run


def facts_of(run: RunFolder) -> dict[str, Any]:
    return run.read_facts()


def names(run: RunFolder) -> list[str]:
    return sorted(path.name for path in run.notices.glob("*.pdf"))


def words(path: Path) -> str:
    return " ".join(page.extract_text() for page in PdfReader(path).pages)


def test_every_slide_without_a_result_has_one_page(tmp_path: Path) -> None:
    run = a_run(tmp_path, SlideOutcome("a", SlideStatus.DONE), FAILED, EXCLUDED)
    with Ledger.read(run.ledger) as ledger:
        assert without_result(ledger) == ["b", "c"]
        assert print_notices(run, ledger, "overnight") == 0
    assert names(run) == ["b.pdf", "c.pdf"]
    said = " ".join(words(run.notice("b")).split())
    for text in (
        "Notice \u2013 not a report",
        "Slide b",
        "No result: this slide failed",
        "b: level 0 can't be decoded; copy it again",
        "P-b",
        "unreadable",
        "Copy the file again from its source, or have it scanned again.",
        "Research use only \u2013 not for diagnosis",
        f"{datetime.now(UTC):%Y-%m-}",
    ):
        assert text in said
    assert len(PdfReader(run.notice("b")).pages) == 1
    assert "77.7" not in said
    assert "4321" not in said.replace(",", "")
    assert "No result: this slide was excluded" in " ".join(words(run.notice("c")).split())


def test_one_that_would_say_the_same_is_not_printed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(tmp_path, FAILED, EXCLUDED)
    with Ledger.read(run.ledger) as ledger:
        print_notices(run, ledger, "overnight")
        printed: list[Path] = []
        monkeypatch.setattr(notices, "render_page", lambda _, __, *, pdf, **___: printed.append(pdf))
        print_notices(run, ledger, "overnight")
        assert printed == []
        run.notice("c").unlink()
        print_notices(run, ledger, "overnight")
        assert printed == [run.notice("c")]
        print_notices(run, ledger, "another name")
        assert printed[1:] == [run.notice("b"), run.notice("c")]


def test_a_notice_goes_when_its_slide_has_a_result(tmp_path: Path) -> None:
    run = a_run(tmp_path, FAILED, EXCLUDED)
    with Ledger.hold(run.ledger) as ledger:
        print_notices(run, ledger, "overnight")
        assert names(run) == ["b.pdf", "c.pdf"]
        ledger.slide_started("b")
        ledger.slide_ended(SlideOutcome("b", SlideStatus.DONE), AttemptEnd("w1"), {"n_patches": 1})
        print_notices(run, ledger, "overnight")
        assert names(run) == ["c.pdf"]


def test_the_end_of_a_run_prints_only_so_many_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = a_run(tmp_path, FAILED, EXCLUDED)
    with Ledger.read(run.ledger) as ledger:
        assert print_notices(run, ledger, "overnight", most=1) == 1
        assert names(run) == ["b.pdf"]
        assert "not printed yet: 1 notice; batchscan report run" in caplog.text
        assert print_notices(run, ledger, "overnight", most=1) == 0
    assert names(run) == ["b.pdf", "c.pdf"]


def test_a_run_without_trouble_has_no_notices(tmp_path: Path) -> None:
    run = a_run(tmp_path, SlideOutcome("a", SlideStatus.DONE))
    with Ledger.read(run.ledger) as ledger:
        print_notices(run, ledger, "overnight")
    assert not run.notices.exists()


@pytest.mark.parametrize(("reports", "pdf", "made"), [(True, True, True), (False, True, False), (True, False, False)])
def test_notices_come_with_the_reports_at_the_end(tmp_path: Path, *, reports: bool, pdf: bool, made: bool) -> None:
    run = a_run(tmp_path, FAILED)
    with Ledger.read(run.ledger) as ledger:
        print_digest(run, ledger, {**facts_of(run), "reports": reports}, pdf=pdf)
    assert run.notice("b").is_file() == made


def test_report_prints_the_notices_of_a_run_in_which_nothing_was_done(tmp_path: Path) -> None:
    run = a_run(tmp_path, FAILED, EXCLUDED)
    assert list(reprint(run, (), datetime.now(UTC))) == [run.notice("b"), run.notice("c")]
    assert list(reprint(run, ("c",), datetime.now(UTC))) == [run.notice("c")]
    assert names(run) == ["b.pdf", "c.pdf"]
    with pytest.raises(UsageError, match="no result of slide a;"):
        list(reprint(run, ("a",), datetime.now(UTC)))


def test_in_another_language_or_with_other_templates_they_are_printed_again(tmp_path: Path) -> None:
    run, own = a_run(tmp_path / "run", FAILED), tmp_path / "own"
    own.mkdir()
    (own / "notice.html").write_text('{% extends "batchscan/notice.html" %}{% block title %}ours{% endblock %}')
    german = ReportStyle("de")
    with Ledger.read(run.ledger) as ledger:
        print_notices(run, ledger, "overnight")
        print_notices(run, ledger, "overnight", german)
        assert "Kein Ergebnis: Dieses Präparat ist gescheitert" in " ".join(words(run.notice("b")).split())
        print_notices(run, ledger, "overnight", ReportStyle("de", own))
        assert PdfReader(run.notice("b")).metadata.title == "ours"


def test_on_another_paper_they_are_printed_again(tmp_path: Path) -> None:
    run, widths_pt = a_run(tmp_path, FAILED), []
    with Ledger.read(run.ledger) as ledger:
        for style in (ReportStyle(), ReportStyle(paper="letter")):
            print_notices(run, ledger, "overnight", style)
            (page,) = PdfReader(run.notice("b")).pages
            widths_pt.append(round(float(page.mediabox.width)))
    assert widths_pt == [595, 612]


def test_what_says_the_same_has_the_same_bytes_and_no_path(tmp_path: Path) -> None:
    run = a_run(tmp_path, FAILED)
    printed = []
    with Ledger.read(run.ledger) as ledger:
        for _ in range(2):
            print_notices(run, ledger, "overnight")
            printed.append(run.notice("b").read_bytes())
            run.notice("b").unlink()
    assert printed[0] == printed[1]
    assert is_sealed(printed[0])
    reader = PdfReader(io.BytesIO(printed[0]))
    assert reader.metadata is not None
    xmp = reader.root_object["/Metadata"].get_object().get_data().decode()
    said = [xmp, *map(str, reader.metadata.values()), *(page.extract_text() for page in reader.pages)]
    # Where the slide is, and where its run is.
    assert not [text for text in said if "elsewhere" in text or tmp_path.name in text]
    assert reader.metadata.creation_date is None
