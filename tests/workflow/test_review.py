"""Forms and exports that come back, and what of them is kept."""

from __future__ import annotations

import csv
import os
import sqlite3
from pathlib import Path

import pytest
from cohort_runs import result
from reviewed_runs import (
    DRAWN,
    classed,
    drawn,
    exported,
    features_of,
    filled,
    form_rows,
    kept,
    reviewed_run,
    take,
)

from batchscan.domain.errors import OutputError, ReviewError, RunBusyError, UsageError
from batchscan.domain.reviews import Verdict
from batchscan.stores.ledger import Ledger
from batchscan.stores.results import RunFolder
from batchscan.workflow.review import write_run_form
from batchscan.workflow.review_state import read_reviewed


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Two slides with two foci each; S2's store has every fourth pixel of its file."""
    return reviewed_run(tmp_path / "run", result("S1"), result("S2", downsample=4.0))


def test_a_form_goes_out_and_comes_back_and_what_it_says_is_kept_with_who_and_when(
    tmp_path: Path, run: RunFolder
) -> None:
    rows = form_rows(run, tmp_path / "form.csv")
    assert [(row["slide_id"], row["number"]) for row in rows] == [("S1", "1"), ("S1", "2"), ("S2", "1"), ("S2", "2")]
    assert {row["verdict"] + row["comment"] + row["reviewer"] + row["when"] for row in rows} == {""}
    rows[0] |= {"verdict": "agree"}
    rows[1] |= {"verdict": " Disagree ", "comment": "fat,\nno tumour", "when": "2025-11-25"}
    rows[3] |= {"verdict": "unsure", "reviewer": "Dr. A"}
    taken = take(run, filled(tmp_path / "filled.csv", rows), reviewer="Dr. A")
    assert dict(taken.kept) == {Verdict.AGREE: 1, Verdict.DISAGREE: 1, Verdict.UNSURE: 1}
    assert taken.slides == {"S1", "S2"}
    with Ledger.read(run.ledger) as ledger:
        one, two, three = ledger.reviews()
    assert (one.slide_id, one.number, one.verdict, one.comment, one.reviewer) == ("S1", 1, "agree", "", "Dr. A")
    assert (one.region_id, one.digest) == (rows[0]["focus_id"], "sha256:" + "2" * 64)
    assert one.reviewed == one.kept == "2025-11-26T09:30:00+00:00"
    assert (two.comment, two.reviewed, two.kept) == ("fat, no tumour", "2025-11-25", one.kept)
    assert (three.slide_id, three.number, three.verdict) == ("S2", 2, "unsure")
    assert one.outline.startswith('{"type":"Polygon"')


