"""What an ingest did becomes rows of the archive's manifest.csv and ingest.csv, beside those of earlier ones."""

from __future__ import annotations

import csv
import io
from collections.abc import Container, Iterable
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from batchscan.domain.places import Place
from batchscan.domain.records import SlideRequest
from batchscan.stores.atomic import write_atomically
from batchscan.stores.cells import TableWriter, from_cell
from batchscan.stores.folders import read_text
from batchscan.stores.manifest import read_present, write_manifest

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
    return read_present(manifest) if manifest.is_file() else ()


def merge_manifest(
    archive: Path, rows: Iterable[SlideRequest], unchanged: Container[str], said: Container[str]
) -> None:
    """Add rows to an archive's manifest, or renew those of the same slide; sorted by slide_id.

    Parameters
    ----------
    archive
        Where the manifest is.
    rows
        Slides that are in the archive now.
    unchanged
        Ids of those whose store, and with it the frame, was there before.
    said
        Ids of those that a manifest has a row for: it replaces all that was known of them. What an earlier ingest
        knew of the others stays; a reference and a spacing only if the store is unchanged.

    Raises
    ------
    ManifestError, OutputError
        If what is there can't be read, or the new one not written.
    """
    merged = {row.slide_id: row for row in read_archive_manifest(archive)}
    for row in rows:
        old = None if row.slide_id in said else merged.get(row.slide_id)
        merged[row.slide_id] = row if old is None else _renewed(old, row, same_frame=row.slide_id in unchanged)
    if merged:
        write_manifest(archive / MANIFEST, [merged[slide_id] for slide_id in sorted(merged)])


def _renewed(old: SlideRequest, new: SlideRequest, *, same_frame: bool) -> SlideRequest:
    return replace(
        new,
        patient_id=old.patient_id,
        spacing=new.spacing or (old.spacing if same_frame else None),
        reference=new.reference or (old.reference if same_frame else None),
        attributes=old.attributes,
        named_references={**(old.named_references if same_frame else {}), **new.named_references},
        slide_label=old.slide_label,
    )


def merge_ingest_table(archive: Path, rows: Iterable[IngestRow]) -> None:
    """Add rows to an archive's ingest.csv, or replace those of the same slide; sorted by slide_id.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    path = archive / INGEST_TABLE
    merged = {row.slide_id: row for row in (*read_ingest_table(path), *rows)}
    with write_atomically(path) as stream:
        writer = TableWriter(stream)
        writer.writerow([field.name for field in fields(IngestRow)])
        writer.writerows(astuple(merged[slide_id]) for slide_id in sorted(merged))


def read_ingest_table(path: Place) -> list[IngestRow]:
    """What earlier ingests left there; a table that isn't ours is replaced."""
    names = [field.name for field in fields(IngestRow)]
    try:
        reader = csv.DictReader(io.StringIO(read_text(path, "utf-8"), newline=""))
        if reader.fieldnames != names:
            return []
        return [IngestRow(*(from_cell(row[name] or "") for name in names)) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
