"""Paths given on the command line become the slides to ingest, each with its id; only heads and names are read."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from batchscan.domain.errors import ManifestError, PatchSetError
from batchscan.domain.geometry import Spacing
from batchscan.domain.places import Place
from batchscan.domain.records import SlideRequest
from batchscan.domain.slide_ids import id_from
from batchscan.stores.manifest import is_manifest, read_manifest
from batchscan.stores.patchsets import PatientPatches, looks_like_patch_set, read_patch_set
from batchscan.stores.pyramids import is_store
from batchscan.workflow.archive_tables import MANIFEST, read_archive_manifest

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
    patches
        For a patch set: those of one patient.
    said
        Whether a manifest has a row for it.
    """

    kind: SourceKind
    request: SlideRequest
    patches: PatientPatches | None = None
    said: bool = False

    @property
    def slide_id(self) -> str:
        """The slide's id."""
        return self.request.slide_id

    @property
    def patch_patient(self) -> str:
        """The patient's id in the patch set; empty if it is none."""
        return self.patches.patient_id if self.patches else ""

    @property
    def renamed(self) -> bool:
        """Whether the id was made from a file's name that has characters which an id can't have."""
        return not self.said and self.kind is not SourceKind.PATCHES and self.slide_id != _stem(self.request.local_path)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What OpenSlide says of a file without reading pixels.

    Parameters
    ----------
    is_slide
        Whether it knows the format.
    one_of
        The same for each file of one slide in a folder; empty where a slide is one file.
    """

    is_slide: bool
    one_of: str = ""


Recognise = Callable[[Path], Recognised]


def find_sources(
    paths: Iterable[Path],
    rows: Sequence[SlideRequest],
    spacing: Spacing | None,
    recognise: Recognise,
    *,
    believe_neighbours: bool = False,
) -> tuple[Source, ...]:
    """All slides of the given files and folders.

    Parameters
    ----------
    paths
        Slide files, OME-Zarr folders, patch folders or zips, manifests, or folders of any of the others.
    rows
        A manifest's: what they say of a source (found by path, else by slide_id) is taken over.
    spacing
        Override for all, stronger than the manifest's.
    recognise
        Says which files of a folder are slides.
    believe_neighbours
        Whether a manifest.csv beside a source (an archive's, say) counts where `rows` don't say anything of it.

    Raises
    ------
    ManifestError
        If two sources come to one slide_id, or a manifest is wrong.
    PatchSetError
        If a patch set isn't in the layout, or nothing to ingest is found in a folder.
    """
    resolved = [path.resolve() for path in paths]
    listed = {path: read_manifest(path) for path in resolved if path.is_file() and path.suffix.lower() == ".csv"}
    said = _Said(rows, tuple(itertools.chain.from_iterable(listed.values())))
    found: dict[tuple[Path, str, str], Source] = {}
    for path in resolved:
        for source in _listed(path, listed[path], recognise) if path in listed else _expand(path, recognise):
            complete = _with(source, said.of(source, believe_neighbours=believe_neighbours), spacing)
            found.setdefault((complete.request.local_path, complete.patch_patient, complete.slide_id), complete)
    _check_ids(found.values())
    return tuple(found.values())


class _Said:
    """What manifests say of a source: `rows` first, then those that list sources, then the one beside it."""

    def __init__(self, rows: Sequence[SlideRequest], listed: Sequence[SlideRequest]) -> None:
        self._by_path = {row.local_path: row for row in rows}
        self._by_id = {row.slide_id: row for row in rows}
        self._listed = {row.local_path: row for row in listed}
        self._beside: dict[Path, dict[Path, SlideRequest]] = {}

    def of(self, source: Source, *, believe_neighbours: bool) -> SlideRequest | None:
        """The row that says more of a source than it says itself."""
        path = source.request.local_path
        if source.kind is SourceKind.PATCHES:
            return self._by_id.get(source.slide_id)
        row = self._by_path.get(path) or self._by_id.get(source.slide_id)
        if row or source.said:
            return row
        row = self._listed.get(path)
        return self._neighbour(path) if row is None and believe_neighbours else row

    def _neighbour(self, path: Path) -> SlideRequest | None:
        folder = path.parent
        if folder not in self._beside:
            is_ours = is_manifest(folder / MANIFEST)
            self._beside[folder] = {row.local_path: row for row in read_archive_manifest(folder)} if is_ours else {}
        return self._beside[folder].get(path)


def _listed(table: Path, rows: Iterable[SlideRequest], recognise: Recognise) -> Iterator[Source]:
    """The sources that a manifest lists, one a row; a patch set is indexed once."""
    by_path: dict[Path, list[Source]] = {}
    for row in rows:
        if row.local_path not in by_path:
            by_path[row.local_path] = list(_expand(row.local_path, recognise))
        found = by_path[row.local_path]
        if len(found) != 1:
            found = [source for source in found if source.patch_patient == row.slide_id]
        if len(found) != 1 or found[0].request.local_path != row.local_path:
            raise ManifestError(
                f"{table}: {row.path.name} of slide_id {row.slide_id!r} is neither one slide nor a patch set with a "
                "patient of that name: give each slide's own file"
            )
        yield replace(found[0], request=row, said=True)


def _expand(path: Path, recognise: Recognise) -> Iterator[Source]:
    if _is_store_like(path):
        yield _source(SourceKind.STORE, path)
    elif looks_like_patch_set(path):
        yield from _patch_sources(path)
    elif path.is_dir():
        yield from _folder_sources(path, recognise)
    else:
        yield _source(SourceKind.VENDOR, path)


def _folder_sources(folder: Path, recognise: Recognise) -> Iterator[Source]:
    n_found = 0
    for kind, path in _candidates(folder, recognise):
        n_found += 1
        yield _source(kind, path)
    if not n_found:
        raise PatchSetError(
            f"{folder}: holds no slides; expected files that OpenSlide reads, OME-Zarr folders, or patches in "
            "the public IDC layout (<patient>/<class>/<patient>_idx5_x<X>_y<Y>_class<C>.png)"
        )


def _candidates(folder: Path, recognise: Recognise) -> Iterator[tuple[SourceKind, Path]]:
    """Stores and slides below a folder; hidden ones and what lies in a store are left alone.

    DICOM keeps a slide in several files, and OpenSlide opens the whole slide from each: the first one counts.
    """
    seen: set[tuple[Path, str]] = set()
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        stores = [name for name in folders if _is_store_like(here / name)]
        folders[:] = [name for name in folders if name not in stores]
        yield from ((SourceKind.STORE, here / name) for name in stores)
        for name in (name for name in sorted(files) if not name.startswith(".")):
            found = recognise(here / name)
            is_slide = found.is_slide or Path(name).suffix.lower() in SLIDE_SUFFIXES
            if is_slide and (here, found.one_of) not in seen:
                yield SourceKind.VENDOR, here / name
            if found.one_of:
                seen.add((here, found.one_of))


def _is_store_like(path: Path) -> bool:
    """A folder that is called a store is meant to be one: if its document is gone, that has to be said."""
    return is_store(path) or (path.suffix.lower() == ".zarr" and path.is_dir())


def _patch_sources(path: Path) -> Iterator[Source]:
    with read_patch_set(path) as patch_set:
        for patient in patch_set.patients:
            yield Source(SourceKind.PATCHES, SlideRequest(patient, patient, path), patch_set.part(patient))


def _source(kind: SourceKind, path: Path) -> Source:
    slide_id = slide_id_of(path)
    return Source(kind, SlideRequest(slide_id, slide_id, path))


def slide_id_of(path: Place) -> str:
    """The id of a slide that no manifest names: the file's name without its endings, other characters as `_`."""
    return id_from(_stem(path))


def _stem(path: Place) -> str:
    return re.sub(r"(\.ome)?\.[A-Za-z0-9]+$", "", path.name) or path.name


def _with(source: Source, said: SlideRequest | None, spacing: Spacing | None) -> Source:
    row = said or source.request
    request = replace(row, path=source.request.local_path, spacing=spacing or row.spacing)
    return replace(source, request=request, said=source.said or said is not None)


def _check_ids(sources: Iterable[Source]) -> None:
    first: dict[str, Source] = {}
    clashes = []
    for source in sources:
        # A case-insensitive disk would put both into one folder.
        other = first.setdefault(source.slide_id.lower(), source)
        if other is not source:
            clashes.append(f"{source.slide_id!r}: {other.request.local_path} and {source.request.local_path}")
    if clashes:
        raise ManifestError(
            f"{len(clashes)} slide id{'s belong' if len(clashes) > 1 else ' belongs'} to two sources "
            f"({'; '.join(clashes[:5])}): rename a file, ingest into another archive, or give ids with --manifest"
        )
