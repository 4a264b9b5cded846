"""What an ingest did becomes rows of the archive's manifest.csv and ingest.csv, beside those of earlier ones."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Container, Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from batchscan.domain.errors import ManifestError
from batchscan.domain.records import SlideRequest
from batchscan.stores.atomic import write_atomically
from batchscan.stores.manifest import read_manifest, write_manifest

MANIFEST = "manifest.csv"
INGEST_TABLE = "ingest.csv"


@dataclass(frozen=True, slots=True)
class IngestRow:
    """One row of ingest.csv; `source` is a file's name without its folder."""

    source: str
    slide_id: str
    status: str
    reason: str
    sentence: str


def read_archive_manifest(archive: Path) -> tuple[SlideRequest, ...]:
    """The manifest of an archive, without the rows whose store is no longer there; empty if there is none.

    Raises
    ------
    ManifestError
        If it has other faults.
    """
    manifest = archive / MANIFEST
    if not manifest.is_file():
        return ()
    lines, n_kept = _lines_with_store(manifest)
    if not n_kept:
        return ()
    # Beside the manifest, as its paths are relative to where it lies.
    present = archive / f".{MANIFEST}.{uuid.uuid4().hex}.tmp"
    try:
        present.write_text("".join(lines), encoding="utf-8")
        return read_manifest(present)
    except ManifestError as error:
        raise ManifestError(str(error).replace(str(present), str(manifest))) from error
    finally:
        present.unlink(missing_ok=True)


def merge_manifest(archive: Path, rows: Iterable[SlideRequest], unchanged: Container[str]) -> None:
    """Add rows to an archive's manifest, or renew those of the same slide; sorted by slide_id.

    What an earlier ingest knew of a slide (patient, attributes) stays where this one doesn't say otherwise; so does
    its reference if its store, and with it the frame, is in `unchanged` (slide ids).

    Raises
    ------
    ManifestError, OutputError
        If what is there can't be read, or the new one not written.
    """
    merged = {row.slide_id: row for row in read_archive_manifest(archive)}
    for row in rows:
        old = merged.get(row.slide_id)
        merged[row.slide_id] = row if old is None else _renewed(old, row, same_frame=row.slide_id in unchanged)
    if merged:
        write_manifest(archive / MANIFEST, [merged[slide_id] for slide_id in sorted(merged)])


def _renewed(old: SlideRequest, new: SlideRequest, *, same_frame: bool) -> SlideRequest:
    return replace(
        new,
        patient_id=old.patient_id if new.patient_id == new.slide_id else new.patient_id,
        reference=new.reference or (old.reference if same_frame else None),
        attributes={**old.attributes, **new.attributes},
    )


def merge_ingest_table(archive: Path, rows: Iterable[IngestRow]) -> None:
    """Add rows to an archive's ingest.csv, or replace those of the same slide; sorted by slide_id.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    path = archive / INGEST_TABLE
    merged = {row.slide_id: row for row in (*_read_ingest_table(path), *rows)}
    with write_atomically(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([field.name for field in fields(IngestRow)])
        writer.writerows(astuple(merged[slide_id]) for slide_id in sorted(merged))


def _lines_with_store(manifest: Path) -> tuple[list[str], int]:
    """The manifest's lines without what is gone from the archive, and how many rows are left.

    A line is blank where the store is gone (so that line numbers stay), and has no reference where that is.
    """
    try:
        lines = manifest.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{manifest}: can't be read ({error}): mend or remove it") from error
    header = next(csv.reader(lines[:1]), [])
    if "path" not in header:
        return lines, len(lines)
    kept = [_present(line, header, manifest.parent) for line in lines[1:]]
    return [*lines[:1], *kept], sum(bool(line.strip()) for line in kept)


def _present(line: str, header: Sequence[str], archive: Path) -> str:
    cells = next(csv.reader([line]), [])
    if len(cells) != len(header):
        return line
    row = dict(zip(header, cells, strict=True))
    if not (archive / row["path"].strip()).exists():
        return "\n"
    if row.get("reference") and not (archive / row["reference"].strip()).exists():
        row["reference"] = ""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row.values())
    return text.getvalue()


def _read_ingest_table(path: Path) -> list[IngestRow]:
    """What earlier ingests left there; a table that isn't ours is replaced."""
    names = [field.name for field in fields(IngestRow)]
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            if reader.fieldnames != names:
                return []
            return [IngestRow(*(row[name] or "" for name in names)) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
