from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from batchscan.domain.errors import OutputError, RunBusyError
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus
from batchscan.stores.ledger import Ledger

REQUESTS = [SlideRequest(name, f"P{name}", Path(f"/{name}")) for name in "BAC"]


def test_a_slides_way_is_written_down_and_read_while_the_runner_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger.hold(path) as ledger:
        ledger.begin(REQUESTS, {"started": "now"})
        ledger.slide_started("B")
        ledger.slide_surveyed("B", 30)
        ledger.patches_scanned("B", 10)
        ledger.patches_scanned("B", 5)
        ledger.slide_started("A")
        ledger.slide_ended(SlideOutcome("A", SlideStatus.FAILED, "unreadable", "why"), {}, "w-1", "UnreadableSlide")
        with Ledger.read(path) as live:
            rows = live.rows()
            assert [row.slide_id for row in rows] == ["B", "A", "C"]
            assert [row.status for row in rows] == [SlideStatus.RUNNING, SlideStatus.FAILED, SlideStatus.PENDING]
            assert (rows[0].n_patches, rows[0].n_scanned) == (30, 15)
            assert (rows[1].reason, rows[1].sentence) == ("unreadable", "why")
            assert live.facts()["holder"]["pid"] == os.getpid()
        ledger.slide_ended(SlideOutcome("B", SlideStatus.DONE), {"idc_mm2": None, "n_foci": 2}, "w-0", None)
    with Ledger.read(path) as after:
        assert after.rows()[0].numbers == {"idc_mm2": None, "n_foci": 2}
        assert "holder" not in after.facts()
    attempts = sqlite3.connect(path).execute("SELECT slide_id, worker, status, error_class FROM attempts").fetchall()
    assert attempts == [("B", "w-0", "done", None), ("A", "w-1", "failed", "UnreadableSlide")]


def test_beginning_again_asks_for_the_new_slides_only(tmp_path: Path) -> None:
    with Ledger.hold(tmp_path / "l") as ledger:
        ledger.begin(REQUESTS, {})
        ledger.finish()
        ledger.begin(REQUESTS[:1], {})
        assert [row.slide_id for row in ledger.rows()] == ["B"]
        assert "finished" not in ledger.facts()


def test_an_interrupted_slide_is_pending_again(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with Ledger.hold(path) as ledger:
        ledger.begin(REQUESTS, {})
        ledger.slide_started("A")
        ledger.interrupt()
        assert {row.status for row in ledger.rows()} == {SlideStatus.PENDING}
        ledger.slide_started("A")
        ledger.begin(REQUESTS, {})
    attempts = sqlite3.connect(path).execute("SELECT status FROM attempts WHERE ended IS NOT NULL").fetchall()
    assert attempts == [("interrupted",), ("interrupted",)]


HOLD = """
import sys
from pathlib import Path
from batchscan.stores.ledger import Ledger
with Ledger.hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_runner_is_refused_and_a_dead_ones_hold_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(RunBusyError, match=f"pid {first.pid}"), Ledger.hold(path):
            pass
        first.kill()
        first.wait()
        with Ledger.hold(path) as ledger:
            assert ledger.facts()["holder"]["pid"] == os.getpid()


@pytest.mark.parametrize("pid", [1, os.getpid()])
def test_a_number_that_another_process_has_now_is_no_runner(tmp_path: Path, pid: int) -> None:
    """In a restarted container every runner has the same pid; after a reboot anybody may have it."""
    path = tmp_path / "ledger.sqlite"
    with Ledger.hold(path):
        pass
    gone = {"host": socket.gethostname(), "pid": pid, "boot": "another", "began": "17"}
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO run VALUES ('holder', ?)", (json.dumps(gone),))
    with Ledger.hold(path) as ledger:
        assert ledger.facts()["holder"]["pid"] == os.getpid()


def test_a_runner_of_another_machine_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger.hold(path):
        pass
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO run VALUES ('holder', ?)", (json.dumps({"host": "node17", "pid": 4242}),))
    with (
        pytest.raises(RunBusyError, match=r"node17 with pid 4242.*delete .*ledger\.sqlite: results stay"),
        Ledger.hold(path),
    ):
        pass


def test_what_is_no_run_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="isn't a run folder"), Ledger.read(tmp_path / "ledger.sqlite"):
        pass
    (tmp_path / "ledger.sqlite").write_text("not a database, however long this text goes on and on")
    with pytest.raises(OutputError, match="ledger"), Ledger.read(tmp_path / "ledger.sqlite") as ledger:
        ledger.rows()
