"""What happens in a run -> the books: accidents, results that make way, accounts, and a run that is another's now."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.errors import LedgerMismatch, OutputError, RunBusyError
from batchscan.domain.job import validated_job
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus
from batchscan.scan.slide_events import Event, SlideFinished, SlideRetried, SlideStarted, SlideStopped
from batchscan.stores.ledger import Ledger, now
from batchscan.stores.packages import open_package
from batchscan.stores.results import RunFolder
from batchscan.workflow.run import scan_settings
from batchscan.workflow.run_record import RunRecord, SlideEnded
from batchscan.workflow.slide_steps import FinishedSlide
from batchscan.workflow.sources import AskedSlides

DIED = SlideOutcome("S", SlideStatus.FAILED, "worker_died", "it died")
DONE = SlideOutcome("S", SlideStatus.DONE)


@pytest.fixture
def record(tmp_path: Path) -> Iterator[RunRecord]:
    job = validated_job({"slides": {"sources": [tmp_path]}, "run": {"out": tmp_path / "run", "attempts": 2}}, "a test")
    package, folder = open_package("published-cnn"), RunFolder(tmp_path / "run")
    folder.create()
    folder.keep_card(package.card, package.seen_path, package.profile_path)
    with Ledger.hold(folder.ledger) as ledger:
        found = RunRecord(folder, ledger, job, package, scan_settings(job, package))
        found.begin(AskedSlides((SlideRequest("S", "P", tmp_path / "Meier.svs"),), ()))
        yield found


def keep(record: RunRecord, *events: Event) -> list[object]:
    return [shown for event in events for shown in record.keep(event)]


def older_result(record: RunRecord) -> Path:
    folder = record.folder.slide("S")
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("{}")
    return folder


def test_accidents_are_counted_and_the_last_one_gives_the_slide_up(record: RunRecord) -> None:
    older = older_result(record)
    keep(record, SlideStarted("S"), SlideRetried(DIED, AttemptEnd(), accident=True, delay_s=0.0), SlideStarted("S"))
    assert record.quarantine.accidents("S") == 1
    (ended,) = keep(record, SlideStopped(DIED, AttemptEnd(), accident=True))
    assert isinstance(ended, SlideEnded)
    assert ended.outcome.sentence == "it died; given up after 2 attempts"
    assert record.quarantine.outcome("S") is not None
    # What an older run found isn't what the slide comes to now.
    assert not older.exists()
    assert record.folder.results() == []


def test_a_retry_that_is_nobodys_fault_counts_nothing(record: RunRecord) -> None:
    keep(record, SlideStarted("S"), SlideRetried(DIED, AttemptEnd(), accident=False, delay_s=0.0))
    assert record.quarantine.accidents("S") == 0
    assert record.ledger.n_retried() == 1


def test_a_slide_that_ended_well_is_forgiven(record: RunRecord) -> None:
    older_result(record)
    keep(record, SlideStarted("S"), SlideRetried(DIED, AttemptEnd(), accident=True, delay_s=0.0), SlideStarted("S"))
    keep(record, SlideFinished("S", AttemptEnd("w"), FinishedSlide(DONE, None, {}, {})))
    assert record.quarantine.accidents("S") == 0
    assert record.ledger.strikes() == {}
    counts = record.close()
    assert (counts["done"], counts["remaining"], counts["asked"]) == (1, 0, 1)
    assert "finished" in record.ledger.facts()


def test_a_done_slide_without_a_result_is_an_error_before_anything_is_called_finished(record: RunRecord) -> None:
    keep(record, SlideStarted("S"), SlideFinished("S", AttemptEnd("w"), FinishedSlide(DONE, None, {}, {})))
    with pytest.raises(LedgerMismatch, match=r"1 of 1 slides \(S\)"):
        record.close()
    assert "finished" not in record.ledger.facts()
    assert json.loads((record.folder.path / "run.json").read_text())["finished"] is None


def test_a_run_that_is_anothers_now_is_left_alone(record: RunRecord) -> None:
    staged = record.folder.staging_of("S") / "attempt"
    staged.mkdir(parents=True)
    (staged / "result.json").write_text("{}")
    keep(record, SlideStarted("S"))
    holder = {"host": "node18", "pid": 7, "token": "another", "beat": now()}
    with sqlite3.connect(record.folder.ledger) as database:
        database.execute("UPDATE run SET value = ? WHERE key = 'holder'", (json.dumps(holder),))
    with pytest.raises(RunBusyError, match="node18, pid 7") as caught:
        keep(record, SlideFinished("S", AttemptEnd("w"), FinishedSlide(DONE, staged, {}, {})))
    record.stop(caught.value)
    assert staged.exists()
    assert not record.folder.slide("S").exists()


def test_a_full_disk_says_what_is_free_and_what_the_rest_needs(record: RunRecord) -> None:
    error = OutputError("no room")
    record.stop(error)
    assert str(error).startswith("no room; ")
    assert str(error).endswith("are free on its disk")
    assert record.ledger.tallies()[SlideStatus.PENDING].n_slides == 1
