"""The card's curves: what is drawn is what the card says, the same bytes each time, lines that differ in grey too."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest
from card_factory import bins, cross_validation, fold, full_card, history, version_1_card
from report_factory import make_card

from batchscan.domain.card import Calibration, CrossValidation, Epoch
from batchscan.report import model_card_figures as figures

SVG = "{http://www.w3.org/2000/svg}"


def paths(svg: bytes) -> list[tuple[str, str]]:
    """(style, d) of every line that is drawn, in order."""
    return [
        (path.get("style", ""), path.get("d", ""))
        for path in ET.fromstring(svg).iter(f"{SVG}path")
        if "fill: none" in path.get("style", "")
    ]


def strokes(svg: bytes) -> set[str]:
    return {found[1] for style, _ in paths(svg) if (found := re.search(r"stroke: (#[0-9a-f]{6})", style))}


def points(d: str) -> list[tuple[float, float]]:
    numbers = [float(one) for one in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", d)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_a_full_card_has_every_chart() -> None:
    drawn = figures.charts(full_card())
    assert list(drawn) == ["roc", "threshold", "reliability", "distribution", "accuracy", "loss"]
    for svg in drawn.values():
        root = ET.fromstring(svg)
        assert root.get("width") == "257.952756pt"  # 91 mm


def test_a_card_without_measurements_has_none() -> None:
    assert figures.charts(make_card()) == {}


def test_charts_hold_no_words_that_need_a_font_and_no_address() -> None:
    for svg in figures.charts(full_card()).values():
        root = ET.fromstring(svg)
        assert not list(root.iter(f"{SVG}text"))
        linked = [value for one in root.iter() for key, value in one.attrib.items() if key.endswith("href")]
        assert linked
        assert all(value.startswith("#") for value in linked)
        assert b"<script" not in svg


def test_the_same_card_gives_the_same_bytes_whatever_the_users_settings() -> None:
    plain = figures.charts(full_card())
    with mpl.rc_context(
        {"axes.facecolor": "red", "lines.linewidth": 9, "savefig.bbox": "tight", "svg.fonttype": "none"}
    ):
        assert figures.charts(full_card()) == plain
        assert mpl.rcParams["lines.linewidth"] == 9


def test_a_curve_stands_where_the_card_says() -> None:
    """Chance runs from corner to corner; an ROC of three points has its middle one at a quarter and three quarters."""
    one = fold("8863", 100, 20, 0.9).model_copy(update={"roc": ((0.0, 0.0), (0.25, 0.75), (1.0, 1.0))})
    found = cross_validation(slides=(one,), pooled=one)
    lines = [points(d) for _, d in paths(figures.roc_svg(found))]
    diagonal = next(line for line in lines if len(line) == 2 and line[0][0] < line[1][0] and line[0][1] > line[1][1])
    (x0, y0), (x1, y1) = diagonal
    curve = next(line for line in lines if len(line) == 3)
    assert curve[1] == pytest.approx((x0 + 0.25 * (x1 - x0), y0 + 0.75 * (y1 - y0)), abs=0.01)


def test_lines_differ_in_dashes_as_well_as_in_colour() -> None:
    svg = figures.roc_svg(cross_validation())
    of_slides = [style for style, d in paths(svg) if len(points(d)) == 40]
    dashes = [re.search(r"stroke-dasharray: ([\d. ,]+)", style) for style in of_slides[:3]]
    assert len({found[1] if found else "" for found in dashes}) == 3
    assert {"#0072b2", "#d55e00", "#009e73"} <= strokes(svg)


@pytest.mark.parametrize("n", [1, 7, 8, 30])
def test_any_number_of_slides_can_be_drawn(n: int) -> None:
    slides = tuple(fold(f"s{i}", 100, 20, 0.9) for i in range(n))
    assert figures.roc_svg(cross_validation(slides=slides)).startswith(b"<?xml")


def test_a_slide_of_one_class_is_left_out_of_the_roc() -> None:
    empty = fold("x", 100, 20, 0.9).model_copy(update={"roc": (), "figures": {}, "confusions": ()})
    found: CrossValidation = cross_validation(slides=(empty, fold("y", 100, 20, 0.9)))
    assert figures.roc_svg(found) != figures.roc_svg(cross_validation())
    nobody = cross_validation(slides=(empty,), pooled=empty)
    assert "roc" not in figures.charts(full_card(cross_validation=nobody))


def test_an_uncalibrated_card_has_one_reliability_curve() -> None:
    none = Calibration(method="none", note="", temperature=1.0, intercept=0.0, before=bins(1.5), after=bins(1.5))
    both = full_card().calibration
    assert len(strokes(figures.reliability_svg(both))) == len(strokes(figures.reliability_svg(none))) + 1


def test_a_bin_without_patches_leaves_a_gap() -> None:
    """Of 15 bins the second and third are empty: bars stand over the others, none is drawn wider than its bin."""
    kept = tuple(one for i, one in enumerate(bins(1.5)) if i not in (1, 2))
    steps, edges = figures._steps(kept)
    assert edges == pytest.approx([i / 15 for i in (0, 1, *range(3, 16))])
    assert [math.isnan(step) for step in steps] == [False, True, *[False] * 12]
    assert [step for step in steps if not math.isnan(step)] == [one.n for one in kept]
    none = full_card().calibration.model_copy(update={"method": "none", "before": (), "after": kept})
    (drawn,) = [
        points(d) for style, d in paths(figures.distribution_svg(none)) if "#0072b2" in style and len(points(d)) > 5
    ]
    left, right = drawn[0][0], drawn[-1][0]
    at = [round((x - left) / (right - left) * 15) for x, _ in drawn]
    assert {0, 1, 3, 15} <= set(at)
    assert 2 not in at


def test_a_version_1_history_is_drawn_without_accuracy() -> None:
    assert list(figures.charts(version_1_card())) == ["loss"]


def test_an_epoch_without_watched_patients_is_drawn() -> None:
    alone = tuple(
        Epoch(
            epoch=i, training_loss=1 / i, training_accuracy=0.5, watched_loss=None, watched_accuracy=None,
            watched_auroc=None, seconds=1.0,
        )
        for i in range(1, 4)
    )  # fmt: skip
    record = history(watched="nobody", watched_patients=()).model_copy(update={"epochs": alone})
    for what in ("loss", "accuracy"):
        assert "#d55e00" not in strokes(figures.history_svg(record, what))
        assert "#0072b2" in strokes(figures.history_svg(record, what))


def test_one_epoch_is_enough() -> None:
    assert figures.history_svg(history(epochs=1), "loss").startswith(b"<?xml")
