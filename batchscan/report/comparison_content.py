"""A comparison becomes what its page says: the answer, then section by section; no layout."""

from __future__ import annotations

from batchscan.domain.compared import Comparison
from batchscan.report import comparison_measured, comparison_summary
from batchscan.report.blocks import Document
from batchscan.report.comparison_words import side_name
from batchscan.report.language import say
from batchscan.report.words import Fact

_DIGEST_SHORT = len("sha256:") + 12


def comparison_content(comparison: Comparison) -> Document:
    """What the page of a comparison says; what was not compared is said to be so."""
    sections = (
        comparison_measured.margins(comparison),
        *comparison_measured.levels(comparison),
        comparison_measured.extents(comparison),
        comparison_measured.slides(comparison),
        comparison_measured.methods(comparison),
    )
    return Document(
        kind="Comparison",
        title=comparison.name,
        version=comparison.batchscan_version,
        research_use=say("research-use"),
        identity=(
            Fact("A", side_name(comparison.first)),
            Fact("B", side_name(comparison.second)),
            Fact("Made", comparison.created.replace("T", " ")[:16]),
        ),
        mark=comparison_summary.mark(comparison),
        headline=comparison_summary.headline(comparison),
        summary=comparison_summary.summary(comparison),
        cautions=comparison_summary.cautions(comparison),
        figures=comparison_summary.figures(comparison),
        flow=None,
        sections=tuple(section for section in sections if section is not None),
        footer=f"Comparison {comparison.digest[len('sha256:') : _DIGEST_SHORT]}",
        created=comparison.created,
    )
