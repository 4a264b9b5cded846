"""What happens in a run -> ledger.sqlite (WAL), written by the runner alone, readable live from anywhere."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.errors import OutputError, RunBusyError
from batchscan.domain.profile import Profile
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus
from batchscan.domain.reviews import Review
from batchscan.stores.holders import SILENT_S, Holder
from batchscan.stores.ledger_view import REVIEW_COLUMNS, LedgerView

# A ledger of another version is made anew: results are in the slides' folders, and the next run finds them there. What
# people said is nowhere else: reviews stay, and came without a new version, so that a ledger may have no such table.
_VERSION = 3
_TABLES = ("run", "slides", "attempts", "strikes", "events")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS slides (
    slide_id TEXT PRIMARY KEY, patient_id TEXT NOT NULL, position INTEGER NOT NULL,
    status TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', sentence TEXT NOT NULL DEFAULT '',
    n_patches INTEGER, n_scanned INTEGER NOT NULL DEFAULT 0, weight REAL NOT NULL DEFAULT 0,
    numbers TEXT, profile TEXT) STRICT;
CREATE TABLE IF NOT EXISTS attempts (
    slide_id TEXT NOT NULL, started TEXT NOT NULL, ended TEXT, worker TEXT, status TEXT, reason TEXT,
    error_class TEXT, error_message TEXT, seconds TEXT, peak_rss_mb REAL) STRICT;
CREATE INDEX IF NOT EXISTS attempts_of ON attempts (slide_id);
CREATE TABLE IF NOT EXISTS strikes (slide_id TEXT PRIMARY KEY, source TEXT NOT NULL, count INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS events (at TEXT NOT NULL, kind TEXT NOT NULL, slide_id TEXT, detail TEXT) STRICT;
CREATE TABLE IF NOT EXISTS reviews (
    slide_id TEXT NOT NULL, region_id TEXT NOT NULL, number INTEGER, verdict TEXT NOT NULL, comment TEXT NOT NULL,
    reviewer TEXT NOT NULL, reviewed TEXT NOT NULL, kept TEXT NOT NULL, digest TEXT NOT NULL,
    fingerprint TEXT NOT NULL, outline TEXT NOT NULL) STRICT;
"""


