"""What reviewers said of foci, in the next evaluation."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cohort_runs import labels_csv, make_manifest, result
from judged_runs import TWO_IDC
from reviewed_runs import drawn, exported, filled, form_rows, reviewed_run, take

from batchscan.domain.evaluated import Evaluation
from batchscan.domain.job import EvaluationSection
from batchscan.evaluation.intervals import Bootstrap
from batchscan.stores.results import RunFolder
from batchscan.workflow.cohort import CohortOptions, open_cohort
from batchscan.workflow.cohort_reviews import cohort_reviewed
from batchscan.workflow.evaluate import EvaluationEnded, evaluate_runs

SLIDES = tuple(f"S{number}" for number in range(1, 8))


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Path]:
    """Seven patients with a slide of two foci each; two reviewers, and a manifest that leaves out the last slide.

    Patients 1 to 6: agreed 2, 2, 1, 1, 0, 0 of 2, 2, 2, 1, 2, 0 that somebody is sure of: 6 of 9.
    """
    folder = tmp_path_factory.mktemp("cohort")
    run = reviewed_run(folder / "run", *(result(slide_id) for slide_id in SLIDES))
    rows = form_rows(run, folder / "form.csv")
    verdicts = {
        "A": ("agree", "agree", "agree", "agree", "agree", "disagree", "agree", "unsure", "disagree", "agree"),
        "B": ("agree", "unsure", "", "", "", "", "", "", "", "disagree"),
    }
    for reviewer, words in verdicts.items():
        said = [{**row, "verdict": word} for row, word in zip(rows, (*words, "", "", "agree", "agree"), strict=True)]
        said[8]["comment"] = "a <fibroadenoma>"
        said[8]["verdict"] = said[8]["verdict"] or "disagree"
        take(run, filled(folder / f"{reviewer}.csv", said), reviewer=reviewer)
    take(run, exported(folder / "S6.geojson", [drawn(200, 0, 300, 90)]), reviewer="B")
    references = ({"slide_id": one, "reference": labels_csv(folder / f"{one}.csv", TWO_IDC)} for one in SLIDES[:-1])
    return run, make_manifest(folder, *references)


def test_foci_are_counted_once_and_patients_are_redrawn(reviewed: tuple[RunFolder, Path]) -> None:
    run, manifest = reviewed
    rows = open_cohort([run.path], manifest, CohortOptions()).rows
    found = cohort_reviewed(rows, Bootstrap(len(rows), 200))
    assert found is not None
    assert (found.n_foci, found.n_slides, found.n_reviewed) == (12, 6, 10)
    assert (found.n_agreed, found.n_disagreed, found.n_divided, found.n_unsure) == (6, 2, 1, 1)
    assert (found.n_missed, found.n_of_earlier_results, found.reviewers) == (1, 0, ("A", "B"))
    share = found.agreed
    assert (share.value, share.n, share.method) == (pytest.approx(6 / 9), 9, "bootstrap")
    assert share.low is not None
    assert share.high is not None
    assert 0 < share.low < 6 / 9 < share.high < 1
    # Of six patients one has no focus that anybody is sure of.
    assert share.trusted
    assert [(one.slide_id, one.number, one.standing) for one in found.disputed] == [
        ("S3", 2, "disagreed"), ("S5", 1, "disagreed"), ("S5", 2, "divided"),
    ]  # fmt: skip
    assert found.disputed[1].words == ("A: disagree (a <fibroadenoma>)", "B: disagree (a <fibroadenoma>)")
    focus = result("S5").extent.foci[0]
    assert (found.disputed[1].x_px, found.disputed[1].y_px, found.disputed[1].area_mm2) == (
        *focus.centroid_px, focus.area_mm2,
    )  # fmt: skip


def test_without_reviews_there_is_nothing_to_say(tmp_path: Path) -> None:
    run = reviewed_run(tmp_path / "run", result("S1"))
    manifest = make_manifest(tmp_path, {"slide_id": "S1", "reference": labels_csv(tmp_path / "r.csv", TWO_IDC)})
    assert cohort_reviewed(open_cohort([run.path], manifest, CohortOptions()).rows, Bootstrap(1, 200)) is None


def test_where_nobody_is_sure_there_is_no_share(tmp_path: Path) -> None:
    run = reviewed_run(tmp_path / "run", result("S1"))
    rows = [{**row, "verdict": "unsure"} for row in form_rows(run, tmp_path / "form.csv")]
    take(run, filled(tmp_path / "f.csv", rows))
    manifest = make_manifest(tmp_path, {"slide_id": "S1", "reference": labels_csv(tmp_path / "r.csv", TWO_IDC)})
    found = cohort_reviewed(open_cohort([run.path], manifest, CohortOptions()).rows, Bootstrap(1, 200))
    assert found is not None
    assert (found.n_unsure, found.agreed.value, found.agreed.n) == (2, None, 0)
    assert found.agreed.why == "no reviewer is sure of any focus"


def test_the_next_evaluation_has_it(reviewed: tuple[RunFolder, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pages take their time, and tests/report has them."""
    monkeypatch.setattr("batchscan.workflow.evaluate.render_evaluation", lambda *_, **__: None)
    run, manifest = reviewed
    section = EvaluationSection(manifest=manifest, out=manifest.parent / "eval", replicates=200, pictures=0)
    (*_, ended) = evaluate_runs([run.path], section, (), created=datetime.now(UTC), command="evaluate")
    assert isinstance(ended, EvaluationEnded)
    record = json.loads((ended.folder / "evaluation.json").read_text())
    assert record["reviewed"]["n_agreed"] == 6
    # An evaluation from before reviews is still read.
    del record["reviewed"]
    assert Evaluation.model_validate_json(json.dumps(record)).reviewed is None
