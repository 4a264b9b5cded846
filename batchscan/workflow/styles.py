"""A job, or what run.json says of it -> the language and templates of its reports and notices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batchscan.domain.errors import DamagedResult
from batchscan.domain.job import ReportSection
from batchscan.report.language import ENGLISH
from batchscan.report.styles import SHIPPED, ReportStyle
from batchscan.stores.results import RunFolder


def style_of(report: ReportSection) -> ReportStyle:
    """A job's."""
    return ReportStyle(report.language, report.templates)


def style_of_facts(facts: Mapping[str, Any]) -> ReportStyle:
    """A run's; that of an older one is as shipped."""
    report = facts.get("job", {}).get("report", {})
    templates = report.get("templates")
    return ReportStyle(report.get("language", ENGLISH), Path(templates) if templates else None)


def style_of_run(run: RunFolder) -> ReportStyle:
    """The same of a run folder; as shipped where run.json can't be read."""
    try:
        return style_of_facts(run.read_facts())
    except DamagedResult:
        return SHIPPED


def style_with(run: RunFolder, language: str | None, templates: Path | None) -> ReportStyle:
    """A run's, but for what is given."""
    own = style_of_run(run)
    return ReportStyle(language or own.language, templates.resolve() if templates else own.templates)
