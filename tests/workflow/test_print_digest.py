"""A ledger as a run writes it becomes the pages for the morning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from tiny_cards import TODAYS

from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.card import parse_card
from batchscan.domain.errors import LedgerMismatch
from batchscan.domain.profile import PROFILE_EDGES
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus
from batchscan.stores.ledger import Ledger, now
from batchscan.stores.results import RunFolder
from batchscan.workflow.morning import print_digest
from batchscan.workflow.printing import renew_digest

FACTS: dict[str, Any] = {
    "name": "overnight",
    "finished": None,
    "model": {"name": "idc-cnn", "version": "1.0.0", "sha256": "5e" * 32},
    "engine": None,
    "threshold": 0.5,
}
PROFILE = {name: (100,) * (len(edges) - 1) for name, edges in PROFILE_EDGES.items()}


def folder_of(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    said = {**TODAYS, "weights_sha256": FACTS["model"]["sha256"], "examples": [], "examples_sha256": None}
    folder.keep_card(parse_card(json.dumps(said)))
    return folder


def begun(ledger: Ledger, *slide_ids: str) -> dict[str, Any]:
    requests = [SlideRequest(slide_id, slide_id, Path("elsewhere") / slide_id) for slide_id in slide_ids]
    ledger.begin(requests, {"started": now()})
    return {**FACTS, "started": ledger.facts()["started"], "counts": {"asked": len(slide_ids)}}


def test_the_pages_say_what_the_ledger_holds(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    with Ledger.hold(folder.ledger) as ledger:
        facts = begun(ledger, "a", "b", "c")
        for slide_id in ("a", "b"):
            ledger.slide_started(slide_id)
            ledger.slide_surveyed(slide_id, 2000)
        ledger.patches_scanned("a", 2000)
        ledger.slide_retried(SlideOutcome("b", SlideStatus.FAILED, "worker_died", "it died"), AttemptEnd("w2"))
        ledger.slide_started("b")
        numbers = {"n_patches": 2000, "n_positive": 0, "n_borderline": 3}
        end = AttemptEnd("w1", None, {"read": 1.0, "infer": 4.0}, 1024.0)
        ledger.slide_ended(SlideOutcome("a", SlideStatus.DONE), end, numbers, PROFILE)
        ledger.slide_ended(SlideOutcome("b", SlideStatus.FAILED, "hung", "no sign of life"), AttemptEnd("w2"))
        print_digest(folder, ledger, facts, PROFILE, pdf=True)
    words = " ".join(PdfReader(folder.path / "digest.pdf").pages[0].extract_text().split())
    assert "3 slides asked for: 1 done, 1 failed, 0 excluded, 1 remaining" in words
    assert "failed hung 1 Its reader never came back." in words
    assert "Network 4.00 s" in words
    assert "Extent hangs on borderline patches 1 a (3 borderline, 0 positive)" in words
    assert "largest PSI 0.000" in words
    assert "no sign of life" in (folder.path / "slides-001.html").read_text("utf-8")
    assert (folder.path / "index.html").is_file()


def test_no_sheet_is_printed_at_the_start(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder.path / "digest.pdf").write_bytes(b"of an earlier run")
    (folder.path / "slides-002.html").write_bytes(b"of an earlier run")
    with Ledger.hold(folder.ledger) as ledger:
        print_digest(folder, ledger, begun(ledger, "a"), pdf=False)
    assert {path.name for path in folder.path.glob("*.[hp]*")} == {"index.html", "slides-001.html"}


def test_a_ledger_of_other_slides_is_an_error(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    with Ledger.hold(folder.ledger) as ledger:
        facts = begun(ledger, "a", "b")
        with pytest.raises(LedgerMismatch, match="asked 3 and 2"):
            print_digest(folder, ledger, {**facts, "counts": {"asked": 3}}, pdf=True)


def test_a_digest_is_made_again_when_reports_and_evaluations_are_there(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    with Ledger.hold(folder.ledger) as ledger:
        facts = begun(ledger, "a")
        ledger.slide_started("a")
        ledger.slide_ended(SlideOutcome("a", SlideStatus.DONE), AttemptEnd("w1"), {"n_patches": 1})
        print_digest(folder, ledger, {**facts, "reports": False}, pdf=True)
    (folder.path / "run.json").write_text(json.dumps({**facts, "reports": False}))
    slide, evaluation = folder.slide("a"), folder.path / "evaluation"
    for made in (slide, evaluation):
        made.mkdir()
    (slide / "result.json").touch()
    (slide / "report.pdf").touch()
    (evaluation / "index.html").touch()
    (evaluation / "evaluation.json").write_text(json.dumps({"provenance": {"created": now()}}))
    links = ('href="evaluation/index.html"', 'href="slides/a/report.pdf"')
    assert not [link for link in links if link in (folder.path / "index.html").read_text("utf-8")]
    renew_digest(folder)
    assert [link for link in links if link in (folder.path / "index.html").read_text("utf-8")] == list(links)
