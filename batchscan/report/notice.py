"""A slide without a result, as the ledger tells it, becomes its notice: what happened, what can be done; no number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from batchscan.domain.records import SlideStatus
from batchscan.report.remedies import remedy
from batchscan.report.words import RESEARCH_USE, Fact, plain
from batchscan.stores.ledger_view import LedgerRow

_HEADLINES = {
    SlideStatus.FAILED: "No result: this slide failed",
    SlideStatus.EXCLUDED: "No result: this slide was excluded",
}
_STATUS = {
    SlideStatus.FAILED: "failed: it was tried, and could not be brought to an end",
    SlideStatus.EXCLUDED: "excluded: it is not a slide that can be judged as it is",
}
_ANSWER = (
    "IDC is neither shown nor excluded on this slide. Nothing of it was measured, and no number of it counts anywhere "
    "in the run."
)
_SECOND = "%Y-%m-%d %H:%M:%S %Z"


@dataclass(frozen=True, slots=True)
class NoticeContent:
    """Everything that the notice of one slide says.

    Parameters
    ----------
    title
        Whose slide.
    headline, answer
        That there is no result, and what that means for a reader.
    facts
        What happened.
    steps
        What the laboratory can do, in this order.
    """

    title: str
    run: str
    version: str
    research_use: str
    headline: str
    answer: str
    facts: tuple[Fact, ...]
    steps: tuple[str, ...]


def notice_content(row: LedgerRow, run: str, ended: datetime | None, version: str) -> NoticeContent:
    """What the notice of a slide says that failed or was excluded.

    Parameters
    ----------
    row
        The slide's line of the ledger.
    run
        The run's name.
    ended
        When its last attempt came to an end; None where nobody has tried.
    version
        The program's.
    """
    return NoticeContent(
        title=f"Slide {plain(row.slide_id)}",
        run=plain(run),
        version=version,
        research_use=RESEARCH_USE,
        headline=_HEADLINES[row.status],
        answer=_ANSWER,
        facts=tuple(_facts(row, ended)),
        steps=tuple(_steps(row)),
    )


def _facts(row: LedgerRow, ended: datetime | None) -> Iterator[Fact]:
    yield Fact("Patient", plain(row.patient_id))
    yield Fact("Status", _STATUS[row.status])
    yield Fact("What happened", plain(row.sentence) or "nothing is recorded.")
    yield Fact("Reason", plain(row.reason) or "none is recorded", "the code in summary.csv")
    yield Fact("When", ended.strftime(_SECOND).rstrip() if ended else "before the scan: it was not tried")


def _steps(row: LedgerRow) -> Iterator[str]:
    yield remedy(row.reason)
    yield (
        "Then start the same command again: it does only what is missing. Once the slide has a result, its report "
        "stands in the run folder and this notice is gone."
    )
    yield "Until then, read the slide as if this program had not been there."
