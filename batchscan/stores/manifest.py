"""manifest.csv <-> the slides asked for; every wrong row is named, with its line, before any work starts."""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from batchscan.domain.errors import BatchscanError, ImplausibleSpacing, ManifestError
from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.domain.places import Place
from batchscan.domain.records import SlideRequest
from batchscan.domain.slide_ids import id_fault
from batchscan.stores.atomic import write_atomically
from batchscan.stores.cells import TableWriter, from_cell
from batchscan.stores.folders import Folder, read_text

REQUIRED = ("slide_id", "path")
KNOWN = ("slide_id", "path", "patient_id", "um_per_px", "reference")
SLIDE_LABEL = "slide_label"
NAMED_REFERENCE = "reference_"
"""Begins the columns of readers who have a name."""
READER = re.compile(r"(?!(?:reference|majority|any|all)$)[A-Za-z0-9_-]+")
"""Not the words for the reader of the column `reference`, and for all of them."""
_SLIDE_LABELS = {"": None, "0": False, "1": True}
_NAMED_ERRORS = 20

_Cells = Mapping[str, str]
_Filter = Callable[[_Cells], _Cells | None]


def read_manifest(path: Place) -> tuple[SlideRequest, ...]:
    """Read a manifest; paths come out absolute.

    One in an object store names slides beside and below it there; its references are looked for, but who needs labels
    reads them from disks only: they are not among what comes out.

    Parameters
    ----------
    path
        CSV with at least `slide_id` and `path` (relative to the manifest, inside its folder); `patient_id`,
        `um_per_px`, `reference`, `reference_<reader>` and `slide_label` (0, 1 or empty) are understood, other columns
        are kept as attributes.

    Raises
    ------
    ManifestError
        If the file can't be read, lacks a column, is empty, or has wrong rows: all are named with their line.
    SourceVanished
        If it is in an object store that doesn't answer.
    """
    return tuple(request for _, request in read_manifest_lines(path))


def read_manifest_lines(path: Place, *, without_slides: bool = False) -> tuple[tuple[int, SlideRequest], ...]:
    """The same with the line that each row starts on, for who finds more wrong with it; raises the same.

    `without_slides` is for who needs none: a slide's own file may be gone.
    """
    rows = tuple(_read(path, lambda cells: cells, without_slides=without_slides))
    if not rows:
        raise ManifestError(f"{path}: has a header but no slides; add a row a slide")
    return rows


def read_present(path: Path) -> tuple[SlideRequest, ...]:
    """The same without the slides whose file is no longer there, and without references that aren't; may be empty.

    Raises
    ------
    ManifestError
        If it has other faults.
    """
    folder = Folder(path.parent)
    return tuple(request for _, request in _read(path, lambda cells: _present(cells, path.parent, folder)))


