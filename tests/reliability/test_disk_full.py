"""A disk that fills up: the run stops with what is needed, and goes on once there is room. On a real small disk."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import N_SLIDES, Undisturbed
from night import Night, left_over, status, tables


def _mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or not _mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)):
        pytest.skip("a small disk can only be mounted by root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_the_run_stops_says_what_it_needs_and_goes_on_when_there_is_room(
    undisturbed: Undisturbed, small_disk: Path
) -> None:
    run = small_disk / "run"
    words = ("scan", undisturbed.archive, "--out", run, "--no-report", "--workers", 1)
    code, text = Night(*words).ends()
    assert code == 1, text
    last = text.strip().splitlines()[-1]
    assert last.startswith("error: ")
    # A slide's files are the first that have no room, or the ledger is.
    assert "No space left on device" in last or "disk is full" in last
    assert "are free on its disk; the " in last
    assert "slides left need about" in last
    committed = list(run.glob("slides/N*/result.json"))
    assert 1 <= len(committed) < N_SLIDES
    # What is there is whole, and what was being written is gone.
    assert all(tables_of(run, path.parent.name) for path in committed)
    assert left_over(run) == []
    assert _mount("-o", "remount,size=64m", str(small_disk))
    code, text = Night(*words).ends()
    assert code == 0, text
    assert tables(run) == undisturbed.tables
    assert status(run)["state"] == "finished"


def tables_of(run: Path, slide_id: str) -> int:
    return sum(len((run / "slides" / slide_id / name).read_bytes()) for name in ("patches.parquet", "heatmap.png"))
