"""ledger.sqlite -> what can be asked of it: slides, attempts, accidents, how much work is done."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from batchscan.domain.attempts import Attempt, AttemptEnd
from batchscan.domain.profile import Profile
from batchscan.domain.records import SlideOutcome, SlideStatus
from batchscan.domain.reviews import Review, Verdict

REVIEW_COLUMNS = tuple(field.name for field in fields(Review))


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A slide's line in the ledger.

    `numbers` are the columns of summary.csv that a result fills, `profile` its `domain.profile.Profile`.
    """

    slide_id: str
    patient_id: str
    status: SlideStatus
    reason: str
    sentence: str
    n_patches: int | None
    n_scanned: int
    numbers: Mapping[str, Any]
    profile: Profile = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tally:
    """The slides of one status.

    `work` and `worked` are sums over them of what `Ledger.weigh` said, and of the part of it that is scanned.
    """

    n_slides: int
    n_scanned: int
    work: float
    worked: float


class LedgerView:
    """An open ledger, to be asked.

    Parameters
    ----------
    connection
        To its file.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def facts(self) -> dict[str, Any]:
        """Facts about the run as a whole: holder, started, finished, job."""
        return {key: json.loads(value) for key, value in self._db.execute("SELECT key, value FROM run")}

    def strikes(self) -> dict[tuple[str, str], int]:
        """(slide_id, source) -> how many accidents in a row."""
        return {(slide_id, source): n for slide_id, source, n in self._db.execute("SELECT * FROM strikes")}

    def suspects(self) -> frozenset[str]:
        """Slides that were under way when a runner was killed, and have not ended since."""
        cursor = self._db.execute(
            "SELECT slide_id FROM attempts GROUP BY slide_id "
            "HAVING max(CASE WHEN status = 'killed' THEN rowid END) = max(rowid)"
        )
        return frozenset(slide_id for (slide_id,) in cursor)

    def rows(self) -> Iterator[LedgerRow]:
        """Every slide, in the order asked for, one at a time: a row with its profile has some 10 kB."""
        cursor = self._db.execute(
            "SELECT slide_id, patient_id, status, reason, sentence, n_patches, n_scanned, numbers, profile "
            "FROM slides ORDER BY position"
        )
        return (_row(*values) for values in cursor)

    def statuses(self) -> dict[str, SlideStatus]:
        """Slide -> what has become of it, in the order asked for."""
        cursor = self._db.execute("SELECT slide_id, status FROM slides ORDER BY position")
        return {slide_id: SlideStatus(status) for slide_id, status in cursor}

    def tallies(self) -> dict[SlideStatus, Tally]:
        """Each status that there is, with its slides counted."""
        cursor = self._db.execute(
            "SELECT status, count(*), sum(n_scanned), sum(weight), "
            "sum(CASE WHEN n_patches > 0 THEN weight * n_scanned / n_patches ELSE 0.0 END) FROM slides GROUP BY status"
        )
        return {SlideStatus(status): Tally(*values) for status, *values in cursor}

    def troubles(self) -> tuple[SlideOutcome, ...]:
        """The slides that have ended with a remark, in the order asked for."""
        cursor = self._db.execute(
            "SELECT slide_id, status, reason, sentence FROM slides WHERE reason != '' ORDER BY position"
        )
        return tuple(SlideOutcome(slide_id, SlideStatus(status), *words) for slide_id, status, *words in cursor)

    def n_retried(self) -> int:
        """How many attempts of this run were followed by another."""
        asked = "SELECT count(*) FROM attempts WHERE status = 'retried' AND started >= ?"
        return int(self._db.execute(asked, (self.facts().get("started", ""),)).fetchone()[0])

    def attempts(self) -> Iterator[Attempt]:
        """Every attempt of every run in this folder, oldest first."""
        cursor = self._db.execute(
            "SELECT slide_id, started, ended, status, reason, error_message, worker, error_class, seconds, peak_rss_mb "
            "FROM attempts ORDER BY rowid"
        )
        for slide_id, started, ended, status, reason, message, worker, error_class, seconds, peak in cursor:
            end = AttemptEnd(worker or "", error_class, json.loads(seconds or "{}"), peak)
            yield Attempt(slide_id, started, ended, status, reason or "", message, end)

    def reviews(self) -> tuple[Review, ...]:
        """Everything that reviewers said, oldest first; nothing where no review was ever kept."""
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'reviews'").fetchone():
            return ()
        cursor = self._db.execute(f"SELECT {', '.join(REVIEW_COLUMNS)} FROM reviews ORDER BY rowid")  # noqa: S608 - our own names
        known = (dict(zip(REVIEW_COLUMNS, values, strict=True)) for values in cursor)
        return tuple(Review(**{**values, "verdict": Verdict(values["verdict"])}) for values in known)

    def n_foci(self) -> int:
        """How many foci the results have, those without numbers left out."""
        asked = "SELECT sum(json_extract(numbers, '$.n_foci')) FROM slides"
        return int(self._db.execute(asked).fetchone()[0] or 0)


def _row(
    slide_id: str,
    patient_id: str,
    status: str,
    reason: str,
    sentence: str,
    n_patches: int | None,
    n_scanned: int,
    numbers: str | None,
    profile: str | None,
) -> LedgerRow:
    counts = {name: tuple(values) for name, values in json.loads(profile or "{}").items()}
    known = json.loads(numbers or "{}")
    return LedgerRow(slide_id, patient_id, SlideStatus(status), reason, sentence, n_patches, n_scanned, known, counts)
