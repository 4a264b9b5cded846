"""An evaluation's drawings: what is drawn is what the record says, and what it doesn't say is not drawn."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest
from evaluation_factory import make_evaluation

from batchscan.domain.evaluated import Evaluation
from batchscan.report import evaluation_figures as figures
from batchscan.report.blocks import Charts
from batchscan.report.evaluation_content import evaluation_content

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
FULL = make_evaluation()


def lines(svg: bytes) -> list[list[tuple[float, float]]]:
    """The points of every line, in order."""
    found = []
    for path in ET.fromstring(svg).iter(f"{SVG}path"):
        if "fill: none" in path.get("style", ""):
            numbers = [float(one) for one in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", path.get("d", ""))]
            found.append(list(zip(numbers[::2], numbers[1::2], strict=True)))
    return found


def marks(svg: bytes) -> list[tuple[float, float]]:
    """Where marks with a white edge stand: ticks have none."""
    return [
        (float(one.get("x", "")), float(one.get("y", "")))
        for one in ET.fromstring(svg).iter(f"{SVG}use")
        if "#ffffff" in one.get("style", "")
    ]


def diagonal(svg: bytes) -> tuple[tuple[float, float], tuple[float, float]]:
    first, last = next(
        line for line in lines(svg) if len(line) == 2 and line[0][0] < line[1][0] and line[0][1] > line[1][1]
    )
    return first, last


def shown(evaluation: Evaluation) -> set[str]:
    sections = evaluation_content(evaluation).sections
    blocks = [block for section in sections for block in section.blocks if isinstance(block, Charts)]
    return {chart.name for block in blocks for chart in block.charts}


@pytest.mark.parametrize(
    "evaluation",
    [
        FULL,
        make_evaluation(n_slides=1, n_patients=1, share_positive=0.0, slide_level=False, extent=False),
        make_evaluation(share_positive=1.0),
    ],
)
def test_the_page_shows_just_what_is_drawn(evaluation: Evaluation) -> None:
    assert shown(evaluation) == set(figures.charts(evaluation))


def test_a_full_evaluation_has_every_chart() -> None:
    levels = [f"{curve}_{unit}" for unit in ("patch", "slide", "patient") for curve in ("roc", "pr")]
    extents = [
        f"{plot}_{name}"
        for name in ("idc_mm2", "largest_focus_mm", "field_extent_mm")
        for plot in ("scatter", "difference")
    ]
    assert list(figures.charts(FULL)) == [*levels, "reliability", "distribution", "decision", *extents]


def test_charts_hold_no_words_that_need_a_font_and_no_address() -> None:
    for svg in figures.charts(FULL).values():
        root = ET.fromstring(svg)
        assert not list(root.iter(f"{SVG}text"))
        assert all(one.get(LINK, "#").startswith("#") for one in root.iter())
        assert b"<script" not in svg


def test_the_square_stands_where_the_calls_are() -> None:
    """TP 996 of 1106 and FP 381 of 3694, say: the mark divides the diagonal's box by these shares."""
    level = FULL.levels.patch
    assert level is not None
    svg = figures.roc_svg(level)
    (x0, y0), (x1, y1) = diagonal(svg)
    found = level.confusion
    fpr, tpr = found.fp / (found.fp + found.tn), found.tp / (found.tp + found.fn)
    assert any(at == pytest.approx((x0 + fpr * (x1 - x0), y0 + tpr * (y1 - y0)), abs=0.01) for at in marks(svg))


def test_each_slide_stands_at_its_two_areas() -> None:
    agreement, rows = FULL.extent.quantities[0], FULL.extent.per_slide
    svg = figures.scatter_svg(agreement, rows)
    (x0, y0), (x1, y1) = diagonal(svg)
    most = max(max(row.found_mm2 or 0, row.reference_mm2 or 0) for row in rows) * 1.06
    expected = sorted(
        (x0 + (row.reference_mm2 or 0) / most * (x1 - x0), y0 + (row.found_mm2 or 0) / most * (y1 - y0)) for row in rows
    )
    found = sorted(marks(svg))
    assert len(found) == len(expected)
    for at, wanted in zip(found, expected, strict=True):
        assert at == pytest.approx(wanted, abs=0.01)


def test_a_slide_without_reference_is_not_drawn() -> None:
    agreement, rows = FULL.extent.quantities[0], FULL.extent.per_slide
    without = (rows[0].model_copy(update={"reference_mm2": None}), *rows[1:])
    assert len(marks(figures.difference_svg(agreement, without))) == len(rows) - 1


def test_a_threshold_is_marked_only_where_all_slides_have_it() -> None:
    rows = FULL.extent.per_slide
    other = (rows[0].model_copy(update={"threshold": 0.41}), *rows[1:])
    changed = FULL.model_copy(update={"extent": FULL.extent.model_copy(update={"per_slide": other})})
    assert figures.charts(changed)["decision"] != figures.charts(FULL)["decision"]
    assert len(lines(figures.charts(changed)["decision"])) == len(lines(figures.charts(FULL)["decision"])) - 1


def test_the_same_bytes_whatever_the_users_settings() -> None:
    plain = figures.charts(FULL)
    with mpl.rc_context({"axes.facecolor": "red", "lines.linewidth": 9, "svg.fonttype": "none"}):
        assert figures.charts(FULL) == plain
