from __future__ import annotations

from report_factory import make_card, make_cross_validation, make_fold, make_result, tissue_grid

from batchscan.report.cautions import accuracy, cautions
from batchscan.report.performance import ever_unseen, performance_note, performance_rows, unseen

CROSS_VALIDATED = make_card(cross_validation=make_cross_validation())


def test_cross_validated_slides_come_first_with_their_means() -> None:
    rows = performance_rows(CROSS_VALIDATED)
    assert [(row.patient, row.used_for) for row in rows] == [
        ("8863", "cross-validation"),
        ("8865", "cross-validation"),
        ("2 slides pooled", "cross-validation"),
        ("8865", "validation (optimistic)"),
        ("8863", "test"),
    ]
    assert (rows[0].n_patches, rows[0].n_positive, rows[0].auroc, rows[0].f1) == ("979", "207", "0.950", "0.750")
    assert rows[1].f1 == "not defined"


def test_the_pooled_row_and_the_models_own_test_patient_are_never_cut() -> None:
    """12 slides, pooled, 1 validation and 1 test patient: 15 rows of which 8 are shown, and 7 are in the card."""
    slides = tuple(make_fold(f"s{i}", 100, 10, auroc=0.9) for i in range(12))
    card = make_card(cross_validation=make_cross_validation().model_copy(update={"slides": slides}))
    shown = [f"s{i}" for i in range(6)]
    assert [row.patient for row in performance_rows(card)] == [*shown, "12 slides pooled", "8863"]
    assert performance_note(card).endswith("7 more rows in the model\u2019s card.json.")
    tests = (make_card().performance[1],) * 9
    rows = performance_rows(card.model_copy(update={"performance": tests}))
    assert [row.used_for for row in rows] == ["cross-validation", *["test"] * 9]


def test_what_cross_validation_is_worth_is_said() -> None:
    note = performance_note(CROSS_VALIDATED)
    assert (
        "\u201cCross-validation\u201d: mean over 3 seeds of networks trained in the same way, but without the" in note
    )
    assert "chosen on other slides by networks that never saw it" in note
    assert "\u201cValidation\u201d" in note
    alone = performance_note(make_card(cross_validation=make_cross_validation(), performance=()))
    assert "\u201cValidation\u201d" not in alone
    assert "\u201cTest\u201d" not in alone
    assert "\u201cCross-validation\u201d" not in performance_note(make_card())


def test_page_one_goes_by_cross_validation_where_there_is_any() -> None:
    assert [row.patient for row in unseen(CROSS_VALIDATED)] == ["8863", "8865"]
    assert [row.patient for row in unseen(make_card())] == ["8863"]
    assert accuracy(CROSS_VALIDATED) == (
        "Cross-validation, networks trained like this one on patients they never saw (8863, 8865): "
        "AUROC 0.95 to 0.96, sensitivity 0.85 to 0.93, specificity 0.66 to 0.91, patch by patch."
    )
    known = [
        text for text in cautions(make_result(tissue_grid()), CROSS_VALIDATED) if "On some unseen patients" in text
    ]
    assert known == [
        (
            "On some unseen patients this model, or networks made like it, "
            "called too many patches IDC-positive (specificity 0.66)."
        )
    ]
    # The network's own test patient may have fared worse than those of the networks that were made like it.
    assert {row.patient for row in ever_unseen(CROSS_VALIDATED)} == {"8863", "8865"}
    assert len(ever_unseen(CROSS_VALIDATED)) == 3
    worse = CROSS_VALIDATED.performance[-1].model_copy(update={"used_for": "test", "specificity": 0.25})
    card = CROSS_VALIDATED.model_copy(update={"performance": (worse,)})
    told = list(cautions(make_result(tissue_grid()), card))
    assert any("(specificity 0.25 to 0.66)" in text for text in told)
    assert not [text for text in cautions(make_result(tissue_grid()), make_card()) if "On some unseen patients" in text]
