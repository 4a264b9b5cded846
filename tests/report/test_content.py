from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

import numpy as np
import pytest
from report_factory import UNREADABLE, make_card, make_result, rejudged, tissue_grid

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.errors import ModelError
from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.domain.records import SlideResult
from batchscan.report.content import SlideContent, slide_content

GIVEN_SPACING = (
    "The spacing of 8 µm/px was given by the operator or the patch layout\u2019s convention, not by the slide: "
    "every mm rests on it."
)
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
        "IDC-positive area": ("1.92 mm²", "threshold moved: the same"),
        "Share of tissue": ("6.0 %", "of 32.0 mm² read"),
        "Largest focus": ("2.9 \u00d7 2.7 mm", "greatest \u00d7 perpendicular"),
        "Foci over 1 mm": ("1 of 1", "by their greatest dimension"),
        "Field extent": ("2.9 mm", "across all foci together"),
        "Tissue area": ("32.0 mm²", "400 patches"),
        "Uncertain patches": ("0 patches", "with p from 0.40 to 0.60"),
        "Unreadable tissue": ("0 mm²", "0 patches"),
    }
    assert content.first.notices == (GIVEN_SPACING,)
    (row,) = content.foci
    assert (row.bbox, row.centroid, row.n_patches, row.mean_p) == ("400, 250, 200, 300", "500, 400", "24", "0.900")


def test_no_positive_patch_says_so_and_how_near() -> None:
    p = np.full((5, 5), 0.1)
    p[2, 2] = 0.312
    content = content_of(make_result(p))
    assert content.headline == "No IDC-positive tissue found by this model"
    assert content.answer == "None of the 25 patches read reaches p(IDC) 0.5; the highest is 0.312."
    assert figures_of(content)["IDC-positive area"] == ("0 mm²", "threshold moved: the same")
    assert figures_of(content)["Largest focus"] == ("not defined", "there is no positive patch")
    assert content.foci == ()


def test_what_is_undefined_is_never_zero_and_says_why() -> None:
    content = content_of(make_result(np.full((5, 5), np.nan)))
    figures = figures_of(content)
    for label in ("IDC-positive area", "Share of tissue", "Largest focus", "Foci over 1 mm", "Field extent"):
        assert figures[label] == ("not defined", "no tissue was found")
    assert content.headline == "No tissue was found: extent not defined"
    assert content.answer == "No patch was scored: IDC is neither shown nor excluded."
    assert content.second.caption == "No patch has a probability."
    assert content.gallery == ()


def test_unreadable_tissue_is_told_and_left_out_of_the_share() -> None:
    p = np.full((10, 10), 0.9)
    p[0, :] = UNREADABLE
    content = content_of(make_result(p))
    assert figures_of(content)["Share of tissue"] == ("100 %", "of 14.4 mm² read")
    assert figures_of(content)["Unreadable tissue"] == ("1.60 mm²", "10 patches")
    assert any(notice.startswith("10 patches (1.60 mm²) could not be read") for notice in content.first.notices)


def test_all_but_one_patch_is_not_printed_as_everything() -> None:
    p = np.full((20, 20), 0.9)
    p[0, 0] = 0.1
    assert figures_of(content_of(make_result(p)))["Share of tissue"][0] == ">99 %"


def test_a_focus_at_the_edge_is_told() -> None:
    p = tissue_grid()
    p[10:12, 0:3] = 0.9
    content = content_of(make_result(p))
    assert content.first.notices[2].startswith("1 focus touches the edge of the slide")
    assert content.foci[0].touches_edge == "yes"
    p[10:12, 0:3] = np.nan
    p[10:15, 8:12] = 0.9
    assert content_of(make_result(p)).first.notices == (GIVEN_SPACING,)


