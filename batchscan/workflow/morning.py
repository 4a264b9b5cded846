"""A run's ledger -> its pages for the morning: index.html, the list of slides, digest.pdf, notices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchscan.domain.profile import Profile
from batchscan.report.morning import render_digest, render_slides
from batchscan.report.night import run_figures
from batchscan.report.styles import ReportStyle
from batchscan.stores.ledger import Ledger
from batchscan.stores.results import RunFolder
from batchscan.workflow.notices import MOST_AT_THE_END, noticed, print_notices
from batchscan.workflow.styles import style_of_facts


def print_digest(
    run: RunFolder,
    ledger: Ledger,
    facts: Mapping[str, Any],
    training: Profile | None = None,
    *,
    pdf: bool,
    most_notices: int | None = MOST_AT_THE_END,
    style: ReportStyle | None = None,
) -> None:
    """Write the pages of a run as its ledger tells it now.

    Parameters
    ----------
    run
        Where its reports and evaluations are.
    ledger
        Open for reading at least.
    facts
        What run.json says.
    training
        Profile of the model's training slides; None if the model doesn't say.
    pdf
        Whether the run has come to its end, so that the sheet is printed too, and, beside reports, the notices of
        slides without a result.
    most_notices
        How many of these at most; None for all.
    style
        Their language and templates; None for those that run.json names.

    Raises
    ------
    LedgerMismatch
        If run.json and ledger don't count the same slides.
    OutputError
        If a file can't be written.
    """
    reports = bool(facts.get("reports", True))
    if pdf and reports:
        print_notices(run, ledger, str(facts["name"]), style or style_of_facts(facts), most=most_notices)
    with_notices = {**facts, "notices": noticed(run, ledger)}
    figures = run_figures(with_notices, ledger.rows(), ledger.attempts(), training)
    render_slides(str(facts["name"]), ledger.rows(), figures.counts.asked, run.path, reports=reports)
    render_digest(figures, run.path, pdf=pdf)
