"""A reference CSV (`x_px,y_px,side_px,label`) <-> the patch labels of one slide."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from batchscan.domain.errors import ReferenceFileError
from batchscan.domain.records import BoolArray, Float64Array
from batchscan.stores.atomic import write_atomically

COLUMNS = ("x_px", "y_px", "side_px", "label")
_NAMED_ERRORS = 20

_Row = tuple[float, float, float, float]


@dataclass(frozen=True)
class Reference:
    """The labelled patches of one slide, one element a patch.

    Parameters
    ----------
    x_px, y_px
        (n,) float64, upper left corner, level-0 pixels.
    side_px
        (n,) float64, side of the square, level-0 pixels.
    label
        (n,) bool, True = IDC (class 1).
    """

    x_px: Float64Array
    y_px: Float64Array
    side_px: Float64Array
    label: BoolArray

    def __len__(self) -> int:
        return len(self.label)


def read_reference(path: Path) -> Reference:
    """Read a reference CSV; columns may stand in any order, others are ignored.

    Raises
    ------
    ReferenceFileError
        If the file can't be read, lacks a column, has no labels, or has wrong rows (not a number, negative, no side,
        a label other than 0 or 1, a place labelled twice): the first twenty are named with their line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReferenceFileError(f"{path}: can't be read as a UTF-8 CSV file ({error}): check the path") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        found = ", ".join(reader.fieldnames or ()) or "no columns"
        raise ReferenceFileError(
            f"{path}: column {' and '.join(missing)} is missing (found: {found}); the header is {','.join(COLUMNS)}"
        )
    rows: list[_Row] = []
    wrong: list[str] = []
    lines_by_place: dict[tuple[float, float], int] = {}
    for cells in reader:
        try:
            row = _row(cells)
            _first_of_its_place(row, reader.line_num, lines_by_place)
        except ReferenceFileError as error:
            wrong.append(f"line {reader.line_num}: {error}")
        else:
            rows.append(row)
    _refuse(path, wrong, empty=not rows)
    return _reference(rows)


def write_reference(path: Path, reference: Reference) -> None:
    """Write a reference CSV; whole coordinates without a decimal point.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    columns = (reference.x_px, reference.y_px, reference.side_px, reference.label)
    with write_atomically(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([_plain(float(value)) for value in row] for row in zip(*columns, strict=True))


def _row(cells: Mapping[str, str | None]) -> _Row:
    x_px, y_px, side_px, label = (_number(name, cells.get(name)) for name in COLUMNS)
    if x_px < 0 or y_px < 0:
        raise ReferenceFileError(f"({x_px:g}, {y_px:g}) lies off the slide")
    if side_px <= 0:
        raise ReferenceFileError(f"side_px {side_px:g} isn't a size")
    if label not in (0, 1):
        raise ReferenceFileError(f"label {label:g} is neither 0 nor 1")
    return x_px, y_px, side_px, label


def _number(name: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError as error:
        raise ReferenceFileError(f"{name} {text or ''!r} isn't a number") from error
    if not math.isfinite(value):
        raise ReferenceFileError(f"{name} {text!r} isn't finite")
    return value


def _first_of_its_place(row: _Row, line: int, lines_by_place: dict[tuple[float, float], int]) -> None:
    first = lines_by_place.setdefault(row[:2], line)
    if first != line:
        raise ReferenceFileError(f"({row[0]:g}, {row[1]:g}) is also on line {first}")


def _refuse(path: Path, wrong: Sequence[str], *, empty: bool) -> None:
    if wrong:
        more = f"; and {len(wrong) - _NAMED_ERRORS} more" if len(wrong) > _NAMED_ERRORS else ""
        raise ReferenceFileError(
            f"{path}: {len(wrong)} wrong row{'s' * (len(wrong) > 1)}: " + "; ".join(wrong[:_NAMED_ERRORS]) + more
        )
    if empty:
        raise ReferenceFileError(f"{path}: has a header but no labels; add a row a labelled patch")


def _reference(rows: Sequence[_Row]) -> Reference:
    x_px, y_px, side_px, label = np.array(rows, dtype=np.float64).T
    return Reference(x_px, y_px, side_px, label == 1)


def _plain(value: float) -> int | float:
    return int(value) if value.is_integer() else value
