"""One source becomes its store in the archive: what there is to do, and doing it."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from batchscan.domain.errors import SlideError, UnreadableSlide
from batchscan.domain.geometry import Box, Spacing, SpacingSource
from batchscan.domain.records import SlideRequest
from batchscan.stores.absence import noticed_absence
from batchscan.stores.crew import Crew
from batchscan.stores.damage import Damage, merged
from batchscan.stores.fingerprints import file_fingerprint
from batchscan.stores.levels import Level
from batchscan.stores.patchfiles import NamedFiles, open_files
from batchscan.stores.patchsets import LAYOUT, PATCH_UM_PER_PX, PatchSet, PatientPatches
from batchscan.stores.pyramid_writer import SHARD_PX, StoreFacts, write_pyramid
from batchscan.stores.pyramids import SlideStore, is_store, open_store
from batchscan.stores.references import write_reference
from batchscan.stores.salvage import SalvagedSlide, undecodable
from batchscan.stores.slides import ShrunkSlide, VendorSlide, shrunk_to
from batchscan.stores.spacings import check_size
from batchscan.stores.staging import staged_folder
from batchscan.stores.store_copies import copy_store, is_copy_of
from batchscan.workflow.ingest_sources import Source, SourceKind

# Damaged squares that are tried again when a file is asked for whose store is there.
_TRIED = 20

OnPixels = Callable[[int], None]
"""Told how many more level-0 pixels have been read, 0 where another step has ended; called on any thread."""


class Write(Protocol):
    """Makes the store; plain data that another process can have."""

    def __call__(self, crew: Crew, on_pixels: OnPixels) -> None:
        """Make it, with a crew's threads."""
        ...


@dataclass(frozen=True)
class Step:
    """What there is to do for one source.

    Parameters
    ----------
    request
        The slide as the archive's manifest will have it.
    n_px
        Level-0 pixels of the store.
    write
        Does it; None when the archive has it already.
    downsample
        Level-0 pixels of the source along a side of one of the store.
    facts
        What the store of a vendor's slide says of itself; None for other sources.
    """

    request: SlideRequest
    n_px: int
    write: Write | None
    downsample: float = 1.0
    facts: StoreFacts | None = None


def store_path(archive: Path, slide_id: str) -> Path:
    """Where an archive keeps a slide."""
    return archive / f"{slide_id}.ome.zarr"


def patch_labels_path(archive: Path, slide_id: str) -> Path:
    """Where an archive keeps the labels of a slide that was put together from patches."""
    return archive / f"{slide_id}.reference.csv"


def remark_on(request: SlideRequest) -> str:
    """What there is to say of a slide of an archive's manifest: what its file couldn't give; empty if nothing."""
    try:
        store = open_store(request.path, request.spacing)
    except SlideError:
        return ""
    if not store.damage:
        return ""
    share = store.damage.area_px / (store.width_px * store.height_px)
    squares = "1 square" if len(store.damage) == 1 else f"{len(store.damage)} squares"
    return (
        f"{request.slide_id}: {squares} of it ({share * 100:.2g} % of its area) can't be decoded, black in the store; "
        "patches there will count as unreadable: copy the file again from the scanner, then ingest it again"
    )


def plan_step(source: Source, archive: Path, finest_um_per_px: float) -> Step:
    """Open a source and see what there is to do.

    Raises
    ------
    SlideError
        If the slide can't be used.
    """
    if source.kind is SourceKind.VENDOR:
        return plan_vendor(source.request, archive, finest_um_per_px)
    return _plan_copy(source.request, archive) if source.kind is SourceKind.STORE else _plan_patches(source, archive)


def plan_vendor(request: SlideRequest, archive: Path, finest_um_per_px: float) -> Step:
    """What there is to do for a vendor's slide.

    Raises
    ------
    SlideExcluded
        If it can't be opened, its spacing isn't known or can't be one, or it is larger than any glass.
    """
    target = store_path(archive, request.slide_id)
    with VendorSlide(request.local_path) as slide:
        spacing = request.spacing or slide.spacing()
        check_size(request.local_path, slide.levels[0].width_px, slide.levels[0].height_px, spacing)
        shrunk = shrunk_to(slide, spacing.um_per_px, finest_um_per_px)
        kept = Spacing(spacing.um_per_px * shrunk.downsample, spacing.source)
        origin = {
            "kind": str(SourceKind.VENDOR),
            **slide.facts(),
            "level0_um_per_px": spacing.um_per_px,
            "downsample": shrunk.downsample,
            "fingerprint": slide_fingerprint(slide),
        }
        n_px = shrunk.width_px * shrunk.height_px
    facts = StoreFacts(request.slide_id, kept, origin)
    write = _WriteVendor(request.local_path, target, spacing.um_per_px, finest_um_per_px, facts)
    store = _current_store(target, facts)
    done = store is not None and not _is_mended(request.local_path, shrunk, store.damage)
    return Step(_in_archive(request, target, None), n_px, None if done else write, shrunk.downsample, facts)


@dataclass(frozen=True)
class _WriteVendor:
    path: Path
    target: Path
    um_per_px: float
    finest_um_per_px: float
    facts: StoreFacts

    def __call__(self, crew: Crew, on_pixels: OnPixels) -> None:
        with VendorSlide(self.path) as slide:
            salvaged = SalvagedSlide(slide)
            pixels = shrunk_to(salvaged, self.um_per_px, self.finest_um_per_px)

            def damage() -> Damage:
                return merged([pixels.touched_by(box) for box in salvaged.damaged(pixels.level)])

            write_pyramid(self.target, pixels, self.facts, crew, on_pixels, damage)


