"""Page one of an evaluation: the answer in plain words, what to know before believing it, and who was analysed."""

from __future__ import annotations

from typing import Any

import pytest
from evaluation_factory import make_evaluation
from evaluation_parts import leaked, measured

from batchscan.domain.evaluated import Evaluation, Leakage
from batchscan.report.evaluation_cautions import cautions, mark
from batchscan.report.evaluation_content import evaluation_content
from batchscan.report.evaluation_summary import flow, headline, summary
from batchscan.report.evaluation_words import listed, printed

FULL = make_evaluation()


def with_patch(**metrics: Any) -> Evaluation:
    patch = FULL.levels.patch
    assert patch is not None
    changed = patch.model_copy(update={"metrics": {**patch.metrics, **metrics}})
    return FULL.model_copy(update={"levels": FULL.levels.model_copy(update={"patch": changed})})


def said(evaluation: Evaluation) -> str:
    return " ".join(cautions(evaluation))


def test_the_headline_counts_in_hundreds_and_is_never_surer_than_the_figures() -> None:
    found = with_patch(
        sensitivity=measured(0.892, 0.05, 1000), specificity=measured(0.9996, 0.001, 1000, trusted=False)
    )
    assert headline(found) == (
        "Of 100 patches labelled IDC it calls about 89 IDC (95 % interval: 84 to 93). Of 100 patches labelled not IDC "
        "it leaves more than 99 alone (95 % interval: more than 99 to 100, not to be trusted)."
    )


def test_what_cannot_be_said_is_said_to_be_so() -> None:
    words = headline(with_patch(sensitivity=measured(None, why="no patch is labelled IDC.")))
    assert words.startswith("How many patches with IDC it finds can\u2019t be said: no patch is labelled IDC.")
    nothing = FULL.levels.model_copy(update={"patch": None, "slide": None, "patient": None})
    assert headline(FULL.model_copy(update={"levels": nothing})).startswith("Nothing could be measured")


def test_the_headline_falls_back_on_slides() -> None:
    slides_only = FULL.model_copy(update={"levels": FULL.levels.model_copy(update={"patch": None})})
    assert "Of 100 slides labelled IDC" in headline(slides_only)
    assert [one.title for one in flow(slides_only).ends] == ["Labelled IDC: 8 slides", "Labelled not IDC: 4 slides"]


def test_slides_of_one_class_are_not_made_into_zeros() -> None:
    texts = summary(make_evaluation(share_positive=1.0))
    assert any(one.startswith("Slide by slide: of 12 slides with IDC") and "there was none without" in one
               for one in texts)  # fmt: skip
    assert any("there was no slide with IDC" in one for one in summary(make_evaluation(share_positive=0.0)))


def test_the_flow_adds_up() -> None:
    diagram = flow(FULL)
    assert diagram.steps[0].lines == ("15 slides of 12 patients",)
    assert len(diagram.steps[0].left) == len(FULL.exclusions)
    assert diagram.steps[1].lines == ("12 slides of 10 patients",)
    patch = FULL.levels.patch
    assert patch is not None
    counted = [int(line.split()[0].replace(",", "")) for end in diagram.ends for line in end.lines]
    assert sum(counted) == patch.n == FULL.flow.patches_analysed


@pytest.mark.parametrize(
    ("change", "caution"),
    [
        ({"leakage": leaked(2)}, "2 patients of this cohort (P00 and P01), let through by --allow-seen"),
        ({"readers": None}, "no second reader"),
        ({"settings": FULL.settings.model_copy(update={"tuned_threshold": 0.3, "tuned_on": "split tune"})},
         "The threshold 0.3 was chosen after the fact, on split tune"),
        ({"models": (FULL.models[0].model_copy(update={"locked": False}),)}, "not the one that the model"),
        ({"flow": FULL.flow.model_copy(update={"patches_not_scanned": 480})}, "left out 10 % of the labelled patches"),
        ({"flow": FULL.flow.model_copy(update={"patches_unreadable": 480})}, "10 % of the labelled patches could not"),
    ],
)  # fmt: skip
def test_each_danger_has_its_caution(change: dict[str, Any], caution: str) -> None:
    assert caution in said(FULL.model_copy(update=change))
    assert caution not in said(FULL)


def test_few_patients_and_missing_classes_are_cautioned() -> None:
    few = said(make_evaluation(n_slides=3, n_patients=3, share_positive=0.0))
    assert "Only 3 patients: intervals can\u2019t be trusted with fewer than 5" in few
    assert "No patch is labelled IDC" in few
    assert "Only" not in said(FULL)


def test_a_missed_gate_is_named_with_what_was_found_and_a_met_one_is_not() -> None:
    assert "Acceptance gate missed: extent.icc.low >= 0.95 (found: 0.870)." in said(FULL)
    assert "sensitivity.low" not in said(FULL)


def test_only_what_was_found_and_allowed_is_a_mark() -> None:
    assert mark(leaked()).startswith("Not independent: 2 patients")
    assert mark(FULL.leakage) == ""
    assert mark(Leakage(allowed=True, found=(), checked=("patients",), not_checked=())) == ""


def test_a_name_that_is_its_kind_is_said_once() -> None:
    same = FULL.provenance.model_copy(update={"name": "evaluation"})
    assert evaluation_content(FULL.model_copy(update={"provenance": same})).name == "Evaluation"
    assert evaluation_content(FULL).name == "Evaluation autumn-cohort"


def test_lists_and_records_words() -> None:
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert listed([str(i) for i in range(9)], 3) == "0, 1, 2 and 6 more"
    assert printed("area called IDC, mm2.") == "area called IDC, mm\u00b2"
