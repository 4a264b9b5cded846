"""What was named on the command line or in a job -> the slides asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from batchscan.domain.errors import UsageError
from batchscan.domain.geometry import Spacing
from batchscan.domain.places import Address, Place
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus
from batchscan.stores.manifest import read_manifest, read_manifest_lines
from batchscan.stores.pyramids import is_store
from batchscan.stores.remote_files import is_file, names_in
from batchscan.stores.zarr_documents import GROUP_DOCUMENTS
from batchscan.workflow.archive_tables import INGEST_TABLE, MANIFEST, read_ingest_table
from batchscan.workflow.ingest_processes import STALL_S, SlideReaders, ingest_processes
from batchscan.workflow.ingest_sources import SourceKind, find_sources, slide_id_of


@dataclass(frozen=True)
class AskedSlides:
    """The slides asked for: those to scan, and those that an archive's ingest left out, with the reason."""

    requests: tuple[SlideRequest, ...]
    not_ingested: tuple[SlideOutcome, ...]

    def __len__(self) -> int:
        return len(self.requests) + len(self.not_ingested)


def find_slides(sources: Iterable[Place], spacing: Spacing | None) -> AskedSlides:
    """The slides of archives, manifests, stores, slide files and folders of those, in the order named.

    Parameters
    ----------
    sources
        What was named.
    spacing
        An override for all of them, or None.

    Raises
    ------
    UsageError
        If a source doesn't exist, is a patch set, or two slides have one id.
    ManifestError
        If a manifest has wrong rows.
    PatchSetError
        If a folder holds no slides.
    SourceVanished
        If an object store doesn't answer.
    """
    sources = tuple(sources)
    requests = [request for source in sources for request in _slides_of(source)]
    by_id: dict[str, SlideRequest] = {}
    for request in requests:
        first = by_id.setdefault(request.slide_id.lower(), request)
        if first is not request:
            raise UsageError(
                f"slide_id {request.slide_id!r} is asked for twice ({first.path} and {request.path}); "
                "name each slide once, or give different ids in a manifest"
            )
    left_out = {outcome.slide_id.lower(): outcome for source in sources for outcome in _not_ingested(source)}
    return AskedSlides(
        tuple(replace(request, spacing=spacing) if spacing else request for request in requests),
        tuple(outcome for slide_id, outcome in left_out.items() if slide_id not in by_id),
    )


def _not_ingested(source: Place) -> Iterator[SlideOutcome]:
    manifest = source / MANIFEST
    if not (manifest.is_file() if isinstance(manifest, Path) else is_file(manifest)):
        return
    for row in read_ingest_table(source / INGEST_TABLE):
        if row.status in {SlideStatus.FAILED.value, SlideStatus.EXCLUDED.value}:
            yield SlideOutcome(row.slide_id, SlideStatus(row.status), row.reason, row.sentence)


def _slides_of(source: Place) -> tuple[SlideRequest, ...]:
    return _local_slides(source) if isinstance(source, Path) else _remote_slides(source)


def _remote_slides(source: Address) -> tuple[SlideRequest, ...]:
    if source.suffix.lower() == ".csv" and is_file(source):
        return read_manifest(source)
    names = names_in(source)
    if not names.isdisjoint(GROUP_DOCUMENTS):
        slide_id = slide_id_of(source)
        return (SlideRequest(slide_id, slide_id, source),)
    if MANIFEST in names:
        return read_manifest(source / MANIFEST)
    empty = "doesn't exist there: check bucket, folder and AWS_ENDPOINT_URL"
    found = f"holds neither {MANIFEST} nor zarr.json" if names else empty
    raise UsageError(
        f"{source}: {found}; give an archive that `batchscan ingest` made, one slide store of it, or a manifest: other "
        "slides are read from disks only"
    )


def _local_slides(source: Path) -> tuple[SlideRequest, ...]:
    if not source.exists():
        raise UsageError(f"{source}: doesn't exist; give a slide, an archive or a manifest")
    if source.is_file() and source.suffix.lower() == ".csv":
        return read_manifest(source)
    if (source / MANIFEST).is_file() and not is_store(source):
        # The archive's own: a slide that has gone from it since costs that slide, not the night.
        return tuple(request for _, request in read_manifest_lines(source / MANIFEST, without_slides=True))
    # A folder's files have to be opened to be recognised, and one may crash or hang the library that does it.
    with ingest_processes(n_threads=1, n_processes=1) as processes:
        found = find_sources([source], (), None, SlideReaders(processes, source, STALL_S).recognise)
    if any(each.kind is SourceKind.PATCHES for each in found):
        raise UsageError(
            f"{source}: is a patch set, not slides; re-assemble its slides first: "
            f"batchscan ingest {source} --archive DIR, then scan DIR"
        )
    return tuple(each.request for each in found)