def test_engine_borderline_patches_are_told_where_the_answer_hangs_on_them() -> None:
    caution = (
        "2 patches lie so close to the threshold that another engine or precision could decide otherwise, "
        "and change the answer."
    )
    p = tissue_grid()
    p[20, 14:17] = (0.481, 0.519, 0.479)
    assert content_of(make_result(p)).first.notices == (GIVEN_SPACING, caution)
    p[5:12, 8:15] = 0.9
    content = content_of(make_result(p))
    assert content.first.notices == (GIVEN_SPACING,)
    settings = {fact.label: (fact.value, fact.note) for fact in content.provenance.settings}
    assert settings["Engine-borderline"][0] == "2 patches"
    assert settings["Engine-borderline"][1].startswith("a change of p_raw by 0.02")
    assert "Borderline" not in figures_of(content)
    p[5:12, 8:15], p[20, 14:17] = 0.1, 0.481
    assert content_of(make_result(p)).first.notices[1].startswith("3 patches lie so close")


def test_patches_near_the_threshold_are_counted() -> None:
    p = np.full((4, 4), 0.1)
    p[0] = (0.4, 0.6, 0.399, 0.601)
    p[1, 0] = UNREADABLE
    assert figures_of(content_of(make_result(p)))["Uncertain patches"][0] == "2 patches"


def test_a_patient_that_the_model_has_seen_is_told() -> None:
    result = make_result(tissue_grid(), slide_id="8950")
    words = "This patient was used to {} the model: the numbers are not independent of it."
    assert content_of(result).first.independence == words.format("train")
    assert content_of(make_result(tissue_grid(), slide_id="8865")).first.independence == words.format("validate")
    assert content_of(make_result(tissue_grid(), slide_id="8863")).first.independence == ""


def test_accuracy_is_that_on_unseen_patients() -> None:
    validation, test = make_card().performance
    result = make_result(tissue_grid())

    def patch_by_patch(content: SlideContent) -> str:
        return {fact.label: fact.value for fact in content.first.sure}["Patch by patch"]

    assert patch_by_patch(content_of(result)) == (
        "AUROC 0.94, sensitivity 1.00, specificity >0.99 (1 patient never seen)."
    )
    none = content_of(result, performance=(validation,))
    assert patch_by_patch(none) == "not measured on any patient that the model never saw."
    other = test.model_copy(update={"patient_id": "9", "auroc": None, "sensitivity": 0.62, "specificity": 0.54})
    two = content_of(result, performance=(validation, test, other))
    assert patch_by_patch(two) == (
        "AUROC 0.94, sensitivity 0.62 to 1.00, specificity 0.54 to >0.99 (2 patients never seen)."
    )
    on_some = "On some unseen patients this model, or networks made like it,"
    assert two.first.notices[:2] == (
        f"{on_some} called too many patches IDC-positive (specificity 0.54).",
        f"{on_some} missed many IDC-positive patches (sensitivity 0.62).",
    )


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SpacingSource.VENDOR, "stated by the scanner file"),
        (SpacingSource.OME_ZARR, "stated by the OME-Zarr metadata"),
        (SpacingSource.MANIFEST, "given in the manifest"),
        (SpacingSource.OPTION, "not stated by the slide"),
    ],
)
def test_who_says_the_spacing_in_words(source: SpacingSource, words: str) -> None:
    result = make_result(tissue_grid())
    content = content_of(replace(result, slide=replace(result.slide, spacing=Spacing(8.0, source))))
    assert f"Spacing 8 µm/px ({words})" in content.first.identity
    assert (GIVEN_SPACING in content.first.notices) == (source is SpacingSource.OPTION)


def test_a_slide_that_is_stored_reduced_tells_both_frames() -> None:
    p = np.full((6, 6), 0.1)
    p[2:4, 2:4] = 0.9
    result = make_result(p)
    slide = replace(result.slide, spacing=Spacing(0.998, SpacingSource.VENDOR), source_downsample=2.0)
    content = content_of(replace(result, slide=slide))
    words = "0.499 µm/px in the file (stated by the scanner file), stored at 0.998 µm/px"
    assert words in content.first.identity
    assert words in [fact.value for fact in content.provenance.slide]
    assert "level-0 pixels of the stored slide" in content.foci_note
    assert content.foci_note.endswith("multiply by 2.0 for pixels of the original file.")
    assert "multiply" not in content_of(result).foci_note