def now() -> str:
    """The present in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Ledger(LedgerView):
    """The open ledger of one run. The runner holds it with `hold`; everybody else opens it with `read`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        super().__init__(connection)
        self._path = path
        self._me = Holder.this_process(now())

    @classmethod
    @contextmanager
    def hold(cls, path: Path) -> Iterator[Self]:
        """Open for writing; one runner at a time.

        Raises
        ------
        RunBusyError
            If another live runner holds the run.
        OutputError
            If the file can't be written or isn't a ledger.
        """
        try:
            connection = sqlite3.connect(path, timeout=30, isolation_level=None)
            connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
        except sqlite3.Error as error:
            raise OutputError(
                f"{path}: can't be opened as a ledger ({error}); move it away, results stay but not reviews, or "
                "choose another --out"
            ) from error
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
            If there is no ledger, or one of another version of batchscan.
        """
        if not path.is_file():
            raise OutputError(f"{path.parent}: isn't a run folder (no {path.name}); give the folder that --out named")
        try:
            with _readable(path) as there, closing(_connected(there)) as connection:
                ledger = cls(connection, path)
                if ledger._version() != _VERSION:
                    raise OutputError(
                        f"{path}: another version of batchscan wrote this ledger; run the job again: results are kept"
                    )
                yield ledger
        except sqlite3.Error as error:
            raise OutputError(f"{path}: can't be read as a ledger ({error})") from error

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _take(self) -> None:
        with self._transaction(held=False):
            # First, whatever the ledger's version: its tables may be a live runner's.
            found = self.facts().get("holder") if self._has_facts() else None
            holder = found and Holder.of(found)
            if holder and not holder.is_gone(datetime.now(UTC)):
                raise RunBusyError(
                    f"a runner on {holder.host} with pid {holder.pid} is at work in this run folder; wait for it, or "
                    f"stop it and start again (one on a machine that is gone is taken over {SILENT_S / 60:.0f} minutes "
                    "after its last sign of life)"
                )
            self._make_tables()
            if holder:
                self._event("taken over", detail=f"from {holder.host}, pid {holder.pid}")
            self._set_fact("holder", asdict(self._me))

    def _make_tables(self) -> None:
        if self._version() not in (0, _VERSION) or self._is_first_version():
            for table in _TABLES:
                self._db.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in _SCHEMA.split(";"):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {_VERSION}")

    def _has_facts(self) -> bool:
        return bool(self._db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'run'").fetchone())

    def _is_first_version(self) -> bool:
        """The first version of a ledger didn't say its number."""
        columns = {row[1] for row in self._db.execute("PRAGMA table_info(slides)")}
        return bool(columns) and "profile" not in columns

    def _release(self) -> None:
        # Where nothing can be written any more, the hold ends with the process.
        with suppress(OutputError, RunBusyError), self._transaction():
            self._db.execute("DELETE FROM run WHERE key = 'holder'")

    @contextmanager
    def _transaction(self, *, held: bool = True) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                if held:
                    self._check_held()
                yield
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            text = f"{self._path}: can't be written ({error}); make room or check permissions, and start again to go on"
            raise OutputError(text) from error

    def _check_held(self) -> None:
        """A runner that slept for long may have been taken for dead: then the run is another's."""
        holder = Holder.of(self.facts().get("holder") or {})
        if holder.token != self._me.token:
            raise RunBusyError(
                f"this runner gave no sign of life for so long that another took the run over ({holder.host}, pid "
                f"{holder.pid}): it goes on there; look with `batchscan status`"
            )

    def check_held(self) -> None:
        """See that this runner still has the run, before anything in the folder is given a name or removed.

        Raises
        ------
        RunBusyError
            If another runner has taken it over.
        """
        with self._transaction():
            pass

    def beat(self) -> None:
        """Give a sign of life."""
        with self._transaction():
            self._set_fact("holder", asdict(replace(self._me, beat=now())))

    def note(self, facts: Mapping[str, Any]) -> None:
        """Keep facts about the run as a whole."""
        with self._transaction():
            for key, value in facts.items():
                self._set_fact(key, value)

    def _set_fact(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (key, json.dumps(value)))

    def begin(self, requests: Iterable[SlideRequest], facts: Mapping[str, Any]) -> None:
        """Start (again) with exactly these slides, all pending."""
        with self._transaction():
            self._db.execute("DELETE FROM slides")
            self._db.executemany(
                "INSERT INTO slides (slide_id, patient_id, position, status) VALUES (?, ?, ?, ?)",
                [
                    (request.slide_id, request.patient_id, position, SlideStatus.PENDING)
                    for position, request in enumerate(requests)
                ],
            )
            # A runner that was killed could not end its attempts.
            self._db.execute("UPDATE attempts SET ended = ?, status = 'killed' WHERE ended IS NULL", (now(),))
            self._db.execute("DELETE FROM run WHERE key = 'finished'")
            for key, value in facts.items():
                self._set_fact(key, value)
            self._event("begin")

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Keep how much work each slide is, in any unit."""
        with self._transaction():
            self._db.executemany(
                "UPDATE slides SET weight = ? WHERE slide_id = ?",
                [(weight, slide_id) for slide_id, weight in weights.items()],
            )

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

    def slide_started(self, slide_id: str, worker: str = "") -> None:
        """An attempt at a slide begins; where it began is all that is known of it if the runner is killed."""
        with self._transaction():
            self._db.execute(
                "UPDATE slides SET status = ?, n_patches = NULL, n_scanned = 0 WHERE slide_id = ?",
                (SlideStatus.RUNNING, slide_id),
            )
            values = (slide_id, now(), worker or None)
            self._db.execute("INSERT INTO attempts (slide_id, started, worker) VALUES (?, ?, ?)", values)

    def slide_surveyed(self, slide_id: str, n_patches: int) -> None:
        """It is known how many patches a slide has."""
        with self._transaction():
            self._db.execute("UPDATE slides SET n_patches = ? WHERE slide_id = ?", (n_patches, slide_id))

    def patches_scanned(self, slide_id: str, n_patches: int) -> None:
        """`n_patches` more patches of a slide have a probability."""
        with self._transaction():
            self._db.execute("UPDATE slides SET n_scanned = n_scanned + ? WHERE slide_id = ?", (n_patches, slide_id))

    def slide_ended(
        self,
        outcome: SlideOutcome,
        end: AttemptEnd,
        numbers: Mapping[str, Any] = MappingProxyType({}),
        profile: Profile = MappingProxyType({}),
    ) -> None:
        """A slide has ended, and how: `numbers` are the columns of summary.csv that its result fills."""
        with self._transaction():
            self._db.execute(
                "UPDATE slides SET status = ?, reason = ?, sentence = ?, numbers = ?, profile = ? WHERE slide_id = ?",
                (
                    outcome.status,
                    outcome.reason,
                    outcome.sentence,
                    json.dumps(dict(numbers)),
                    json.dumps(dict(profile)),
                    outcome.slide_id,
                ),
            )
            self._attempt_ended(outcome, outcome.status, end)
            self._event(outcome.status, outcome.slide_id, outcome.reason)

    def slide_retried(self, outcome: SlideOutcome, end: AttemptEnd) -> None:
        """A slide's attempt has ended as the outcome says, and another one follows."""
        with self._transaction():
            pending = SlideStatus.PENDING
            self._db.execute("UPDATE slides SET status = ? WHERE slide_id = ?", (pending, outcome.slide_id))
            self._attempt_ended(outcome, "retried", end)
            self._event("retried", outcome.slide_id, outcome.reason)

    def _attempt_ended(self, outcome: SlideOutcome, status: str, end: AttemptEnd) -> None:
        self._db.execute(
            "UPDATE attempts SET ended = ?, worker = COALESCE(NULLIF(?, ''), worker), status = ?, reason = ?, "
            "error_class = ?, error_message = ?, seconds = ?, peak_rss_mb = ? WHERE slide_id = ? AND ended IS NULL",
            (
                now(),
                end.worker,
                status,
                outcome.reason,
                end.error_class,
                outcome.sentence or None,
                json.dumps(dict(end.seconds)),
                end.peak_rss_mb,
                outcome.slide_id,
            ),
        )

    def strike(self, slide_id: str, source: str) -> int:
        """Count one more accident (its worker died, it hung, a defect) of a slide; those of another `source` are void.

        Returns
        -------
        How many there are now.
        """
        count = self.strikes().get((slide_id, source), 0) + 1
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO strikes VALUES (?, ?, ?)", (slide_id, source, count))
        return count

    def forgive(self, slide_ids: Iterable[str]) -> None:
        """Forget the accidents of slides."""
        with self._transaction():
            self._db.executemany("DELETE FROM strikes WHERE slide_id = ?", [(slide_id,) for slide_id in slide_ids])

    def keep_reviews(self, reviews: Iterable[Review]) -> None:
        """Add what reviewers said, all of it or nothing; what they said before stays."""
        fields = REVIEW_COLUMNS
        marks = ", ".join("?" * len(fields))
        # Results are made again after a power loss; what people said isn't.
        self._db.execute("PRAGMA synchronous=FULL")
        with self._transaction():
            self._db.executemany(
                f"INSERT INTO reviews ({', '.join(fields)}) VALUES ({marks})",  # noqa: S608 - our own names
                [tuple(getattr(review, name) for name in fields) for review in reviews],
            )

    def _event(self, kind: str, slide_id: str | None = None, detail: str | None = None) -> None:
        self._db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (now(), kind, slide_id, detail))


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """A ledger that SQLite can read: who reads a WAL writes beside it, which a folder may not allow."""
    if os.access(path.parent, os.W_OK):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="batchscan-ledger-") as folder:
        copy = Path(folder) / path.name
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
        yield copy


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)
