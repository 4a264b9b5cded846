"""A patch set, manifests of labelled slides, or both -> what a training is fitted to and measured on."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from batchscan.domain.errors import UsageError
from batchscan.domain.geometry import PatchSpec
from batchscan.domain.pixel_hash import pixel_hashes
from batchscan.stores.annotations import RULE
from batchscan.stores.labelled_slides import LabelledSlide, read_labelled_slides
from batchscan.stores.patchsets import PatchSet, read_patch_set
from batchscan.stores.seen import SeenSet
from batchscan.training.architecture import PATCH_PX
from batchscan.training.corrections import Corrected, corrected, cut_patches, uncut_patches
from batchscan.training.dataset import PATCHES_AT_ONCE, LabelledPatches, PatchesRead, load_patches, undecoded_patches
from batchscan.workflow.archive_tables import MANIFEST

READ_AT = "slides were read at this spacing; what each slide's own is, its store says"
"""How the spacing of patches that were cut from slides is known."""


@dataclass(frozen=True, slots=True)
class LabelsJoined:
    """What the labelled slides came to.

    Parameters
    ----------
    n_slides
        Those with at least one label.
    n_idc, n_not_idc, n_left_out
        Their patches; `n_left_out` are cells that an outline touches without deciding them.
    rule
        How outlines became labels; empty where there are none.
    outcome
        What they made of the patch set, as people say it.
    """

    n_slides: int
    n_idc: int
    n_not_idc: int
    n_left_out: int
    rule: str
    outcome: str


@dataclass
class TrainingLabels:
    """Everything that is labelled, checked, with its pixels still where they are.

    Parameters
    ----------
    patch_set
        None where slides stand alone, and when it is read: its index takes more room than its labels.
    slides
        Those with a reference; some may have no label.
    """

    patch_set: PatchSet | None
    slides: tuple[LabelledSlide, ...]

    def fingerprint(self) -> str:
        """sha256 of pixels, labels, places and patients."""
        found = hashlib.sha256()
        if self.patch_set:
            for patient in self.patch_set.patients:
                found.update(f"{patient} {self.patch_set.fingerprint(patient)}\n".encode())
        for slide in self.slides:
            said = (slide.patient_id, slide.slide_id, slide.store.fingerprint, slide.side_px, slide.patch)
            found.update(f"{said}\n".encode())
            reference = slide.reference
            for column in (reference.x_px, reference.y_px, reference.label):
                found.update(column.tobytes())
        return found.hexdigest()

    def patients(self) -> tuple[str, ...]:
        """Who has a label, sorted."""
        ours = self.patch_set.patients if self.patch_set else ()
        return tuple(sorted({*ours, *(slide.patient_id for slide in self.slides if len(slide))}))

    def undecoded(self) -> LabelledPatches | None:
        """What `load` will give, without pixels; None where only pixels say which label replaces which.

        Raises
        ------
        PatchSetError
            If two slides' labels are of one place.
        """
        if self.patch_set is None:
            return uncut_patches(self.slides)
        return None if self.slides else undecoded_patches(self.patch_set)

    def seen(self, patches: LabelledPatches, patients: Iterable[str]) -> SeenSet:
        """What a network knows that some patients' labels served to make; reads their pixels.

        Parameters
        ----------
        patches
            From `load`.
        """
        who = set(patients)
        pixels = patches.of(who).pixels
        hashes = [
            pixel_hashes(pixels[start : start + PATCHES_AT_ONCE]) for start in range(0, len(pixels), PATCHES_AT_ONCE)
        ]
        slides = [slide.store.fingerprint for slide in self.slides if len(slide) and slide.patient_id in who]
        return SeenSet.of(np.concatenate([*hashes, np.empty(0, np.uint64)]), slides)

    def close(self) -> None:
        """Let go of the patch set."""
        if self.patch_set:
            self.patch_set.close()
        self.patch_set = None

    def load(
        self, state: Path, report: Callable[[PatchesRead | LabelsJoined], None]
    ) -> tuple[LabelledPatches, Corrected | None]:
        """The patches, decoded into files in `state`, and what labelled slides did to the patch set's; once.

        Raises
        ------
        PatchSetError
            If PNGs can't be decoded or contradict one another, or two slides' labels do.
        UnreadableSlide
            If a labelled patch of a slide can't be decoded.
        OutputError
            If there is no room for them.
        """
        known = load_patches(self.patch_set, state, report) if self.patch_set else None
        self.close()
        if not self.slides:
            assert known is not None
            return known, None
        found = corrected(known, cut_patches(self.slides, known, state, report))
        report(self._joined(found))
        return found.patches, found

    def _joined(self, found: Corrected) -> LabelsJoined:
        n_idc = sum(int(slide.reference.label.sum()) for slide in self.slides)
        return LabelsJoined(
            n_slides=sum(len(slide) > 0 for slide in self.slides),
            n_idc=n_idc,
            n_not_idc=sum(map(len, self.slides)) - n_idc,
            n_left_out=sum(slide.n_left_out for slide in self.slides),
            rule=RULE if any(slide.outlined for slide in self.slides) else "",
            outcome=str(found),
        )


@contextlib.contextmanager
def open_labels(patches: Path | None, corrections: Sequence[Path], um_per_px: float) -> Iterator[TrainingLabels]:
    """Open what was named, and check all of it before anything is decoded.

    Parameters
    ----------
    patches
        Folder or zip in the public layout, or None.
    corrections
        Manifests of slide stores with references, or archives.
    um_per_px
        Spacing of the patches.

    Raises
    ------
    UsageError
        If neither is given.
    PatchSetError
        If the patch set isn't one.
    ManifestError
        If rows of a manifest can't serve: all are named with their line.
    """
    if patches is None and not corrections:
        raise UsageError(
            "nothing to train on: give labelled patches (--patches), labelled slides (--corrections) or both"
        )
    patch = PatchSpec(PATCH_PX, um_per_px, stride=1.0)
    slides = tuple(
        slide
        for path in corrections
        for slide in read_labelled_slides(path / MANIFEST if path.is_dir() else path, patch)
    )
    with contextlib.closing(TrainingLabels(read_patch_set(patches) if patches else None, slides)) as labels:
        yield labels