def test_a_focus_of_one_patch_is_not_taken_for_a_measured_one() -> None:
    p = np.full((8, 8), 0.1)
    p[2, 2] = 0.9
    content = content_of(make_result(p))
    assert content.answer.endswith("The largest focus is one patch, 0.4 mm wide and 0.57 mm across its corners.")
    assert figures_of(content)["Largest focus"] == ("0.6 \u00d7 0.6 mm", "one patch: its diagonals")
    assert content.foci[0].greatest == "0.6 mm*"
    assert content.foci_note.endswith("* One patch: the diagonals of its square.")
    definitions = {fact.label: fact.value for fact in content.provenance.definitions}
    assert definitions["Greatest"].endswith("(of one patch: its diagonal, 0.57 mm).")


def test_holes_are_explained_where_there_are_any() -> None:
    p = np.full((8, 8), 0.1)
    p[1:6, 1:6] = 0.9
    assert "dashed" not in content_of(make_result(p)).second.caption
    p[3, 3] = 0.1
    content = content_of(make_result(p))
    assert content.second.caption.endswith("Black outline: focus, dashed: hole in it; grey line: edge of the tissue.")
    assert (
        content.overview.caption
        == "Foci outlined, numbered by area. Dashed: hole in a focus. At the edges: level-0 pixels."
    )


def test_terms_of_the_trade_are_not_on_page_one() -> None:
    content = content_of(make_result(tissue_grid()))
    labels = {fact.label for fact in (*content.figures, *content.first.sure, *content.first.omitted)}
    assert not {"Patches scanned", "Background colour", "Overview, spacing"} & labels
    slide = {fact.label: fact.value for fact in content.provenance.slide}
    assert slide["Background colour"] == "red 246, green 245, blue 247"
    assert slide["Overview, spacing"] == "32 µm/px"


def test_a_verdict_and_its_number_agree() -> None:
    p = np.full((3, 5), 0.1)
    p[0] = (0.4506, 0.45104, 0.451, 0.9, 0.2)
    groups = content_of(make_result(p, threshold=0.451)).gallery
    shown = {(picture.p_idc, picture.verdict) for group in groups for picture in group.pictures}
    assert {("0.4506", "negative"), ("0.45104", "positive"), ("0.451", "positive")} <= shown
    assert groups[0].title == "Highest p(IDC); each 400 µm wide"
    few = content_of(make_result(p[:1], threshold=0.451)).gallery
    assert [group.title for group in few] == ["All patches that were read (5), highest p(IDC) first; each 400 µm wide"]


def test_ten_foci_are_listed_and_the_rest_is_summed() -> None:
    p = np.full((30, 30), 0.1)
    p[1:30:3, 1:6:3] = 0.9
    p[1:3, 20:25] = 0.9
    content = content_of(make_result(p))
    assert len(content.foci) == 10
    assert content.foci[0].n_patches == "10"
    assert content.foci_note.startswith("The 10 of largest area out of 21; the others hold 1.76 mm² together")
    assert content.overview.caption == (
        "All 21 foci outlined; the 10 of largest area are numbered. At the edges: level-0 pixels."
    )


def test_the_gallery_says_where_and_what() -> None:
    p = np.full((4, 4), 0.1)
    p[2, 3], p[1, 0] = 0.97, 0.4996
    highest, uncertain, isolated = content_of(make_result(p)).gallery
    assert highest.pictures[0].place == (2, 3)
    assert (highest.pictures[0].p_idc, highest.pictures[0].verdict) == ("0.970", "positive")
    assert highest.pictures[0].position == "x 150, y 100"
    assert "x 150, y 100" in highest.pictures[0].alt
    assert (highest.pictures[1].p_idc, highest.pictures[1].verdict) == ("0.4996", "negative")
    assert "0.5" in uncertain.title
    assert [picture.place for picture in isolated.pictures] == [(2, 3)]


def test_that_no_positive_patch_stands_alone_is_said() -> None:
    p = np.full((20, 20), 0.1)
    nothing = content_of(make_result(p)).gallery
    p[5:11, 8:12] = 0.9
    *_, none_alone = content_of(make_result(p)).gallery
    assert (none_alone.title, none_alone.pictures) == (
        "No positive patch is isolated: each has another beside it.",
        (),
    )
    assert all(group.pictures for group in nothing)


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
    assert many.performance_note.endswith("3 more rows in the model\u2019s card.json.")
    assert "no measurement" in content_of(make_result(tissue_grid()), performance=()).provenance.performance_note


