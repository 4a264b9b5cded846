"""A job, or what run.json says of it -> the language, templates and paper of its reports and notices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batchscan.domain.errors import DamagedResult
from batchscan.domain.job import Paper, ReportSection
from batchscan.report.styles import SHIPPED, ReportStyle
from batchscan.stores.results import RunFolder


def style_of(report: ReportSection) -> ReportStyle:
    """A job's."""
    return ReportStyle(report.language, report.templates, report.paper)


def style_of_facts(facts: Mapping[str, Any]) -> ReportStyle:
    """A run's; that of an older one is as shipped."""
    report = facts.get("job", {}).get("report", {})
    templates = report.get("templates")
    folder = Path(templates) if templates else None
    return ReportStyle(report.get("language", SHIPPED.language), folder, report.get("paper", SHIPPED.paper))


def style_of_run(run: RunFolder) -> ReportStyle:
    """The same of a run folder; as shipped where run.json can't be read."""
    try:
        return style_of_facts(run.read_facts())
    except DamagedResult:
        return SHIPPED


def style_with(run: RunFolder, language: str | None, templates: Path | None, paper: Paper | None) -> ReportStyle:
    """A run's, but for what is given."""
    own = style_of_run(run)
    folder = templates.resolve() if templates else own.templates
    return ReportStyle(language or own.language, folder, paper or own.paper)
