"""A run's language and templates: from the job to its workers, pages and their verification, and faults beforehand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pypdf import PdfReader
from verified_runs import verified_run

from batchscan.cli import main
from batchscan.domain.errors import JobError, TemplateError
from batchscan.domain.job import Job, read_job, validated_job
from batchscan.domain.records import EngineInfo, SlideRequest
from batchscan.report.styles import SHIPPED, ReportStyle
from batchscan.stores.packages import open_package
from batchscan.stores.results import RunFolder, write_json
from batchscan.workflow.plan import plan_job
from batchscan.workflow.run import run_job, scan_settings, slide_work
from batchscan.workflow.styles import style_of_facts, style_of_run, style_with
from batchscan.workflow.verify import verify_report

MODEL = "published-cnn"
WORDS = "lab-name = Institut Musterstadt\n"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "own/words").mkdir(parents=True)
    (tmp_path / "own/words/de.ftl").write_text(WORDS)
    return tmp_path / "own"


def said(*words: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return int(end.value.code or 0)


def text_of(report: Path) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(report).pages).split())


def job_with(tmp_path: Path, **report: object) -> Job:
    sections = {"slides": {"sources": [tmp_path]}, "run": {"out": tmp_path / "run"}, "model": {"package": MODEL}}
    return validated_job({**sections, "report": report}, "a test")


def test_reports_are_printed_again_in_another_style_and_still_agree_with_their_data(tmp_path: Path, own: Path) -> None:
    run = verified_run(tmp_path / "run", "S1")
    report = run.slide("S1") / "report.pdf"
    assert "Institut" not in text_of(report)
    assert said("report", run.path, "--language", "de", "--templates", own) == 0
    assert "Institut Musterstadt" in text_of(report)
    assert "Präparat S1" in text_of(report)
    verified = verify_report(report)
    of_page_one = [one for one in verified.findings if one.what.startswith("page one")]
    assert len(of_page_one) > 5
    assert verified.differing == ()


def test_templates_that_cannot_be_used_are_refused_before_a_report_is_replaced(tmp_path: Path, own: Path) -> None:
    run = verified_run(tmp_path / "run", "S1")
    before = (run.slide("S1") / "report.pdf").read_bytes()
    (own / "extra.html").symlink_to(tmp_path / "run/run.json")
    assert said("report", run.path, "--templates", own) == 1
    assert (run.slide("S1") / "report.pdf").read_bytes() == before


def test_without_options_it_is_the_runs_own_style(tmp_path: Path, own: Path) -> None:
    run = verified_run(tmp_path / "run", "S1")
    facts = run.read_facts()
    job = {**facts["job"], "report": {"language": "de", "templates": str(own)}}
    assert style_of_run(run) == SHIPPED
    write_json(run.path / "run.json", {**facts, "job": job})
    assert style_of_run(run) == ReportStyle("de", own)
    assert style_with(run, "en", None, "letter") == ReportStyle("en", own, "letter")
    assert said("report", run.path) == 0
    assert "Institut Musterstadt" in text_of(run.slide("S1") / "report.pdf")


def test_a_run_whose_facts_are_damaged_or_old_is_as_shipped(tmp_path: Path) -> None:
    assert style_of_facts({}) == SHIPPED
    (tmp_path / "run.json").write_text("{")
    assert style_of_run(RunFolder(tmp_path)) == SHIPPED


def test_workers_are_told_and_no_number_hangs_on_it(tmp_path: Path, own: Path) -> None:
    package, jobs = open_package(MODEL), (job_with(tmp_path, language="de", templates=own), job_with(tmp_path))
    works = [
        slide_work(
            SlideRequest("S", "P", tmp_path / "s"),
            job,
            package,
            scan_settings(job, package),
            EngineInfo("openvino", "f32"),
            datetime(2026, 1, 1, tzinfo=UTC),
            fresh=False,
        )
        for job in jobs
    ]
    assert [work.style for work in works] == [ReportStyle("de", own), SHIPPED]
    assert works[0].settings == works[1].settings


@pytest.mark.parametrize("begin", [run_job, lambda job: plan_job(job, 0.0)])
def test_a_fault_in_a_template_stops_a_run_before_it_begins(
    tmp_path: Path, own: Path, begin: Callable[[Job], object]
) -> None:
    (own / "slide.html").write_text('{% extends "batchscan/slide.html" %}{% block foci %}{{ foci }}{% endblock %}')
    with pytest.raises(TemplateError, match=r"slide\.html, line 1: 'foci' is undefined"):
        list(begin(job_with(tmp_path, templates=own)))  # type: ignore[call-overload]
    assert not (tmp_path / "run").exists()


def test_a_jobs_templates_are_relative_to_it_and_its_language_is_one_of_ours(tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    sections = "[slides]\nsources = ['a']\n[run]\nout = 'r'\n[report]\n"
    job.write_text(sections + "templates = 'own'\nlanguage = 'de'\n")
    assert read_job(job).report.templates == tmp_path / "own"
    job.write_text(sections + "language = 'fr'\n")
    with pytest.raises(JobError, match=r"report\.language.*'fr'.*'en' or 'de'"):
        read_job(job)
