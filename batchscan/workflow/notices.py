"""A run's ledger -> a notice for every slide that has no result: one page each, in a folder of their own."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from batchscan import __version__
from batchscan.domain.records import SlideStatus
from batchscan.report import numbers
from batchscan.report.notice import NoticeContent, notice_content
from batchscan.report.own_files import fingerprint
from batchscan.report.render import Archival, render_page
from batchscan.report.styles import SHIPPED, ReportStyle, styled
from batchscan.stores.atomic import write_atomically
from batchscan.stores.ledger_view import LedgerView
from batchscan.stores.results import RunFolder
from batchscan.stores.staging import check_writable

MOST_AT_THE_END = 200
"""Notices that the end of a run prints, some twenty seconds of them: an archive that can't be reached has thousands."""

_LOG = logging.getLogger(__name__)
_WITHOUT_RESULT = (SlideStatus.FAILED, SlideStatus.EXCLUDED)
# What each notice was printed from, so that one that would say the same isn't printed again.
_PRINTED = ".printed.json"


def print_notices(
    run: RunFolder, ledger: LedgerView, name: str, style: ReportStyle = SHIPPED, *, most: int | None = None
) -> int:
    """Print what is missing, at most so many, and drop the notices of slides that have a result now.

    They are PDF/A-3a and PDF/UA-1, as reports are. None bears the date of its printing: what says the same has the same
    bytes.

    Returns
    -------
    How many are still missing.

    Raises
    ------
    OutputError
        If one can't be written, or Pango is missing.
    TemplateError
        If the style can't be used.
    """
    with styled(style):
        wanted = dict(_contents(ledger, name))
    _drop_others(run, wanted)
    if not wanted:
        return 0
    check_writable(run.notices)
    printed = _read_printed(run)
    looks = fingerprint(style.templates) if style.templates else ""
    told = {slide_id: _told(content, style, looks) for slide_id, content in wanted.items()}
    missing = [each for each in wanted if told[each] != printed.get(each) or not run.notice(each).is_file()]
    for slide_id in missing[:most]:
        render_page("notice.html", wanted[slide_id], pdf=run.notice(slide_id), archival=Archival(), style=style)
        printed[slide_id] = told[slide_id]
    with write_atomically(run.notices / _PRINTED) as stream:
        json.dump({slide_id: printed[slide_id] for slide_id in wanted if slide_id in printed}, stream)
    n_left = len(missing[most:]) if most is not None else 0
    if n_left:
        left = numbers.count(n_left, "notice")
        _LOG.warning("not printed yet: %s; batchscan report %s prints the rest", left, run.path.name)
    return n_left


def noticed(run: RunFolder, ledger: LedgerView) -> frozenset[str]:
    """The slides without a result that have a notice by now."""
    return frozenset(slide_id for slide_id in without_result(ledger) if run.notice(slide_id).is_file())


def without_result(ledger: LedgerView) -> list[str]:
    """The slides that failed or were excluded, in the order asked for."""
    return [slide_id for slide_id, status in ledger.statuses().items() if status in _WITHOUT_RESULT]


def _contents(ledger: LedgerView, name: str) -> Iterator[tuple[str, NoticeContent]]:
    if not without_result(ledger):
        return
    ended = {attempt.slide_id: attempt.ended for attempt in ledger.attempts()}
    for row in ledger.rows():
        if row.status in _WITHOUT_RESULT:
            at = ended.get(row.slide_id)
            yield row.slide_id, notice_content(row, name, datetime.fromisoformat(at) if at else None, __version__)


def _told(content: NoticeContent, style: ReportStyle, looks: str) -> str:
    return hashlib.sha256(repr((content, style.language, style.paper, looks)).encode()).hexdigest()


def _drop_others(run: RunFolder, wanted: Mapping[str, NoticeContent]) -> None:
    for path in run.notices.glob("*.pdf"):
        if path.stem not in wanted:
            path.unlink(missing_ok=True)


def _read_printed(run: RunFolder) -> dict[str, str]:
    """Nothing where it can't be read: then all are printed again."""
    path: Path = run.notices / _PRINTED
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
