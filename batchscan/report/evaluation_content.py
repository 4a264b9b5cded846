"""An evaluation becomes what its page says: the answer, then section by section; no layout."""

from __future__ import annotations

from batchscan.domain.evaluated import Evaluation
from batchscan.report import (
    evaluation_cautions,
    evaluation_cohort,
    evaluation_extent,
    evaluation_failures,
    evaluation_measured,
    evaluation_methods,
    evaluation_reviews,
    evaluation_summary,
)
from batchscan.report.blocks import Document
from batchscan.report.checklist import checklist
from batchscan.report.evaluation_words import listed, model_name
from batchscan.report.language import say
from batchscan.report.words import Fact

_DIGEST_SHORT = len("sha256:") + 12


def evaluation_content(evaluation: Evaluation) -> Document:
    """What the page of an evaluation says; what was not measured is said to be so."""
    made = evaluation.provenance
    return Document(
        kind="Evaluation",
        title=made.name,
        version=made.batchscan_version,
        research_use=say("research-use"),
        identity=(
            Fact("Models", listed([model_name(one) for one in evaluation.models]) or "none"),
            Fact("Manifest", made.manifest),
            Fact("Made", made.created.replace("T", " ")[:16]),
        ),
        mark=evaluation_cautions.mark(evaluation.leakage),
        headline=evaluation_summary.headline(evaluation),
        summary=evaluation_summary.summary(evaluation),
        cautions=evaluation_cautions.cautions(evaluation),
        figures=evaluation_summary.figures(evaluation),
        flow=evaluation_summary.flow(evaluation),
        sections=(
            evaluation_cohort.cohort(evaluation),
            *evaluation_measured.measures(evaluation),
            evaluation_measured.probabilities(evaluation),
            evaluation_extent.extents(evaluation),
            evaluation_cohort.subgroups(evaluation),
            evaluation_cohort.robustness(evaluation),
            evaluation_cohort.readers(evaluation),
            *evaluation_reviews.reviews(evaluation),
            evaluation_failures.failures(evaluation),
            evaluation_extent.slides(evaluation),
            evaluation_methods.methods(evaluation),
            evaluation_methods.provenance(evaluation),
            checklist(evaluation),
        ),
        footer=f"Evaluation {evaluation.digest[len('sha256:') : _DIGEST_SHORT]}",
        created=made.created,
    )
