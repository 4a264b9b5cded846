"""Labelled slides -> labelled patches, and those into a patch set: a reviewed label replaces the set's own."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import PatchSetError
from batchscan.domain.records import Float64Array, Uint8Array
from batchscan.stores.labelled_slides import LabelledSlide
from batchscan.training.architecture import PATCH_PX
from batchscan.training.dataset import PATCHES_AT_ONCE, LabelledPatches, PatchesRead
from batchscan.training.pixels import Pixels, stored_pixels

FOLDER = "corrections"
# The same tissue by another way from the scanner differs by rounding and compression: mean grey levels a colour.
_SAME_PICTURE = 8.0
# Slides of one patient lie side by side in its frame, further apart than any patch looks (domain/aggregation.py).
_GAP_SIDES = 16
# Corners may be written in whole level-0 pixels.
_ROUNDING_PX = 0.5 + 1e-6
_NAMED = 5


@dataclass(frozen=True)
class Corrected:
    """What labelled slides made of a patch set.

    Parameters
    ----------
    patches
        The set with its labels replaced, and the added ones behind it.
    n_replaced, n_changed
        Labels of the set that were given anew, and how many of them are others now.
    n_added
        Labelled patches that the set doesn't have.
    """

    patches: LabelledPatches
    n_replaced: int
    n_changed: int
    n_added: int

    def __str__(self) -> str:
        """As people say it."""
        changed = f" ({self.n_changed} of them changed)" if self.n_replaced else ""
        return f"{self.n_replaced} labels replaced{changed}, {self.n_added} added"


class JoinedPixels:
    """The patches of one source and, behind them, those of another; nothing is read before it is asked for."""

    def __init__(self, first: Pixels, second: Pixels) -> None:
        self._first = first
        self._second = second

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def __getitem__(self, rows: Any, /) -> Uint8Array:
        numbers = np.atleast_1d(np.arange(len(self))[rows])
        behind = numbers >= len(self._first)
        if not behind.any():
            return self._first[numbers]
        if behind.all():
            return self._second[numbers - len(self._first)]
        patches = np.empty((len(numbers), PATCH_PX, PATCH_PX, 3), dtype=np.uint8)
        patches[~behind] = self._first[numbers[~behind]]
        patches[behind] = self._second[numbers[behind] - len(self._first)]
        return patches


def cut_patches(
    slides: Sequence[LabelledSlide],
    patches: LabelledPatches | None = None,
    state: Path | None = None,
    report: Callable[[PatchesRead], None] = lambda _: None,
) -> LabelledPatches:
    """The labelled patches of slides, cut into a file.

    Corners are in the model's pixels, in the patient's frame: a slide that shows what the patient's patches in the set
    show lies where they lie, a patient's other slides beside it.

    Parameters
    ----------
    slides
        At least one with labels; their patches have `PATCH_PX` pixels, all at one spacing.
    patches
        The patch set that they will be joined to, or None.
    state
        Folder that keeps the decoded pixels for the next time; None keeps them for this process only.
    report
        Hears how far it is.

    Raises
    ------
    UnreadableSlide
        If a patch can't be decoded.
    PatchSetError
        If two labels are of one place.
    OutputError
        If there is no room for the decoded pixels.
    """
    slides = [slide for slide in slides if len(slide)]
    total = sum(map(len, slides))
    folder = None if state is None else state / FOLDER
    found = LabelledPatches(
        stored_pixels(folder, _digest(slides), total, PATCH_PX, lambda: _cut(slides, total, report)),
        np.concatenate([slide.reference.label.astype(np.int64) for slide in slides]),
        np.concatenate([np.full(len(slide), slide.patient_id) for slide in slides]),
        np.concatenate([_model_px(slide.reference.x_px, slide) for slide in slides]),
        np.concatenate([_model_px(slide.reference.y_px, slide) for slide in slides]),
    )
    parts = np.repeat(np.arange(len(slides)), [len(slide) for slide in slides])
    shift = np.array(_shifts(slides, [found.where(parts == number) for number in range(len(slides))], patches))
    placed = replace(found, x_px=found.x_px + shift[parts])
    _check_places(placed, [slides[number].slide_id for number in parts])
    return placed


def _digest(slides: Sequence[LabelledSlide]) -> str:
    """Of what decides the pixels."""
    found = hashlib.blake2b(digest_size=16)
    for slide in slides:
        found.update(f"{slide.store.fingerprint} {slide.side_px} {slide.patch}\n".encode())
        found.update(slide.reference.x_px.tobytes() + slide.reference.y_px.tobytes())
    return found.hexdigest()


def _cut(slides: Sequence[LabelledSlide], total: int, report: Callable[[PatchesRead], None]) -> Iterator[Uint8Array]:
    each = (patch for slide in slides for patch in slide.pixels())
    for start in range(0, total, PATCHES_AT_ONCE):
        block = np.stack(list(itertools.islice(each, PATCHES_AT_ONCE)))
        yield block
        report(PatchesRead(start + len(block), total))


def _model_px(corner_px: Float64Array, slide: LabelledSlide) -> Float64Array:
    """Level-0 corners in the model's pixels; what is on the grid but for rounding is on it exactly."""
    step = np.rint(corner_px / slide.side_px)
    on_grid = np.abs(corner_px - step * slide.side_px) <= _ROUNDING_PX
    return np.asarray(np.where(on_grid, step, corner_px / slide.side_px) * slide.patch.patch_px, dtype=np.float64)


