"""What a model card's page says becomes plain text for a terminal of some width."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from batchscan.report.blocks import (
    Block,
    Bullets,
    Cell,
    Charts,
    Command,
    Facts,
    Gallery,
    Matrices,
    Section,
    Table,
    Words,
)
from batchscan.report.model_card_content import ModelCardContent
from batchscan.report.words import Fact

NARROWEST, WIDEST = 40, 120
_GAP = "  "
_WIDEST_LABEL = 22
_LEAST_CELL = 8


def model_card_text(content: ModelCardContent, width: int) -> str:
    """The card as text; no line is longer than `width` (at least 40, at most 120), but for words that are."""
    width = max(NARROWEST, min(width, WIDEST))
    first = Section(
        content.title,
        (
            Words(f"{content.research_use}."),
            Words(content.intended_use),
            Facts(content.identity),
            Words(content.accuracy),
            Facts(content.figures),
            content.judgement,
        ),
    )
    limits = Section("Limits", (content.limits,))
    lines = [line for section in (first, limits, *content.sections) for line in _section(section, width)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _section(section: Section, width: int) -> Iterator[str]:
    title = _wrapped(section.title, width)
    yield from ("", *title, "=" * max(map(len, title)))
    for block in section.blocks:
        yield ""
        yield from _block(block, width)


def _block(block: Block, width: int) -> Iterator[str]:
    match block:
        case Words(text):
            yield from _wrapped(text, width)
        case Bullets(items):
            for item in items:
                yield from textwrap.wrap(item, width, initial_indent="- ", subsequent_indent="  ")
        case Facts(facts, title):
            yield from _titled(title, width)
            yield from _facts(facts, width)
        case Command(text):
            yield f"  {text}"  # not wrapped: it is there to be copied
        case Charts(charts):
            yield from (line for chart in charts for line in _wrapped(chart.alt, width))
        case _:
            yield from _table(_tabular(block), width)


def _tabular(block: Table | Matrices | Gallery) -> Table:
    if isinstance(block, Matrices):
        rows = tuple((Cell(one.title), one.tp, one.fn, one.fp, one.tn) for one in block.matrices)
        return Table(block.title, ("Left-out slide", "TP", "FN", "FP", "TN"), rows, note=block.note)
    if isinstance(block, Gallery):
        listed = tuple(tuple(Cell(text) for text in (one.headline, *one.lines)) for one in block.pictures)
        return Table(block.title, ("p(IDC)", "Patient", "Place, px"), listed, n_text=3, note=block.note)
    return block


def _titled(title: str, width: int) -> list[str]:
    return _wrapped(f"{title}:", width) if title else []


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width) or [""]


def _facts(facts: Sequence[Fact], width: int) -> Iterator[str]:
    label_width = min(_WIDEST_LABEL, max(len(fact.label) for fact in facts))
    for fact in facts:
        text = f"{fact.value} ({fact.note})" if fact.note else fact.value
        yield from _row((fact.label, text), (label_width, width - label_width - len(_GAP)), n_text=2)


def _table(table: Table, width: int) -> Iterator[str]:
    """As it is where it fits; else turned, its rows becoming columns, as many beside one another as fit."""
    yield from _titled(table.title, width)
    cells = [table.columns, *([_text(cell) for cell in row] for row in table.rows)]
    n_text = table.n_text
    if n_text == len(table.columns):
        yield from _worded(cells, width)
    elif _total(_widths(cells)) <= width:
        yield from _aligned(cells, n_text, width)
    else:
        for part in _parts([list(row) for row in zip(*cells, strict=True)], width):
            yield from _aligned(part, 1, width)
    if table.note:
        yield from _wrapped(table.note, width)


def _text(cell: Cell) -> str:
    return f"{cell.value} ({cell.note})" if cell.note else cell.value


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*cells, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _aligned(cells: Sequence[Sequence[str]], n_text: int, width: int) -> Iterator[str]:
    widths = _widths(cells)
    widths[-1] = max(_LEAST_CELL, widths[-1] - max(0, _total(widths) - width))
    for i, row in enumerate(cells):
        yield from _row(row, widths, n_text)
        if i == 0:
            yield "-" * _total(widths)
    yield ""


def _worded(cells: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Columns of words: the last is wrapped, the others too where they would leave it no room."""
    *widths, _ = _widths(cells)
    widths = [min(one, max(_LEAST_CELL, width // (len(widths) + 1))) for one in widths]
    widths.append(max(_LEAST_CELL, width - _total([*widths, 0])))
    for i, row in enumerate(cells):
        yield from _row(row, widths, len(widths))
        if i == 0:
            yield "-" * _total(widths)
    yield ""


def _parts(turned: Sequence[Sequence[str]], width: int) -> Iterator[list[list[str]]]:
    """Labels with as many of the other columns as fit, at least one at a time."""
    labels, others = [row[0] for row in turned], list(zip(*(row[1:] for row in turned), strict=True))
    while others:
        taken = 1
        while taken < len(others) and _total(_widths(list(zip(labels, *others[: taken + 1], strict=True)))) <= width:
            taken += 1
        yield [list(row) for row in zip(labels, *others[:taken], strict=True)]
        others = others[taken:]


def _row(row: Sequence[str], widths: Sequence[int], n_text: int) -> Iterator[str]:
    """A row whose cells are wrapped to their widths; words to the left, numbers to the right."""
    wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths, strict=True)]
    for i in range(max(map(len, wrapped))):
        line = [cell[i] if i < len(cell) else "" for cell in wrapped]
        placed = [
            text.ljust(width) if column < n_text else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield _GAP.join(placed).rstrip()
