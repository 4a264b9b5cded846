"""A run's summary.csv has the numbers of its results, cell by cell, or verify says which cell doesn't."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from verified_runs import verified_run

from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus
from batchscan.domain.verified import Finding, Verdict, Verified
from batchscan.stores.ledger import Ledger
from batchscan.stores.results import SUMMARY, RunFolder, read_result
from batchscan.stores.summary import summary_numbers, write_summary
from batchscan.workflow.verify import verify_run

WHAT = f"row of {SUMMARY}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = verified_run(tmp_path_factory.mktemp("summary") / "run", "S1", printed=False)
    result = read_result(run.slide("S1"))
    with Ledger.hold(run.ledger) as ledger:
        ledger.begin([SlideRequest("S1", result.slide.patient_id, run.path)], {"started": "now", "name": "run"})
        ledger.slide_ended(SlideOutcome("S1", SlideStatus.DONE, "", ""), AttemptEnd(), summary_numbers(result))
        write_summary(run.path / SUMMARY, ledger.rows())
    return run


@pytest.fixture
def run(made: RunFolder, tmp_path: Path) -> RunFolder:
    return RunFolder(shutil.copytree(made.path, tmp_path / "run"))


def found(run: RunFolder) -> Finding:
    (verified,) = (each for each in verify_run(run.path) if isinstance(each, Verified))
    return next(finding for finding in verified.findings if finding.what == WHAT)


def changed(run: RunFolder, change: Callable[[str], str]) -> None:
    path = run.path / SUMMARY
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before


def test_the_rows_own_numbers_agree(run: RunFolder) -> None:
    assert found(run) == Finding(WHAT, Verdict.AGREES, "the result's numbers")


def test_a_cell_that_was_changed_is_named(run: RunFolder) -> None:
    idc_mm2 = str(read_result(run.slide("S1")).extent.idc_mm2)
    changed(run, lambda text: text.replace(f",{idc_mm2},", ",0.5,", 1))
    assert found(run) == Finding(WHAT, Verdict.DIFFERS, f"idc_mm2 0.5, not {idc_mm2}")


def test_a_slide_that_is_done_and_called_failed_is_named(run: RunFolder) -> None:
    changed(run, lambda text: text.replace(",done,", ",failed,"))
    assert found(run) == Finding(WHAT, Verdict.DIFFERS, "status failed, not done")


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00 no text", b"slide_id,status\nS2,done\n"])
def test_without_a_row_nothing_is_compared(run: RunFolder, content: bytes | None) -> None:
    (run.path / SUMMARY).unlink()
    if content is not None:
        (run.path / SUMMARY).write_bytes(content)
    assert found(run) == Finding(WHAT, Verdict.NOT_CHECKED, "there is none")