@pytest.mark.parametrize(("delimiter", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-8"), (",", "utf-8-sig")])
def test_what_spreadsheets_of_other_countries_save_is_read(
    tmp_path: Path, run: RunFolder, delimiter: str, encoding: str
) -> None:
    rows = form_rows(run, tmp_path / "form.csv", "S1")
    rows[0] |= {"verdict": "agree", "comment": "kräftig; groß, klar"}
    take(run, filled(tmp_path / "filled.csv", rows, delimiter, encoding))
    with Ledger.read(run.ledger) as ledger:
        assert [one.comment for one in ledger.reviews()] == ["kräftig; groß, klar"]


def test_a_form_for_countries_that_write_one_comma_five(tmp_path: Path, run: RunFolder) -> None:
    write_run_form(run, tmp_path / "form.csv", ("S1",), "", semicolons=True)
    header, first, _ = (tmp_path / "form.csv").read_text().splitlines()
    assert header.startswith("slide_id;number;focus_id;")
    area_mm2 = round(result("S1").extent.foci[0].area_mm2, 3)
    assert f";{area_mm2}".replace(".", ",") + ";" in first
    with (tmp_path / "form.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter=";"))
    take(run, filled(tmp_path / "f.csv", [{**rows[0], "verdict": "agree"}], ";"))
    assert kept(run) == [("S1", 1, "A", "agree")]


def test_a_comment_that_a_spreadsheet_would_run_goes_out_as_text_and_stays_what_it_was(
    tmp_path: Path, run: RunFolder
) -> None:
    rows = form_rows(run, tmp_path / "form.csv", "S1")
    rows[0] |= {"verdict": "agree", "comment": '=HYPERLINK("http://x")'}
    take(run, filled(tmp_path / "filled.csv", rows))
    assert write_run_form(run, tmp_path / "again.csv", ("S1",), "A") == (2, ())
    assert ",agree,\"'=HYPERLINK(" in (tmp_path / "again.csv").read_text()
    # The same word again adds nothing.
    assert not take(run, tmp_path / "again.csv").kept
    assert len(kept(run)) == 1


def test_the_last_word_counts_and_the_earlier_ones_stay(tmp_path: Path, run: RunFolder) -> None:
    rows = form_rows(run, tmp_path / "form.csv", "S1")
    for reviewer, verdict in (("A", "agree"), ("B", "disagree"), ("A", "unsure"), ("A", "unsure"), ("A", "agree")):
        rows[0]["verdict"] = verdict
        take(run, filled(tmp_path / "f.csv", rows), reviewer=reviewer)
    expected = [("A", "agree"), ("B", "disagree"), ("A", "unsure"), ("A", "agree")]
    assert kept(run) == [("S1", 1, *said) for said in expected]


def test_every_wrong_row_is_named_with_its_line_and_nothing_is_kept(tmp_path: Path, run: RunFolder) -> None:
    rows = form_rows(run, tmp_path / "form.csv")
    other = "f" * 8 + "-1111-4111-8111-111111111111"
    rows = [
        {**rows[0], "verdict": "agree"},
        {**rows[0], "verdict": "agree"},
        {**rows[1], "verdict": "yes"},
        {**rows[1], "verdict": "", "comment": "why"},
        {**rows[1], "verdict": "agree", "when": "yesterday"},
        {**rows[1], "verdict": "agree", "when": "2031-01-01"},
        {**rows[1], "verdict": "agree", "reviewer": "B"},
        {**rows[1], "verdict": "agree", "focus_id": other},
        {**rows[1], "verdict": "agree", "focus_id": other[::-1], "result": "sha256:" + "9" * 64},
        {**rows[2], "verdict": "agree", "slide_id": "S1"},
        {**rows[2], "verdict": "agree", "slide_id": "../run/slides/S2"},
        {**rows[2], "verdict": "missed"},
        {**rows[2], "verdict": "agree", "comment": "x" * 2001},
    ]
    with pytest.raises(ReviewError) as caught:
        take(run, filled(tmp_path / "f.csv", rows))
    said = str(caught.value)
    for words in (
        "f.csv, line 3: says again what f.csv, line 2 says",
        "line 4: verdict 'yes' is none of agree, disagree, unsure",
        "line 5: has a comment but no verdict",
        "line 6: when 'yesterday' is no date: write it as 2025-11-26",
        "line 7: when '2031-01-01' is in the future",
        "line 8: is 'B''s word, not 'A''s",
        f"line 9: slide S1 has no focus '{other}' in its present result (sha256:222222222222): it is of another slide",
        "line 10: slide S1 has no focus",
        "it is of an earlier result; write a new form",
        "line 11: slide S1 has no focus",
        "line 12: slide '../run/slides/S2' has no result in this run",
        "line 13: verdict 'missed' is none of",
        "line 14: its comment has 2001 characters",
    ):
        assert words in said
    assert "line 2:" not in said
    assert "\n" not in said
    assert kept(run) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no columns slide_id, focus_id, verdict"),
        (b"slide_id;verdict\n", "has no columns"),
        (b"slide_id,focus_id,verdict\nS1,x,agree,more\n", "line 2: has more cells than the header"),
        ("slide_id,focus_id,verdict\nS1,x,größer\n".encode("latin-1"), "isn't UTF-8: save it as 'CSV UTF-8'"),
    ],
    ids=["empty", "other columns", "too many cells", "latin-1"],
)
def test_what_is_no_form_is_named(tmp_path: Path, run: RunFolder, content: bytes, words: str) -> None:
    (tmp_path / "f.csv").write_bytes(content)
    with pytest.raises(ReviewError, match=words):
        take(run, tmp_path / "f.csv")


def test_a_form_of_more_than_64_mib_is_not_read(tmp_path: Path, run: RunFolder) -> None:
    with (tmp_path / "f.csv").open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(ReviewError, match="more than 64 MiB"):
        take(run, tmp_path / "f.csv")


@pytest.mark.parametrize("name", ["", "  ", "A\nB", "\x1b[2J", "x" * 101])
def test_a_reviewer_has_a_plain_name(tmp_path: Path, run: RunFolder, name: str) -> None:
    rows = form_rows(run, tmp_path / "form.csv")
    with pytest.raises(UsageError, match="--reviewer"):
        take(run, filled(tmp_path / "f.csv", [{**rows[0], "verdict": "agree"}]), reviewer=name)


def test_a_form_is_never_overwritten_and_unknown_slides_are_named(tmp_path: Path, run: RunFolder) -> None:
    form_rows(run, tmp_path / "form.csv", "S2")
    with pytest.raises(UsageError, match="is there already, and may be a form that is filled in"):
        write_run_form(run, tmp_path / "form.csv", (), "")
    with pytest.raises(UsageError, match="no result of slide S9"):
        write_run_form(run, tmp_path / "other.csv", ("S9",), "")
    assert not (tmp_path / "other.csv").exists()


def test_a_damaged_result_is_left_out_of_a_form_and_named(tmp_path: Path, run: RunFolder) -> None:
    (run.slide("S1") / "regions.geojson").write_text("{")
    n_rows, (why,) = write_run_form(run, tmp_path / "form.csv", (), "")
    assert n_rows == 2
    assert "S1: the stored result can't be read" in why


def test_while_a_runner_is_at_work_nothing_is_taken_in(tmp_path: Path, run: RunFolder) -> None:
    file = filled(tmp_path / "f.csv", [{**form_rows(run, tmp_path / "form.csv")[0], "verdict": "agree"}])
    with Ledger.hold(run.ledger), pytest.raises(RunBusyError, match="is at work in this run folder"):
        take(run, file)
    assert kept(run) == []
    assert take(run, file).kept == {Verdict.AGREE: 1}
    with Ledger.read(run.ledger) as ledger:
        assert "holder" not in ledger.facts()


def test_of_a_run_that_may_not_be_written_to_there_is_a_form_but_nothing_is_taken_in(
    tmp_path: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = filled(tmp_path / "f.csv", [{**form_rows(run, tmp_path / "form.csv")[0], "verdict": "agree"}])
    # Permissions mean nothing to root, whom tests may run as.
    monkeypatch.setattr(os, "access", lambda place, mode: not Path(place).is_relative_to(run.path) or mode != os.W_OK)
    assert write_run_form(run, tmp_path / "again.csv", (), "") == (4, ())
    with pytest.raises(OutputError, match="may not be written to, and reviews are kept there"):
        take(run, file)
    assert kept(run) == []


def test_a_ledger_from_before_reviews_takes_them_and_loses_nothing(tmp_path: Path, run: RunFolder) -> None:
    with sqlite3.connect(run.ledger) as database:
        database.execute("DROP TABLE reviews")
    with Ledger.read(run.ledger) as ledger:
        assert ledger.reviews() == ()
        before = tuple(ledger.rows())
    take(run, filled(tmp_path / "f.csv", [{**form_rows(run, tmp_path / "form.csv")[0], "verdict": "agree"}]))
    with Ledger.read(run.ledger) as ledger:
        assert tuple(ledger.rows()) == before
    assert len(kept(run)) == 1


def test_a_ledger_of_another_version_is_not_made_anew_by_a_review(tmp_path: Path, run: RunFolder) -> None:
    file = filled(tmp_path / "f.csv", [{**form_rows(run, tmp_path / "form.csv")[0], "verdict": "agree"}])
    with sqlite3.connect(run.ledger) as database:
        database.execute("PRAGMA user_version = 2")
    with pytest.raises(OutputError, match="another version of batchscan wrote this ledger"):
        take(run, file)
    with sqlite3.connect(run.ledger) as database:
        assert database.execute("SELECT count(*) FROM slides").fetchone() == (2,)


def test_the_next_run_in_the_folder_keeps_reviews_also_where_it_makes_the_ledger_anew(
    tmp_path: Path, run: RunFolder
) -> None:
    take(run, filled(tmp_path / "f.csv", [{**form_rows(run, tmp_path / "form.csv")[0], "verdict": "agree"}]))
    with sqlite3.connect(run.ledger) as database:
        database.execute("PRAGMA user_version = 2")
    with Ledger.hold(run.ledger) as ledger:
        ledger.begin([], {})
    assert kept(run) == [("S1", 1, "A", "agree")]


def test_in_qupath_a_class_is_a_verdict_and_a_description_the_comment(tmp_path: Path, run: RunFolder) -> None:
    one, two = features_of(run, "S1")
    export = [classed(one, "not IDC", "usual hyperplasia"), classed(two, "agree"), drawn(200, 0, 300, 90)]
    taken = take(run, exported(tmp_path / "any name.geojson", export))
    assert kept(run) == [("S1", 1, "A", "disagree"), ("S1", 2, "A", "agree"), ("S1", None, "A", "missed")]
    with Ledger.read(run.ledger) as ledger:
        first, second, third = ledger.reviews()
    assert (first.comment, third.region_id) == ("usual hyperplasia", DRAWN)
    assert first.outline != second.outline
    assert '"coordinates":[[[200.0,0.0],' in third.outline
    assert (taken.n_untouched, taken.n_other) == (0, 0)


def test_a_focus_that_was_left_as_it_was_says_nothing_unless_all_were_looked_at(tmp_path: Path, run: RunFolder) -> None:
    file = exported(tmp_path / "e.geojson", features_of(run, "S1"))
    assert (take(run, file).n_untouched, kept(run)) == (2, [])
    take(run, file, all_looked_at=True)
    assert kept(run) == [("S1", 1, "A", "agree"), ("S1", 2, "A", "agree")]


def test_coordinates_of_the_slides_file_come_out_in_the_stores_pixels(tmp_path: Path, run: RunFolder) -> None:
    """S2's focus 2 is the half cell at (300, 100); its file has four pixels along each of the store's."""
    features = [classed(features_of(run, "S2")[1], "unsure"), drawn(800, 40, 1200, 400)]
    take(run, exported(tmp_path / "e.geojson", features))
    with Ledger.read(run.ledger) as ledger:
        focus, missed = ledger.reviews()
    assert (focus.number, "[300.0,100.0]" in focus.outline) == (2, True)
    assert "[[[200.0,10.0],[300.0,10.0],[300.0,100.0]" in missed.outline


def test_a_focus_that_was_reshaped_is_agreed_with_as_it_was_drawn(tmp_path: Path, run: RunFolder) -> None:
    one = features_of(run, "S2")[0]
    one["geometry"]["coordinates"] = [[[0, 0], [800, 0], [800, 400], [0, 400], [0, 0]]]
    take(run, exported(tmp_path / "e.geojson", [one]))
    with Ledger.read(run.ledger) as ledger:
        (said,) = ledger.reviews()
    assert (said.number, said.verdict) == (1, "agree")
    assert (
        said.outline == '{"type":"Polygon","coordinates":[[[0.0,0.0],[200.0,0.0],[200.0,100.0],[0.0,100.0],[0.0,0.0]]]}'
    )


def test_where_nothing_says_whose_pixels_they_are_it_must_be_said(tmp_path: Path, run: RunFolder) -> None:
    file = exported(tmp_path / "S2.geojson", [drawn(40, 40, 200, 200)])
    with pytest.raises(ReviewError, match="4 of the slide's file lie along one of its store; say --pixels file"):
        take(run, file)
    take(run, file, pixels="file")
    with Ledger.read(run.ledger) as ledger:
        assert "[10.0,10.0]" in ledger.reviews()[0].outline
    # One pixel is as large as the other: nothing to be said.
    take(run, exported(tmp_path / "S1.geojson", [drawn(40, 40, 200, 200)]))
    assert [said[0] for said in kept(run)] == ["S2", "S1"]


def test_a_region_that_was_drawn_can_be_taken_back(tmp_path: Path, run: RunFolder) -> None:
    take(run, exported(tmp_path / "S1.geojson", [drawn(200, 0, 300, 90)]))
    stroma = classed(drawn(200, 0, 300, 90), "Stroma")
    take(run, exported(tmp_path / "S1.geojson", [stroma]))
    assert kept(run) == [("S1", None, "A", "missed"), ("S1", None, "A", "disagree")]
    # One that nobody had called a focus says nothing of foci.
    assert take(run, exported(tmp_path / "S1.geojson", [{**stroma, "id": "other"}])).n_other == 1


def test_on_a_slide_without_a_focus_what_was_missed_is_kept(tmp_path: Path) -> None:
    run = reviewed_run(tmp_path / "none", result("S1", ((0.1,) * 4,) * 3))
    take(run, exported(tmp_path / "S1.geojson", [drawn(40, 40, 200, 200)]), slide_id="S1")
    assert kept(run) == [("S1", None, "A", "missed")]


def test_what_had_been_called_was_not_missed_however_it_is_drawn(tmp_path: Path, run: RunFolder) -> None:
    """S1's focus 1 is the three cells at (0, 0), (100, 0) and (0, 100)."""
    boxes = {"part": (0, 0, 90, 90), "half": (100, 0, 300, 100), "more": (95, 0, 310, 100)}
    file = exported(tmp_path / "S1.geojson", [drawn(*box, id=name) for name, box in boxes.items()])
    take(run, file)
    assert kept(run) == [("S1", None, "A", word) for word in ("redrawn", "redrawn", "missed")]
    assert read_reviewed(run).as_json()["missed"] == 1


def test_what_is_wrong_with_an_export_is_named_by_feature_and_nothing_is_kept(tmp_path: Path, run: RunFolder) -> None:
    one, two = features_of(run, "S1")
    export = [
        classed(one, "agree"),
        classed(two, "IDC", "looks odd"),
        classed(drawn(0, 0, 90, 90), "Region*"),
        drawn(9000, 0, 9900, 90),
        {**classed(features_of(run, "S1")[0], "agree"), "id": "0f0e0d0c-0000-4000-8000-00000000000f"},
    ]
    with pytest.raises(ReviewError) as caught:
        take(run, exported(tmp_path / "e.geojson", export))
    for words in (
        "e.geojson, feature 2: IDC focus 2 has a description but is as it was",
        "feature 3: its class 'Region*' says neither that it is IDC nor that it isn't",
        "feature 4: reaches from (9000, 0) to (9900, 90), beyond the store's 350 x 300 px",
        "feature 5: IDC focus 1 is a focus of an earlier result",
    ):
        assert words in str(caught.value)
    assert kept(run) == []


def test_exports_of_two_slides_or_of_none_are_refused(tmp_path: Path, run: RunFolder) -> None:
    both = [*features_of(run, "S1"), *features_of(run, "S2")]
    with pytest.raises(ReviewError, match=r"has foci of 2 slides \(S1, S2\): export each alone"):
        take(run, exported(tmp_path / "e.geojson", both))
    with pytest.raises(ReviewError, match="doesn't say whose it is, and there is no slide 'e'"):
        take(run, exported(tmp_path / "e.geojson", [drawn(0, 0, 90, 90)]))
    with pytest.raises(ReviewError, match="is of slide 'S1', not of 'S2', as --slide says"):
        take(run, exported(tmp_path / "e.geojson", features_of(run, "S1")), slide_id="S2")
    with pytest.raises(ReviewError, match="is of slide 'S9', which has no result in this run"):
        take(run, exported(tmp_path / "e.geojson", [drawn(0, 0, 90, 90)]), slide_id="S9")
    take(run, exported(tmp_path / "e.geojson", [drawn(0, 0, 90, 90)]), slide_id="S1")
    assert len(kept(run)) == 1


def test_a_file_that_is_no_geojson_is_named(tmp_path: Path, run: RunFolder) -> None:
    (tmp_path / "S1.geojson").write_text("{")
    with pytest.raises(ReviewError, match=r"S1\.geojson: can't be read as GeoJSON"):
        take(run, tmp_path / "S1.geojson")