def _shifts(
    slides: Sequence[LabelledSlide], parts: Sequence[LabelledPatches], patches: LabelledPatches | None
) -> list[float]:
    """By how much each slide is moved to the right in its patient's frame."""
    known = [None if patches is None else patches.of([slide.patient_id]) for slide in slides]
    own_place = [_is_same(*one) for one in zip(slides, parts, known, strict=True)]
    shifts, right_edges = [0.0] * len(slides), dict[str, float]()
    # First those that stay where they are.
    for number in sorted(range(len(slides)), key=lambda number: not own_place[number]):
        part, patient = parts[number], slides[number].patient_id
        edge = right_edges.get(patient, _right_edge(known[number]))
        if not own_place[number] and edge:
            shifts[number] = (math.ceil(edge / part.side_px) + _GAP_SIDES) * part.side_px
        right_edges[patient] = max(edge, _right_edge(part) + shifts[number])
    return shifts


def _right_edge(part: LabelledPatches | None) -> float:
    return float(part.x_px.max()) + part.side_px if part is not None and len(part) else 0.0


def _is_same(slide: LabelledSlide, part: LabelledPatches, known: LabelledPatches | None) -> bool:
    """Whether a slide is the one that the set's patches of the patient are from.

    Where both have a patch, the pictures say so; else the name, which a re-assembled slide has from its patient.
    """
    if known is None or not len(known):
        return False
    ours, theirs = _shared(part, known)
    if not len(ours):
        return slide.slide_id == slide.patient_id
    few = slice(0, PATCHES_AT_ONCE)
    apart = np.abs(part.pixels[ours[few]].astype(np.int16) - known.pixels[theirs[few]]).mean(axis=(1, 2, 3))
    return bool(np.median(apart) <= _SAME_PICTURE)


def _shared(one: LabelledPatches, other: LabelledPatches) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers, in each of the two, of the patches that have the same corner; both are of one patient."""
    ours, theirs = (part.x_px + 1j * part.y_px for part in (one, other))
    _, in_ours, in_theirs = np.intersect1d(ours, theirs, return_indices=True)
    return in_ours, in_theirs


def _check_places(found: LabelledPatches, slide_ids: Sequence[str]) -> None:
    first: dict[tuple[str, float, float], int] = {}
    twice = []
    for number, place in enumerate(zip(found.patient.tolist(), found.x_px.tolist(), found.y_px.tolist(), strict=True)):
        earlier = first.setdefault(place, number)
        if earlier != number:
            twice.append(f"{slide_ids[earlier]} and {slide_ids[number]} at ({place[1]:g}, {place[2]:g}) of {place[0]}")
    if twice:
        more = f" and {len(twice) - _NAMED} more" if len(twice) > _NAMED else ""
        raise PatchSetError(
            f"one place is labelled twice: {'; '.join(twice[:_NAMED])}{more} (px at the model's spacing): name each "
            "slide once in --corrections, and keep one label a patch"
        )


def corrected(patches: LabelledPatches | None, corrections: LabelledPatches) -> Corrected:
    """Join labelled slides to a patch set.

    A patch of the same patient and place as one of the set replaces its label, and the set's pixels stay; the others
    are added.

    Parameters
    ----------
    patches
        The set, or None where the slides stand alone.
    corrections
        From `cut_patches` with the same set.
    """
    if patches is None:
        return Corrected(corrections, 0, 0, len(corrections))
    label, fresh = patches.label.copy(), np.ones(len(corrections), dtype=np.bool_)
    for patient in corrections.patients():
        ours, theirs = (np.flatnonzero(part.patient == patient) for part in (corrections, patches))
        i, j = _shared(corrections.where(ours), patches.where(theirs))
        label[theirs[j]] = corrections.label[ours[i]]
        fresh[ours[i]] = False
    added = corrections.where(fresh)
    joined = LabelledPatches(
        JoinedPixels(patches.pixels, added.pixels),
        np.concatenate([label, added.label]),
        np.concatenate([patches.patient, added.patient]),
        np.concatenate([patches.x_px, added.x_px]),
        np.concatenate([patches.y_px, added.y_px]),
        patches.side_px,
    )
    n_replaced = len(corrections) - len(added)
    return Corrected(joined, n_replaced, int((label != patches.label).sum()), len(added))
