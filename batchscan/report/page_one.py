"""What page one says, and the height that its words leave to its pictures, so that all of it stands on one page."""

from __future__ import annotations

import math
from dataclasses import dataclass

from batchscan.report.layout import PAGE_HEIGHT_MM
from batchscan.report.words import Fact

# Letters that surely fit in a line and a line's height in mm, for each kind of words of `print.css` and `slide.css`.
_TITLE, _LONG_TITLE = (52, 6.4), (84, 4.1)
_IDENTITY = (108, 4.1)
_HEADLINE, _SENTENCE = (48, 6.0), (70, 4.7)
_GRADE_NOTE = (24, 3.4)
_SEEN, _CAVEAT = (88, 4.7), (100, 4.2)
_ROW, _NOTICE = (45, 3.7), (106, 3.9)
# What is about them: the answer's frame; two rows of figures; the heading and frame of the rows; a row's line.
_ANSWER_MM, _GRADE_MM, _FIGURES_MM, _ROWS_MM, _ROW_MM = 11.4, 10.0, 37.0, 9.0, 1.2
_LONG_TITLE_LETTERS = 60


@dataclass(frozen=True, slots=True)
class PageOne:
    """What page one says besides its pictures.

    Parameters
    ----------
    title, identity
        Whose slide.
    headline, answer
        The answer in one line, and in one or two sentences.
    independence
        That the model has seen this patient; empty if it hasn't.
    figures
        Its numbers.
    sure_title, sure, omitted
        How sure the area is, and what could not be analysed.
    notices
        What a reader must know before trusting the numbers; may be empty.
    """

    title: str
    identity: str
    headline: str
    answer: str
    independence: str
    caveat: str
    figures: tuple[Fact, ...]
    sure_title: str
    sure: tuple[Fact, ...]
    omitted: tuple[Fact, ...]
    notices: tuple[str, ...]


def free_mm(first: PageOne, findings: str) -> float:
    """Millimetres of paper that page one's words leave below them; `findings` stand beside the answer."""
    long = len(first.title) > _LONG_TITLE_LETTERS
    answered = _height(first.headline, _HEADLINE) + _height(first.answer, _SENTENCE)
    rows = (sum(_height(fact.value, _ROW) + _ROW_MM for fact in facts) for facts in (first.sure, first.omitted))
    return PAGE_HEIGHT_MM - (
        _height(first.title, _LONG_TITLE if long else _TITLE)
        + _height(first.identity, _IDENTITY)
        + _ANSWER_MM
        + max(answered, _GRADE_MM + _height(findings, _GRADE_NOTE))
        + _height(first.independence, _SEEN)
        + _height(first.caveat, _CAVEAT)
        + _FIGURES_MM
        + _ROWS_MM
        + max(rows)
        + sum(_height(notice, _NOTICE) for notice in first.notices)
    )


def _height(words: str, kind: tuple[int, float]) -> float:
    """Millimetres of a paragraph; a word without a place to break at may begin a line of its own."""
    letters, line_mm = kind
    longest = max(map(len, words.split()), default=0)
    lines = math.ceil(len(words) / letters) + (longest > letters)
    return lines * line_mm
