"""Slides that are replaced, or whose folder goes away, during a run or between two; on real processes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import N_SLIDES, Undisturbed
from night import NO_PAPER, Night, status, tables


@pytest.fixture
def archive(undisturbed: Undisturbed, tmp_path: Path) -> Path:
    return Path(shutil.copytree(undisturbed.archive, tmp_path / "archive"))


def _job(tmp_path: Path, archive: Path, away_s: float) -> Path:
    job = tmp_path / "job.toml"
    job.write_text(
        f"schema_version = 1\n[slides]\nsources = ['{archive}']\n"
        f"[run]\nout = '{tmp_path / 'run'}'\nworkers = 1\naway_s = {away_s}\n[report]\nper_slide = false\n"
    )
    return job


def test_a_folder_that_goes_away_and_comes_back_is_waited_for(
    undisturbed: Undisturbed, archive: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    night = Night("run", _job(tmp_path, archive, away_s=120), environment=NO_PAPER)
    assert night.wait_until(lambda: list(run.glob("slides/N*/result.json")))
    archive.rename(tmp_path / "unplugged")
    assert night.wait_until(lambda: status(run)["retried"])
    (tmp_path / "unplugged").rename(archive)
    code, text = night.ends()
    assert code == 0, text
    assert "tried again in 2 s (source_vanished)" in text
    assert str(archive) not in text.replace(str(run), "")
    assert tables(run) == undisturbed.tables


def test_a_folder_that_stays_away_stops_the_run_and_fails_no_slide(
    undisturbed: Undisturbed, archive: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    job = _job(tmp_path, archive, away_s=3)
    night = Night("run", job, environment=NO_PAPER)
    assert night.wait_until(lambda: list(run.glob("slides/N*/result.json")))
    archive.rename(tmp_path / "unplugged")
    code, text = night.ends()
    assert code == 1, text
    assert "nothing is lost: start the same command again when the place is back" in text
    found = status(run)
    assert (found["state"], found["failed"], found["excluded"]) == ("interrupted", 0, 0)
    assert 1 <= found["done"] < N_SLIDES
    (tmp_path / "unplugged").rename(archive)
    code, text = Night("run", job, environment=NO_PAPER).ends()
    assert code == 0, text
    assert tables(run) == undisturbed.tables


def test_a_slide_that_is_replaced_in_place_is_scanned_again_and_the_others_are_not(
    undisturbed: Undisturbed, archive: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ("scan", archive, "--out", run, "--no-report", "--workers", 1)
    assert Night(*words, environment=NO_PAPER).ends()[0] == 0
    shutil.rmtree(archive / "N0.ome.zarr")
    shutil.copytree(archive / "N1.ome.zarr", archive / "N0.ome.zarr")
    code, text = Night(*words, environment=NO_PAPER).ends()
    assert code == 0, text
    assert f"for {N_SLIDES - 1} nothing had to be done again" in text
    new, other = (json.loads((run / "slides" / name / "result.json").read_text()) for name in ("N0", "N1"))
    assert new["slide"]["fingerprint"] == other["slide"]["fingerprint"]
    assert new["counts"] == other["counts"] != undisturbed.tables["N0/result.json"]["counts"]
