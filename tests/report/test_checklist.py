"""The appendix of reporting guidelines: every item of each is asked for, and only what is known is filled in."""

from __future__ import annotations

import pytest
from evaluation_factory import make_evaluation
from evaluation_parts import leaked

from batchscan.domain.evaluated import Evaluation
from batchscan.report.blocks import Table
from batchscan.report.checklist import ITEMS, TO_BE_PROVIDED, checklist
from batchscan.report.checklist_answers import ANSWERS

CLAIM = [str(i) for i in range(1, 45)]
# The published tables, items with letters written out: 48 rows and 52 subitems.
_STARD_LETTERS = {15: "abcd", 16: "abc", 17: "ab", 26: "ab", 40: "ab"}
_TRIPOD_LETTERS = {3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef", 20: "abc", 23: "ab",
                   27: "abc"}  # fmt: skip
STARD = [f"{i}{letter}" for i in range(1, 41) for letter in _STARD_LETTERS.get(i, [""])]
TRIPOD = [f"{i}{letter}" for i in range(1, 28) for letter in _TRIPOD_LETTERS.get(i, [""])]


def answers(evaluation: Evaluation) -> dict[str, str]:
    table = checklist(evaluation).blocks[-1]
    assert isinstance(table, Table)
    return {row[0].value: row[-1].value for row in table.rows}


@pytest.mark.parametrize(("column", "items", "n"), [(1, CLAIM, 44), (2, STARD, 48), (3, TRIPOD, 52)])
def test_every_item_of_a_guideline_is_asked_for_once(column: int, items: list[str], n: int) -> None:
    assert len(items) == n
    asked = [item for row in ITEMS for item in row[column].split()]
    assert sorted(asked) == sorted(items)


def test_every_answer_has_its_topic() -> None:
    topics = [row[0] for row in ITEMS]
    assert len(topics) == len(set(topics))
    assert set(ANSWERS) <= set(topics)


def test_what_the_record_knows_is_filled_in_and_the_rest_is_left_to_people() -> None:
    said = answers(make_evaluation())
    assert "10 patients, 12 slides" in said["Intended size of the study"]
    assert "1 labelled patches, in no figure" in said["Missing data"]
    assert said["Updating of the model"] == "None."
    for topic in ("Ethics approval and consent", "Registration", "Funding and interests", "Adverse events"):
        assert said[topic] == f"{TO_BE_PROVIDED}."


def test_answers_follow_the_evaluation() -> None:
    full = make_evaluation()
    tuned = full.settings.model_copy(update={"tuned_threshold": 0.3, "tuned_on": "split tune"})
    said = answers(
        make_evaluation(settings=tuned, leakage=leaked(), readers=None, robustness=(), subgroups=(), gates=())
    )
    assert "0.3, on split tune, after the fact" in said["Updating of the model"]
    assert said["At which level partitions are disjoint"].startswith("NOT disjoint: 2 patients")
    assert said["How far readers agree"].startswith("Not measured")
    assert said["Robustness and variability"] == "Not measured: pixels were not changed. No subgroups."
    assert said["Objectives and hypotheses"].startswith("No acceptance gates were set.")


def test_no_training_patient_and_no_patch_is_no_error() -> None:
    full = make_evaluation(slide_level=False, extent=False)
    nothing = full.flow.model_copy(update={"patches_analysed": 0, "patches_positive": 0})
    assert "not defined" in answers(full.model_copy(update={"flow": nothing}))["Rare classes"]
