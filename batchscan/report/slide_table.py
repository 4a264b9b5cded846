"""The slides of a run become what the table of its index is made of in a browser: a row a slide, no layout."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from batchscan.domain.records import SlideStatus
from batchscan.report import numbers
from batchscan.report.attention import CONCERNS, GRADES
from batchscan.report.slide_list import GRADE_WORDS, N_A_PAGE, NOT_JUDGED
from batchscan.report.words import plain
from batchscan.stores.ledger_view import LedgerRow

STATUSES = ("done", "failed", "excluded", "remaining")
_FIGURES: Mapping[str, Callable[[Any], str]] = {
    "idc_mm2": numbers.area,
    "idc_fraction": numbers.percent,
    "largest_focus_mm": numbers.length,
    "n_foci": numbers.count,
    "tissue_mm2": numbers.area,
}
FIELDS = ("slide_id", "patient_id", "status", "reason", "sentence", "grade", *_FIGURES, "words", "concerns", "path")
"""What a row holds, in this order; `words` are its figures as they are shown, without the unit that the head says."""

_UNITS = {"mm2": " mm\u00b2", "mm": " mm"}
_DIGITS = 6
_SENTENCE_LETTERS = 300
_CONCERN = {concern.code: place for place, concern in enumerate(CONCERNS)}


@dataclass(frozen=True, slots=True)
class TableRow:
    """A slide: `cells` are what `FIELDS` names.

    Status, grade and concerns are places in `SlideTable`; a number that isn't defined is None. `path` is the slide's id
    as its folder is called, percent-encoded, None where that is the same.
    """

    cells: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class SlideTable:
    """The table of a run: everything in `data` is for `templates/run.js`, the rest for the page around it.

    Parameters
    ----------
    data
        Fields, rows and the words that rows refer to, as JSON can hold them.
    statuses, grades
        To choose from: (value, words).
    n_concerned
        How many slides somebody should look at.
    """

    data: Mapping[str, Any]
    statuses: tuple[tuple[str, str], ...]
    grades: tuple[tuple[str, str], ...]
    n_concerned: str


def table_row(row: LedgerRow, concerns: Iterable[str]) -> TableRow:
    """A slide's line in the ledger, with the codes of the concerns that it has."""
    given = row.numbers
    name = plain(row.slide_id)
    folder = quote(row.slide_id, safe="")
    grade = given.get("qc_grade")
    return TableRow(
        (
            name,
            plain(row.patient_id),
            STATUSES.index(row.status.value) if row.status.value in STATUSES else STATUSES.index("remaining"),
            plain(row.reason),
            _sentence(row, name),
            GRADES.index(grade) if grade in GRADES else None,
            *(_rounded(given.get(figure)) for figure in _FIGURES),
            _words(given) if row.status is SlideStatus.DONE else (),
            [_CONCERN[code] for code in concerns],
            None if folder == name else folder,
        )
    )


def slide_table(
    rows: Iterable[TableRow],
    counts: Mapping[str, int],
    n_concerned: int,
    *,
    reports: bool,
    notices: Collection[str] = (),
) -> SlideTable:
    """The table of all slides, in the order asked for.

    Parameters
    ----------
    counts
        Slides of each status.
    reports
        Whether done slides have a report.
    notices
        Ids of the slides without a result that have a notice.
    """
    cells = [row.cells for row in rows]
    return SlideTable(
        data={
            "fields": FIELDS,
            "statuses": STATUSES,
            "grades": [GRADE_WORDS[grade] for grade in GRADES],
            "ungraded": NOT_JUDGED,
            "concerns": [concern.title for concern in CONCERNS],
            "reports": reports,
            "a_page": N_A_PAGE,
            "notices": [place for place, one in enumerate(cells) if one[0] in notices],
            "rows": cells,
        },
        statuses=tuple((status, f"{status} ({counts[status]:,})") for status in STATUSES if counts[status]),
        grades=(*((GRADE_WORDS[grade], GRADE_WORDS[grade]) for grade in GRADES), (NOT_JUDGED, NOT_JUDGED)),
        n_concerned=f"{n_concerned:,}",
    )


def _sentence(row: LedgerRow, name: str) -> str:
    """Without the slide's own name, which stands in the row."""
    words = plain(row.sentence or "").removeprefix(f"{name}: ")
    return words if len(words) <= _SENTENCE_LETTERS else f"{words[: _SENTENCE_LETTERS - 1]}\u2026"


def _words(given: Mapping[str, Any]) -> tuple[str, ...]:
    said = ((say(given.get(figure)), figure.rpartition("_")[2]) for figure, say in _FIGURES.items())
    return tuple(words.removesuffix(_UNITS.get(kind, "")) for words, kind in said)


def _rounded(value: float | None) -> float | None:
    """To six digits, which keep the order of any two that are told apart, in half the room."""
    return None if value is None else float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
