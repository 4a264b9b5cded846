"""A slide's line in the ledger becomes a row of the index's table; cells by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from night_factory import HOSTILE, attempt, done, empty, ended, facts, small_night

from batchscan.domain.records import SlideStatus
from batchscan.report.attention import CONCERNS
from batchscan.report.morning import render_digest
from batchscan.report.night import run_figures
from batchscan.report.slide_table import FIELDS, slide_table, table_row
from batchscan.stores.ledger_view import LedgerRow

COUNTS = {"done": 1, "failed": 0, "excluded": 12_000, "remaining": 1}


def named(row: LedgerRow, *concerns: str) -> dict[str, Any]:
    return dict(zip(FIELDS, table_row(row, concerns).cells, strict=True))


def test_a_done_slide_has_its_numbers_twice_to_sort_and_to_read() -> None:
    row = named(done("A1", idc_mm2=23.456789, qc_grade="review"), "edge", "retried")
    assert (row["slide_id"], row["patient_id"], row["status"], row["grade"]) == ("A1", "P1", 0, 1)
    assert (row["idc_mm2"], row["idc_fraction"], row["n_foci"], row["tissue_mm2"]) == (23.4568, 0.0973, 2, 241.2)
    assert row["words"] == ("23.5", "9.7 %", "7.4", "2", "241")
    assert [CONCERNS[place].code for place in row["concerns"]] == ["edge", "retried"]
    assert row["path"] is None


def test_what_is_not_defined_is_none_and_said_so() -> None:
    row = named(empty("E5"))
    assert (row["idc_mm2"], row["n_foci"], row["grade"]) == (None, None, None)
    assert row["words"] == ("not defined", "not defined", "not defined", "not defined", "0")
    failed = named(ended("B2", "failed", "unreadable"))
    assert (failed["status"], failed["reason"], failed["sentence"]) == (1, "unreadable", "it could not be")
    assert (failed["words"], failed["tissue_mm2"]) == ((), None)


@pytest.mark.parametrize("status", [SlideStatus.PENDING, SlideStatus.RUNNING])
def test_what_has_not_ended_remains(status: SlideStatus) -> None:
    assert named(LedgerRow("s", "p", status, "", "", None, 0, {}))["status"] == 3


def test_hostile_names_are_plain_and_their_folder_is_found() -> None:
    row = named(ended("a/<\u202e", "failed", HOSTILE, HOSTILE * 3))
    assert (row["slide_id"], row["path"]) == ("a/<\ufffd", "a%2F%3C%E2%80%AE")
    assert all("\u202e" not in row[name] for name in ("reason", "sentence"))
    assert len(row["sentence"]) == 300


def test_only_what_there_is_can_be_chosen() -> None:
    table = slide_table([], COUNTS, 1234, reports=False)
    assert table.statuses == (("done", "done (1)"), ("excluded", "excluded (12,000)"), ("remaining", "remaining (1)"))
    assert (table.n_concerned, table.data["reports"]) == ("1,234", False)


def test_a_row_has_the_concerns_that_the_digest_counts() -> None:
    figures = small_night()
    concerned = [dict(zip(FIELDS, row.cells, strict=True))["concerns"] for row in figures.table]
    for concern in figures.concerns:
        assert sum(CONCERNS.index(concern.concern) in places for places in concerned) == concern.n
    assert sum(map(bool, concerned)) == figures.n_concerned


def test_what_the_page_holds_is_its_rows_whatever_their_words(tmp_path: Path) -> None:
    rows = [done("</script><script>alert(1)</script>"), ended("b", "failed", "x", "</script>\u2028<!--")]
    figures = run_figures(facts(2), rows, [attempt(row.slide_id) for row in rows], None)
    render_digest(figures, tmp_path, pdf=False)
    html = (tmp_path / "index.html").read_text("utf-8")
    assert html.count("</script>") == 2
    stored = html.partition('id="slides-data">')[2].partition("</script>")[0]
    assert [row[0] for row in json.loads(stored)["rows"]] == ["</script><script>alert(1)</script>", "b"]
