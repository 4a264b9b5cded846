"""The page of an evaluation: what it must say, and that hostile words and outside addresses do nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bait_file import SECRET
from evaluation_factory import make_evaluation
from evaluation_parts import leaked, pictures
from html_page import Page
from pypdf import PdfReader

from batchscan.domain.evaluated import Evaluation
from batchscan.report.evaluation import render_evaluation

FULL = make_evaluation()


def page(evaluation: Evaluation, folder: Path) -> Page:
    render_evaluation(evaluation, pictures(evaluation), html=folder / "index.html")
    return Page((folder / "index.html").read_text("utf-8"))


def pages(evaluation: Evaluation, folder: Path) -> list[str]:
    render_evaluation(evaluation, pictures(evaluation), pdf=folder / "report.pdf")
    return [re.sub(r"\s+", " ", one.extract_text()) for one in PdfReader(folder / "report.pdf").pages]


def test_the_page_has_everything_in_order(tmp_path: Path) -> None:
    words = page(FULL, tmp_path).words
    order = (
        "In plain words",
        "Before you rely on this",
        "From what was asked for to what was analysed",
        "Called right and wrong",
        "Patch by patch",
        "Slide by slide",
        "Patient by patient",
        "Probabilities and thresholds",
        "Extent of IDC, found and labelled",
        "Subgroups",
        "When the pixels change",
        "Readers",
        "Where the model fails",
        "Methods",
        "Provenance",
        "Appendix: reporting guidelines",
    )
    places = [words.index(text) for text in order]
    assert len(set(places)) == len(order)
    for guideline in ("CLAIM", "STARD-AI", "TRIPOD+AI"):
        assert guideline in words
    assert "To be provided" in words


def test_counts_figures_and_gates_stand_as_the_record_has_them(tmp_path: Path) -> None:
    words = page(FULL, tmp_path).words
    level = FULL.levels.patch
    assert level is not None
    for count in (level.confusion.tp, level.confusion.fp, level.confusion.fn, level.confusion.tn):
        assert f"{count:,}" in words
    sensitivity = level.metrics["sensitivity"]
    assert sensitivity.value is not None
    assert f"{sensitivity.value:.3f}" in words
    assert "extent.icc.low >= 0.95" in words
    for row in FULL.extent.per_slide:
        assert row.slide_id in words
    for one in FULL.exclusions:
        assert one.sentence in words


def test_the_html_needs_nothing_else_and_runs_nothing(tmp_path: Path) -> None:
    found = page(FULL, tmp_path)
    source = (tmp_path / "index.html").read_text("utf-8")
    assert not {"script", "link", "iframe", "object", "base"} & set(found.tags)
    assert "default-src 'none'" in source
    outside = [link for link in found.links if not link.startswith("data:")]
    assert outside
    assert set(outside) <= {row.report for row in FULL.extent.per_slide}


def test_what_was_seen_is_marked_on_every_page_and_only_then(tmp_path: Path) -> None:
    clean, marked = pages(FULL, tmp_path), pages(make_evaluation(leakage=leaked()), tmp_path)
    assert len(marked) > 5
    assert all("Not independent" in words for words in marked)
    assert not any("Not independent" in words for words in clean)
    assert all("Research use only" in words for words in clean)


def test_what_isnt_defined_is_said_to_be_so(tmp_path: Path) -> None:
    bare = make_evaluation(n_slides=1, n_patients=1, n_pictures=0, share_positive=0.0, slide_level=False, extent=False)
    words = page(bare, tmp_path).words
    assert "not defined" in words
    assert "no slide has a label of its own" in words
    assert "nan" not in words.lower().split()
    assert pages(bare, tmp_path)


def test_hostile_words_come_out_as_words(tmp_path: Path, bait: Path) -> None:
    attack = f"<script>alert(1)</script><img src={bait.as_uri()}>{{{{ 7*7 }}}}\"'"
    rows = tuple(row.model_copy(update={"slide_id": attack, "patient_id": attack}) for row in FULL.extent.per_slide)
    hostile = make_evaluation(
        extent=True,
        provenance=FULL.provenance.model_copy(update={"name": attack, "command": attack, "manifest": attack}),
        exclusions=tuple(one.model_copy(update={"sentence": attack}) for one in FULL.exclusions),
    )
    hostile = hostile.model_copy(update={"extent": hostile.extent.model_copy(update={"per_slide": rows})})
    found = page(hostile, tmp_path)
    assert "script" not in found.tags
    assert attack in found.words
    assert not any("bait" in link for link in found.links)
    assert SECRET not in " ".join(pages(hostile, tmp_path))


def test_the_same_evaluation_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        render_evaluation(FULL, pictures(FULL), html=tmp_path / f"{name}.html", pdf=tmp_path / f"{name}.pdf")
    for kind in ("html", "pdf"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_a_picture_that_isnt_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pictures"):
        render_evaluation(FULL, [], html=tmp_path / "index.html")
    assert list(tmp_path.iterdir()) == []
