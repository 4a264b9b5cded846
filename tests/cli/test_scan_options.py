"""Options of `batchscan scan` become the job that a file would have said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from batchscan.cli import run as run_module
from batchscan.domain.job import Job


def _job(monkeypatch: pytest.MonkeyPatch, *options: object) -> Job:
    seen: list[Job] = []

    def follow(job: Job, **_: Any) -> None:
        seen.append(job)

    monkeypatch.setattr(run_module, "follow", follow)
    done = CliRunner().invoke(run_module.scan, ["S.ome.zarr", "--out", "run", *map(str, options)])
    assert done.exit_code == 0, done.output
    (job,) = seen
    return job


def test_what_is_given_is_in_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--precision", "bf16", "--engine", "openvino", "--finest", 8, "--stride", 0.5, "--neighbours", 0)
    job = _job(monkeypatch, *options, "--orientations", 4, "--workers", 3, "--no-report", "--threshold", 0.25)
    model, slides = job.model, job.slides
    assert (model.precision, model.engine, model.neighbours, model.orientations) == ("bf16", "openvino", 0, 4)
    assert (model.threshold, job.patches.stride, slides.finest_um_per_px) == (0.25, 0.5, 8)
    assert (job.run.workers, job.report.per_slide) == (3, False)
    assert (job.run.out, list(slides.sources)) == (Path.cwd() / "run", [Path.cwd() / "S.ome.zarr"])


def test_what_is_left_out_is_the_job_files_default(monkeypatch: pytest.MonkeyPatch) -> None:
    job = _job(monkeypatch)
    assert (job.model.precision, job.model.engine, job.slides.finest_um_per_px) == ("auto", "auto", 1.0)
    assert (job.model.threshold, job.model.neighbours, job.report.per_slide) == (None, None, True)
