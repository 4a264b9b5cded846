"""What happens in a run -> ledger.sqlite (WAL), written by the runner alone, readable live from anywhere."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from batchscan.domain.errors import OutputError, RunBusyError
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS slides (
    slide_id TEXT PRIMARY KEY, patient_id TEXT NOT NULL, path TEXT NOT NULL, position INTEGER NOT NULL,
    status TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', sentence TEXT NOT NULL DEFAULT '',
    n_patches INTEGER, n_scanned INTEGER NOT NULL DEFAULT 0, numbers TEXT) STRICT;
CREATE TABLE IF NOT EXISTS attempts (
    slide_id TEXT NOT NULL REFERENCES slides, started TEXT NOT NULL, ended TEXT, worker TEXT,
    status TEXT, error_class TEXT, error_message TEXT) STRICT;
CREATE TABLE IF NOT EXISTS events (at TEXT NOT NULL, kind TEXT NOT NULL, slide_id TEXT, detail TEXT) STRICT;
"""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A slide's line in the ledger; `numbers` are the columns of summary.csv that a result fills."""

    slide_id: str
    patient_id: str
    status: SlideStatus
    reason: str
    sentence: str
    n_patches: int | None
    n_scanned: int
    numbers: Mapping[str, Any]


def now() -> str:
    """The present in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Ledger:
    """The open ledger of one run. The runner holds it with `hold`; everybody else opens it with `read`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path

    @classmethod
    @contextmanager
    def hold(cls, path: Path) -> Iterator[Self]:
        """Open for writing; one runner at a time.

        Raises
        ------
        RunBusyError
            If another live runner on this host, or a runner on another host, holds the run.
        OutputError
            If the file can't be written or isn't a ledger.
        """
        try:
            connection = sqlite3.connect(path, timeout=30, isolation_level=None)
            connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_SCHEMA}")
        except sqlite3.Error as error:
            raise OutputError(f"{path}: can't be opened as a ledger ({error}); choose another --out") from error
        with closing(connection):
            ledger = cls(connection, path)
            ledger._take()
            try:
                yield ledger
            finally:
                ledger._release()

    @classmethod
    @contextmanager
    def read(cls, path: Path) -> Iterator[Self]:
        """Open for reading.

        Raises
        ------
        OutputError
            If there is no ledger.
        """
        if not path.is_file():
            raise OutputError(f"{path.parent}: isn't a run folder (no {path.name}); give the folder that --out named")
        try:
            connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)
            with closing(connection):
                yield cls(connection, path)
        except sqlite3.Error as error:
            raise OutputError(f"{path}: can't be read as a ledger ({error})") from error

    def _take(self) -> None:
        with self._transaction():
            held = self.facts().get("holder")
            if held and not holder_is_gone(held):
                raise RunBusyError(
                    f"a runner on {held['host']} with pid {held['pid']} is at work in this run folder; wait for it, or "
                    f"stop it and start again (if that machine is gone for good, delete {self._path}: results stay)"
                )
            self._set_fact("holder", _me())

    def _release(self) -> None:
        with self._transaction():
            self._db.execute("DELETE FROM run WHERE key = 'holder'")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            text = f"{self._path}: can't be written ({error}); make room or check permissions, and start again to go on"
            raise OutputError(text) from error

    def facts(self) -> dict[str, Any]:
        """Facts about the run as a whole: holder, started, finished, job."""
        return {key: json.loads(value) for key, value in self._db.execute("SELECT key, value FROM run")}

    def _set_fact(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (key, json.dumps(value)))

    def begin(self, requests: Iterable[SlideRequest], facts: Mapping[str, Any]) -> None:
        """Start (again) with exactly these slides, all pending."""
        with self._transaction():
            self._db.execute("DELETE FROM slides")
            self._db.executemany(
                "INSERT INTO slides (slide_id, patient_id, path, position, status) VALUES (?, ?, ?, ?, ?)",
                [
                    (request.slide_id, request.patient_id, str(request.path), position, SlideStatus.PENDING)
                    for position, request in enumerate(requests)
                ],
            )
            # A runner that was killed could not end its attempts.
            self._db.execute("UPDATE attempts SET ended = ?, status = 'interrupted' WHERE ended IS NULL", (now(),))
            self._db.execute("DELETE FROM run WHERE key = 'finished'")
            for key, value in facts.items():
                self._set_fact(key, value)
            self._event("begin")

    def interrupt(self) -> None:
        """The runner stops before every slide has ended; those under way are pending again."""
        with self._transaction():
            running = SlideStatus.RUNNING
            self._db.execute("UPDATE slides SET status = ? WHERE status = ?", (SlideStatus.PENDING, running))
            self._db.execute("UPDATE attempts SET ended = ?, status = 'interrupted' WHERE ended IS NULL", (now(),))
            self._event("interrupt")

    def finish(self) -> None:
        """Every slide has ended."""
        with self._transaction():
            self._set_fact("finished", now())
            self._event("finish")

    def slide_started(self, slide_id: str) -> None:
        """An attempt at a slide begins."""
        with self._transaction():
            self._db.execute("UPDATE slides SET status = ? WHERE slide_id = ?", (SlideStatus.RUNNING, slide_id))
            self._db.execute("INSERT INTO attempts (slide_id, started) VALUES (?, ?)", (slide_id, now()))

    def slide_surveyed(self, slide_id: str, n_patches: int) -> None:
        """It is known how many patches a slide has."""
        with self._transaction():
            self._db.execute("UPDATE slides SET n_patches = ? WHERE slide_id = ?", (n_patches, slide_id))

    def patches_scanned(self, slide_id: str, n_patches: int) -> None:
        """`n_patches` more patches of a slide have a probability."""
        with self._transaction():
            self._db.execute("UPDATE slides SET n_scanned = n_scanned + ? WHERE slide_id = ?", (n_patches, slide_id))

    def slide_ended(
        self, outcome: SlideOutcome, numbers: Mapping[str, Any], worker: str, error_class: str | None
    ) -> None:
        """A slide's attempt has ended, and how."""
        with self._transaction():
            self._db.execute(
                "UPDATE slides SET status = ?, reason = ?, sentence = ?, numbers = ? WHERE slide_id = ?",
                (outcome.status, outcome.reason, outcome.sentence, json.dumps(dict(numbers)), outcome.slide_id),
            )
            self._db.execute(
                "UPDATE attempts SET ended = ?, worker = ?, status = ?, error_class = ?, error_message = ? "
                "WHERE slide_id = ? AND ended IS NULL",
                (now(), worker, outcome.status, error_class, outcome.sentence or None, outcome.slide_id),
            )
            self._event(outcome.status, outcome.slide_id, outcome.reason)

    def _event(self, kind: str, slide_id: str | None = None, detail: str | None = None) -> None:
        self._db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (now(), kind, slide_id, detail))

    def rows(self) -> tuple[LedgerRow, ...]:
        """Every slide, in the order asked for."""
        cursor = self._db.execute(
            "SELECT slide_id, patient_id, status, reason, sentence, n_patches, n_scanned, numbers "
            "FROM slides ORDER BY position"
        )
        return tuple(
            LedgerRow(
                slide_id, patient_id, SlideStatus(status), reason, sentence, n, scanned, json.loads(numbers or "{}")
            )
            for slide_id, patient_id, status, reason, sentence, n, scanned, numbers in cursor
        )


def _me() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), **_birth(os.getpid())}


def _birth(pid: int) -> dict[str, str]:
    """What tells a process from an earlier one of its number: the boot, and its start in clock ticks since then."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return {"boot": boot, "began": after_name.split()[19]}
    except (OSError, IndexError):
        return {}


def holder_is_gone(holder: Mapping[str, Any]) -> bool:
    """Whether a run's holder has ended without letting go: only a process of this host can be looked up."""
    if holder["host"] != socket.gethostname():
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    birth = _birth(holder["pid"])
    return bool(birth) and birth != {name: holder.get(name) for name in birth}
