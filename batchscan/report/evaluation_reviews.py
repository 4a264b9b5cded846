"""An evaluation becomes its section on reviews: how many foci were reviewed, and with which people agree."""

from __future__ import annotations

from collections.abc import Iterator

from batchscan.domain.evaluated import DisputedFocus, Evaluation, FociReviewed
from batchscan.report import measured, numbers
from batchscan.report.blocks import Block, Cell, Section, Table, Words
from batchscan.report.evaluation_words import listed

_MOST = 60


def reviews(evaluation: Evaluation) -> tuple[Section, ...]:
    """The section; none where nobody has reviewed anything."""
    found = evaluation.reviewed
    return (Section("What reviewers said of the foci", tuple(_blocks(found))),) if found else ()


def _blocks(found: FociReviewed) -> Iterator[Block]:
    foci, slides = numbers.count(found.n_foci, "focus", "foci"), numbers.count(found.n_slides, "slide")
    yield Words(
        f"Of {foci} on the slides analysed, {found.n_reviewed:,} were reviewed, on {slides}, by "
        f"{listed(found.reviewers)}: {found.n_agreed:,} agreed with, {found.n_disagreed:,} disagreed with, "
        f"{found.n_divided:,} on which reviewers differ, {found.n_unsure:,} of which nobody is sure. {_missed(found)}"
    )
    yield Words(
        "This is no independent reference: reviewers saw what had been called, which draws people to agree, and they "
        "chose what to look at. A share of foci is neither sensitivity nor precision of patches, and what nobody "
        "looked for isn\u2019t known to be absent."
    )
    yield Table(
        "Agreement, focus by focus",
        ("Share", "With 95 % interval over patients", "Foci"),
        (
            (
                Cell("Agreed with, of those that a reviewer is sure of"),
                measured.cell(found.agreed),
                Cell(f"{found.agreed.n:,}"),
            ),
        ),
        widths=(96.0, 60.0),
    )
    if found.disputed:
        yield _disputed(found.disputed)


def _missed(found: FociReviewed) -> str:
    drawn = f"Reviewers drew {numbers.count(found.n_missed, 'region')} of IDC that had not been called."
    if not found.n_of_earlier_results:
        return drawn
    return f"{drawn} Not counted: {found.n_of_earlier_results:,} spoken of in earlier results of these slides."


def _disputed(found: tuple[DisputedFocus, ...]) -> Table:
    rows = tuple(
        (
            Cell(one.slide_id, f"patient {one.patient_id}"),
            Cell(f"focus {one.number}", f"centre {one.x_px:.0f}, {one.y_px:.0f} px"),
            Cell("; ".join(one.words)),
            Cell(numbers.area(one.area_mm2)),
        )
        for one in found[:_MOST]
    )
    hidden = len(found) - len(rows)
    return Table(
        "Foci that not every reviewer agrees with",
        ("Slide", "Focus", "What was said", "Area"),
        rows,
        n_text=3,
        note=f"{hidden:,} more in evaluation.json." if hidden else "",
        widths=(40.0, 38.0, 84.0),
    )
