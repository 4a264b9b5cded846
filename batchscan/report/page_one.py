"""What page one says, and the height that its words leave to its pictures, so that all of it stands on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from batchscan.report.language import say
from batchscan.report.layout import BESIDE_WIDTH_MM, PAGE_HEIGHT_MM, PAGE_WIDTH_MM
from batchscan.report.quality import QualityContent
from batchscan.report.text_width import Setting
from batchscan.report.words import Fact, unbroken

# As `print.css` and `slide.css` have them: sizes and heights of lines, then what is about them in mm.
_TITLE, _LONG_TITLE = (Setting(size, 1.2, PAGE_WIDTH_MM, "SemiBold") for size in (15.0, 9.6))
_IDENTITY, _IDENTITY_ABOVE_MM = Setting(8.2, 1.38, PAGE_WIDTH_MM), 0.8
_SAID_MM, _GRADE_MM = 130.4, 38.9
_HEADLINE, _SENTENCE = Setting(13.5, 1.25, _SAID_MM, "SemiBold"), Setting(9.6, 1.38, _SAID_MM)
_SAID_ABOUT_MM = 3.2 + 0.8 + 3.4
_GRADE_LABEL, _GRADE = Setting(7.6, 1.3, _GRADE_MM), Setting(13.5, 1.2, _GRADE_MM, "SemiBold")
_GRADE_NOTE, _GRADE_ABOUT_MM = Setting(7.6, 1.28, _GRADE_MM), 2.6 + 0.4 + 2.8
_ANSWER_ABOUT_MM = 4.4 + 2 * 0.3
_SEEN, _SEEN_ABOUT_MM = Setting(9.6, 1.38, PAGE_WIDTH_MM - 8.0, "SemiBold"), 1.8 + 2.0
_CAVEAT, _CAVEAT_ABOVE_MM = Setting(8.6, 1.38, PAGE_WIDTH_MM, "SemiBold"), 2.4
_FIGURES_ABOVE_MM, _FIGURES_A_ROW = 3.4, 4
_LABEL, _NOTE, _VALUE_MM = Setting(7.6, 1.38, 43.4), Setting(7.0, 1.25, 43.4), 5.3
_FIGURE_LEAST_MM, _FIGURE_ABOUT_MM = 12.4, 0.2 + 1.1 + 2.2
_ROWS_TITLE, _ROWS_TITLE_ABOUT_MM = Setting(8.6, 1.38, 88.9, "SemiBold"), 1.2 + 1.0
_ROW_LABEL, _ROW_VALUE, _ROW_ABOUT_MM = Setting(7.8, 1.34, 22.0), Setting(7.8, 1.34, 65.4), 2 * 0.55 + 0.15
_NOTICE, _NOTICES_ABOVE_MM = Setting(8.2, 1.35, PAGE_WIDTH_MM - 4.4), 2.2
_CAPTION_PT, _CAPTION_LINE_HEIGHT = 7.4, 1.3
# A picture is whole dots high.
_SPARE_MM = 1.0
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


def free_mm(first: PageOne, judged: QualityContent, captions: Sequence[str]) -> float:
    """Millimetres of paper that page one's words leave to its pictures.

    Parameters
    ----------
    first
        What stands above them.
    judged
        The grade, which stands beside the answer.
    captions
        What stands below each of them.
    """
    title = _LONG_TITLE if len(first.title) > _LONG_TITLE_LETTERS else _TITLE
    return PAGE_HEIGHT_MM - (
        title.height_mm(first.title)
        + _IDENTITY_ABOVE_MM
        + _IDENTITY.height_mm(first.identity)
        + _answer_mm(first, judged)
        + _figures_mm(first.figures)
        + max(_rows_mm(first.sure_title, first.sure), _rows_mm(say("omitted-title"), first.omitted))
        + _notices_mm(first.notices)
        + _captions_mm(captions)
        + _SPARE_MM
    )


def _answer_mm(first: PageOne, judged: QualityContent) -> float:
    """The answer in its frame and all that belongs to it."""
    said = _SAID_ABOUT_MM + _HEADLINE.height_mm(first.headline) + _SENTENCE.height_mm(unbroken(first.answer))
    grade = (
        _GRADE_ABOUT_MM
        + _GRADE_LABEL.height_mm(say("quality-title"))
        + _GRADE.height_mm(judged.grade)
        + _GRADE_NOTE.height_mm(unbroken(judged.findings))
    )
    seen = _SEEN_ABOUT_MM + _SEEN.height_mm(first.independence) if first.independence else 0.0
    return _ANSWER_ABOUT_MM + max(said, grade) + seen + _CAVEAT_ABOVE_MM + _CAVEAT.height_mm(first.caveat)


def _figures_mm(figures: Sequence[Fact]) -> float:
    """Rows of numbers, each as high as the highest in it."""
    heights = [
        max(_FIGURE_LEAST_MM, _LABEL.height_mm(fact.label) + _VALUE_MM + _NOTE.height_mm(fact.note)) for fact in figures
    ]
    rows = [heights[start : start + _FIGURES_A_ROW] for start in range(0, len(heights), _FIGURES_A_ROW)]
    return _FIGURES_ABOVE_MM + sum(max(row) + _FIGURE_ABOUT_MM for row in rows)


def _rows_mm(title: str, facts: Sequence[Fact]) -> float:
    """A column of labels and values below its title."""
    rows = (max(_ROW_LABEL.height_mm(fact.label), _ROW_VALUE.height_mm(_in_a_row(fact))) for fact in facts)
    return _ROWS_TITLE_ABOUT_MM + _ROWS_TITLE.height_mm(title) + sum(row + _ROW_ABOUT_MM for row in rows)


def _in_a_row(fact: Fact) -> str:
    return unbroken(f"{fact.value} ({fact.note})" if fact.note else fact.value)


def _notices_mm(notices: Sequence[str]) -> float:
    if not notices:
        return 0.0
    return _NOTICES_ABOVE_MM + sum(_NOTICE.height_mm(unbroken(notice)) for notice in notices)


def _captions_mm(captions: Sequence[str]) -> float:
    """Of pictures beside one another or one above the other, which isn't known yet: the higher."""
    beside, stacked = (
        [Setting(_CAPTION_PT, _CAPTION_LINE_HEIGHT, width_mm).height_mm(words) for words in captions]
        for width_mm in (BESIDE_WIDTH_MM, PAGE_WIDTH_MM)
    )
    return max(*beside, sum(stacked))
