"""A comparison as a page: what it says of a difference, of a margin, and of what can't be believed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from bait_file import SECRET
from comparison_factory import difference, level, make_comparison, side, slide, undefined, verdict
from evaluation_parts import leaked
from html_page import Page
from pypdf import PdfReader

from batchscan.domain.compared import ComparedLevels, Comparison, Unpaired
from batchscan.report import comparison_figures
from batchscan.report.blocks import Bullets, Section, Table
from batchscan.report.comparison import render_comparison
from batchscan.report.comparison_content import comparison_content
from batchscan.report.comparison_words import better

SVG = "{http://www.w3.org/2000/svg}"


def page(comparison: Comparison, tmp_path: Path) -> Page:
    render_comparison(comparison, html=tmp_path / "index.html")
    return Page((tmp_path / "index.html").read_text("utf-8"))


def levels(**found: Any) -> ComparedLevels:
    return ComparedLevels(**{**dict.fromkeys(("patch", "slide", "patient")), "why": {}, **found})


def section(comparison: Comparison, title: str) -> Section:
    (found,) = [one for one in comparison_content(comparison).sections if one.title == title]
    return found


def tables(found: Section) -> list[Table]:
    return [block for block in found.blocks if isinstance(block, Table)]


def test_the_headline_counts_of_a_hundred() -> None:
    assert comparison_content(make_comparison()).headline == (
        "Of 100 patches labelled IDC B calls 6.0 more IDC than A (95 % interval: +4.0 to +8.0). Of 100 patches "
        "labelled not IDC B leaves 1.0 fewer alone than A (95 % interval: \u22123.0 to +1.0, which chance may explain)."
    )


def test_the_headline_says_what_is_not_known() -> None:
    found = level()
    changed = {
        **found.differences,
        "sensitivity": difference(0.8, 0.8, low=None, high=None, method="none", why="nothing changes it"),
        "specificity": undefined("there are no patches without IDC"),
    }
    comparison = make_comparison(levels=levels(patch=level(differences=changed)))
    assert comparison_content(comparison).headline == (
        "Of 100 patches labelled IDC B calls as many IDC as A (no interval). How many patches labelled not IDC B calls "
        "otherwise can\u2019t be said: there are no patches without IDC."
    )
    small = {**found.differences, "sensitivity": difference(0.8, 0.8004, 0.0003, trusted=False)}
    comparison = make_comparison(levels=levels(patch=level(differences=small)))
    assert (
        "calls <0.1 more IDC than A (95 % interval: +<0.1 to +<0.1, not to be trusted)"
        in comparison_content(comparison).headline
    )
    assert comparison_content(make_comparison(levels=levels())).headline.startswith("Nothing could be compared")


@pytest.mark.parametrize(
    ("name", "value", "winner"),
    [
        ("auroc", 0.05, "B"),
        ("auroc", -0.05, "A"),
        ("auroc", 0.01, ""),
        ("brier", 0.05, "A"),
        ("area_error_mm2", -0.05, "B"),
        ("dice", -0.05, "A"),
        ("calibration_slope", 0.05, ""),
    ],
)
def test_who_is_better_goes_by_the_measure_and_the_whole_interval(name: str, value: float, winner: str) -> None:
    assert better(difference(0.5, 0.5 + value), name) == winner
    assert better(difference(0.5, 0.5 + value, trusted=False), name) == ""


def test_every_difference_stands_in_the_table_with_both_values_and_its_interval() -> None:
    (_, found) = tables(section(make_comparison(), "Patch by patch"))
    rows = {row[0].value: [cell.value for cell in row[1:]] for row in found.rows}
    assert rows["Sensitivity (recall)"][:6] == ["0.800", "0.860", "+0.060", "+0.040 to +0.080", "B", "100"]
    assert rows["Specificity"][4] == ""
    assert rows["Sensitivity (recall)"][-1] == "+0.010"
    assert {row[0].note for row in found.rows if row[0].value in ("Brier score", "ECE")} == {"less is better"}
    assert len(rows) == 15


def test_patches_are_not_tested_and_patients_are(tmp_path: Path) -> None:
    comparison = make_comparison(levels=levels(patch=level(), slide=level("slide"), patient=level("patient")))
    patch, _ = tables(section(comparison, "Patch by patch"))
    assert patch.columns == ("", "Both", "Only A", "Only B", "Neither")
    assert "not independent" in patch.note
    rights, differences = tables(section(comparison, "Slide by slide"))
    assert [cell.value for cell in rights.rows[0]] == ["Labelled IDC", "77", "3", "9", "11", "0.031"]
    assert rights.rows[1][-1].value == ""
    assert differences.columns[-1] == "p"
    reasons = [block for block in section(comparison, "Slide by slide").blocks if isinstance(block, Bullets)]
    assert reasons[0].items == ("AUROC \u2013 not defined: all slides are of one class.",)
    words = page(comparison, tmp_path).words
    assert "Each patient has one slide" in words
    assert words.count("McNemar\u2019s p") == 1


def test_margins_are_judged_in_words(tmp_path: Path) -> None:
    comparison = make_comparison(
        noninferiority=(
            verdict(),
            verdict("patch.macro.f1", -0.05, shown=False),
            verdict("extent.dice", -0.09, shown=False, worse=True),
            verdict("slide.auroc", None, shown=False, difference=None, why="no slide has a label"),
            verdict("patch.brier", None, difference=0.0, why="the two are alike"),
        )
    )
    words = page(comparison, tmp_path).words
    assert (
        "B is shown to be worse than A by no more than the margin (AUROC, patches, margin 0.02): the interval" in words
    )
    assert "is not shown (F1, mean over slides, margin 0.02): the interval ends at \u22120.050." in words
    assert "B is worse than A by more than the margin (Dice, margin 0.02)" in words
    assert "is not shown (AUROC, slides, margin 0.02): no slide has a label." in words
    assert "(Brier score, patches, margin 0.02): the two are alike." in words
    assert "A margin says something only when it was stated" in words
    (table,) = tables(section(comparison, "Is B no worse than A?"))
    assert [row[1].value for row in table.rows] == ["shown", "not shown", "worse", "not shown", "shown"]
    assert [row[4].value for row in table.rows][3] == "none"
    assert "Is B no worse" not in page(make_comparison(), tmp_path).words


def test_seen_patients_stand_on_every_page_and_of_one_side_are_called_unfair(tmp_path: Path) -> None:
    comparison = make_comparison(second=side("new", leakage=leaked()))
    render_comparison(comparison, pdf=tmp_path / "report.pdf")
    pages = [" ".join(one.extract_text().split()) for one in PdfReader(tmp_path / "report.pdf").pages]
    assert len(pages) > 2
    assert all("B: Not independent: 2 patients of this cohort are known to the model" in one for one in pages)
    cautions = comparison_content(comparison).cautions
    assert cautions[0].startswith("Not independent: B was made with 2 patients of its cohort (P00 and P01)")
    assert cautions[0].endswith("the comparison favours it.")
    both = make_comparison(first=side("old", leakage=leaked()), second=side("new", leakage=leaked()))
    assert not any("favours" in one for one in comparison_content(both).cautions)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_patients": 4}, "Only 4 patients: with fewer than 5 no interval can be trusted"),
        ({"second": side("old")}, "A and B are the same evaluation"),
        (
            {"second": side("new", slide_called="the score is at least 5")},
            "Slides are ranked or called by different rules in A and B",
        ),
        (
            {
                "unpaired": Unpaired(
                    intersection=True,
                    slides_only_first=("S1",),
                    slides_only_second=(),
                    patches_only_first=12,
                    patches_only_second=3,
                    patches_unreadable=2,
                )
            },
            "1 slide and 12 patches that only A has, 0 slides and 3 patches that only B has",
        ),
        ({}, "about one in twenty 95 % intervals still leaves out 0"),
    ],
)
def test_what_must_be_known_first(changes: dict[str, Any], said: str) -> None:
    assert any(said in one for one in comparison_content(make_comparison(**changes)).cautions)


def test_a_threshold_that_is_not_the_packages_own_is_said() -> None:
    tuned = side("new")
    tuned = tuned.model_copy(update={"models": (tuned.models[0].model_copy(update={"locked": False}),)})
    found = comparison_content(make_comparison(second=tuned)).cautions
    assert any(one.startswith("B was called at a threshold that is not its package\u2019s own") for one in found)
    assert not any("own, perhaps" in one for one in comparison_content(make_comparison()).cautions)


def test_slides_have_both_and_what_is_missing_is_not_made_up() -> None:
    comparison = make_comparison(
        per_slide=(slide(1), slide(2, first=dict.fromkeys(slide(2).first), second_mm2=None, patient_id="S2"))
    )
    (table,) = tables(section(comparison, "Each slide"))
    assert [cell.value for cell in table.rows[0]][3] == "0.810 \u2192 0.850"
    assert (table.rows[0][0].note, table.rows[1][0].note) == ("P1", "")
    assert [cell.value for cell in table.rows[1]][3] == "\u2013 \u2192 0.850"
    assert table.rows[1][3].note == ""
    assert table.rows[1][7].value == ""


def test_charts_are_those_of_the_numbers_and_need_no_font() -> None:
    drawn = comparison_figures.charts(make_comparison(noninferiority=(verdict(),)))
    assert list(drawn) == ["differences", "roc", "slides", "areas"]
    for svg in drawn.values():
        root = ET.fromstring(svg)
        assert root.get("width") == "257.952756pt"
        assert not list(root.iter(f"{SVG}text"))
    assert comparison_figures.charts(make_comparison(noninferiority=(verdict(),))) == drawn
    without = comparison_figures.charts(make_comparison())
    assert without["differences"] != drawn["differences"]
    assert without["roc"] == drawn["roc"]
    assert comparison_figures.charts(make_comparison(levels=levels(), per_slide=())) == {}


def test_the_page_needs_nothing_else_and_every_chart_is_on_it(tmp_path: Path) -> None:
    found = page(make_comparison(), tmp_path)
    assert "script" not in found.tags
    assert all(link.startswith("data:") for link in found.links)
    assert len(found.images) == 4
    assert all(image["alt"] for image in found.images)
    assert "Research use only" in found.words
    assert "batchscan compare old new --out old-new" in found.words


def test_nothing_in_common_and_nothing_defined_still_make_pages(tmp_path: Path) -> None:
    empty = make_comparison(
        levels=levels(why=dict.fromkeys(("patch", "slide", "patient"), "nothing in common")),
        roc=None,
        extent={},
        per_slide=(),
    )
    words = page(empty, tmp_path).words
    assert words.count("Not compared: nothing in common.") == 3
    assert "Not compared: no slide of both has a reference extent." in words
    none = {name: undefined("no") for name in level().differences}
    one = make_comparison(levels=levels(patch=level(differences=none, macro={})), roc=None, per_slide=(slide(1),))
    render_comparison(one, pdf=tmp_path / "report.pdf")
    assert "not defined" in PdfReader(tmp_path / "report.pdf").pages[1].extract_text()


def test_the_same_comparison_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        render_comparison(make_comparison(), html=tmp_path / f"{name}.html", pdf=tmp_path / f"{name}.pdf")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()


def test_hostile_words_come_out_as_words(tmp_path: Path, bait: Path) -> None:
    attack = f"<img src={bait.as_uri()}><script>alert(1)</script>{{{{ 7*7 }}}}\"'></style>"
    comparison = make_comparison(
        name=attack, first=side(f"o{attack}"), command=attack, per_slide=(slide(1, slide_id=attack),)
    )
    render_comparison(comparison, html=tmp_path / "index.html", pdf=tmp_path / "report.pdf")
    found = Page((tmp_path / "index.html").read_text("utf-8"))
    assert "script" not in found.tags
    assert len(found.images) == 4
    assert "{{ 7*7 }}" in found.words
    assert not re.search(SECRET, "".join(one.extract_text() for one in PdfReader(tmp_path / "report.pdf").pages))
