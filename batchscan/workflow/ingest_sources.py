"""Paths given on the command line become the slides to ingest, each with its id; only heads and names are read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from batchscan.domain.errors import ManifestError, PatchSetError, SlideError
from batchscan.domain.geometry import Spacing
from batchscan.domain.records import SlideRequest
from batchscan.stores.patchsets import PatchSet, looks_like_patch_set, read_patch_set
from batchscan.stores.pyramids import is_store
from batchscan.stores.slides import VendorSlide, is_vendor_slide

# A file with such a name is meant to be a slide: if OpenSlide doesn't recognise it, that has to be said.
SLIDE_SUFFIXES = frozenset(
    {".bif", ".czi", ".dcm", ".mrxs", ".ndpi", ".scn", ".svs", ".svslide", ".tif", ".tiff", ".vms", ".vmu"}
)


class SourceKind(StrEnum):
    """How a source is turned into a store."""

    VENDOR = "vendor"
    STORE = "store"
    PATCHES = "patches"


@dataclass(frozen=True)
class Source:
    """One slide to ingest.

    Parameters
    ----------
    kind
        How.
    request
        Its id, patient, file or folder, spacing override, reference and attributes.
    patch_set
        Where the patches of `request.patient_id` are, for a patch set.
    patch_patient
        The patient's id in the patch set.
    """

    kind: SourceKind
    request: SlideRequest
    patch_set: PatchSet | None = None
    patch_patient: str = ""

    @property
    def slide_id(self) -> str:
        """The slide's id."""
        return self.request.slide_id


def find_sources(paths: Iterable[Path], rows: Sequence[SlideRequest], spacing: Spacing | None) -> tuple[Source, ...]:
    """All slides of the given files and folders.

    Parameters
    ----------
    paths
        Slide files, OME-Zarr folders, patch folders or zips, or folders of any of these.
    rows
        A manifest's: what they say of a source (found by path, else by slide_id) is taken over.
    spacing
        Override for all, stronger than the manifest's.

    Raises
    ------
    ManifestError
        If two sources come to one slide_id.
    PatchSetError
        If a patch set isn't in the layout, or nothing to ingest is found in a folder.
    """
    by_path = {row.path.resolve(): row for row in rows}
    by_id = {row.slide_id: row for row in rows}
    found: dict[tuple[Path, str], Source] = {}
    for path in paths:
        for source in _expand(path.resolve()):
            request = source.request
            said = by_path.get(request.path) if source.kind is not SourceKind.PATCHES else None
            said = said or by_id.get(request.slide_id)
            found.setdefault((request.path, source.patch_patient), _with(source, said, spacing))
    _check_ids(found.values())
    return tuple(found.values())


def _expand(path: Path) -> Iterator[Source]:
    if is_store(path):
        yield _source(SourceKind.STORE, path)
    elif looks_like_patch_set(path):
        yield from _patch_sources(path)
    elif path.is_dir():
        yield from _folder_sources(path)
    else:
        yield _source(SourceKind.VENDOR, path)


def _folder_sources(folder: Path) -> Iterator[Source]:
    n_found = 0
    seen: set[tuple[Path, str]] = set()
    for path in _candidates(folder):
        if is_store(path):
            kind = SourceKind.STORE
        elif _is_another_file_of_one_slide(path, seen):
            continue
        else:
            kind = SourceKind.VENDOR
        n_found += 1
        yield _source(kind, path)
    if not n_found:
        raise PatchSetError(
            f"{folder}: holds no slides; expected files that OpenSlide reads, OME-Zarr folders, or patches in "
            "the public IDC layout (<patient>/<class>/<patient>_idx5_x<X>_y<Y>_class<C>.png)"
        )


def _candidates(folder: Path) -> Iterator[Path]:
    """Stores and slide files below a folder; hidden ones and what lies in a store are left alone."""
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        stores = [name for name in folders if is_store(here / name)]
        folders[:] = [name for name in folders if name not in stores]
        yield from (here / name for name in stores)
        for name in sorted(files):
            if not name.startswith(".") and (
                is_vendor_slide(here / name) or Path(name).suffix.lower() in SLIDE_SUFFIXES
            ):
                yield here / name


def _is_another_file_of_one_slide(path: Path, seen: set[tuple[Path, str]]) -> bool:
    """DICOM keeps a slide in several files, and OpenSlide opens the whole slide from each."""
    try:
        with VendorSlide(path) as slide:
            if slide.vendor != "dicom" or not slide.quickhash:
                return False
            key = (path.parent, slide.quickhash)
    except SlideError:
        return False
    if key in seen:
        return True
    seen.add(key)
    return False


def _patch_sources(path: Path) -> Iterator[Source]:
    patch_set = read_patch_set(path)
    for patient in patch_set.patients:
        yield Source(SourceKind.PATCHES, SlideRequest(patient, patient, path), patch_set, patient)


def _source(kind: SourceKind, path: Path) -> Source:
    slide_id = slide_id_of(path)
    return Source(kind, SlideRequest(slide_id, slide_id, path))


def slide_id_of(path: Path) -> str:
    """The id of a slide that no manifest names: the file's name without its endings, other characters as `_`."""
    stem = re.sub(r"(\.ome)?\.[A-Za-z0-9]+$", "", path.name) or path.name
    return re.sub(r"[^A-Za-z0-9._-]", "_", stem).strip(".") or "slide"


def _with(source: Source, said: SlideRequest | None, spacing: Spacing | None) -> Source:
    own = source.request
    said = said or own
    request = SlideRequest(
        slide_id=said.slide_id,
        patient_id=said.patient_id,
        path=own.path,
        spacing=spacing or said.spacing,
        reference=said.reference,
        attributes=said.attributes,
    )
    return Source(source.kind, request, source.patch_set, source.patch_patient)


def _check_ids(sources: Iterable[Source]) -> None:
    first: dict[str, Source] = {}
    clashes = []
    for source in sources:
        # A case-insensitive disk would put both into one folder.
        other = first.setdefault(source.slide_id.lower(), source)
        if other is not source:
            clashes.append(f"{source.slide_id!r}: {other.request.path} and {source.request.path}")
    if clashes:
        raise ManifestError(
            f"{len(clashes)} slide ids belong to two sources ({'; '.join(clashes[:5])}): rename a file, ingest into "
            "another archive, or give ids with --manifest"
        )
