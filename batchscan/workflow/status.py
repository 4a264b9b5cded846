"""The ledger of a run -> how the run stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from batchscan.domain.records import ENDED, SlideOutcome, SlideStatus
from batchscan.stores.holders import Holder
from batchscan.stores.ledger import Ledger
from batchscan.stores.ledger_view import Tally
from batchscan.stores.results import RunFolder

State = Literal["running", "finished", "interrupted"]


@dataclass(frozen=True)
class RunStatus:
    """How a run stands.

    Parameters
    ----------
    counts
        Slides by how they have ended.
    running
        Slides that a worker has begun with.
    retried
        Attempts of this run that were followed by another.
    eta_s
        None when it isn't running, or nothing has been scanned yet.
    holder
        Host and pid of the runner; None when there is none.
    troubles
        Slides that need a look.
    """

    state: State
    started: str
    finished: str | None
    asked: int
    counts: Mapping[str, int]
    remaining: int
    running: int
    retried: int
    patches_scanned: int
    eta_s: float | None
    holder: str | None
    troubles: tuple[SlideOutcome, ...]

    def as_json(self) -> dict[str, Any]:
        """For `status --json`."""
        return {
            "state": self.state,
            "started": self.started,
            "finished": self.finished,
            "asked": self.asked,
            **self.counts,
            "remaining": self.remaining,
            "running": self.running,
            "retried": self.retried,
            "patches_scanned": self.patches_scanned,
            "eta_seconds": None if self.eta_s is None else round(self.eta_s),
            "holder": self.holder,
            "troubles": [asdict(outcome) for outcome in self.troubles],
        }


def read_status(run: Path) -> RunStatus:
    """How the run in a folder stands, read from its ledger alone.

    Raises
    ------
    OutputError
        If the folder isn't a run's.
    """
    with Ledger.read(RunFolder(run).ledger) as ledger:
        facts, tallies = ledger.facts(), ledger.tallies()
        troubles, retried = ledger.troubles(), ledger.n_retried()
    counts = {status.value: tallies[status].n_slides if status in tallies else 0 for status in ENDED}
    asked = sum(tally.n_slides for tally in tallies.values())
    state = _state(facts)
    running = tallies.get(SlideStatus.RUNNING)
    return RunStatus(
        state=state,
        started=facts.get("started", ""),
        finished=facts.get("finished"),
        asked=asked,
        counts=counts,
        remaining=asked - sum(counts.values()),
        running=running.n_slides if running and state == "running" else 0,
        retried=retried,
        patches_scanned=sum(tally.n_scanned for tally in tallies.values()),
        eta_s=_eta_s(facts.get("started"), tallies) if state == "running" else None,
        holder=_runner(facts) if state == "running" else None,
        troubles=troubles,
    )


def _state(facts: Mapping[str, Any]) -> State:
    if "finished" in facts:
        return "finished"
    holder = facts.get("holder")
    return "running" if holder and not Holder.of(holder).is_gone(datetime.now(UTC)) else "interrupted"


def _runner(facts: Mapping[str, Any]) -> str:
    holder = Holder.of(facts["holder"])
    return f"{holder.host}, pid {holder.pid}"


def _eta_s(started: str | None, tallies: Mapping[SlideStatus, Tally]) -> float | None:
    """By the work that is done: the largest slides go first, so that their number would tell too much time."""
    worked = sum(tally.worked for tally in tallies.values())
    if not worked or started is None:
        return None
    left = sum(tally.work - tally.worked for status, tally in tallies.items() if status not in ENDED)
    elapsed = datetime.now(UTC) - datetime.fromisoformat(started)
    return elapsed.total_seconds() / worked * left
