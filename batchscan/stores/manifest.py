"""manifest.csv <-> the slides asked for; every wrong row is named, with its line, before any work starts."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from batchscan.domain.errors import BatchscanError, ImplausibleSpacing, ManifestError
from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.domain.records import SlideRequest
from batchscan.stores.atomic import write_atomically

SLIDE_ID = re.compile(r"[A-Za-z0-9._-]+")
REQUIRED = ("slide_id", "path")
KNOWN = ("slide_id", "path", "patient_id", "um_per_px", "reference")
_NAMED_ERRORS = 20


def read_manifest(path: Path) -> tuple[SlideRequest, ...]:
    """Read a manifest; paths come out absolute.

    Parameters
    ----------
    path
        CSV with at least `slide_id` and `path` (relative to the manifest, inside its folder); `patient_id`,
        `um_per_px` and `reference` are understood, other columns are kept as attributes.

    Raises
    ------
    ManifestError
        If the file can't be read, lacks a column, is empty, or has wrong rows: all are named with their line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: can't be read as a UTF-8 CSV file ({_brief(error)}): check the path") from error
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
    if missing:
        found = ", ".join(reader.fieldnames or ()) or "no columns"
        raise ManifestError(f"{path}: column {' and '.join(missing)} is missing (found: {found}); add it to the header")
    rows, wrong = [], []
    lines_by_id: dict[str, int] = {}
    for row in reader:
        try:
            request = _request(row, path.parent)
            _first_of_its_id(request.slide_id, reader.line_num, lines_by_id)
        except BatchscanError as error:
            wrong.append(f"line {reader.line_num}: {error}")
        else:
            rows.append(request)
    if wrong:
        more = f"; and {len(wrong) - _NAMED_ERRORS} more" if len(wrong) > _NAMED_ERRORS else ""
        raise ManifestError(f"{path}: {len(wrong)} wrong rows: " + "; ".join(wrong[:_NAMED_ERRORS]) + more)
    if not rows:
        raise ManifestError(f"{path}: has a header but no slides; add a row a slide")
    return tuple(rows)


def write_manifest(path: Path, rows: Iterable[SlideRequest]) -> None:
    """Write a manifest whose paths are relative to it; a reader sees the old file or the new one, never half of it."""
    rows = list(rows)
    extra = sorted({name for row in rows for name in row.attributes})
    with write_atomically(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*KNOWN, *extra])
        for row in rows:
            known = (
                row.slide_id,
                _relative(row.path, path),
                row.patient_id,
                _override(row),
                _relative(row.reference, path),
            )
            writer.writerow([*known, *(row.attributes.get(name, "") for name in extra)])


def _request(row: Mapping[str, str | None], folder: Path) -> SlideRequest:
    cells = {
        name: (value or "").strip() for name, value in row.items() if name is not None and isinstance(value, str | None)
    }
    slide_id = _valid_id(cells["slide_id"], "slide_id")
    reference = cells.get("reference", "")
    return SlideRequest(
        slide_id=slide_id,
        patient_id=_valid_id(cells.get("patient_id") or slide_id, "patient_id"),
        path=_inside(folder, cells["path"], "path"),
        spacing=_spacing(cells.get("um_per_px", "")),
        reference=_inside(folder, reference, "reference") if reference else None,
        attributes={name: value for name, value in cells.items() if name not in KNOWN},
    )


def _valid_id(text: str, column: str) -> str:
    if not SLIDE_ID.fullmatch(text) or set(text) == {"."}:
        raise ManifestError(f"{column} {text!r} has characters other than letters, digits, '.', '_' and '-'")
    return text


def _first_of_its_id(slide_id: str, line: int, lines_by_id: dict[str, int]) -> None:
    # A case-insensitive disk would put both into one folder.
    first = lines_by_id.setdefault(slide_id.lower(), line)
    if first != line:
        raise ManifestError(f"slide_id {slide_id!r} is also on line {first}; give each slide its own")


def _inside(folder: Path, text: str, column: str) -> Path:
    if not text:
        raise ManifestError(f"{column} is empty")
    root = folder.resolve()
    full = (root / text).resolve()
    if not full.is_relative_to(root):
        raise ManifestError(f"{column} {text!r} leads out of the manifest's folder; put the manifest above its slides")
    if not full.exists():
        raise ManifestError(f"{column} {text!r} does not exist below the manifest's folder")
    return full


def _spacing(text: str) -> Spacing | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise ManifestError(f"um_per_px {text!r} is not a number") from error
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