def is_manifest(path: Path) -> bool:
    """Whether a file is a CSV with the columns that a manifest must have; other programs have manifests too."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(stream), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return {name.strip() for name in header} >= set(REQUIRED)


def write_manifest(path: Path, rows: Iterable[SlideRequest]) -> None:
    """Write a manifest whose paths are relative to it; a reader sees the old file or the new one, never half of it."""
    rows = list(rows)
    extra = sorted({name for row in rows for name in row.attributes})
    with write_atomically(path) as stream:
        writer = TableWriter(stream)
        readers = sorted({name for row in rows for name in row.named_references})
        labelled = [SLIDE_LABEL] if any(row.slide_label is not None for row in rows) else []
        writer.writerow([*KNOWN, *(NAMED_REFERENCE + name for name in readers), *labelled, *extra])
        for row in rows:
            known = (
                row.slide_id,
                _relative(row.local_path, path),
                row.patient_id,
                _override(row),
                _relative(row.reference, path),
                *(_relative(row.named_references.get(name), path) for name in readers),
                *(("" if row.slide_label is None else int(row.slide_label)) for _ in labelled),
            )
            writer.writerow([*known, *(row.attributes.get(name, "") for name in extra)])


def _read(path: Place, kept: _Filter, *, without_slides: bool = False) -> list[tuple[int, SlideRequest]]:
    """The rows of which `kept` leaves something, with their lines, once all of them are known to be right."""
    try:
        text = read_text(path, "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: can't be read as a UTF-8 CSV file ({_brief(error)}): check the path") from error
    lines = _lines(text)
    names = _header(path, next(lines, (1, [])))
    rows, wrong = [], []
    lines_by_id: dict[str, int] = {}
    folder = Folder(path.parent)
    for line, row in lines:
        try:
            cells = kept(_cells(row, names))
            if cells is not None:
                request = _request(cells, folder, line, lines_by_id, without_slides=without_slides)
                rows.append((line, request))
        except BatchscanError as error:
            wrong.append(f"line {line}: {error}")
    refuse_rows(path, wrong)
    return rows


def refuse_rows(path: Place, wrong: Sequence[str]) -> None:
    """Name the wrong rows of a manifest, each as `line N: what`.

    Raises
    ------
    ManifestError
        If there are any.
    """
    if wrong:
        more = f"; and {len(wrong) - _NAMED_ERRORS} more" if len(wrong) > _NAMED_ERRORS else ""
        count = f"{len(wrong)} wrong row{'s' if len(wrong) > 1 else ''}"
        raise ManifestError(f"{path}: {count}: " + "; ".join(wrong[:_NAMED_ERRORS]) + more)


def _lines(text: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Each row, or what is wrong with it, with the line that it starts on; a quoted cell may have line breaks."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, error
        else:
            if row:
                yield line, row


def _header(path: Place, first: tuple[int, list[str] | csv.Error]) -> list[str]:
    line, row = first
    if isinstance(row, csv.Error):
        raise ManifestError(f"{path}: line {line}: isn't CSV ({row}): check its quotes")
    names = [from_cell(name.strip()) for name in row]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        found = ", ".join(filter(None, names)) or "no columns"
        raise ManifestError(f"{path}: column {' and '.join(missing)} is missing (found: {found}); add it to the header")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise ManifestError(f"{path}: line {line}: column {', '.join(twice)} is there twice; rename or remove one")
    nameless = [name for name in names if _is_reader(name) and not READER.fullmatch(_reader(name))]
    if nameless:
        raise ManifestError(
            f"{path}: line {line}: column {', '.join(map(repr, nameless))} names no reader: after {NAMED_REFERENCE} "
            "come letters, digits, '-' or '_', but neither reference, majority, any nor all"
        )
    return names


def _is_reader(column: str) -> bool:
    return column.startswith(NAMED_REFERENCE)


def _reader(column: str) -> str:
    return column.removeprefix(NAMED_REFERENCE)


def _cells(row: list[str] | csv.Error, names: Sequence[str]) -> _Cells:
    if isinstance(row, csv.Error):
        raise ManifestError(f"isn't CSV ({row}): check its quotes")
    if len(row) > len(names):
        raise ManifestError(f"has {len(row)} cells, the header {len(names)}: put quotes around cells with commas")
    padded = [*row, *[""] * (len(names) - len(row))]
    cells = [(name, from_cell(cell.strip())) for name, cell in zip(names, padded, strict=True)]
    nameless = [cell for name, cell in cells if cell and not name]
    if nameless:
        raise ManifestError(f"cell {nameless[0][:40]!r} stands in a column without a name; name it in the header")
    return {name: cell for name, cell in cells if name}


def _present(cells: _Cells, place: Path, folder: Folder) -> _Cells | None:
    if cells["path"] and not folder.has(place / cells["path"]):
        return None
    references = {name: cell for name, cell in cells.items() if name == "reference" or _is_reader(name)}
    return {**cells, **{name: cell if folder.has(place / cell) else "" for name, cell in references.items()}}


def _request(
    cells: _Cells, folder: Folder, line: int, lines_by_id: dict[str, int], *, without_slides: bool
) -> SlideRequest:
    slide_id = _valid_id(cells["slide_id"], "slide_id")
    # A case-insensitive disk would put both into one folder.
    first = lines_by_id.setdefault(slide_id.lower(), line)
    repeated = "" if first == line else f"slide_id {slide_id!r} is also on line {first}; give each slide its own"
    try:
        request = _valid_request(slide_id, cells, folder, without_slides=without_slides)
    except ManifestError as error:
        raise ManifestError("; ".join(filter(None, (repeated, str(error))))) from error
    if repeated:
        raise ManifestError(repeated)
    return request


def _valid_request(slide_id: str, cells: _Cells, folder: Folder, *, without_slides: bool) -> SlideRequest:
    columns = [name for name, cell in cells.items() if cell and (name == "reference" or _is_reader(name))]
    found = {column: _inside(folder, cells[column], column) for column in columns}
    references = {column: place for column, place in found.items() if isinstance(place, Path)}
    for first, second in itertools.combinations(references, 2):
        if references[first] == references[second]:
            raise ManifestError(f"{first} and {second} name the same file: each reader has labels of their own")
    known = {*KNOWN, SLIDE_LABEL}
    return SlideRequest(
        slide_id=slide_id,
        patient_id=_valid_id(cells.get("patient_id") or slide_id, "patient_id"),
        path=_inside(folder, cells["path"], "path", may_be_gone=without_slides),
        spacing=_spacing(cells.get("um_per_px", "")),
        reference=references.pop("reference", None),
        attributes={name: value for name, value in cells.items() if name not in known and not _is_reader(name)},
        named_references={_reader(column): path for column, path in references.items()},
        slide_label=_slide_label(cells.get(SLIDE_LABEL, "")),
    )


def _slide_label(text: str) -> bool | None:
    if text not in _SLIDE_LABELS:
        raise ManifestError(f"{SLIDE_LABEL} {text[:40]!r} is neither 0 (no IDC on the slide) nor 1 (IDC), nor empty")
    return _SLIDE_LABELS[text]


def _valid_id(text: str, column: str) -> str:
    fault = id_fault(text)
    if fault:
        raise ManifestError(f"{column} {fault}")
    return text


def _inside(folder: Folder, text: str, column: str, *, may_be_gone: bool = False) -> Place:
    if not text:
        raise ManifestError(f"{column} is empty")
    if "://" in text:
        # Not repeated, as it may hold a password; and no table may have a server asked that nobody has named.
        raise ManifestError(
            f"{column} is an address: manifests name what lies in their own folder; give addresses to the command"
        )
    try:
        full = folder.inside(text)
    except (OSError, ValueError, RuntimeError) as error:
        raise ManifestError(f"{column} {text[:40]!r} can't be a path ({_brief(error)})") from error
    if full is None:
        raise ManifestError(f"{column} {text!r} leads out of the manifest's folder; put the manifest above its slides")
    if not may_be_gone and not folder.has(full):
        raise ManifestError(f"{column} {text[:200]!r} does not exist below the manifest's folder")
    return full


def _spacing(text: str) -> Spacing | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise ManifestError(f"um_per_px {text[:40]!r} is not a number") from error
    try:
        return Spacing(value, SpacingSource.MANIFEST)
    except ImplausibleSpacing as error:
        raise ManifestError(str(error)) from error


def _override(row: SlideRequest) -> str:
    return "" if row.spacing is None else repr(row.spacing.um_per_px)


def _relative(target: Path | None, manifest: Path) -> str:
    return "" if target is None else Path(os.path.relpath(target, manifest.parent)).as_posix()


def _brief(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
