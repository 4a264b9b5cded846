"""A slide without a result, as the ledger tells it, becomes its notice: what happened, what can be done; no number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from batchscan.domain.records import SlideStatus
from batchscan.report.language import say
from batchscan.report.remedies import remedy
from batchscan.report.words import Fact, in_english, plain
from batchscan.stores.ledger_view import LedgerRow

_HEADLINES = {SlideStatus.FAILED: "notice-headline-failed", SlideStatus.EXCLUDED: "notice-headline-excluded"}
_STATUS = {SlideStatus.FAILED: "notice-status-failed", SlideStatus.EXCLUDED: "notice-status-excluded"}


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
        title=say("slide-title", slide=plain(row.slide_id)),
        run=plain(run),
        version=version,
        research_use=say("research-use"),
        headline=say(_HEADLINES[row.status]),
        answer=say("notice-answer"),
        facts=tuple(_facts(row, ended)),
        steps=tuple(_steps(row)),
    )


def _facts(row: LedgerRow, ended: datetime | None) -> Iterator[Fact]:
    # Of what is recorded there is but one sentence, in English.
    sentence, reason = plain(row.sentence), plain(row.reason)
    when = ended.strftime(say("date-format-seconds")).rstrip() if ended else say("notice-when-never")
    yield Fact(say("notice-patient"), plain(row.patient_id))
    yield Fact(say("notice-status"), say(_STATUS[row.status]))
    label = say("notice-sentence")
    yield in_english(label, sentence) if sentence else Fact(label, say("notice-sentence-none"))
    yield Fact(say("notice-reason"), reason or say("notice-reason-none"), say("notice-reason-note"))
    yield Fact(say("notice-when"), when)


def _steps(row: LedgerRow) -> Iterator[str]:
    yield remedy(row.reason)
    yield say("notice-step-again")
    yield say("notice-step-until")
