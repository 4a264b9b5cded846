"""A job's plan as a whole: on real workers, and where what they would say is scripted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import batchscan
from plan_jobs import WORDS, job_of, make_slides, tissue, tree, work_of
from store_files import Pixels, write_own

from batchscan.cli.plan import _page
from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.plan import Sample, Seconds, SlideAction, SlidePlan
from batchscan.domain.records import EngineInfo, SlideOutcome, SlideRequest, SlideStatus
from batchscan.scan.slide_events import Event, SlideFinished, SlideStopped
from batchscan.stores.ledger import Ledger
from batchscan.workflow import plan as planning
from batchscan.workflow.plan import Forecast, JobPlan, plan_job
from batchscan.workflow.quarantine import Quarantine, given_up

JOB = '[slides]\nsources = ["slides", "archive"]\n[run]\nout = "run"\n[report]\nper_slide = false\n'
LOST = "was lost: ingest it again"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that something is wrong with, an archive whose ingest left one out, and a job of both."""
    folder = tmp_path_factory.mktemp("night")
    make_slides(folder / "slides")
    (folder / "archive").mkdir()
    write_own(folder / "archive" / "stored.ome.zarr", Pixels(tissue(500)), um_per_px=8.0)
    (folder / "archive/manifest.csv").write_text("slide_id,path\nstored,stored.ome.zarr\n")
    columns = "source,slide_id,status,reason,sentence"
    (folder / "archive/ingest.csv").write_text(f"{columns}\nlost.svs,lost,failed,unreadable,{LOST}\n")
    (folder / "job.toml").write_text(JOB)
    return folder


@pytest.mark.parametrize("workers", [1, 2])
def test_a_plan_names_what_a_run_would_meet_and_changes_nothing(night: Path, workers: int) -> None:
    before = tree(night)
    ran = batchscan("plan", night / "job.toml", "--json", "--workers", workers, code=3)
    assert tree(night) == before
    found = json.loads(ran.out)
    problems = {each["slide_id"]: (each["status"], each["reason"]) for each in found["problems"]}
    assert problems == {**WORDS, "lost": ("failed", "unreadable")}
    assert found["asked"] == 11 == sum(found["counts"].values())
    assert found["counts"] == {"scan": 4, "report": 0, "none": 0, "failed": 2, "excluded": 5}
    patches = {each["slide_id"]: each["patches"] for each in found["slides"]}
    assert patches["good"] == patches["twin"] > 30
    assert (patches["blank"], found["patches"]["scan"]) == (0, sum(patches.values()))
    assert found["patches"]["predicted"] == 2 * patches["good"]
    assert 0 < found["seconds"]["low"] < found["seconds"]["expected"] < found["seconds"]["high"]
    # Three files of 800 x 800 px; two slides with tissue have results of the usual size.
    assert 3 * 800 * 800 * 0.1 < found["disk"]["stores_bytes"] < 3 * 800 * 800 * 5
    assert 200_000 < found["disk"]["results_bytes"] < 10_000_000
    assert (found["disk"]["enough"], found["unknown"], found["workers"]) == (True, None, workers)
    # A sample for each worker.
    assert found["calibrated_on"] == workers
    # No sentence holds a file's name or place, which may tell who it is.
    assert str(night / "slides") not in ran.out
    assert "11 slides to look at" in ran.err


