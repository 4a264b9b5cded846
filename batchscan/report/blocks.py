"""What a page is made of, whatever prints it: paragraphs, facts, tables, matrices, charts and pictures; no layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from batchscan.report.words import Fact

# What a fact's last line leaves empty and its border take, in letters.
_LINE_LETTERS = 30


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph."""

    kind: ClassVar[str] = "words"
    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """Sentences that stand for themselves."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Labels with values; in `columns` beside one another where there is room."""

    kind: ClassVar[str] = "facts"
    facts: tuple[Fact, ...]
    title: str = ""
    columns: int = 1

    def halves(self) -> tuple[tuple[Fact, ...], tuple[Fact, ...]]:
        """All of them in two parts, in order, whose texts are about as long as one another."""
        letters = [_LINE_LETTERS + len(fact.value) + len(fact.note) for fact in self.facts]
        first = min(range(len(letters) + 1), key=lambda n: abs(sum(letters[:n]) - sum(letters[n:])))
        return self.facts[:first], self.facts[first:]


@dataclass(frozen=True, slots=True)
class Command:
    """Words to type as they stand."""

    kind: ClassVar[str] = "command"
    text: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A value, what qualifies it in smaller letters, and the file that it leads to (both may be empty).

    `href` is relative to the page and percent-encoded; it is left out on paper.
    """

    value: str
    note: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under their columns.

    Parameters
    ----------
    columns
        Headings; the first `n_text` are of words, the others of numbers.
    rows
        As many cells each.
    note
        What must be known to read it; may be empty.
    emphasis
        Number of last rows that sum up the others.
    widths
        Of the first columns in mm, the others share what is left; none for as the page has it. Together 186 mm.
    """

    kind: ClassVar[str] = "table"
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    n_text: int = 1
    note: str = ""
    emphasis: int = 0
    widths: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """What was called right and wrong of one slide, or of one kind of unit."""

    title: str
    tp: Cell
    fp: Cell
    fn: Cell
    tn: Cell


@dataclass(frozen=True, slots=True)
class Matrices:
    """Confusion matrices beside one another."""

    kind: ClassVar[str] = "matrices"
    title: str
    matrices: tuple[Matrix, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure by its name, and all that is said of it; `alt` is it in words."""

    name: str
    title: str
    caption: str
    alt: str


@dataclass(frozen=True, slots=True)
class Charts:
    """Figures beside one another."""

    kind: ClassVar[str] = "charts"
    charts: tuple[Chart, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """One patch by its number among the page's pictures (None: not stored), and the lines below it."""

    number: int | None
    headline: str
    lines: tuple[str, ...]
    alt: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """Patches that are shown for one reason."""

    kind: ClassVar[str] = "gallery"
    title: str
    pictures: tuple[Picture, ...]
    note: str = ""


Block = Words | Bullets | Facts | Command | Table | Matrices | Charts | Gallery


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One box of a flow diagram: how many of what, and who left before it (each may be empty)."""

    title: str
    lines: tuple[str, ...]
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow diagram: boxes from the top down; those in `ends` stand beside one another at its end."""

    steps: tuple[Step, ...]
    ends: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """Everything that a page of `document.html` says.

    Parameters
    ----------
    kind, title
        "Evaluation" and its name, for example.
    identity
        What it is of, in one line.
    mark
        A warning that stands on every page; may be empty.
    headline, summary
        The answer in plain words: one sentence in large letters, and paragraphs.
    cautions
        What must be known before a number is believed.
    figures
        The numbers of page one.
    flow
        Who was analysed.
    sections
        Everything else, in order.
    footer
        What identifies the record behind the page.
    created
        When the record was made, ISO 8601.
    """

    kind: str
    title: str
    version: str
    research_use: str
    identity: tuple[Fact, ...]
    mark: str
    headline: str
    summary: tuple[str, ...]
    cautions: tuple[str, ...]
    figures: tuple[Fact, ...]
    flow: Flow | None
    sections: tuple[Section, ...]
    footer: str
    created: str

    @property
    def name(self) -> str:
        """Kind and title; once where both are the same word."""
        return self.kind if self.title.lower() == self.kind.lower() else f"{self.kind} {self.title}"
