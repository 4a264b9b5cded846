from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tallied_slides import drawn_slides, labelled, tallied

from batchscan.domain.card import ConfusionCounts
from batchscan.domain.evaluated import SlideRow
from batchscan.domain.joined import JoinedSlide
from batchscan.evaluation.failures import (
    AREA_ERROR,
    BALANCED_ACCURACY,
    FailureCollector,
    SuspectRule,
    failures,
    worst_slides,
)


def collected(slides: list[JoinedSlide], n_each: int) -> FailureCollector:
    collector = FailureCollector(n_each)
    for slide in slides:
        collector.add(slide)
    return collector


def places(collector: FailureCollector, kind: str) -> list[tuple[str, int]]:
    return [(one.slide_id, one.col) for one in collector.patches() if one.kind == kind]


def test_the_surest_wrong_calls_come_first() -> None:
    slide = labelled(
        "a", "p", [0, 0, 1, 1, 0, 1, 1], [0.7, 0.9, 0.3, 0.1, 0.2, 0.8, 0.0], not_scanned=[6], threshold=0.5
    )
    collector = collected([slide], 3)
    assert places(collector, "false positive") == [("a", 1), ("a", 0)]
    # The mask dropped the last patch: the model said nothing of it, though it counts as called wrong.
    assert places(collector, "false negative") == [("a", 3), ("a", 2)]
    assert collector.n_discordant == 5
    first = collector.patches()[0]
    assert (first.patient_id, first.row, first.x_px, first.suspect, first.picture) == ("p", 0, 50.0, False, None)
    assert first.p_idc == pytest.approx(0.9)


def test_what_could_not_be_read_is_not_wrong() -> None:
    collector = collected([labelled("a", "p", [1, 0], [0.9, 0.1], unreadable=[0])], 3)
    assert (collector.n_discordant, collector.patches()) == (0, ())


def test_one_slide_does_not_fill_the_gallery() -> None:
    bad = labelled("bad", "p", [0] * 20, [0.99 - i / 1000 for i in range(20)])
    others = [labelled(f"s{i}", "p", [0, 0], [0.6 + i / 100, 0.1]) for i in range(3)]
    spread = places(collected([bad, *others], 6), "false positive")
    assert spread == [("bad", 0), ("bad", 1), ("bad", 2), ("bad", 3), ("s2", 0), ("s1", 0)]
    # Where the others don't have as many, it may.
    filled = places(collected([bad, *others], 10), "false positive")
    assert filled == [*((("bad", i)) for i in range(7)), ("s2", 0), ("s1", 0), ("s0", 0)]


def test_the_order_of_slides_does_not_matter() -> None:
    slides = drawn_slides(8)
    one, other = collected(slides, 12), collected(slides[::-1], 12)
    assert one.patches() == other.patches()
    assert len(one.patches()) == 24


def doubted(slides: list[JoinedSlide]) -> dict[tuple[str, int], bool]:
    """Confident learning as the paper says it, for any number of classes: patch by patch."""
    label = np.concatenate([one.label[one.readable & one.scanned] for one in slides]).astype(np.intp)
    p_idc = np.concatenate([one.p_idc[one.readable & one.scanned] for one in slides]).astype(np.float64)
    names = [(one.slide_id, int(col)) for one in slides for col in one.col[one.readable & one.scanned]]
    p = np.column_stack([1 - p_idc, p_idc])
    threshold = np.array([p[label == k, k].mean() for k in (0, 1)])
    found = {}
    for i, name in enumerate(names):
        reached = [k for k in (0, 1) if p[i, k] >= threshold[k]]
        found[name] = bool(reached) and max(reached, key=lambda k: p[i, k]) != label[i]
    return found


def test_labels_are_doubted_by_confident_learning() -> None:
    slides = drawn_slides(10, seed=4)
    tallies = tallied(slides)
    rule, expected = SuspectRule.of(tallies), doubted(slides)
    for slide in slides:
        for i in np.flatnonzero(slide.readable & slide.scanned):
            said = rule.doubts(label=bool(slide.label[i]), p_idc=float(slide.p_idc[i]))
            assert said == expected[slide.slide_id, int(slide.col[i])]
    n = sum(expected.values())
    assert n > 50
    assert rule.n_doubted(tallies) == n
    found = failures(collected(slides, 12), tallies, [], 5)
    assert (found.n_suspect, found.suspect_rule) == (n, str(rule))
    assert {(one.slide_id, one.col): one.suspect for one in found.patches} == {
        (one.slide_id, one.col): expected[one.slide_id, one.col] for one in found.patches
    }
    assert all(one.suspect for one in found.patches)


def test_a_borderline_mistake_is_no_suspect() -> None:
    slide = labelled("a", "p", [0, 0, 0, 1, 1, 1], [0.1, 0.1, 0.55, 0.9, 0.9, 0.45])
    tallies = tallied([slide])
    # Means 0.25 and 0.75: neither wrong call is as sure as that.
    found = failures(collected([slide], 4), tallies, [], 5)
    assert [one.suspect for one in found.patches] == [False, False]
    assert found.n_suspect == 0
    assert "below 0.250" in found.suspect_rule
    assert "reaches 0.750" in found.suspect_rule


@pytest.mark.parametrize(
    "slides",
    [
        [],
        [labelled("a", "p", [1, 1], [0.2, 0.9])],
        [labelled("a", "p", [1, 0], [0.0, 0.9], not_scanned=[0])],
        [labelled("a", "p", [1, 0], [0.2, 0.9])],
    ],
    ids=["no slide", "one class", "one class scanned", "worse than chance"],
)
def test_without_a_rule_no_label_is_doubted(slides: list[JoinedSlide]) -> None:
    found = failures(collected(slides, 4), tallied(slides), [], 5)
    assert found.n_suspect == 0
    assert not any(one.suspect for one in found.patches)
    assert found.suspect_rule.startswith("no label can be doubted")


def row(slide_id: str, area: tuple[float, float] | None = None, balanced_accuracy: float | None = None) -> SlideRow:
    counts = ("labelled", "positive", "ambiguous", "unlabelled", "not_scanned", "unreadable")
    fields: dict[str, Any] = {f"n_{name}": 0 for name in counts}
    fields |= dict.fromkeys(("slide_label", "dice", "hausdorff95_mm", "report"))
    fields |= {f"{of}_{what}_mm": None for of in ("found", "reference") for what in ("largest", "field")}
    return SlideRow(
        slide_id=slide_id,
        patient_id="p",
        model="net 2",
        threshold=0.5,
        confusion=ConfusionCounts(tp=0, fp=0, fn=0, tn=0),
        figures={"balanced_accuracy": balanced_accuracy},
        found_mm2=area[0] if area else None,
        reference_mm2=area[1] if area else None,
        attributes={},
        **fields,
    )


def test_worst_slides_are_those_whose_area_is_furthest_off() -> None:
    rows = [row("a", (3, 5), 0.6), row("b", (9, 4), 0.9), row("c", (2, 2), 0.5), row("d", (6, 4)), row("e")]
    assert worst_slides(rows, 10) == (("b", "a", "d"), AREA_ERROR)
    assert worst_slides(rows, 1) == (("b",), AREA_ERROR)


def test_without_areas_balanced_accuracy_says_which_are_worst() -> None:
    rows = [row("a", (3, 5), 0.9), row("b", None, 0.7), row("c", None, 1.0), row("d")]
    assert worst_slides(rows, 10) == (("b", "a"), BALANCED_ACCURACY)
    assert worst_slides([row("a")], 10) == ((), BALANCED_ACCURACY)
