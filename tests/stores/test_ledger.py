from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.errors import OutputError, RunBusyError
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus
from batchscan.stores.holders import SILENT_S
from batchscan.stores.ledger import Ledger, now
from batchscan.stores.ledger_view import Tally

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
        ledger.slide_ended(
            SlideOutcome("A", SlideStatus.FAILED, "unreadable", "why"), AttemptEnd("w-1", "UnreadableSlide")
        )
        with Ledger.read(path) as live:
            rows = tuple(live.rows())
            assert [row.slide_id for row in rows] == ["B", "A", "C"]
            assert [row.status for row in rows] == [SlideStatus.RUNNING, SlideStatus.FAILED, SlideStatus.PENDING]
            assert (rows[0].n_patches, rows[0].n_scanned) == (30, 15)
            assert (rows[1].reason, rows[1].sentence) == ("unreadable", "why")
            assert live.facts()["holder"]["pid"] == os.getpid()
        end = AttemptEnd("w-0", seconds={"read": 1.5}, peak_rss_mb=300.0)
        ledger.slide_ended(SlideOutcome("B", SlideStatus.DONE), end, {"idc_mm2": None, "n_foci": 2}, {"p_raw": (1, 2)})
    with Ledger.read(path) as after:
        assert next(after.rows()).numbers == {"idc_mm2": None, "n_foci": 2}
        assert next(after.rows()).profile == {"p_raw": (1, 2)}
        assert "holder" not in after.facts()
        b, a = after.attempts()
    assert (b.slide_id, b.status, b.reason, b.end) == ("B", "done", "", end)
    assert (a.slide_id, a.status, a.reason, a.error_message) == ("A", "failed", "unreadable", "why")
    assert (a.end.worker, a.end.error_class, a.end.peak_rss_mb) == ("w-1", "UnreadableSlide", None)


def test_who_began_an_attempt_stays_known_where_its_end_names_nobody(tmp_path: Path) -> None:
    with Ledger.hold(tmp_path / "l") as ledger:
        ledger.begin(REQUESTS, {"started": now()})
        for slide_id, end in (("A", AttemptEnd()), ("B", AttemptEnd("cpu-1"))):
            ledger.slide_started(slide_id, "cpu-0")
            ledger.slide_ended(SlideOutcome(slide_id, SlideStatus.FAILED, "worker_died", "why"), end)
        assert [attempt.end.worker for attempt in ledger.attempts()] == ["cpu-0", "cpu-1"]


def test_a_retried_slide_is_pending_again_and_its_attempt_is_kept(tmp_path: Path) -> None:
    with Ledger.hold(tmp_path / "l") as ledger:
        ledger.begin(REQUESTS, {"started": now()})
        ledger.slide_started("A")
        ledger.patches_scanned("A", 10)
        ledger.slide_retried(SlideOutcome("A", SlideStatus.FAILED, "hung", "why"), AttemptEnd("w", "Hung"))
        assert {row.status for row in ledger.rows()} == {SlideStatus.PENDING}
        assert ledger.n_retried() == 1
        ledger.slide_started("A")
        assert [attempt.status for attempt in ledger.attempts()] == ["retried", None]
        # What the first attempt had scanned doesn't count.
        assert [row.n_scanned for row in ledger.rows()] == [0, 0, 0]


def test_accidents_are_counted_for_one_state_of_a_file_and_forgiven(tmp_path: Path) -> None:
    with Ledger.hold(tmp_path / "l") as ledger:
        assert [ledger.strike("A", "old"), ledger.strike("A", "old"), ledger.strike("B", "x")] == [1, 2, 1]
    with Ledger.hold(tmp_path / "l") as ledger:
        assert ledger.strikes() == {("A", "old"): 2, ("B", "x"): 1}
        assert ledger.strike("A", "new") == 1
        ledger.forgive(["B"])
        assert ledger.strikes() == {("A", "new"): 1}


def test_slides_that_were_under_way_when_a_runner_was_killed_are_suspects_until_they_end(tmp_path: Path) -> None:
    with Ledger.hold(tmp_path / "l") as ledger:
        ledger.begin(REQUESTS, {})
        ledger.slide_started("A", "cpu-1")
        ledger.slide_started("B")
        ledger.slide_ended(SlideOutcome("B", SlideStatus.DONE), AttemptEnd())
        assert ledger.suspects() == frozenset()
        # As the next runner finds it after a kill.
        ledger.begin(REQUESTS, {})
        assert ledger.suspects() == {"A"}
        killed = next(ledger.attempts())
        assert (killed.status, killed.end.worker, killed.end.peak_rss_mb) == ("killed", "cpu-1", None)
        ledger.slide_started("A")
        ledger.slide_ended(SlideOutcome("A", SlideStatus.DONE), AttemptEnd())
        assert ledger.suspects() == frozenset()


