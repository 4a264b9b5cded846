from __future__ import annotations

import pytest
from cohort_slides import cohort_slide, extent
from tallied_slides import labelled, tallied

from batchscan.evaluation.extent_agreement import extents, slide_row
from batchscan.evaluation.intervals import Bootstrap
from batchscan.evaluation.tallies import PatientTallies

DRAWS = Bootstrap(n_patients=99, replicates=200)
NONE = PatientTallies()


def test_agreement_is_over_the_slides_whose_reference_has_an_extent() -> None:
    slides = [
        cohort_slide("a", "p1", extent(12.0, 5.0), extent(10.0, 4.0), dice=0.9, hausdorff95_mm=0.4),
        cohort_slide("b", "p2", extent(0.0), extent(6.0, 3.0), dice=0.0),
        cohort_slide("c", "p3", extent(0.0), extent(0.0), undefined={"dice": "nothing is there"}),
        cohort_slide("d", "p4", extent(9.0, 9.0), None, undefined={"reference": "labels cover 20 %"}),
        cohort_slide("e", "p5", extent(None), extent(1.0, 1.0)),
    ]
    found = extents(slides, NONE, DRAWS)
    assert (found.n, found.why) == (3, "")
    # Errors 2, -6, 0.
    assert found.bias_mm2.value == pytest.approx(-4 / 3)
    assert found.dice.value == pytest.approx(0.45)
    assert (found.dice.n, found.hausdorff95_mm.value, found.hausdorff95_mm.n) == (2, 0.4, 1)
    by_name = {each.quantity: each for each in found.quantities}
    # The missed focus of 3 mm counts: 5 - 4, 0 - 3, 0 - 0.
    assert by_name["largest_focus_mm"].bias.value == pytest.approx(-2 / 3)
    assert by_name["largest_focus_mm"].n == 3
    assert found.icc == by_name["idc_mm2"].icc
    assert [row.slide_id for row in found.per_slide] == ["a", "b", "c", "d", "e"]
    assert [row.reference_mm2 for row in found.per_slide] == [10.0, 6.0, 0.0, None, 1.0]
    assert [row.found_largest_mm for row in found.per_slide] == [5.0, None, None, 9.0, None]


def test_only_patients_with_such_a_slide_are_redrawn() -> None:
    slides = [cohort_slide(f"s{i}", f"p{i}", extent(float(i)), extent(i * 1.1 + i % 3)) for i in range(1, 9)]
    others = [cohort_slide(f"o{i}", f"q{i}", extent(1.0), None) for i in range(9)]
    assert extents([*slides, *others], NONE, DRAWS).icc == extents(slides, NONE, DRAWS).icc


def test_without_a_reference_the_reasons_are_given() -> None:
    slides = [
        cohort_slide(f"s{i}", "p", extent(1.0, 1.0), None, undefined={"reference": "no labels"}) for i in range(5)
    ]
    found = extents(slides, NONE, DRAWS)
    assert found.why == "s0: no labels; s1: no labels; s2: no labels; and 2 more"
    assert (found.n, found.quantities, found.icc.value, found.icc.why) == (0, (), None, found.why)
    assert found.dice.why == found.hausdorff95_mm.why == found.why
    assert extents([], NONE, DRAWS).why == "no slide was analysed"
    blank = [cohort_slide("s", "p", extent(None), extent(None))]
    assert "no tissue" in extents(blank, NONE, DRAWS).why


def test_a_row_has_the_slides_own_figures() -> None:
    tallies = tallied([labelled("a", "p", [1, 1, 0, 0], [0.9, 0.2, 0.6, 0.1], threshold=0.3)])
    slide = cohort_slide("a", "p", extent(3.0, 2.0, 2.5), None, n_labelled=4, attributes={"site": "x"}, threshold=0.3)
    row = slide_row(slide, tallies)
    assert row.confusion.model_dump() == {"tp": 1, "fp": 1, "fn": 1, "tn": 1}
    # Of the four pairs of an IDC and another patch, 0.9 wins both, 0.2 one.
    assert (row.figures["sensitivity"], row.figures["auroc"]) == (0.5, 0.75)
    assert (row.model, row.found_field_mm, row.reference_field_mm, row.attributes) == (
        "net 2",
        2.5,
        None,
        {"site": "x"},
    )
    bare = slide_row(slide, NONE)
    assert bare.confusion.model_dump() == {"tp": 0, "fp": 0, "fn": 0, "tn": 0}
    assert set(bare.figures) == set(row.figures)
    assert set(bare.figures.values()) == {None}
