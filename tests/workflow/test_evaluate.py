"""Runs and reference labels become the folder of an evaluation; expected figures are counted by hand."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cohort_runs import MODEL, P, labels_csv, make_manifest, result
from judged_runs import EVERY, LOW, TWO_IDC, run_with_card, three_slides
from pypdf import PdfReader

from batchscan.domain.errors import BatchscanError, GateError, ManifestError, OutputError, SeenInTraining
from batchscan.domain.evaluated import Evaluation
from batchscan.domain.job import EvaluationSection
from batchscan.stores.evaluations import EvaluationFolder
from batchscan.workflow.evaluate import EvaluationEnded, EvaluationPlanned, check_evaluation, evaluate_runs
from batchscan.workflow.judged_cohort import SlideJoined

pytestmark = pytest.mark.usefixtures("no_paper")

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[list[Path], Path]:
    return three_slides(tmp_path)


def events(runs: Sequence[Path], manifest: Path, gates: Sequence[str] = (), **options: Any) -> list[Any]:
    section = EvaluationSection(manifest=manifest, out=manifest.parent / "eval", replicates=200, **options)
    return list(evaluate_runs(runs, section, gates, created=WHEN, command="batchscan evaluate"))


def evaluation(runs: Sequence[Path], manifest: Path, gates: Sequence[str] = (), **options: Any) -> Evaluation:
    (*_, ended) = events(runs, manifest, gates, **options)
    assert isinstance(ended, EvaluationEnded)
    assert EvaluationFolder(ended.folder).read() == ended.evaluation
    return ended.evaluation


@pytest.mark.usefixtures("on_paper")
def test_the_folder_holds_record_tables_and_pages(cohort: tuple[list[Path], Path]) -> None:
    runs, manifest = cohort
    seen = events(runs, manifest)
    assert seen[0] == EvaluationPlanned(3, 1)
    assert [event.slide_id for event in seen if isinstance(event, SlideJoined)] == ["S1", "S2", "S3"]
    out = seen[-1].folder
    assert sorted(path.name for path in out.iterdir()) == [
        "discordant",
        "evaluation.json",
        "index.html",
        "patches.csv",
        "patches.parquet",
        "report.pdf",
        "suspects.csv",
    ]
    with (out / "suspects.csv").open() as stream:
        suspects = list(csv.DictReader(stream))
    assert len(suspects) == seen[-1].evaluation.failures.n_suspect > 0
    pictured = {(one.slide_id, one.row, one.col) for one in seen[-1].evaluation.failures.patches if one.suspect}
    assert pictured <= {(row["slide_id"], int(row["row"]), int(row["col"])) for row in suspects}
    assert {row["label"] for row in suspects} <= {"0", "1"}
    assert sorted(path.name for path in (out / "discordant").iterdir()) == [f"S{i}.geojson" for i in (1, 2, 3)]
    assert not [path for path in out.parent.iterdir() if path.name.startswith(".")]
    with (out / "patches.csv").open() as stream:
        outcomes = [row["outcome"] for row in csv.DictReader(stream)]
    n_wrong = sum(outcome in ("FP", "FN") for outcome in outcomes)
    assert all(outcome in ("FP", "FN") for outcome in outcomes[:n_wrong])
    assert n_wrong == seen[-1].evaluation.failures.n_discordant
    assert len(PdfReader(out / "report.pdf").pages) > 3
    assert str(manifest.parent) not in (out / "evaluation.json").read_text() + (out / "index.html").read_text()


def test_the_figures_are_those_that_counting_gives(cohort: tuple[list[Path], Path]) -> None:
    found = evaluation(*cohort)
    # S1: IDC at .9 (called) and .4 (not); others called: .8, .7, .6; not read: 1; not scanned: 1.
    # S2 and S3: IDC at .1 (not called) and .6 (called); ten others not called.
    level = found.levels.patch
    assert level is not None
    counts = level.confusion
    assert (counts.tp, counts.fn, counts.fp, counts.tn) == (3, 3, 3, 26)
    assert level.metrics["sensitivity"].value == pytest.approx(0.5)
    assert level.metrics["specificity"].value == pytest.approx(26 / 29)
    assert (level.n, level.n_patients, level.metrics["sensitivity"].n) == (35, 2, 6)
    assert not level.metrics["sensitivity"].trusted
    flow = found.flow
    assert (flow.slides_asked, flow.slides_analysed, flow.patients_asked, flow.patients_analysed) == (4, 3, 3, 2)
    assert (flow.patches_labelled, flow.patches_analysed, flow.patches_positive) == (36, 35, 6)
    assert (flow.patches_not_scanned, flow.patches_unreadable) == (1, 1)
    assert [(one.slide_id, one.patient_id) for one in found.exclusions] == [("S4", "P3")]
    assert found.levels.slide is not None
    assert (found.levels.slide.n, found.levels.slide.confusion.tp) == (3, 3)
    assert found.levels.patient is not None
    assert found.levels.patient.n == 2
    rows = found.extent.per_slide
    assert [row.slide_id for row in rows] == ["S1", "S2", "S3"]
    assert [(row.score, row.called) for row in rows] == [(row.found_mm2, True) for row in rows]
    assert found.extent.per_slide[0].report == "../north/slides/S1/report.pdf"
    assert found.provenance.runs == ("north", "south")
    assert set(found.provenance.references) == {f"S{i}, reference" for i in (1, 2, 3)}


def test_the_same_runs_give_the_same_digest_whenever_they_are_evaluated(cohort: tuple[list[Path], Path]) -> None:
    runs, manifest = cohort
    first = evaluation(runs, manifest)
    section = EvaluationSection(manifest=manifest, out=manifest.parent / "eval", replicates=200)
    (*_, again) = evaluate_runs(runs, section, (), created=datetime.now(UTC), command="typed otherwise")
    assert isinstance(again, EvaluationEnded)
    assert again.evaluation.digest == first.digest
    assert evaluation(runs, manifest, seed=1).digest != first.digest


def test_gates_are_judged_and_wrong_ones_stop_at_once(cohort: tuple[list[Path], Path]) -> None:
    found = evaluation(*cohort, ["sensitivity.value >= 0.5", "specificity.value >= 0.99", "slide.auroc.value > 0.5"])
    assert [gate.passed for gate in found.gates] == [True, False, False]
    with pytest.raises(GateError, match="sensitivity"):
        events(*cohort, ["sensitivty.value > 1"])


@pytest.mark.usefixtures("on_paper")
def test_patients_that_the_model_was_made_with_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    run = run_with_card(tmp_path / "run", result("S1", patient_id="P1"), training_patients=["P1", "P9"])
    reference = labels_csv(tmp_path / "r.csv", TWO_IDC)
    manifest = make_manifest(tmp_path, {"slide_id": "S1", "patient_id": "P1", "reference": reference})
    with pytest.raises(SeenInTraining, match=r"P1.*--allow-seen"):
        events([run], manifest)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.csv", "r.csv", "run"]
    found = evaluation([run], manifest, allow_seen=True)
    assert (found.leakage.allowed, [one.patient_id for one in found.leakage.found]) == (True, ["P1"])
    pages = PdfReader(tmp_path / "eval" / "report.pdf").pages
    assert len(pages) > 3
    for page in pages:
        assert "Not independent: 1 patient of this cohort is known to the model" in " ".join(
            page.extract_text().split()
        )


def test_a_threshold_is_tuned_on_one_split_and_judged_on_the_others(tmp_path: Path) -> None:
    run = run_with_card(tmp_path / "run", result("A", LOW, patient_id="P1"), result("B", LOW, patient_id="P2"))
    reference = labels_csv(tmp_path / "a.csv", {**EVERY, (1, 1): 1, (1, 2): 1})
    other = labels_csv(tmp_path / "b.csv", {**EVERY, (1, 1): 1, (2, 2): 1})
    rows = [
        {"slide_id": "A", "patient_id": "P1", "reference": reference, "split": "tune"},
        {"slide_id": "B", "patient_id": "P2", "reference": other, "split": "test"},
    ]
    found = evaluation([run], make_manifest(tmp_path, *rows), tune_on="tune")
    # On A .3 and .6 are IDC; another .3 is not: between .2 and .3 balanced accuracy is greatest.
    assert found.settings.tuned_threshold is not None
    assert 0.2 < found.settings.tuned_threshold <= 0.3
    assert [row.slide_id for row in found.extent.per_slide] == ["B"]
    assert found.levels.patch is not None
    assert (found.levels.patch.confusion.tp, found.levels.patch.confusion.fp) == (2, 1)
    assert [(model.locked, model.threshold) for model in found.models] == [(False, found.settings.tuned_threshold)]
    with pytest.raises(ManifestError, match=r"--tune-on dev.*it has test, tune"):
        events([run], tmp_path / "manifest.csv", tune_on="dev")
    assert (found.flow.slides_asked, found.flow.slides_analysed, found.flow.slides_tuned_on) == (1, 1, 1)
    both = make_manifest(tmp_path, rows[0], {**rows[1], "patient_id": "P1"})
    with pytest.raises(BatchscanError, match="P1"):
        events([run], both, tune_on="tune")


def test_a_threshold_of_one_model_is_not_put_on_anothers_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_with_card(tmp_path / "first", result("A", LOW, patient_id="P1"))
    monkeypatch.setattr("cohort_runs.MODEL", replace(MODEL, sha256="6f" * 32))
    second = run_with_card(tmp_path / "second", result("B", LOW, patient_id="P2"))
    rows = [
        {"slide_id": slide, "patient_id": patient, "reference": labels_csv(tmp_path / f"{slide}.csv", TWO_IDC)}
        for slide, patient in (("A", "P1"), ("B", "P2"))
    ]
    manifest = make_manifest(tmp_path, {**rows[0], "split": "tune"}, {**rows[1], "split": "test"})
    with pytest.raises(ManifestError, match=r"--tune-on tune: the slides were scanned with 2 models"):
        events([first, second], manifest, tune_on="tune")


def test_a_slide_without_a_label_of_its_own_is_said_to_be_left_out(tmp_path: Path) -> None:
    run = run_with_card(tmp_path / "run", result("A", LOW, patient_id="P1"), result("B", LOW, patient_id="P2"))
    rows = [
        {"slide_id": "A", "patient_id": "P1", "reference": labels_csv(tmp_path / "a.csv", TWO_IDC)},
        {"slide_id": "B", "patient_id": "P2", "reference": labels_csv(tmp_path / "b.csv", {(0, 0): 0, (0, 1): 0})},
    ]
    level = evaluation([run], make_manifest(tmp_path, *rows)).levels.slide
    assert level is not None
    assert (level.n, "1 slide without a label of its own" in level.called) == (1, True)


def test_the_evaluation_that_is_replaced_is_named(cohort: tuple[list[Path], Path]) -> None:
    first, second = events(*cohort), events(*cohort)
    assert (first[0].replaced, second[0].replaced) == ("", first[-1].evaluation.digest)


def test_an_older_evaluation_is_replaced_but_nothing_else(cohort: tuple[list[Path], Path]) -> None:
    runs, manifest = cohort
    assert evaluation(runs, manifest).settings.seed == 0
    assert evaluation(runs, manifest, seed=3).settings.seed == 3
    (manifest.parent / "eval" / "evaluation.json").unlink()
    with pytest.raises(OutputError, match="isn't the folder of an evaluation"):
        events(runs, manifest)


def test_what_is_wrong_is_said_before_anything_is_scanned(tmp_path: Path) -> None:
    section = EvaluationSection(manifest=tmp_path / "none.csv", out=tmp_path / "e")
    with pytest.raises(ManifestError, match=r"none\.csv"):
        check_evaluation(section, ())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"by": ("scaner",)}, "no column 'scaner' to group by"),
        ({"readers": "nobody"}, "nobody"),
        ({"tune_on": "tune"}, "--tune-on tune: no slide"),
    ],
)
def test_a_misspelt_option_is_said_before_anything_is_scanned(
    cohort: tuple[list[Path], Path], options: dict[str, Any], complaint: str
) -> None:
    section = EvaluationSection(manifest=cohort[1], out=cohort[1].parent / "eval", **options)
    with pytest.raises(BatchscanError, match=complaint):
        check_evaluation(section, ())


def test_a_cohort_without_a_slide_to_judge_says_why(tmp_path: Path) -> None:
    run = run_with_card(tmp_path / "run", result("S1", P))
    manifest = make_manifest(tmp_path, {"slide_id": "S1"})
    with pytest.raises(ManifestError, match=r"none of its slides can be judged: S1"):
        events([run], manifest)
