from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

import numpy as np
import pytest
from report_factory import UNREADABLE, make_card, make_result, tissue_grid

from batchscan.domain.errors import ModelError
from batchscan.domain.records import SlideResult
from batchscan.report.content import SlideContent, slide_content

WHEN = dt.datetime(2025, 11, 23, 6, 30, tzinfo=dt.UTC)


def content_of(result: SlideResult, **card: object) -> SlideContent:
    return slide_content(result, make_card(**card), WHEN, "9.9")


def figures_of(content: SlideContent) -> dict[str, tuple[str, str]]:
    return {fact.label: (fact.value, fact.note) for fact in content.figures}


def test_a_block_of_four_by_six_cells_by_hand() -> None:
    p = np.full((20, 20), 0.1)
    p[5:11, 8:12] = 0.9
    content = content_of(make_result(p, tissue_fraction=0.5))
    greatest = math.hypot(4 * 0.4, 6 * 0.4)
    perpendicular = 2 * (4 * 0.4) * (6 * 0.4) / greatest
    assert content.headline == "IDC-positive tissue found by this model"
    assert content.answer == (
        f"1.92 mm² in 1 focus, 6.0 % of the tissue that was read. "
        f"The largest focus measures {greatest:.1f} \u00d7 {perpendicular:.1f} mm."
    )
    assert figures_of(content) == {
        "IDC-positive area": ("1.92 mm²", ""),
        "Share of tissue": ("6.0 %", "of 32.0 mm² read"),
        "Largest focus": ("2.9 \u00d7 2.7 mm", "greatest \u00d7 perpendicular"),
        "Foci": ("1", "connected positive areas"),
        "Field extent": ("2.9 mm", "across all foci together"),
        "Tissue area": ("32.0 mm²", "400 patches"),
        "Borderline": ("0 patches", "within 0.02 of the threshold"),
        "Unreadable": ("0 patches", "0 mm²"),
    }
    assert content.notices == ()
    (row,) = content.foci
    assert (row.bbox, row.centroid, row.n_patches, row.mean_p) == ("400, 250, 200, 300", "500, 400", "24", "0.900")


def test_no_positive_patch_says_so_and_how_near() -> None:
    p = np.full((5, 5), 0.1)
    p[2, 2] = 0.312
    content = content_of(make_result(p))
    assert content.headline == "No IDC-positive tissue found by this model"
    assert content.answer == "None of the 25 patches read reaches p(IDC) 0.5; the highest is 0.312."
    assert figures_of(content)["IDC-positive area"] == ("0 mm²", "")
    assert figures_of(content)["Largest focus"] == ("not defined", "there is no positive patch")
    assert content.foci == ()


def test_what_is_undefined_is_never_zero_and_says_why() -> None:
    content = content_of(make_result(np.full((5, 5), np.nan)))
    figures = figures_of(content)
    for label in ("IDC-positive area", "Share of tissue", "Largest focus", "Foci", "Field extent"):
        assert figures[label] == ("not defined", "no tissue was found")
    assert content.headline == "Not analysed: the extent of IDC is not defined"
    assert content.answer == "No tissue was found."
    assert content.gallery == ()


def test_unreadable_tissue_is_told_and_left_out_of_the_share() -> None:
    p = np.full((10, 10), 0.9)
    p[0, :] = UNREADABLE
    content = content_of(make_result(p))
    assert figures_of(content)["Share of tissue"] == ("100 %", "of 14.4 mm² read")
    assert figures_of(content)["Unreadable"] == ("10 patches", "1.60 mm²")
    assert any(notice.startswith("10 patches (1.60 mm²) could not be read") for notice in content.notices)


def test_all_but_one_patch_is_not_printed_as_everything() -> None:
    p = np.full((20, 20), 0.9)
    p[0, 0] = 0.1
    assert figures_of(content_of(make_result(p)))["Share of tissue"][0] == ">99 %"


def test_a_focus_at_the_edge_is_told() -> None:
    p = tissue_grid()
    p[10:12, 0:3] = 0.9
    content = content_of(make_result(p))
    assert content.notices[0].startswith("1 focus touches the edge of the slide")
    assert content.foci[0].touches_edge == "yes"
    p[10:12, 0:3] = np.nan
    p[10:12, 8:10] = 0.9
    assert content_of(make_result(p)).notices == ()


def test_borderline_patches_are_told() -> None:
    p = tissue_grid()
    p[15, 10:13] = (0.481, 0.519, 0.479)
    content = content_of(make_result(p))
    assert figures_of(content)["Borderline"][0] == "2 patches"
    assert content.notices == (
        "2 patches lie so close to the threshold that another engine or precision could decide otherwise.",
    )


def test_ten_foci_are_listed_and_the_rest_is_summed() -> None:
    p = np.full((30, 30), 0.1)
    p[1:30:3, 1:6:3] = 0.9
    p[1:3, 20:25] = 0.9
    content = content_of(make_result(p))
    assert len(content.foci) == 10
    assert content.foci[0].n_patches == "10"
    assert content.foci_note.startswith("The 10 of largest area out of 21; the others hold 1.76 mm² together")
    assert content.overview_caption == "All 21 foci outlined; the 10 of largest area are numbered."


def test_the_gallery_says_where_and_what() -> None:
    p = np.full((4, 4), 0.1)
    p[2, 3], p[1, 0] = 0.97, 0.4996
    highest, uncertain = content_of(make_result(p)).gallery
    assert highest.pictures[0].place == (2, 3)
    assert (highest.pictures[0].p_idc, highest.pictures[0].verdict) == ("0.970", "positive")
    assert highest.pictures[0].position == "x 150, y 100"
    assert "x 150, y 100" in highest.pictures[0].alt
    assert (highest.pictures[1].p_idc, highest.pictures[1].verdict) == ("0.500", "negative")
    assert "0.5" in uncertain.title


def test_a_card_of_other_weights_is_refused() -> None:
    with pytest.raises(ModelError, match=r"5e5e5e5e5e5e.*print with the model package"):
        content_of(make_result(tissue_grid()), weights_sha256="00" * 32)


def test_where_the_threshold_comes_from() -> None:
    def threshold_note(threshold: float) -> str:
        settings = content_of(make_result(tissue_grid(), threshold=threshold)).provenance.settings
        return next(fact.note for fact in settings if fact.label == "Threshold")

    assert threshold_note(0.5).startswith("the model\u2019s own: fixed before training")
    assert threshold_note(0.4) == "set for this run; the model\u2019s own is 0.5"


def test_performance_says_what_it_is_worth() -> None:
    method = content_of(make_result(tissue_grid())).provenance
    assert [row.used_for for row in method.performance] == ["validation (optimistic)", "test"]
    assert (method.performance[1].f1, method.performance[1].sensitivity) == ("not defined", "1.000")
    assert method.performance[1].specificity == ">0.999"
    one = make_card().performance[0]
    many = content_of(make_result(tissue_grid()), performance=(one,) * 11).provenance
    assert len(many.performance) == 8
    assert many.performance_note.endswith("3 more patients in the model\u2019s card.json.")
    assert "no measurement" in content_of(make_result(tissue_grid()), performance=()).provenance.performance_note


def test_one_patient_changes_the_page_no_further() -> None:
    result = make_result(tissue_grid())
    other = replace(result, slide=replace(result.slide, patient_id="P-7"))
    assert content_of(other).identity.startswith("Patient P-7, ")
    assert replace(content_of(other), identity="") == replace(content_of(result), identity="")
