"""A manifest of slide stores with reference labels -> labelled patches, cut at the model's spacing when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from batchscan.domain.errors import (
    BatchscanError,
    ManifestError,
    ReferenceFileError,
    ReferenceMismatch,
    SpacingConflict,
    UnopenableSlide,
)
from batchscan.domain.geometry import Box, PatchGrid, PatchSpec
from batchscan.domain.places import Place
from batchscan.domain.records import SlideRequest, Uint8Array
from batchscan.stores.annotations import annotated_cells
from batchscan.stores.manifest import read_manifest_lines, refuse_rows
from batchscan.stores.pyramids import SlideStore, contradicted_spacing, is_store, open_store
from batchscan.stores.references import Reference, read_references

OUTLINES = (".geojson", ".json")
# Labels may be written in whole pixels where a patch's side isn't whole.
_ROUNDING_PX = 0.5 + 1e-6
_NAMED = 5


@dataclass(frozen=True)
class LabelledSlide:
    """One slide's labelled patches; their pixels stay in the store.

    Parameters
    ----------
    slide_id, patient_id
        Whose they are.
    store
        The open slide.
    patch
        Side and spacing of what is cut.
    reference
        The labels, level-0 pixels of the store; may be empty.
    outlined
        Whether the labels come from outlines.
    n_left_out
        Cells that an outline touches without deciding them.
    """

    slide_id: str
    patient_id: str
    store: SlideStore
    patch: PatchSpec
    reference: Reference
    outlined: bool
    n_left_out: int

    def __len__(self) -> int:
        return len(self.reference)

    @property
    def side_px(self) -> float:
        """Side of a patch, level-0 pixels, not rounded."""
        return self.patch.side_um / self.store.spacing.um_per_px

    def pixels(self) -> Iterator[Uint8Array]:
        """Each labelled patch's (patch_px, patch_px, 3) uint8, in the reference's order; white beyond the slide.

        Raises
        ------
        UnreadableSlide
            If one can't be decoded.
        """
        for x_px, y_px in zip(self.reference.x_px.tolist(), self.reference.y_px.tolist(), strict=True):
            yield self.store.read_box(Box(x_px, y_px, self.side_px, self.side_px), self.patch.um_per_px)


def read_labelled_slides(manifest: Path, patch: PatchSpec) -> tuple[LabelledSlide, ...]:
    """The slides of a manifest that have a reference, opened, with their labels; no pixel is read.

    Parameters
    ----------
    manifest
        As for a scan; `path` leads to slide stores, `reference` to patch labels (.csv, of this slide or, with a column
        slide_id, of several) or outlines (.geojson). A row without a reference adds nothing.
    patch
        What the model looks at, stride 1.

    Raises
    ------
    ManifestError
        If rows are wrong, or what they name can't serve: a slide that can't be opened, is too coarse or is there twice,
        a reference that can't be read, isn't this slide's, is that of several rows but has no column slide_id, or has
        squares of another size than the model's patches. All are named with their line. Also if no row has a reference,
        or no patch a label.
    """
    lines = [(line, request) for line, request in read_manifest_lines(manifest) if request.reference]
    if not lines:
        raise ManifestError(f"{manifest}: no row has a reference: name a file of labels in the column reference")
    slides, wrong = [], []
    reviews: dict[Path, Mapping[str, Reference]] = {}
    lines_by_path: dict[Place, int] = {}
    lines_by_reference: dict[Path | None, list[int]] = {}
    for line, request in lines:
        lines_by_reference.setdefault(request.reference, []).append(line)
    for line, request in lines:
        try:
            first = lines_by_path.setdefault(request.path, line)
            if first != line:
                raise ManifestError(f"{request.path} is also on line {first}: name each slide once")
            slides.append(_slide(request, patch, reviews))
            _check_alone(request.reference, reviews, others=lines_by_reference[request.reference], line=line)
        except BatchscanError as error:
            wrong.append(f"line {line}: {error}")
    refuse_rows(manifest, wrong)
    if not any(map(len, slides)):
        raise ManifestError(f"{manifest}: none of its references has a label that decides a patch: review some patches")
    return tuple(slides)


def _slide(request: SlideRequest, patch: PatchSpec, reviews: dict[Path, Mapping[str, Reference]]) -> LabelledSlide:
    store = _store(request, patch)
    path = request.reference
    assert path is not None
    grid = PatchGrid.over(store.width_px, store.height_px, store.spacing.um_per_px, patch)
    if path.suffix.lower() in OUTLINES:
        found = annotated_cells(path, grid)
        return LabelledSlide(
            request.slide_id,
            request.patient_id,
            store,
            patch,
            found.reference,
            outlined=True,
            n_left_out=found.n_left_out,
        )
    if path.suffix.lower() != ".csv":
        raise ReferenceFileError(f"{path.name} is neither .csv (patch labels) nor .geojson (outlines)")
    if path not in reviews:
        # One file may serve hundreds of rows.
        reviews[path] = read_references(path)
    reference = _labels_of(request.slide_id, path, reviews[path])
    _check_squares(path, reference, grid)
    return LabelledSlide(request.slide_id, request.patient_id, store, patch, reference, outlined=False, n_left_out=0)


def _check_alone(
    path: Path | None, reviews: Mapping[Path, Mapping[str, Reference]], *, others: Sequence[int], line: int
) -> None:
    """A file that doesn't say whose its labels are serves one slide."""
    assert path is not None
    if len(others) > 1 and (path not in reviews or list(reviews[path]) == [""]):
        named = ", ".join(str(other) for other in others if other != line)
        remedy = "give each slide a file of its own" + (", or this one a column slide_id" if path in reviews else "")
        raise ReferenceFileError(
            f"{path.name} is also the reference on line {named}, but doesn't say which label is of which slide: "
            f"{remedy}"
        )


