"""What of an earlier run is used again, with the command as it is typed; tests/domain/test_digest.py has every key."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from conftest import Undisturbed
from night import NO_PAPER, Night, tables

ONE_SLIDE = "N0"


@pytest.fixture(scope="module")
def run(undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reuse") / "run"
    _scanned(undisturbed, folder, "--workers", 2)
    return folder


def _scanned(undisturbed: Undisturbed, run: Path, *options: object) -> tuple[int, str]:
    """Patches scanned now, and what was printed."""
    store = undisturbed.archive / f"{ONE_SLIDE}.ome.zarr"
    code, text = Night(
        "scan", store, "--out", run, "--no-report", "--workers", 1, *options, environment=NO_PAPER
    ).ends()
    assert code == 0, text
    with sqlite3.connect(run / "ledger.sqlite") as database:
        return int(database.execute("SELECT n_scanned FROM slides").fetchone()[0]), text


def test_neither_workers_nor_time_make_a_result_anew(undisturbed: Undisturbed, run: Path) -> None:
    before = tables(run)
    n_scanned, text = _scanned(undisturbed, run)
    assert n_scanned == 0
    assert "for 1 nothing had to be done again" in text
    assert tables(run) == before


def test_a_threshold_makes_the_numbers_anew_and_scans_nothing(undisturbed: Undisturbed, run: Path) -> None:
    before = tables(run)
    n_scanned, text = _scanned(undisturbed, run, "--threshold", 0.9)
    assert n_scanned == 0
    assert "nothing had to be done again" not in text
    after = tables(run)
    assert after[f"{ONE_SLIDE}/result.json"]["threshold"] == 0.9
    assert after["summary.csv"] != before["summary.csv"]


@pytest.mark.parametrize("option", [("--stride", 0.5), ("--engine", "keras"), ("--fresh",)])
def test_what_changes_a_score_scans_anew(undisturbed: Undisturbed, run: Path, option: tuple[object, ...]) -> None:
    assert _scanned(undisturbed, run, *option)[0] > 50
