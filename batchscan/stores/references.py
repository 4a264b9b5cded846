"""A reference CSV (`x_px,y_px,side_px,label`) <-> the patch labels of a slide, or of several (`slide_id` too)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from batchscan.domain.errors import ReferenceFileError
from batchscan.domain.records import BoolArray, Float64Array
from batchscan.stores.atomic import write_atomically

COLUMNS = ("x_px", "y_px", "side_px", "label")
SLIDE = "slide_id"
LARGEST_BYTES = 64 << 20
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

    def shrunk(self, downsample: float) -> Reference:
        """The same labels where so many pixels lie along a side of one."""
        x_px, y_px, side_px = (column / downsample for column in (self.x_px, self.y_px, self.side_px))
        return Reference(x_px, y_px, side_px, self.label)


def read_reference(path: Path, slide_id: str | None = None) -> Reference:
    """Read a reference CSV; columns may stand in any order, others are ignored.

    Parameters
    ----------
    path
        The file.
    slide_id
        Whose labels are wanted of a file that has a column `slide_id`, as a review of several slides; None takes every
        row.

    Raises
    ------
    ReferenceFileError
        If the file can't be read or has more than 64 MiB, lacks a column, has no labels (of that slide), or has wrong
        rows (not a number, negative, no side, a label other than 0 or 1, a place labelled twice, no slide_id where
        there is such a column and a slide is asked for): the first twenty are named with their line.
    """
    found = _read(path, by_slide=slide_id is not None)
    rows = found.get("", []) if slide_id is None else found.get(slide_id, found.get("", []))
    if not rows:
        of = "" if slide_id is None else f" of slide {slide_id!r}"
        raise ReferenceFileError(f"{path}: has a header but no labels{of}; add a row a labelled patch")
    return _reference(rows)


def read_references(path: Path) -> Mapping[str, Reference]:
    """The labels of each slide that a reference CSV names, by slide_id; by "" where it has no column `slide_id`.

    A row without a label hasn't been reviewed: it is left out, and a slide may have none that has.

    Raises
    ------
    ReferenceFileError
        As `read_reference`, but no labels are no error.
    """
    return {slide_id: _reference(rows) for slide_id, rows in _read(path, by_slide=True).items()}


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


def _read(path: Path, *, by_slide: bool) -> dict[str, list[_Row]]:
    """The labelled rows of each slide, "" where slides aren't told apart; every wrong row is named."""
    reader = _opened(path)
    tells = by_slide and SLIDE in (reader.fieldnames or ())
    rows: dict[str, list[_Row]] = {} if tells else {"": []}
    wrong: list[str] = []
    lines_by_place: dict[tuple[str, float, float], int] = {}
    for cells in _each(reader, wrong):
        slide_id = (cells.get(SLIDE) or "").strip() if tells else ""
        if tells and not slide_id:
            wrong.append(f"line {reader.line_num}: has no slide_id")
            continue
        of_slide = rows.setdefault(slide_id, [])
        if tells and not (cells.get("label") or "").strip():
            continue
        try:
            row = _row(cells)
            _first_of_its_place(slide_id, row, reader.line_num, lines_by_place)
        except ReferenceFileError as error:
            wrong.append(f"line {reader.line_num}: {error}")
        else:
            of_slide.append(row)
    _refuse(path, wrong)
    return rows


def _opened(path: Path) -> csv.DictReader[str]:
    """A reader whose header has every column."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ReferenceFileError(
                f"{path}: has more than {LARGEST_BYTES >> 20} MiB: give one file a slide, with labelled patches only"
            )
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        names = reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReferenceFileError(f"{path}: can't be read as a UTF-8 CSV file ({error}): check the path") from error
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ReferenceFileError(
            f"{path}: column {' and '.join(missing)} is missing (found: {', '.join(names) or 'no columns'}); "
            f"the header is {','.join(COLUMNS)}"
        )
    return reader


def _each(reader: csv.DictReader[str], wrong: list[str]) -> Iterator[Mapping[str, str | None]]:
    """The rows that are CSV; what the others are is added to `wrong`."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            wrong.append(f"line {reader.line_num + 1}: isn't CSV ({error})")


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


def _first_of_its_place(
    slide_id: str, row: _Row, line: int, lines_by_place: dict[tuple[str, float, float], int]
) -> None:
    first = lines_by_place.setdefault((slide_id, *row[:2]), line)
    if first != line:
        raise ReferenceFileError(f"({row[0]:g}, {row[1]:g}) is also on line {first}")


def _refuse(path: Path, wrong: Sequence[str]) -> None:
    if wrong:
        more = f"; and {len(wrong) - _NAMED_ERRORS} more" if len(wrong) > _NAMED_ERRORS else ""
        raise ReferenceFileError(
            f"{path}: {len(wrong)} wrong row{'s' * (len(wrong) > 1)}: " + "; ".join(wrong[:_NAMED_ERRORS]) + more
        )


def _reference(rows: Sequence[_Row]) -> Reference:
    x_px, y_px, side_px, label = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Reference(x_px, y_px, side_px, label == 1)


def _plain(value: float) -> int | float:
    return int(value) if value.is_integer() else value
