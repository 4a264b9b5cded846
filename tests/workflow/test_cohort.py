"""Run folders and a manifest become the slides to judge; what is expected is counted by hand on the twelve cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cohort_runs import NAN, UNREADABLE, P, labels_csv, make_manifest, make_run, outlines_geojson, result

from batchscan.domain.joined import AMBIGUOUS, IDC, NOT_IDC, CohortSlide
from batchscan.stores.outlined import OutlineRule
from batchscan.workflow.cohort import AnalysedSlide, CohortOptions, open_cohort

EVERY = {(row, col): 0 for row in range(3) for col in range(4)}
CELL_MM2 = 0.16
"""Of a whole cell; one in the last column has half."""


def only(folder: Path, run: Path, options: CohortOptions | None = None, **cells: str) -> AnalysedSlide:
    """The one slide of a manifest, S."""
    manifest = make_manifest(folder, {"slide_id": "S", **cells})
    (slide,) = open_cohort([run], manifest, options or CohortOptions()).slides()
    return slide


def reasons(slide: CohortSlide) -> dict[str, str]:
    return dict(slide.undefined)


def test_labels_of_every_cell_meet_the_scan_and_give_both_extents(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [result("S")])
    # IDC: two of four called, one not called, one that has no tissue, one that couldn't be read.
    labels = {**EVERY, (0, 0): 1, (0, 1): 1, (1, 1): 1, (2, 2): 1, (2, 3): 1}
    found = only(tmp_path, run, reference=labels_csv(tmp_path / "r.csv", labels), patient_id="P7", site="north")
    joined, slide = found.joined, found.slide
    assert joined is not None
    assert list(zip(joined.row.tolist(), joined.col.tolist(), strict=True)) == sorted(labels)
    assert (joined.patient_id, slide.patient_id, dict(slide.attributes)) == ("P7", "P7", {"site": "north"})
    assert joined.positive.nonzero()[0].tolist() == [0, 1, 4, 7]
    assert joined.scanned.tolist() == [True] * 10 + [False, True]
    assert joined.readable.tolist() == [True] * 11 + [False]
    assert (joined.p_idc[10], np.isnan(joined.p_raw[10]), np.isnan(joined.p_idc[11])) == (0.0, True, True)
    np.testing.assert_allclose(joined.tissue_mm2, [0.16, 0.16, 0.16, 0.08] * 3)
    assert (slide.n_labelled, slide.n_positive, slide.n_not_scanned, slide.n_unreadable) == (11, 4, 1, 1)
    assert (slide.n_unlabelled, slide.n_ambiguous, slide.label_source, slide.slide_label) == (0, 0, "patches", True)
    assert slide.max_p == pytest.approx(0.9)
    assert slide.reference is not None
    assert slide.predicted.idc_mm2 == pytest.approx(3.5 * CELL_MM2)
    assert slide.reference.idc_mm2 == pytest.approx(4.5 * CELL_MM2)
    # (0, 0), (0, 1), (1, 1), (2, 2) and (2, 3) hang together by their corners: 0 to 350 px, 0 to 300 px.
    assert slide.reference.n_foci == 1
    assert slide.reference.largest_focus_mm == pytest.approx(np.hypot(350, 300) * 0.004)
    assert slide.dice == pytest.approx(2 * 2 / (3.5 + 4.5))
    assert slide.hausdorff95_mm is not None
    assert reasons(slide) == {}


def test_a_threshold_of_ones_own_redoes_calls_and_extent(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [result("S")])
    manifest = make_manifest(tmp_path, {"slide_id": "S", "reference": labels_csv(tmp_path / "r.csv", EVERY)})
    cohort = open_cohort([run], manifest, CohortOptions())
    (own,), (tuned,) = cohort.slides(), cohort.slides(threshold=0.75)
    assert own.joined is not None
    assert tuned.joined is not None
    assert (own.slide.threshold, int(own.joined.positive.sum())) == (0.5, 4)
    assert (tuned.slide.threshold, tuned.joined.threshold, int(tuned.joined.positive.sum())) == (0.75, 0.75, 2)
    assert tuned.slide.predicted.idc_mm2 == pytest.approx(2 * CELL_MM2)
    # Nothing is labelled IDC: an overlap of 0, and no second outline to measure from.
    assert (own.slide.dice, own.slide.hausdorff95_mm, own.slide.slide_label) == (0.0, None, False)
    assert "outline is missing" in reasons(own.slide)["hausdorff95_mm"]


def test_an_extent_needs_labels_of_all_the_tissue(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [result("S")])
    labels = {place: 0 for place in EVERY if place != (0, 3)}
    found = only(tmp_path, run, reference=labels_csv(tmp_path / "r.csv", labels)).slide
    assert (found.reference, found.dice, found.hausdorff95_mm, found.n_unlabelled) == (None, None, None, 1)
    # 8 whole and 3 half cells have tissue; half a cell of the 9.5 has no label.
    assert reasons(found)["reference"].startswith("labels cover 94.7 % of the scanned tissue")
    # That no labelled patch is IDC doesn't say that the slide has none.
    assert (found.slide_label, found.label_source) == (None, "")
    assert "slide_label" in reasons(found)


def test_outlines_are_read_by_the_tissue_that_they_cover(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [result("S")])
    # All of (0, 0), 40 % of (0, 1); a twentieth of (1, 0).
    name = outlines_geojson(tmp_path / "o.geojson", ("IDC", 0, 0, 140, 100), ("Tumor", 0, 100, 100, 105))
    found = only(tmp_path, run, reference=name)
    (of,) = (labels.of for labels in found.by_reader.values())
    assert (of[0, 0], of[0, 1], of[1, 0], of[2, 2]) == (IDC, AMBIGUOUS, NOT_IDC, -3)
    assert (found.slide.n_labelled, found.slide.n_positive, found.slide.n_ambiguous) == (9, 1, 1)
    # Ambiguous cells are less than half IDC: the extent goes on without them.
    assert found.slide.reference is not None
    assert found.slide.reference.idc_mm2 == pytest.approx(CELL_MM2)
    strict = CohortOptions(outline_rule=OutlineRule(low=0.25, high=0.4))
    assert only(tmp_path, run, strict, reference=name).slide.n_positive == 2
    partial = CohortOptions(outline_rule=OutlineRule(complete=False))
    assert only(tmp_path, run, partial, reference=name).slide.n_labelled == 1


def test_labels_in_the_pixels_of_a_vendors_file_are_brought_into_the_scans(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [result("S", downsample=2.0)])
    csv = labels_csv(tmp_path / "r.csv", {(0, 1): 1, (1, 1): 0}, side_px=200.0)
    found = only(tmp_path, run, reference=csv, path="S.svs")
    assert found.joined is not None
    assert (found.joined.row.tolist(), found.joined.col.tolist()) == ([0, 1], [1, 1])
    outlines = outlines_geojson(tmp_path / "o.geojson", ("IDC", 200, 0, 400, 200))
    found = only(tmp_path, run, reference=outlines, path="S.svs")
    assert np.argwhere(found.by_reader[""].idc).tolist() == [[0, 1]]


def test_several_readers_become_one_by_the_rule(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [result("S")])
    cells = {
        "reference": labels_csv(tmp_path / "r.csv", {(0, 0): 1, (0, 1): 1, (0, 2): 0}),
        "reference_ann": labels_csv(tmp_path / "ann.csv", {(0, 0): 1, (0, 1): 0, (0, 2): 0}),
    }

    def positive(rule: str) -> tuple[int, int, int]:
        slide = only(tmp_path, run, CohortOptions(reader_rule=rule), **cells)
        assert set(slide.by_reader) == {"", "ann"}
        return slide.slide.n_labelled, slide.slide.n_positive, slide.n_tied

    assert [positive(rule) for rule in ("majority", "any", "all", "ann", "reference")] == [
        (2, 1, 1),
        (3, 2, 0),
        (3, 1, 0),
        (3, 1, 0),
        (3, 2, 0),
    ]


def test_a_slide_with_a_label_of_its_own_needs_no_patch_labels(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [result("S")])
    found = only(tmp_path, run, slide_label="0")
    assert found.joined is None
    assert (found.slide.slide_label, found.slide.label_source, found.slide.n_labelled) == (False, "manifest", 0)
    assert (found.slide.reference, found.slide.n_unlabelled) == (None, 11)
    assert reasons(found.slide)["reference"] == "no patch of the slide has a label"


def test_a_slide_without_tissue_misses_all_that_is_labelled(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [result("S", [[NAN] * 4] * 3)])
    found = only(tmp_path, run, reference=labels_csv(tmp_path / "r.csv", {(1, 1): 1, (1, 2): 0})).slide
    assert (found.n_not_scanned, found.n_positive, found.max_p) == (2, 1, None)
    assert found.predicted.idc_mm2 is None
    assert found.reference is not None
    assert found.reference.idc_mm2 == pytest.approx(CELL_MM2)


def test_slides_come_sorted_one_by_one_from_the_run_that_has_them(tmp_path: Path) -> None:
    first = make_run(tmp_path / "north", [result("B"), result("X")])
    second = make_run(tmp_path / "south", [result("A")])
    rows: list[dict[str, Any]] = [
        {"slide_id": name, "slide_label": "1", "split": split} for name, split in (("B", "test"), ("A", "tune"))
    ]
    manifest = make_manifest(tmp_path, *rows)
    cohort = open_cohort([first, second], manifest, CohortOptions())
    assert [request.slide_id for request in cohort.asked] == ["B", "A"]
    assert cohort.not_asked == ("X",)
    found = [(each.slide.slide_id, each.slide.run, each.slide.report) for each in cohort.slides(out=tmp_path / "out")]
    assert found == [
        ("A", "south", "../south/slides/A/report.pdf"),
        ("B", "north", "../north/slides/B/report.pdf"),
    ]
    tuned = cohort.slides(keep=lambda request: request.attributes["split"] == "tune")
    assert [each.slide.slide_id for each in tuned] == ["A"]


def test_unreadable_patches_are_no_maximum(tmp_path: Path) -> None:
    p = [[UNREADABLE if value == P[0][0] else value for value in row] for row in P]
    run = make_run(tmp_path / "run", [result("S", p)])
    assert only(tmp_path, run, slide_label="1").slide.max_p == pytest.approx(0.8)