def test_slides_are_tallied_by_the_work_that_they_are(tmp_path: Path) -> None:
    with Ledger.hold(tmp_path / "l") as ledger:
        ledger.begin(REQUESTS, {})
        ledger.weigh({"A": 8.0, "B": 2.0, "C": 4.0})
        for slide_id in "AB":
            ledger.slide_started(slide_id)
            ledger.slide_surveyed(slide_id, 40)
            ledger.patches_scanned(slide_id, 10)
        ledger.slide_ended(SlideOutcome("B", SlideStatus.DONE), AttemptEnd())
        assert ledger.tallies() == {
            SlideStatus.RUNNING: Tally(1, 10, 8.0, 2.0),
            SlideStatus.DONE: Tally(1, 10, 2.0, 0.5),
            SlideStatus.PENDING: Tally(1, 0, 4.0, 0.0),
        }


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
    assert attempts == [("interrupted",), ("killed",)]


HOLD = """
import sys
from pathlib import Path
from batchscan.stores.holders import SILENT_S
from batchscan.stores.ledger import Ledger, now
from batchscan.stores.ledger_view import Tally
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


@pytest.mark.parametrize("pid", [1, os.getpid()], ids=["another", "own"])
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


def _elsewhere(path: Path, beat: datetime) -> None:
    with Ledger.hold(path):
        pass
    holder = {"host": "node17", "pid": 4242, "token": "theirs", "beat": beat.isoformat()}
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO run VALUES ('holder', ?)", (json.dumps(holder),))


def test_a_runner_of_another_machine_is_refused_while_it_gives_signs_of_life(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    _elsewhere(path, datetime.now(UTC) - timedelta(seconds=SILENT_S - 60))
    with pytest.raises(RunBusyError, match=r"node17 with pid 4242.*taken over 10 minutes after"), Ledger.hold(path):
        pass


def test_a_silent_runner_of_another_machine_is_taken_over_and_can_write_no_more(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    _elsewhere(path, datetime.now(UTC) - timedelta(seconds=SILENT_S + 60))
    with Ledger.hold(path) as ledger:
        assert ledger.facts()["holder"]["pid"] == os.getpid()
        taken = json.dumps({"host": "node18", "pid": 7, "token": "others", "beat": now()})
        with sqlite3.connect(path) as database:
            database.execute("UPDATE run SET value = ? WHERE key = 'holder'", (taken,))
        for write in (ledger.beat, ledger.finish, lambda: ledger.slide_started("A")):
            with pytest.raises(RunBusyError, match="node18, pid 7"):
                write()
    with Ledger.read(path) as after:
        # Letting go doesn't take the run from its new holder.
        assert after.facts()["holder"]["token"] == "others"


def test_an_older_batchscans_ledger_is_made_anew_and_not_misread(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT")
        database.execute("CREATE TABLE slides (slide_id TEXT PRIMARY KEY, status TEXT NOT NULL) STRICT")
        database.execute("INSERT INTO slides VALUES ('old', 'done')")
    with pytest.raises(OutputError, match="another version of batchscan"), Ledger.read(path):
        pass
    with Ledger.hold(path) as ledger:
        ledger.begin(REQUESTS, {})
        assert [row.slide_id for row in ledger.rows()] == ["B", "A", "C"]


def _as_of_version(path: Path, version: int, holder: dict[str, object] | None) -> None:
    """A ledger with a slide in it, as another batchscan may have left or still have it."""
    with Ledger.hold(path) as ledger:
        ledger.begin(REQUESTS, {})
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {version}")
        if holder:
            database.execute("INSERT INTO run VALUES ('holder', ?)", (json.dumps(holder),))


@pytest.mark.parametrize("version", [1, 2, 99])
def test_a_live_runner_of_another_version_keeps_its_ledger(tmp_path: Path, version: int) -> None:
    path = tmp_path / "ledger.sqlite"
    theirs = {"host": "node17", "pid": 4242, "token": "theirs", "beat": now()}
    _as_of_version(path, version, theirs)
    with pytest.raises(RunBusyError, match="node17 with pid 4242"), Ledger.hold(path):
        pass
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM slides").fetchone() == (3,)
        assert database.execute("PRAGMA user_version").fetchone() == (version,)
        assert json.loads(*database.execute("SELECT value FROM run WHERE key = 'holder'").fetchone()) == theirs


@pytest.mark.parametrize("version", [1, 2, 99])
def test_a_dead_runners_ledger_of_another_version_is_taken_over_and_made_anew(tmp_path: Path, version: int) -> None:
    path = tmp_path / "ledger.sqlite"
    silent = datetime.now(UTC) - timedelta(seconds=SILENT_S + 60)
    _as_of_version(path, version, {"host": "node17", "pid": 4242, "token": "theirs", "beat": silent.isoformat()})
    with Ledger.hold(path) as ledger:
        assert tuple(ledger.rows()) == ()
        assert ledger.facts()["holder"]["pid"] == os.getpid()
    with sqlite3.connect(path) as database:
        (detail,) = database.execute("SELECT detail FROM events WHERE kind = 'taken over'").fetchone()
        assert detail == "from node17, pid 4242"


def test_what_is_no_run_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="isn't a run folder"), Ledger.read(tmp_path / "ledger.sqlite"):
        pass
    (tmp_path / "ledger.sqlite").write_text("not a database, however long this text goes on and on")
    with pytest.raises(OutputError, match="ledger"), Ledger.read(tmp_path / "ledger.sqlite") as ledger:
        ledger.rows()