def _plan_patches(source: Source, archive: Path) -> Step:
    request, patches = source.request, source.patches
    assert patches is not None
    target = store_path(archive, request.slide_id)
    reference = patch_labels_path(archive, request.slide_id)
    patch_set = _opened(patches)
    mount = patch_set.mount(patches.patient_id)
    origin = {
        "kind": str(SourceKind.PATCHES),
        "patches": len(patches.refs),
        "fingerprint": patch_set.fingerprint(patches.patient_id),
    }
    spacing = request.spacing or Spacing(PATCH_UM_PER_PX, SpacingSource.OPTION)
    facts = StoreFacts(request.slide_id, spacing, origin)
    write = _WritePatches(patches, target, reference, facts)
    done = reference.is_file() and _current_store(target, facts) is not None
    n_px = mount.width_px * mount.height_px
    return Step(_in_archive(request, target, None, reference), n_px, None if done else write)


@dataclass(frozen=True)
class _WritePatches:
    patches: PatientPatches
    target: Path
    reference: Path
    facts: StoreFacts

    def __call__(self, crew: Crew, on_pixels: OnPixels) -> None:
        patch_set = _opened(self.patches)
        patient = self.patches.patient_id
        write_pyramid(self.target, patch_set.mount(patient), self.facts, crew, on_pixels)
        write_reference(self.reference, patch_set.reference(patient))


def _opened(patches: PatientPatches) -> PatchSet:
    changed = patches.path.stat()
    return patches.opened(_files(patches.path, changed.st_mtime_ns, changed.st_size))


@functools.lru_cache(maxsize=1)
def _files(path: Path, changed_ns: int, size: int) -> NamedFiles:
    """A set's files, kept open: the directory of a zip of 280,000 patches takes seconds to read."""
    del changed_ns, size  # Another file of this name is another set.
    return open_files(path, LAYOUT)


def _plan_copy(request: SlideRequest, archive: Path) -> Step:
    target = store_path(archive, request.slide_id)
    source = open_store(request.local_path, request.spacing)
    done = request.local_path == target.resolve() or _has_copy(target, source.fingerprint)
    n_px = source.width_px * source.height_px
    write = None if done else _WriteCopy(request.local_path, target, request.slide_id, request.spacing)
    return Step(_in_archive(request, target, request.spacing), n_px, write)


@dataclass(frozen=True)
class _WriteCopy:
    path: Path
    target: Path
    slide_id: str
    spacing: Spacing | None

    def __call__(self, crew: Crew, on_pixels: OnPixels) -> None:
        def goes_on() -> None:
            crew.check()
            on_pixels(0)

        with staged_folder(self.target, lambda: on_pixels(0)) as folder:
            copy_store(open_store(self.path, self.spacing), self.slide_id, folder, goes_on)
            _decode(open_store(folder, self.spacing), self.path, crew, on_pixels)


def _in_archive(
    request: SlideRequest, target: Path, spacing: Spacing | None, reference: Path | None = None
) -> SlideRequest:
    """The manifest's row: a store that was written here knows its spacing, a copied one may need an override."""
    labels = request.reference or (reference.resolve() if reference else None)
    return replace(request, path=target.resolve(), spacing=spacing, reference=labels)


def slide_fingerprint(slide: VendorSlide) -> str:
    """The file's samples, and OpenSlide's hash, which also covers the other files of a slide."""
    with noticed_absence(slide.path):
        digest = hashlib.sha256(f"{file_fingerprint(slide.path)} {slide.quickhash}".encode())
    return f"sha256:{digest.hexdigest()}"


def _current_store(target: Path, facts: StoreFacts) -> SlideStore | None:
    """The archive's store, if it is of this very slide at this very spacing, whole."""
    if not is_store(target):
        return None
    try:
        store = open_store(target)
    except SlideError:
        return None
    return store if store.record.get("source") == facts.source and store.spacing == facts.spacing else None


def _is_mended(path: Path, shrunk: ShrunkSlide, damage: Damage) -> bool:
    """Whether a slide file has now what it hadn't when its store was made; its fingerprint is of a few samples only.

    A few of its damaged squares are tried: each costs a fresh start, and a whole copy of the file has all of them.
    """
    boxes = (shrunk.source_of(box) for box in damage.boxes[:: -(-len(damage) // _TRIED) or 1])
    return bool(damage) and not all(undecodable(path, shrunk.level, boxes))


def _has_copy(target: Path, fingerprint: str) -> bool:
    try:
        # Any spacing will do: what the store lacks, the manifest's row has.
        return is_store(target) and is_copy_of(open_store(target, Spacing(1.0, SpacingSource.OPTION)), fingerprint)
    except SlideError:
        return False


def _decode(store: SlideStore, source: Path, crew: Crew, on_pixels: OnPixels) -> None:
    """Decode every chunk once, so that what enters an archive is known to be whole."""
    for level in store.levels:
        crew.run(_decode_block, ((store, source, level, box, on_pixels) for box in _boxes(level)), at_once=2)


def _boxes(level: Level) -> Iterator[Box]:
    """Squares of whole chunks."""
    high, wide = (max(SHARD_PX // chunk, 1) * chunk for chunk in level.chunk_px)
    for y, x in itertools.product(range(0, level.height_px, high), range(0, level.width_px, wide)):
        yield Box(x, y, wide, high).clipped(level.width_px, level.height_px)


def _decode_block(store: SlideStore, source: Path, level: Level, box: Box, on_pixels: OnPixels) -> None:
    try:
        store.check(level, box)
    except UnreadableSlide as error:
        # The copy has a name that nobody will ever see.
        raise UnreadableSlide(str(error).replace(str(store.path), str(source))) from error
    if level is store.levels[0]:
        on_pixels(int(box.width * box.height))