def _store(request: SlideRequest, patch: PatchSpec) -> SlideStore:
    if not is_store(request.path):
        raise UnopenableSlide(
            f"{request.path} is no slide store: make one first, batchscan ingest {request.path.name} --archive DIR"
        )
    store = open_store(request.path, request.spacing)
    own = contradicted_spacing(store, request.spacing)
    if own:
        raise SpacingConflict(
            f"{request.slide_id}: its store was made at {own.um_per_px:g} um/px, but the manifest says "
            f"{store.spacing.um_per_px:g}: leave um_per_px out, or ingest the slide again"
        )
    store.level_for(patch.um_per_px)
    return store


def _labels_of(slide_id: str, path: Path, by_slide: Mapping[str, Reference]) -> Reference:
    """From a file of one slide, whatever it is called, or of several."""
    if list(by_slide) == [""]:
        return by_slide[""]
    if slide_id in by_slide:
        return by_slide[slide_id]
    more = f" and {len(by_slide) - _NAMED} more" if len(by_slide) > _NAMED else ""
    raise ReferenceFileError(
        f"{path.name} has no row of slide {slide_id!r}; it has {', '.join(sorted(by_slide)[:_NAMED]) or 'none'}{more}: "
        "correct the slide_id, or leave the reference out"
    )


def _check_squares(path: Path, reference: Reference, grid: PatchGrid) -> None:
    off_px = reference.side_px - grid.side_px
    wrong = np.flatnonzero(np.abs(off_px) > _ROUNDING_PX)
    if len(wrong):
        i = wrong[0]
        raise ReferenceMismatch(
            f"{path.name}: {len(wrong)} of {len(reference)} labels aren't of the model's patches: the first, at "
            f"({reference.x_px[i]:g}, {reference.y_px[i]:g}), has a side of {reference.side_px[i]:g} px, "
            f"{off_px[i]:+g} px off the {grid.side_px:g} px that a patch has on this slide; give labels of a scan with "
            "this model, in the store's level-0 pixels"
        )
    beyond = np.flatnonzero((reference.x_px >= grid.width_px) | (reference.y_px >= grid.height_px))
    if len(beyond):
        i = beyond[0]
        raise ReferenceMismatch(
            f"{path.name}: {len(beyond)} of {len(reference)} labels lie beyond the slide's {grid.width_px} x "
            f"{grid.height_px} px, the first at ({reference.x_px[i]:g}, {reference.y_px[i]:g}): they belong to another "
            "slide or spacing"
        )