def test_a_wrong_manifest_stops_the_plan_with_every_row_named(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("slide_id,path\na,none.svs\nb c,m.csv\n")
    (tmp_path / "job.toml").write_text('[slides]\nsources = ["m.csv"]\n[run]\nout = "run"\n')
    before = tree(tmp_path)
    ran = batchscan("plan", tmp_path / "job.toml", code=1)
    assert "line 2" in ran.err
    assert "line 3" in ran.err
    assert ran.out == ""
    assert tree(tmp_path) == before


def test_an_archive_of_which_nothing_was_ingested_needs_no_workers(tmp_path: Path, monkeypatch: Any) -> None:
    def no_workers(*_: object) -> None:
        raise AssertionError("there is nothing for workers to do")

    monkeypatch.setattr(planning, "connect", no_workers)
    monkeypatch.setattr(
        planning, "find_slides", lambda *_: planning.AskedSlides((), (SlideOutcome("a", SlideStatus.FAILED, "x", "y"),))
    )
    *_, made = plan_job(job_of(tmp_path, tmp_path / "run"), began=0.0)
    assert isinstance(made, JobPlan)
    assert (made.asked, made.counts["failed"], made.patches) == (1, 1, 0)
    assert made.forecast is not None
    assert made.forecast.disk_bytes == 0


def slide_plan(slide_id: str, n_patches: int = 1000) -> SlidePlan:
    known = {"tissue_mm2": 160.0, "predicted": False, "store_px": 0, "survey_s": 0.5, "contents": (slide_id,)}
    return SlidePlan(slide_id, SlideAction.SCAN, n_patches, n_blocks=1, **known)  # type: ignore[arg-type]


def test_a_slide_that_kills_its_reader_is_a_finding_and_samples_may_be_lost(tmp_path: Path) -> None:
    works = [work_of(tmp_path / f"jane-doe-{slide_id}.svs", tmp_path / "run", slide_id) for slide_id in "abc"]
    sentence = f"{tmp_path / 'jane-doe-b.svs'}: its reader died"
    sample = Sample(1000, 160.0, 500, 1.0, 1.0, 0.0, 1_000_000)

    def run_steps(asked: Iterable[Any], steps: Any) -> Iterator[Event]:
        for work in asked:
            if work.slide_id in {"b", "sample 0"}:
                outcome = SlideOutcome(work.slide_id, SlideStatus.FAILED, "worker_died", sentence)
                yield SlideStopped(outcome, AttemptEnd("w", "KilledWorker"), accident=True)
            else:
                result = slide_plan(work.slide_id) if steps is planning._INSPECTION else sample
                yield SlideFinished(work.slide_id, AttemptEnd("w"), result)

    findings = planning._Findings({})
    assert len(list(findings.inspect(run_steps, iter(works)))) == 3
    assert sorted(findings.slides) == ["a", "c"]
    assert findings.unusable["b"].sentence == "b: its reader died"
    assert len(list(findings.calibrate(run_steps, 2))) == 1
    assert findings.samples == [sample]


def test_a_slide_that_is_given_up_is_not_tried_and_its_ledger_is_left_alone(tmp_path: Path) -> None:
    job = job_of(tmp_path / "a.svs", tmp_path / "run")
    requests = [SlideRequest(name, name, tmp_path / f"{name}.svs") for name in ("a", "b")]
    for request in requests:
        request.path.write_text("a file")
    assert given_up(job, requests, "5e") == {}
    (tmp_path / "run").mkdir()
    with Ledger.hold(tmp_path / "run" / "ledger.sqlite") as ledger:
        quarantine = Quarantine(ledger, requests, "5e", attempts=3)
        for _ in range(3):
            quarantine.strike("b")
    before = tree(tmp_path)
    found = given_up(job, requests, "5e")
    assert {slide_id: outcome.reason for slide_id, outcome in found.items()} == {"b": "quarantined"}
    assert tree(tmp_path) == before
    (tmp_path / "run" / "ledger.sqlite").write_text("no ledger")
    assert given_up(job, requests, "5e") == {}


def made_of(slides: int, problems: int, **given: Any) -> JobPlan:
    plan = JobPlan(
        folder=Path("run"),
        asked=slides + problems,
        slides=tuple(slide_plan(f"s{i}") for i in range(slides)),
        problems=tuple(
            SlideOutcome(f"p{i}", SlideStatus.EXCLUDED, "no_spacing", f"p{i}: says no spacing") for i in range(problems)
        ),
        workers=2,
        model="m 1",
        engine=EngineInfo("keras", "f32"),
        forecast=Forecast(Seconds(3000.0, 4000.0, 5000.0), 7_000_000_000, 0, 2),
        unknown="",
        free_bytes=10_000_000_000,
    )
    return replace(plan, **given)


def test_the_page_is_short_whatever_is_wrong_and_json_has_all() -> None:
    plan = made_of(10_000, 120)
    lines = list(_page(plan))
    assert lines[0] == "10,120 slides asked for: 10,000 to scan, 120 would be excluded"
    assert lines[1] == "patches  10,000,000 to scan"
    assert lines[2].startswith("time     about 1 h 07 min (50 min to 1 h 23 min) on 2 workers, by 2 samples timed")
    assert lines[3] == "disk     about 7.0 GB needed; 10.0 GB free at run"
    assert len(lines) == 4 + 2 + 50 + 1
    assert lines[6] == "  p0: would be excluded (no_spacing): says no spacing"
    assert lines[-1] == "  and 70 more: --json lists all"
    found = json.loads(json.dumps(plan.as_json()))
    assert (len(found["slides"]), len(found["problems"])) == (10_000, 120)


def test_a_disk_that_is_too_small_is_said(tmp_path: Path) -> None:
    plan = made_of(1, 0, free_bytes=6_000_000_000)
    assert not plan.fits
    assert "NOT ENOUGH" in list(_page(plan))[3]
    unknown = made_of(1, 0, forecast=None, unknown="no slide's steps could be timed")
    assert list(_page(unknown))[2] == "time     not known: no slide's steps could be timed"
    assert unknown.as_json()["seconds"] is None
    assert unknown.as_json()["disk"]["enough"] is None
    # Where the run folder isn't there yet, its disk is that of what is.
    assert planning._free_bytes(tmp_path / "not" / "yet") > 0
