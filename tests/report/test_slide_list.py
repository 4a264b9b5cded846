"""The pages that list a run's slides."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from html_page import Page
from html_rows import Rows
from night_factory import HOSTILE, done, empty, ended

from batchscan.domain.errors import OutputError
from batchscan.report.morning import render_slides
from batchscan.report.slide_list import N_A_PAGE, line_href, slides_pages
from batchscan.stores.ledger_view import LedgerRow


def listed(tmp_path: Path, *rows: LedgerRow, reports: bool = True, name: str = "overnight") -> str:
    render_slides(name, rows, len(rows), tmp_path, reports=reports)
    return (tmp_path / "slides-001.html").read_text("utf-8")


def test_a_done_slide_is_linked_with_its_numbers(tmp_path: Path) -> None:
    page = listed(tmp_path, done("8867", qc_grade="review"))
    numbers = "23.5 mm²|9.7 %|2|7.4 \u00d7 5.3 mm|21.4 mm|yes|241 mm²|1,642|161|0|review|5.30 s"
    assert Rows(page).rows[1:] == [["8867", "P1", "done", *numbers.split("|")]]
    assert Page(page).links == ["index.html", "summary.csv", "slides/8867/report.pdf", "index.html", "summary.csv"]


def test_nothing_is_linked_when_no_report_was_printed(tmp_path: Path) -> None:
    assert "report.pdf" not in listed(tmp_path, done("8867"), reports=False)


def test_slides_that_are_not_done_say_why(tmp_path: Path) -> None:
    rows = Rows(listed(tmp_path, ended("a", "failed", "unreadable", "copy it again"), empty("e"))).rows[1:]
    assert rows[0] == ["a", "P1", "failed", "a: copy it again"]
    remark = "no tissue was found on the slide"
    assert rows[1] == ["e", "P1", "done", remark, "0 mm²", "0", "0", "0", "not judged", "1.50 s"]


def test_pages_hold_so_many_rows_and_lead_to_one_another(tmp_path: Path) -> None:
    rows = [done(f"s{i}") for i in range(2 * N_A_PAGE + 1)]
    first = listed(tmp_path, *rows)
    files = ["slides-001.html", "slides-002.html", "slides-003.html"]
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    assert "Slides 1 to 500 of 1,001" in Page(first).words
    assert [link for link in Page(first).links if link.startswith("slides-")] == files[1:] * 2
    last = (tmp_path / files[2]).read_text("utf-8")
    assert "Slides 1,001 to 1,001 of 1,001" in Page(last).words
    assert line_href(1000) == "slides-003.html#s1001"
    assert 'id="s1001"' in last
    listed(tmp_path, done("a"))
    assert [path.name for path in tmp_path.iterdir()] == files[:1]


def test_a_run_without_slides_has_an_empty_list(tmp_path: Path) -> None:
    assert "Slides none" in Page(listed(tmp_path)).words


def test_hostile_words_come_out_as_words(tmp_path: Path, bait: Path) -> None:
    attack = f"{HOSTILE}<img src={bait.as_uri()}>"
    rows = done(attack), ended(attack, "failed", attack, attack), replace(done("a"), patient_id=attack)
    page = listed(tmp_path, *rows, name=attack)
    assert not set(Page(page).tags) & {"script", "img", "link", "iframe"}
    shown = attack.replace("\u202e", "\ufffd")
    assert [Rows(page).rows[1][0], Rows(page).rows[3][1]] == [shown, shown]
    (href,) = (link for link in Page(page).links if "report" in link and not link.startswith("slides/a/"))
    assert href.count("/") == 2
    assert not set("<>\"' ") & set(href)


def test_ten_thousand_slides_in_seconds(tmp_path: Path) -> None:
    rows = [done(f"s{i}") for i in range(10_000)]
    started = time.process_time()
    listed(tmp_path, *rows)
    assert time.process_time() - started < 20
    pages = list(tmp_path.iterdir())
    assert len(pages) == 20
    assert max(path.stat().st_size for path in pages) < 400_000


def test_rows_are_taken_page_by_page() -> None:
    taken = 0

    def rows() -> Any:
        nonlocal taken
        for i in range(3 * N_A_PAGE):
            taken += 1
            yield done(f"s{i}")

    pages = slides_pages("overnight", rows(), 3 * N_A_PAGE, "9", reports=True)
    next(pages)
    assert taken == N_A_PAGE


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"slides-001\.html: can't be written"):
        listed(tmp_path / "nowhere", done("a"))
