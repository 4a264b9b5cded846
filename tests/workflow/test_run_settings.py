"""A job and a model's card -> the settings of the scan: what the job leaves out is the card's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.card import Context, parse_card
from batchscan.domain.errors import JobError, OutputError
from batchscan.domain.job import Job, validated_job
from batchscan.stores.ledger import Ledger
from batchscan.stores.packages import ModelPackage, open_package
from batchscan.stores.results import RESULT, RunFolder, write_json
from batchscan.workflow.run import check_run_folder, scan_settings
from batchscan.workflow.run_record import RunRecord
from batchscan.workflow.sources import AskedSlides


def a_job(**model: Any) -> Job:
    return validated_job({"slides": {"sources": [Path("a")]}, "run": {"out": Path("r")}, "model": model}, "a test")


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    """The shipped model with a card that wants neighbours and a calibration."""
    shipped = open_package("published-cnn")
    calibration = shipped.card.calibration.model_copy(
        update={"method": "temperature", "temperature": 1.5, "intercept": -0.25}
    )
    context = Context(orientations=4, sigma=0.8, how_chosen="for this test only")
    return replace(shipped, card=shipped.card.model_copy(update={"context": context, "calibration": calibration}))


def test_what_the_job_leaves_out_is_the_cards(package: ModelPackage) -> None:
    settings = scan_settings(a_job(), package)
    assert settings.orientations == 4
    assert settings.aggregation == Aggregation(0.8, 1.5, -0.25)
    assert settings.threshold == package.card.threshold.value


def test_what_the_job_says_goes_first_also_where_it_says_none(package: ModelPackage) -> None:
    settings = scan_settings(a_job(neighbours=0.0, orientations=1), package)
    assert settings.orientations == 1
    assert settings.aggregation == Aggregation(0.0, 1.5, -0.25)


def test_a_card_that_knows_no_neighbours_judges_each_patch_alone() -> None:
    shipped = open_package("published-cnn")
    old = {"schema_version": 1, "calibration": {"method": "none", "note": ""}}
    new = ("cross_validation", "history", "context", "parent", "examples", "examples_sha256")
    fields = {key: value for key, value in shipped.card.model_dump(mode="json").items() if key not in new} | old
    fields["threshold"] = {"value": 0.451, "how_chosen": "as version 1 says it"}
    settings = scan_settings(a_job(), replace(shipped, card=parse_card(json.dumps(fields))))
    assert (settings.orientations, settings.aggregation, settings.threshold) == (1, Aggregation(), 0.451)


def test_another_calibration_or_tolerance_in_a_run_folder_is_told(package: ModelPackage, tmp_path: Path) -> None:
    folder, job = RunFolder(tmp_path / "r"), a_job()
    folder.create()
    folder.keep_card(package.card, package.seen_path, package.profile_path)
    settings = scan_settings(job, package)
    with Ledger.hold(folder.ledger) as ledger:
        nothing = AskedSlides((), ())
        assert RunRecord(folder, ledger, job, package, settings).begin(nothing) == ()
        assert RunRecord(folder, ledger, job, package, settings).begin(nothing) == ()
        other = replace(settings, tolerance=0.25, aggregation=replace(settings.aggregation, temperature=2.0))
        assert RunRecord(folder, ledger, job, package, other).begin(nothing) == (
            (
                "calibration was temperature 1.5, intercept -0.25 in this run folder and is temperature 2, "
                "intercept -0.25 now: its results are replaced"
            ),
            f"tolerance was {settings.tolerance} in this run folder and is 0.25 now: its results are replaced",
        )


def test_reports_that_stay_in_another_language_are_told_of(package: ModelPackage, tmp_path: Path) -> None:
    folder, job = RunFolder(tmp_path / "r"), a_job()
    folder.create()
    folder.keep_card(package.card, package.seen_path, package.profile_path)
    german = job.model_copy(update={"report": job.report.model_copy(update={"language": "de"})})
    unprinted = german.model_copy(update={"report": german.report.model_copy(update={"per_slide": False})})
    settings, nothing = scan_settings(job, package), AskedSlides((), ())
    with Ledger.hold(folder.ledger) as ledger:

        def noted(asked: Job) -> list[str]:
            RunRecord(folder, ledger, job, package, settings).begin(nothing)
            return [
                note
                for note in RunRecord(folder, ledger, asked, package, settings).begin(nothing)
                if "language" in note
            ]

        assert noted(german) == []  # nothing is printed yet
        folder.slide("S").mkdir(parents=True)
        write_json(folder.slide("S") / RESULT, {})
        (note,) = noted(german)
        assert note.endswith(f"`batchscan report {folder.path}` prints all of them as this run has it")
        assert noted(job) == noted(unprinted) == []


def a_job_with_quality(**quality: Any) -> Job:
    return validated_job({"slides": {"sources": [Path("a")]}, "run": {"out": Path("r")}, "quality": quality}, "a test")


def test_limits_of_stain_are_the_models_and_the_job_overrides_any() -> None:
    shipped = open_package("published-cnn")
    profile = shipped.profile()
    assert profile is not None
    eosin = scan_settings(a_job(), shipped).quality.limits["eosin_od"]
    assert (eosin.review_below, eosin.review_above) == profile.ranges["eosin_od"]
    changed = scan_settings(a_job_with_quality(enabled=False, eosin_od={"review_above": 0.3}), shipped).quality
    assert not changed.enabled
    assert changed.limits["eosin_od"] == replace(eosin, review_above=0.3)
    with pytest.raises(JobError, match=r"\[quality\] sharpness: expected refuse_below <= review_below.*the job file"):
        scan_settings(a_job_with_quality(sharpness={"review_below": 0.2}), shipped)


def test_a_run_is_kept_neither_in_an_archive_nor_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("slide_id,path\n")
    with pytest.raises(OutputError, match="is an archive of slides"):
        check_run_folder(RunFolder(tmp_path))
    with pytest.raises(OutputError, match=r"manifest\.csv is no folder"):
        check_run_folder(RunFolder(tmp_path / "manifest.csv" / "run"))
    check_run_folder(RunFolder(tmp_path / "new" / "run"))
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.csv"]
