"""Foci <-> the CSV in which a reviewer says agree, disagree or unsure of each: a form goes out, opinions come back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from batchscan.domain.errors import ReviewError
from batchscan.domain.plain_text import plain
from batchscan.domain.reviews import ON_FOCI, Opinion, Review, Verdict
from batchscan.stores.atomic import write_atomically
from batchscan.stores.cells import TableWriter, from_cell
from batchscan.stores.slide_foci import KnownFocus, SlideFoci

COLUMNS = (
    "slide_id", "number", "focus_id", "centroid_x_px", "centroid_y_px", "area_mm2", "greatest_mm", "mean_p",
    "result", "verdict", "comment", "reviewer", "when",
)  # fmt: skip
REQUIRED = ("slide_id", "focus_id", "verdict")
LARGEST_BYTES = 64 << 20
LONGEST_COMMENT = 2000
# Spreadsheets of some countries write these between cells.
_DELIMITERS = (",", ";", "\t")
_ONE_DAY = timedelta(days=1)


def write_form(
    path: Path, slides: Iterable[SlideFoci], said: Mapping[tuple[str, str], Review], *, semicolons: bool = False
) -> int:
    """Write a row a focus, verdicts empty but for those that are known already.

    Parameters
    ----------
    path
        The file.
    slides
        One at a time.
    said
        (slide_id, focus id) -> what the reviewer whose form it is has said of it.
    semicolons
        Whether it is for spreadsheets of countries that write 1,5: these expect semicolons between cells, and would
        read 1.5 as a date or as 15.

    Returns
    -------
    How many rows.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    n_rows = 0
    with write_atomically(path) as stream:
        writer = TableWriter(stream, ";" if semicolons else ",")
        writer.writerow(COLUMNS)
        for slide in slides:
            for known in slide.foci:
                row = _form_row(slide, known, said.get((slide.slide_id, known.id)))
                writer.writerow([_with_comma(cell) for cell in row] if semicolons else row)
                n_rows += 1
    return n_rows


def _form_row(slide: SlideFoci, known: KnownFocus, said: Review | None) -> list[Any]:
    focus = known.focus
    place = (round(focus.centroid_px[0]), round(focus.centroid_px[1]))
    numbers = (round(focus.area_mm2, 3), round(focus.greatest_mm, 3), round(focus.mean_p, 3))
    words = (said.verdict.value, said.comment, said.reviewer) if said else ("", "", "")
    # When is left to who changes something: an earlier date would be wrong then.
    return [slide.slide_id, known.number, known.id, *place, *numbers, slide.digest, *words, ""]


def _with_comma(cell: Any) -> Any:
    return str(cell).replace(".", ",") if isinstance(cell, float) else cell


def read_form(path: Path, moment: datetime) -> tuple[list[Opinion], list[str]]:
    """What the rows of a form say; a row without a verdict says nothing.

    Parameters
    ----------
    path
        A CSV with at least `REQUIRED`, between commas, semicolons or tabs.
    moment
        Now: nobody has reviewed anything later.

    Returns
    -------
    The opinions, and what is wrong with other rows, each with its line.

    Raises
    ------
    ReviewError
        If it isn't such a file, or has more than 64 MiB.
    """
    reader = _opened(path)
    opinions: list[Opinion] = []
    wrong: list[str] = []
    for place, row in _rows(reader, wrong):
        try:
            opinion = _opinion(place, row, moment)
        except ReviewError as error:
            wrong.append(f"{place}: {error}")
        else:
            opinions += [opinion] if opinion else []
    return opinions, wrong


def checked_comment(text: str) -> str:
    """A comment on one line; raises ReviewError if it is longer than anybody's comment."""
    comment = plain(text)
    if len(comment) > LONGEST_COMMENT:
        raise ReviewError(f"its comment has {len(comment)} characters, more than {LONGEST_COMMENT}: shorten it")
    return comment


def _opened(path: Path) -> csv.DictReader[str]:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ReviewError(f"{path}: has more than {LARGEST_BYTES >> 20} MiB: no form is that long")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ReviewError(f"{path}: can't be read ({error.strerror or error}): check the path") from error
    except UnicodeDecodeError as error:
        raise ReviewError(f"{path}: isn't UTF-8: save it as 'CSV UTF-8', as spreadsheets call it") from error
    for delimiter in _DELIMITERS:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            names = reader.fieldnames or ()
        except csv.Error as error:
            raise ReviewError(f"{path}: its header isn't CSV ({error}): write a form with --form") from error
        if set(REQUIRED) <= set(names):
            return reader
    raise ReviewError(f"{path}: has no columns {', '.join(REQUIRED)}: write a form with --form, and fill it in")


def _rows(reader: csv.DictReader[str], wrong: list[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    while True:
        place = f"line {reader.line_num + 1}"
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            wrong.append(f"{place}: isn't CSV ({error})")
            continue
        if None in row:
            wrong.append(f"{place}: has more cells than the header: put a comment with a comma in double quotes")
            continue
        yield place, {name: from_cell((cell or "").strip()) for name, cell in row.items()}


def _opinion(place: str, row: Mapping[str, str], moment: datetime) -> Opinion | None:
    verdict, comment = row["verdict"].lower(), checked_comment(row.get("comment", ""))
    if not verdict:
        if comment:
            raise ReviewError("has a comment but no verdict: say agree, disagree or unsure")
        return None
    if verdict not in list(ON_FOCI):
        raise ReviewError(f"verdict {plain(row['verdict'])[:40]!r} is none of {', '.join(ON_FOCI)}")
    return Opinion(
        place,
        row["slide_id"],
        row["focus_id"].lower(),
        Verdict(verdict),
        comment,
        plain(row.get("reviewer", "")),
        _when(row.get("when", ""), moment),
        row.get("result", ""),
    )


def _when(text: str, moment: datetime) -> str:
    if not text:
        return ""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ReviewError(
            f"when {plain(text)[:40]!r} is no date: write it as {moment:%Y-%m-%d}, or leave it"
        ) from error
    # Clocks of other time zones may be ahead.
    if found.replace(tzinfo=found.tzinfo or UTC) > moment + _ONE_DAY:
        raise ReviewError(f"when {text!r} is in the future")
    return text
