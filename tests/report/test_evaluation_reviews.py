"""What an evaluation's page says of reviews."""

from __future__ import annotations

from evaluation_factory import make_evaluation
from evaluation_parts import measured

from batchscan.domain.evaluated import DisputedFocus, FociReviewed
from batchscan.report.blocks import Table, Words
from batchscan.report.evaluation_content import evaluation_content
from batchscan.report.evaluation_reviews import reviews


def disputed(number: int) -> DisputedFocus:
    return DisputedFocus(
        slide_id="S1",
        patient_id="P1",
        number=number,
        focus_id="f",
        x_px=1234.4,
        y_px=80.0,
        area_mm2=0.31,
        standing="disagreed",
        words=("A: disagree (fat)", "B: disagree"),
    )


def foci(n_disputed: int = 1, n_earlier: int = 0) -> FociReviewed:
    return FociReviewed(
        n_foci=1200,
        n_slides=7,
        n_reviewed=40,
        n_agreed=30,
        n_disagreed=4,
        n_divided=3,
        n_unsure=3,
        n_missed=2,
        n_of_earlier_results=n_earlier,
        reviewers=("A", "B"),
        agreed=measured(30 / 37, 0.05, 37),
        disputed=tuple(disputed(number + 1) for number in range(n_disputed)),
    )


def test_reviewed_foci_are_counted_and_called_no_independent_reference() -> None:
    evaluation = make_evaluation().model_copy(update={"reviewed": foci(n_earlier=5)})
    (section,) = reviews(evaluation)
    said = " ".join(block.text for block in section.blocks if isinstance(block, Words))
    assert "Of 1,200 foci on the slides analysed, 40 were reviewed, on 7 slides, by A and B: 30 agreed with" in said
    assert "4 disagreed with, 3 on which reviewers differ, 3 of which nobody is sure" in said
    assert "drew 2 regions of IDC that had not been called. Not counted: 5 spoken of in earlier results" in said
    assert "This is no independent reference" in said
    share, table = (block for block in section.blocks if isinstance(block, Table))
    assert share.rows[0][2].value == "37"
    assert share.rows[0][1].value.startswith("0.811")
    (slide, focus, words, area) = table.rows[0]
    assert (slide.value, focus.value, focus.note) == ("S1", "focus 1", "centre 1234, 80 px")
    assert (words.value, area.value) == ("A: disagree (fat); B: disagree", "0.31 mm\u00b2")
    assert section in evaluation_content(evaluation).sections


def test_of_many_disputed_foci_the_page_says_how_many_it_leaves_out() -> None:
    (section,) = reviews(make_evaluation().model_copy(update={"reviewed": foci(n_disputed=75)}))
    table = section.blocks[-1]
    assert isinstance(table, Table)
    assert (len(table.rows), table.note) == (60, "15 more in evaluation.json.")


def test_without_reviews_there_is_no_such_section() -> None:
    assert reviews(make_evaluation()) == ()
    assert not [one for one in evaluation_content(make_evaluation()).sections if "reviewers said" in one.title]