def test_one_patient_changes_the_page_no_further() -> None:
    result = make_result(tissue_grid())
    assert result.slide.patient_id not in make_card().training_patients
    other = replace(result, slide=replace(result.slide, patient_id="P-7"))
    assert content_of(other).first.identity.startswith("Patient P-7, ")
    first = content_of(result).first
    assert replace(content_of(other), first=first) == content_of(result)
    assert replace(content_of(other).first, identity=first.identity) == first


def lone(*places: tuple[int, int]) -> np.ndarray:
    """Tissue of p .05 with single patches of .9, far from each other."""
    p = np.full((12, 12), 0.05)
    for place in places:
        p[place] = 0.9
    return p


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([(3, 3)], "1 patch reaches the threshold alone, but not when averaged with its"),
        ([(3, 3), (9, 9)], "2 patches reach the threshold alone, but not when averaged with their"),
    ],
)
def test_what_neighbours_took_from_the_answer_is_told(places: list[tuple[int, int]], words: str) -> None:
    """One of .9 among eight of .05 at sigma 1: its odds' mean is far below .5."""
    result = make_result(lone(*places))
    assert rejudged(result, Aggregation(sigma=1.0)).extent.n_foci == 0
    assert f"{words} neighbours." in content_of(rejudged(result, Aggregation(sigma=1.0))).first.notices
    for aggregation in (Aggregation(), Aggregation(sigma=0.3), Aggregation(temperature=1.5)):
        notices = content_of(rejudged(result, aggregation)).first.notices
        assert not [notice for notice in notices if "when averaged" in notice]


@pytest.mark.parametrize(
    ("pen_share", "note"), [(0.25, "besides 5.76 mm² under pen"), (0.0, "see below what, and why"), (None, None)]
)
def test_what_lies_under_pen_stands_beside_the_tissue_not_analysed(pen_share: float | None, note: str | None) -> None:
    """A quarter of 600 x 600 px of 8 um: 4.8 x 4.8 / 4 = 5.76 mm2."""
    known = {} if pen_share is None else {"unscanned_tissue_mm2": 0.31, "pen_share": pen_share}
    figures = figures_of(content_of(replace(make_result(lone((3, 3))), qc=known)))
    assert figures.get("Tissue not analysed") == (note and ("0.31 mm²", note))


def test_what_a_patch_is_by_itself_is_calibrated_as_all_are() -> None:
    """logit .9 = 2.2: with an intercept of -3 it is below the threshold by itself, so neighbours took nothing."""
    result = rejudged(make_result(lone((3, 3))), Aggregation(sigma=1.0, intercept=-3.0))
    assert not [notice for notice in content_of(result).first.notices if "when averaged" in notice]
    result = rejudged(make_result(lone((3, 3)) * 0.5), Aggregation(sigma=1.0, intercept=1.0))
    assert [notice for notice in content_of(result).first.notices if notice.startswith("1 patch reaches the threshold")]


def test_pictures_and_captions_say_that_neighbours_have_a_part_in_p() -> None:
    result = rejudged(make_result(lone((3, 3))), Aggregation(sigma=1.0))
    content = content_of(result)
    assert content.second.caption.startswith("p(IDC) of each patch with its neighbours; darker")
    assert "144 patches with their neighbours, 0 at or above" in content.second.alt
    assert [group.title for group in content.gallery] == [
        "Highest p(IDC) with its neighbours; each 400 µm wide",
        "Least certain: p(IDC) with its neighbours nearest the threshold of 0.5",
    ]
    (picture,) = (each for each in content.gallery[0].pictures if each.place == (3, 3))
    assert picture.p_raw == "0.900"
    assert "p_raw 0.900, negative." in picture.alt
    assert float(picture.p_idc) < 0.5
    for aggregation in (Aggregation(), Aggregation(sigma=0.3)):
        content = content_of(rejudged(result, aggregation))
        said = [content.second.caption, content.second.alt, *(group.title for group in content.gallery)]
        assert "neighbours" not in " ".join(said)
        assert {picture.p_raw for group in content.gallery for picture in group.pictures} == {""}
