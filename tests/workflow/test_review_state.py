"""How far a run is reviewed, and what its reviews come to as labels, in an evaluation and in a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cohort_runs import P, make_manifest, result
from reviewed_runs import classed, drawn, exported, filled, form_rows, reviewed_run, take

from batchscan.domain.errors import UsageError
from batchscan.domain.reviews import Standing
from batchscan.stores.annotations import annotated_cells
from batchscan.stores.regions import read_regions, write_regions
from batchscan.stores.results import RunFolder, write_result
from batchscan.workflow.review_state import read_reviewed, write_run_corrections


def said(run: RunFolder, folder: Path, reviewer: str, *verdicts: str) -> None:
    """What a reviewer says of each focus, in the form's order; empty for nothing."""
    (folder / f"{reviewer}.form.csv").unlink(missing_ok=True)
    rows = form_rows(run, folder / f"{reviewer}.form.csv")
    rows = [{**row, "verdict": verdict} for row, verdict in zip(rows, verdicts, strict=True)]
    take(run, filled(folder / f"{reviewer}.csv", rows), reviewer=reviewer)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Three slides of two patients, with two foci each."""
    slides = (("S1", "P1"), ("S2", "P1"), ("S3", "P2"))
    return reviewed_run(tmp_path / "run", *(result(slide, patient_id=patient) for slide, patient in slides))


def test_a_run_that_nobody_has_reviewed_says_so(run: RunFolder) -> None:
    assert read_reviewed(run).as_json() == {
        "n_foci": 6, "reviewed": 0, "agreed": 0, "disagreed": 0, "divided": 0, "unsure": 0, "missed": 0,
        "of_earlier_results": 0, "reviewers": [], "slides": [], "unreadable": [],
    }  # fmt: skip


def test_several_reviewers_come_to_agreed_disagreed_divided_or_unsure(tmp_path: Path, run: RunFolder) -> None:
    said(run, tmp_path, "A", "agree", "agree", "disagree", "unsure", "agree", "")
    said(run, tmp_path, "B", "agree", "disagree", "disagree", "unsure", "unsure", "")
    take(run, exported(tmp_path / "S1.geojson", [drawn(200, 0, 300, 90)]), reviewer="B")
    state = read_reviewed(run)
    assert {name: state.total(name) for name in Standing} == {
        Standing.AGREED: 2, Standing.DISAGREED: 1, Standing.DIVIDED: 1, Standing.UNSURE: 1,
    }  # fmt: skip
    found = state.as_json()
    assert (found["reviewed"], found["missed"], found["reviewers"]) == (5, 1, ["A", "B"])
    assert [(one["slide_id"], one["reviewed"], one["n_foci"]) for one in found["slides"]] == [
        ("S1", 2, 2), ("S2", 2, 2), ("S3", 1, 2),
    ]  # fmt: skip


def scanned_again(run: RunFolder, slide_id: str, **changed: object) -> None:
    """Another result of the slide: other foci, under other ids."""
    new = replace(result(slide_id, **changed), scan_digest="sha256:" + "3" * 64, digest="sha256:" + "4" * 64)  # type: ignore[arg-type]
    folder = run.slide(slide_id)
    write_regions(folder / "regions.geojson", slide_id, new.extent.foci, new.model, new.settings, new.scan_digest)
    write_result(folder, new)


def test_what_was_said_of_an_earlier_result_is_kept_but_not_counted(tmp_path: Path, run: RunFolder) -> None:
    said(run, tmp_path, "A", "agree", "disagree", "agree", "", "", "")
    take(run, exported(tmp_path / "S1.geojson", [drawn(200, 0, 300, 90)]))
    scanned_again(run, "S1")
    found = read_reviewed(run).as_json()
    # What was drawn is of the tissue, not of the result.
    assert (found["reviewed"], found["of_earlier_results"], found["missed"]) == (1, 2, 1)
    scanned_again(run, "S1", pixels="other tissue")
    found = read_reviewed(run).as_json()
    assert (found["reviewed"], found["of_earlier_results"], found["missed"]) == (1, 3, 0)


def test_a_result_that_cant_be_read_is_named(tmp_path: Path, run: RunFolder) -> None:
    said(run, tmp_path, "A", "agree", "", "agree", "", "", "")
    (run.slide("S1") / "result.json").write_text("{}")
    state = read_reviewed(run)
    assert [one.slide_id for one in state.slides] == ["S2"]
    (why,) = state.unreadable
    assert "schema version None" in why


def archive(run: RunFolder, *slide_ids: str) -> Path:
    """Where the run's stores would be; training opens them, writing labels doesn't."""
    for slide_id in slide_ids:
        (run.path / f"{slide_id}.ome.zarr").mkdir()
    rows = ({"slide_id": slide_id, "patient_id": "P9", "path": f"{slide_id}.ome.zarr"} for slide_id in slide_ids)
    return make_manifest(run.path, *rows)


def areas(path: Path) -> dict[str, float]:
    return {region.classification: region.polygon.area for region in read_regions(path)}


def test_verdicts_become_outlines_to_train_on(tmp_path: Path, run: RunFolder) -> None:
    """Focus 1 is three cells of 100 px, focus 2 the half cell at (300, 100): 30,000 and 5,000 square pixels."""
    said(run, tmp_path, "A", "agree", "disagree", "unsure", "agree", "disagree", "")
    # Of S3's focus 1 this is IDC, the rest isn't; the same reviewer says both.
    take(run, exported(tmp_path / "S3.geojson", [drawn(0, 0, 100, 50)]))
    said(run, tmp_path, "B", "", "", "", "disagree", "", "")
    out = run.path / "corrections.csv"
    assert write_run_corrections(run, out, archive(run, "S1", "S2", "S3")) == (3, ())
    folder = run.path / "corrections.outlines"
    assert areas(folder / "S1.geojson") == {"IDC": 30_000.0, "not IDC": 5_000.0}
    # Nobody was sure of one; on the other reviewers differ.
    assert areas(folder / "S2.geojson") == {"Ignore*": 35_000.0}
    assert areas(folder / "S3.geojson") == {"IDC": 5_000.0, "not IDC": 25_000.0}
    assert out.read_text().splitlines() == [
        "slide_id,path,patient_id,um_per_px,reference",
        "S1,S1.ome.zarr,P9,,corrections.outlines/S1.geojson",
        "S2,S2.ome.zarr,P9,,corrections.outlines/S2.geojson",
        "S3,S3.ome.zarr,P9,,corrections.outlines/S3.geojson",
    ]
    # Again, after another word: it is ours to replace.
    said(run, tmp_path, "B", "", "", "agree", "agree", "", "")
    write_run_corrections(run, out, run.path / "manifest.csv")
    assert areas(folder / "S2.geojson") == {"IDC": 5_000.0, "Ignore*": 30_000.0}


def test_a_region_that_somebody_disputes_is_left_out(tmp_path: Path, run: RunFolder) -> None:
    take(run, exported(tmp_path / "S1.geojson", [drawn(200, 200, 300, 300)]), reviewer="A")
    take(run, exported(tmp_path / "S1.geojson", [classed(drawn(200, 200, 300, 300), "Benign")]), reviewer="B")
    write_run_corrections(run, run.path / "c.csv", archive(run, "S1"))
    assert areas(run.path / "c.outlines" / "S1.geojson") == {"Ignore*": 10_000.0}


def test_a_slide_whose_result_is_gone_is_left_out_of_the_labels_and_named(tmp_path: Path, run: RunFolder) -> None:
    said(run, tmp_path, "A", "agree", "", "agree", "", "", "")
    (run.slide("S1") / "result.json").unlink()
    n_slides, (why,) = write_run_corrections(run, run.path / "c.csv", archive(run, "S1", "S2"))
    assert (n_slides, "S1: the stored result can't be read" in why) == (1, True)


def test_corrections_need_reviews_and_stores_beside_them_and_replace_nothing_else(
    tmp_path: Path, run: RunFolder
) -> None:
    manifest = archive(run, "S1")
    with pytest.raises(UsageError, match="nothing in it has been reviewed"):
        write_run_corrections(run, run.path / "c.csv", manifest)
    said(run, tmp_path, "A", "agree", "", "", "", "", "")
    with pytest.raises(UsageError, match="its store isn't known: name the archive's manifest"):
        write_run_corrections(run, run.path / "c.csv", None)
    with pytest.raises(UsageError, match=r"isn't in or below .*, as a manifest's slides must be"):
        write_run_corrections(run, tmp_path / "elsewhere" / "c.csv", manifest)
    before = manifest.read_text()
    with pytest.raises(UsageError, match="is there already, and no review wrote it"):
        write_run_corrections(run, manifest, manifest)
    assert manifest.read_text() == before


def test_labels_of_focus_cells_are_those_that_the_reviewer_meant(tmp_path: Path, run: RunFolder) -> None:
    """As a training reads them: cell by cell."""
    said(run, tmp_path, "A", "agree", "disagree", "", "", "", "")
    write_run_corrections(run, run.path / "c.csv", archive(run, "S1"))
    grid = result("S1").table.grid
    cells = annotated_cells(run.path / "c.outlines" / "S1.geojson", grid).reference
    columns = zip(cells.x_px, cells.y_px, cells.label, strict=True)
    found = {(int(y // 100), int(x // 100)): bool(label) for x, y, label in columns}
    assert found == {(0, 0): True, (0, 1): True, (1, 0): True, (1, 3): False}
    assert all(P[row][col] >= 0.5 for row, col in found)
