"""How a run stands, read beside its live runner by somebody who may write nothing there."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus
from batchscan.stores.ledger import Ledger, now
from batchscan.workflow.status import read_status

NOBODY = 65534
REQUESTS = [SlideRequest(name, name, Path(f"/{name}")) for name in "ABC"]


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that another user can come to; pytest's own are for its user alone."""
    folder = Path(tempfile.mkdtemp(prefix="batchscan-status-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing can be written in the folder; root, who always can, is nobody meanwhile."""
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.setresuid(NOBODY, NOBODY, 0)
    try:
        if not os.access(folder, os.R_OK):
            pytest.skip("another user can't come to the temporary folder")
        assert not os.access(folder, os.W_OK)
        yield
    finally:
        if is_root:
            os.setresuid(0, 0, 0)


def test_a_run_in_a_folder_that_can_not_be_written_to_is_read_with_what_is_in_the_log_alone(open_to_all: Path) -> None:
    path = open_to_all / "ledger.sqlite"
    with Ledger.hold(path) as ledger:
        ledger.begin(REQUESTS, {"started": now()})
        ledger.slide_started("A")
        ledger.slide_ended(SlideOutcome("A", SlideStatus.FAILED, "unreadable", "why"), AttemptEnd("w-1"))
        ledger.slide_started("B")
        ledger.slide_surveyed("B", 30)
        ledger.patches_scanned("B", 12)
        before = sorted(open_to_all.iterdir())
        assert before == [path, *(open_to_all / f"ledger.sqlite{suffix}" for suffix in ("-shm", "-wal"))]
        with read_only(open_to_all):
            found = read_status(open_to_all)
            with Ledger.read(path) as view:
                assert [attempt.status for attempt in view.attempts()] == ["failed", None]
        assert sorted(open_to_all.iterdir()) == before
        assert (found.state, found.asked, found.remaining, found.running) == ("running", 3, 2, 1)
        assert (found.counts["failed"], found.patches_scanned) == (1, 12)
        assert [trouble.slide_id for trouble in found.troubles] == ["A"]


def test_a_run_that_was_killed_is_read_there_too(open_to_all: Path) -> None:
    """Its log is still there, but not the shared memory beside it, which SQLite would make anew."""
    path = open_to_all / "ledger.sqlite"
    killed = open_to_all / "killed"
    killed.mkdir()
    with Ledger.hold(path) as ledger:
        ledger.begin(REQUESTS, {"started": now()})
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", killed / f"ledger.sqlite{suffix}")
    with read_only(killed):
        where = f"{(killed / path.name).as_uri()}?mode=ro"
        with closing(sqlite3.connect(where, uri=True)) as there, pytest.raises(sqlite3.OperationalError):
            there.execute("SELECT * FROM slides")
        assert read_status(killed).asked == 3
    assert sorted(path.name for path in killed.iterdir()) == ["ledger.sqlite", "ledger.sqlite-wal"]
