"""Text from anywhere <-> a CSV cell that no spreadsheet takes for a formula; batchscan reads back what it was.

A cell that begins with `=`, `+`, `-` or `@` is run by spreadsheets, and may fetch and send (CWE-1236). Such text gets
an apostrophe in front, which spreadsheets take for "this is text". Numbers stay as they are.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

# Also those that some programs skip before they look, and the wide forms that Chinese and Japanese ones have.
_STARTS = r"'*[=+\-@\t\r\n\x00＝＋－＠]"  # noqa: RUF001 - see above
_RUNS = re.compile(_STARTS)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def as_cell(text: str) -> str:
    """The text as it may stand in a CSV."""
    return f"'{text}" if _RUNS.match(text) and not _NUMBER.fullmatch(text) else text


def from_cell(cell: str) -> str:
    """The text that `as_cell` was given; cells of other programs are mostly left as they are."""
    text = cell.removeprefix("'")
    return text if text != cell and as_cell(text) == cell else cell


def as_cells(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """The same for a column of text, of which none is a number with a sign."""
    return pc.replace_substring_regex(column, pattern=f"^({_STARTS})", replacement=r"'\1")


class TableWriter:
    """Writes rows of a CSV; text becomes safe cells, other values stay.

    Parameters
    ----------
    stream
        Open for text, without translation of line ends.
    delimiter
        What stands between cells.
    """

    def __init__(self, stream: IO[Any], delimiter: str = ",") -> None:
        self._writer = csv.writer(stream, lineterminator="\n", delimiter=delimiter)

    def writerow(self, row: Iterable[Any]) -> None:
        """Write one row."""
        self._writer.writerow([as_cell(cell) if isinstance(cell, str) else cell for cell in row])

    def writerows(self, rows: Iterable[Iterable[Any]]) -> None:
        """Write several."""
        for row in rows:
            self.writerow(row)
