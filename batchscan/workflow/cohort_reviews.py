"""A cohort's slides and the ledgers of their runs -> what reviewers said of the foci that are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from batchscan.domain.evaluated import FociReviewed
from batchscan.domain.reviews import Review, SlideReviews
from batchscan.evaluation.intervals import Bootstrap
from batchscan.evaluation.reviewed import ReviewedSlide, foci_reviewed
from batchscan.stores.ledger import Ledger
from batchscan.stores.slide_foci import read_slide_foci
from batchscan.workflow.cohort_rows import Row
from batchscan.workflow.review import reviews_by_slide


def cohort_reviewed(rows: Sequence[Row], bootstrap: Bootstrap) -> FociReviewed | None:
    """Count what was said of the foci of these slides, as their runs left them; None where nobody said anything.

    Raises
    ------
    DamagedResult
        If a result isn't there any more.
    OutputError
        If a ledger isn't.
    """
    said: dict[Path, Mapping[str, list[Review]]] = {}
    for run in {row.run.path: row.run for row in rows}.values():
        with Ledger.read(run.ledger) as ledger:
            said[run.path] = reviews_by_slide(ledger.reviews())
    return foci_reviewed(tuple(_slides(rows, said)), bootstrap) if any(said.values()) else None


def _slides(rows: Sequence[Row], said: Mapping[Path, Mapping[str, list[Review]]]) -> Iterator[ReviewedSlide]:
    for row in rows:
        slide_id = row.request.slide_id
        found = read_slide_foci(row.run.slide(slide_id))
        foci = {known.id: (known.number, known.focus) for known in found.foci}
        reviews = SlideReviews.of(said[row.run.path].get(slide_id, ()), foci, found.fingerprint)
        yield ReviewedSlide(slide_id, row.request.patient_id, foci, reviews)
