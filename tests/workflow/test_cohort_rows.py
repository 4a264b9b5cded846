"""What of a manifest can't be judged is left out with the reason; all that is wrong is named before any work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cohort_runs import labels_csv, make_manifest, make_run, outlines_geojson, result
from store_files import Pixels, noise, write_own

from batchscan.domain.errors import ManifestError, OutputError, UsageError
from batchscan.domain.geometry import PatchSpec
from batchscan.domain.records import SlideOutcome, SlideStatus
from batchscan.stores.pyramids import open_store
from batchscan.workflow.cohort import CohortOptions, open_cohort


def refused(runs: list[Path], manifest: Path, options: CohortOptions | None = None) -> str:
    with pytest.raises(ManifestError) as caught:
        open_cohort(runs, manifest, options or CohortOptions())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cant_be_judged_is_left_out_with_the_reason(tmp_path: Path) -> None:
    ended = [
        SlideOutcome("F", SlideStatus.FAILED, "unreadable", "its tissue can't be read"),
        SlideOutcome("E", SlideStatus.EXCLUDED, "no_spacing", "nobody says its spacing"),
        SlideOutcome("U", SlideStatus.PENDING),
    ]
    run = make_run(tmp_path / "run", [result("S"), result("N"), result("B")], ended)
    blank = tmp_path / "b.csv"
    blank.write_text("slide_id,x_px,y_px,side_px,label\nB,0,0,100,\nS,0,0,100,1\n")
    rows = [{"slide_id": name, "slide_label": "1", "patient_id": f"P{name}"} for name in "SFEUG"]
    rows[0] = {"slide_id": "S", "reference": "b.csv"}
    heard: list[str] = []
    manifest = make_manifest(tmp_path, *rows, {"slide_id": "N"}, {"slide_id": "B", "reference": "b.csv"})
    cohort = open_cohort([run], manifest, CohortOptions(), heard.append)
    assert [(each.slide_id, each.patient_id, each.reason) for each in cohort.exclusions] == [
        ("F", "PF", "unreadable"),
        ("E", "PE", "no_spacing"),
        ("U", "PU", "unfinished"),
        ("G", "PG", "not_in_run"),
        ("N", "N", "no_labels"),
        ("B", "B", "no_labels"),
    ]
    assert cohort.exclusions[0].sentence == "its tissue can't be read"
    assert "decides no patch" in cohort.exclusions[5].sentence
    assert [request.slide_id for request in cohort.requests] == ["S"]
    assert heard == list("SFEUGNB")
    assert len(cohort.exclusions) + len(cohort.requests) == len(cohort.asked)


def test_a_slide_that_is_not_analysable_is_left_out_by_name(tmp_path: Path) -> None:
    refused = SlideOutcome("S", SlideStatus.DONE, "not_analysable", "the slide is not analysable (blur)")
    run = make_run(tmp_path / "run", [result("T")], [refused])
    manifest = make_manifest(tmp_path, *({"slide_id": name, "slide_label": "1"} for name in "ST"))
    cohort = open_cohort([run], manifest, CohortOptions())
    (exclusion,) = cohort.exclusions
    assert (exclusion.slide_id, exclusion.reason) == ("S", "not_analysable")
    assert exclusion.sentence == "the slide is not analysable (blur)"
    assert [request.slide_id for request in cohort.requests] == ["T"]


def test_a_slide_that_failed_in_one_run_is_taken_from_the_other(tmp_path: Path) -> None:
    failed = make_run(tmp_path / "a", [], [SlideOutcome("S", SlideStatus.FAILED, "unreadable", "broken")])
    whole = make_run(tmp_path / "b", [result("S")])
    manifest = make_manifest(tmp_path, {"slide_id": "S", "slide_label": "1"})
    cohort = open_cohort([failed, whole], manifest, CohortOptions())
    assert [each.slide.run for each in cohort.slides()] == ["b"]


def test_every_wrong_row_is_named_with_its_line(tmp_path: Path) -> None:
    names = "ABCDEFGHI"
    run = make_run(
        tmp_path / "run",
        [result(name, patient_id="P0" if name == "D" else "", pixels="A" if name == "C" else "") for name in names],
    )
    again = make_run(tmp_path / "again", [result("B")])
    damaged = run / "slides/E/result.json"
    damaged.write_text(json.dumps({**json.loads(damaged.read_text()), "schema_version": 1}))
    (tmp_path / "f.txt").touch()
    labels_csv(tmp_path / "g.csv", {(0, 0): 1}, side_px=90.0)
    labels_csv(tmp_path / "h.csv", {(0, 0): 1})
    (tmp_path / "i.csv").write_text("x_px,y_px,side_px,label\n0,0,100,1\n0.3,0,100,0\n")
    references = {"F": "f.txt", "G": "g.csv", "H": "h.csv", "I": "i.csv"}
    rows = [
        {
            "slide_id": name,
            "patient_id": "P1" if name == "D" else "",
            "slide_label": "0" if name in "ABCDEH" else "",
            "reference": references.get(name, ""),
        }
        for name in names
    ]
    text = refused([run, again], make_manifest(tmp_path, *rows))
    assert "8 wrong rows" in text
    for said in (
        f"line 3: slide B was scanned in {run} and {again}",
        "line 4: slide C has the same pixels as the slide on line 2",
        "line 5: slide D is of patient 'P1' here and of 'P0'",
        "line 6: ",
        "its result has schema version 1",
        "line 7: f.txt is neither .csv",
        "line 8: 1 of 1 reference labels don't lie on the scanned grid",
        "line 9: slide H has slide_label 0, no IDC, but 1 patches that are labelled IDC",
        "line 10: 1 reference labels are of a patch that has one already",
    ):
        assert said in text


def test_a_patient_whom_the_run_didnt_know_is_no_contradiction(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [result("S")])
    manifest = make_manifest(tmp_path, {"slide_id": "S", "slide_label": "1", "patient_id": "P1"})
    (found,) = open_cohort([run], manifest, CohortOptions()).slides()
    assert (found.slide.patient_id, found.result.slide.patient_id) == ("P1", "P1")


def test_a_file_of_several_slides_says_which_label_is_of_which(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [result("A"), result("B")])
    both = tmp_path / "both.csv"
    both.write_text("slide_id,x_px,y_px,side_px,label\nA,0,0,100,1\nB,100,0,100,0\n")
    rows = [{"slide_id": name, "reference": "both.csv"} for name in "AB"]
    cohort = open_cohort([run], make_manifest(tmp_path, *rows), CohortOptions())
    joined = [slide.joined for slide in cohort.slides()]
    assert [(each.col.tolist(), each.label.tolist()) for each in joined if each] == [([0], [True]), ([1], [False])]
    both.write_text("slide_id,x_px,y_px,side_px,label\nA,0,0,100,1\n")
    assert "line 3: both.csv has no row of slide 'B'" in refused([run], make_manifest(tmp_path, *rows))
    labels_csv(both, {(0, 0): 1})
    assert "line 2: both.csv is also a reference on line 3" in refused([run], make_manifest(tmp_path, *rows))
    rows = [{"slide_id": name, "reference": "both.geojson"} for name in "AB"]
    outlines_geojson(tmp_path / "both.geojson", ("IDC", 0, 0, 100, 100))
    assert "line 2: both.geojson is also a reference" in refused([run], make_manifest(tmp_path, *rows))


def test_a_store_that_isnt_the_one_that_was_scanned_is_named(tmp_path: Path) -> None:
    store = write_own(tmp_path / "S.ome.zarr", Pixels(noise(64, 64)))
    manifest = make_manifest(tmp_path, {"slide_id": "S", "slide_label": "1"})
    run = make_run(tmp_path / "run", [result("S")])
    assert "line 2: slide S: its store isn't the one that was scanned" in refused([run], manifest)
    found = result("S")
    found = replace(found, slide=replace(found.slide, fingerprint=open_store(store).fingerprint))
    run = make_run(tmp_path / "again", [found])
    assert len(open_cohort([run], manifest, CohortOptions()).requests) == 1


def test_runs_that_cant_be_taken_together_are_named(tmp_path: Path) -> None:
    manifest = make_manifest(tmp_path, *({"slide_id": name, "slide_label": "1"} for name in "AB"))
    run = make_run(tmp_path / "run", [result("A")])
    other = result("B")
    patches = replace(other.settings, patch=PatchSpec(50, 8.0, 0.5))
    finer = make_run(tmp_path / "finer", [replace(other, settings=patches)])
    with pytest.raises(UsageError, match=r"stride 1, .*finer at .*stride 0.5"):
        open_cohort([run, finer], manifest, CohortOptions())
    with pytest.raises(UsageError, match="named twice"):
        open_cohort([run, tmp_path / "finer/../run"], manifest, CohortOptions())
    with pytest.raises(OutputError, match="isn't a run folder"):
        open_cohort([tmp_path], manifest, CohortOptions())
    with pytest.raises(UsageError, match=r"readers 'ann': .* expected one of majority, any, all"):
        open_cohort([run], manifest, CohortOptions(reader_rule="ann"))
