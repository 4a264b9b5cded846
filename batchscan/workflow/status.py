"""The ledger of a run -> how the run stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from batchscan.domain.records import ENDED
from batchscan.stores.ledger import Ledger, LedgerRow, holder_is_gone
from batchscan.stores.results import RunFolder

State = Literal["running", "finished", "interrupted"]


@dataclass(frozen=True)
class RunStatus:
    """How a run stands. `eta_s` is None when it isn't running or nothing has ended yet; `troubles` need a look."""

    state: State
    started: str
    finished: str | None
    asked: int
    counts: Mapping[str, int]
    remaining: int
    patches_scanned: int
    eta_s: float | None
    troubles: tuple[LedgerRow, ...]

    def as_json(self) -> dict[str, Any]:
        """For `status --json`."""
        return {
            "state": self.state,
            "started": self.started,
            "finished": self.finished,
            "asked": self.asked,
            **self.counts,
            "remaining": self.remaining,
            "patches_scanned": self.patches_scanned,
            "eta_seconds": None if self.eta_s is None else round(self.eta_s),
            "troubles": [
                {"slide_id": row.slide_id, "status": row.status.value, "reason": row.reason, "sentence": row.sentence}
                for row in self.troubles
            ],
        }


def read_status(run: Path) -> RunStatus:
    """How the run in a folder stands, read from its ledger alone.

    Raises
    ------
    OutputError
        If the folder isn't a run's.
    """
    with Ledger.read(RunFolder(run).ledger) as ledger:
        facts, rows = ledger.facts(), ledger.rows()
    counts = {status.value: sum(row.status is status for row in rows) for status in ENDED}
    remaining = len(rows) - sum(counts.values())
    state = _state(facts)
    return RunStatus(
        state=state,
        started=facts.get("started", ""),
        finished=facts.get("finished"),
        asked=len(rows),
        counts=counts,
        remaining=remaining,
        patches_scanned=sum(row.n_scanned for row in rows),
        eta_s=_eta_s(facts.get("started"), len(rows) - remaining, remaining) if state == "running" else None,
        troubles=tuple(row for row in rows if row.status in ENDED and row.reason),
    )


def _state(facts: Mapping[str, Any]) -> State:
    if "finished" in facts:
        return "finished"
    holder = facts.get("holder")
    return "running" if holder and not holder_is_gone(holder) else "interrupted"


def _eta_s(started: str | None, ended: int, remaining: int) -> float | None:
    if not ended or started is None:
        return None
    elapsed = datetime.now(UTC) - datetime.fromisoformat(started)
    return elapsed.total_seconds() / ended * remaining
