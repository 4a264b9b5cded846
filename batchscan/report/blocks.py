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
    """A value, and what qualifies it in smaller letters (may be empty)."""

    value: str
    note: str = ""


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
    """

    kind: ClassVar[str] = "table"
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    n_text: int = 1
    note: str = ""
    emphasis: int = 0


@dataclass(frozen=True, slots=True)
class Matrix:
    """Patches called right and wrong on one slide."""

    title: str
    tp: Cell
    fp: Cell
    fn: Cell
    tn: Cell


@dataclass(frozen=True, slots=True)
class Matrices:
    """Confusion matrices of several slides."""

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
    """One patch by its number among the card's examples, and the lines below it."""

    number: int
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
