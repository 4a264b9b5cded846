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
from batchscan.domain.records import BoolArray, Float64Array, Uint8Array
from batchscan.stores.labelled_slides import LabelledSlide
from batchscan.training.architecture import PATCH_PX
from batchscan.training.dataset import PATCHES_AT_ONCE, LabelledPatches, PatchesRead, marks
from batchscan.training.pixels import Pixels, Undecoded, stored_pixels

FOLDER = "corrections"
# The same tissue by another way from the scanner differs by rounding and compression; other tissue hardly correlates.
_SAME_PICTURE = 0.8
# Glass, fat and pale stroma look alike everywhere: grey levels, standard deviation.
_LEAST_TEXTURE = 10.0
_FEWEST_ALIKE = 3
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
    state, report
        As `load_patches` has them.

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
    pixels = stored_pixels(folder, _digest(slides), total, PATCH_PX, lambda: _cut(slides, total, report))
    return _placed(slides, pixels, patches)


def uncut_patches(slides: Sequence[LabelledSlide]) -> LabelledPatches:
    """The labelled patches of slides that stand alone, as `cut_patches` gives them, but no pixels.

    Raises
    ------
    PatchSetError
        If two labels are of one place.
    """
    slides = [slide for slide in slides if len(slide)]
    return _placed(slides, Undecoded(sum(map(len, slides))), None)


def _placed(slides: Sequence[LabelledSlide], pixels: Pixels, patches: LabelledPatches | None) -> LabelledPatches:
    found = LabelledPatches(
        pixels,
        np.concatenate([slide.reference.label.astype(np.int64) for slide in slides]),
        np.concatenate([np.full(len(slide), slide.patient_id) for slide in slides]),
        np.concatenate([_model_px(slide.reference.x_px, slide) for slide in slides]),
        np.concatenate([_model_px(slide.reference.y_px, slide) for slide in slides]),
    )
    parts = np.repeat(np.arange(len(slides)), [len(slide) for slide in slides])
    shift = np.array(_shifts(slides, [found.where(parts == number) for number in range(len(slides))], patches))
    placed = replace(found, x_px=found.x_px + shift[parts])
    _check_places(placed, [slides[number].slide_id for number in parts.tolist()])
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

    Where both have a patch, the pictures say so; else the name, which a re-assembled slide has from its patient. In
    doubt it is another slide: a label in the wrong place is worse than one too many.
    """
    if known is None or not len(known):
        return False
    named_so = slide.slide_id == slide.patient_id
    ours, theirs = _shared(part, known)
    if not len(ours):
        return named_so
    few = slice(0, PATCHES_AT_ONCE)
    one, other = part.pixels[ours[few]], known.pixels[theirs[few]]
    alike, textured = _alike(one, other)
    if np.array_equal(one, other):
        return named_so or bool(textured.any())
    return int(textured.sum()) >= _FEWEST_ALIKE and bool(np.median(alike[textured]) >= _SAME_PICTURE)


def _alike(one: Uint8Array, other: Uint8Array) -> tuple[Float64Array, BoolArray]:
    """(n,) correlation of pictures with others, and where both have the texture that makes it mean something."""
    flat = [patches.reshape(len(patches), -1).astype(np.float64) for patches in (one, other)]
    apart = [values - values.mean(axis=1, keepdims=True) for values in flat]
    deviation = [values.std(axis=1) for values in flat]
    textured = np.minimum(*deviation) >= _LEAST_TEXTURE
    product = np.maximum(deviation[0] * deviation[1], _LEAST_TEXTURE**2)
    return (apart[0] * apart[1]).mean(axis=1) / product, textured


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

    Raises
    ------
    PatchSetError
        If a labelled patch of a slide shows the same, pixel by pixel, as one of the other class or of another patient.
    """
    if patches is None:
        _check_pictures(corrections, np.ones(len(corrections), dtype=np.bool_), 0)
        return Corrected(corrections, 0, 0, len(corrections))
    label, fresh = patches.label.copy(), np.ones(len(corrections), dtype=np.bool_)
    said = np.zeros(len(patches), dtype=np.bool_)
    for patient in corrections.patients():
        ours, theirs = (np.flatnonzero(part.patient == patient) for part in (corrections, patches))
        i, j = _shared(corrections.where(ours), patches.where(theirs))
        label[theirs[j]] = corrections.label[ours[i]]
        fresh[ours[i]] = False
        said[theirs[j]] = True
    added = corrections.where(fresh)
    said = np.append(said, np.ones(len(added), dtype=np.bool_))
    joined = LabelledPatches(
        JoinedPixels(patches.pixels, added.pixels),
        np.concatenate([label, added.label]),
        np.concatenate([patches.patient, added.patient]),
        np.concatenate([patches.x_px, added.x_px]),
        np.concatenate([patches.y_px, added.y_px]),
        patches.side_px,
    )
    _check_pictures(joined, said, len(patches))
    n_replaced = len(corrections) - len(added)
    return Corrected(joined, n_replaced, int((label != patches.label).sum()), len(added))


def _check_pictures(joined: LabelledPatches, said: BoolArray, n_known: int) -> None:
    """Refuse a picture in both classes or of two patients, where labelled slides said something of it.

    Parameters
    ----------
    joined
        All patches, those of the set first.
    said
        (n,) bool: the label is from a labelled slide.
    n_known
        How many are the set's.
    """
    mark, number, count = np.unique(marks(joined.pixels), return_inverse=True, return_counts=True)
    suspect = (count > 1) & (mark != 0) & (np.bincount(number, said, len(mark)) > 0)
    rows = np.flatnonzero(suspect[number])
    groups: dict[int, list[int]] = {}
    for row in rows.tolist():
        groups.setdefault(int(number[row]), []).append(row)

    def named(row: int) -> str:
        source = "--patches" if row < n_known else "--corrections"
        place = f"({joined.x_px[row]:g}, {joined.y_px[row]:g})"
        return f"{joined.patient[row]} at {place}, class {joined.label[row]} ({source})"

    def pairs(column: NDArray[Any]) -> list[str]:
        others = ((group[0], row) for group in groups.values() for row in group if column[row] != column[group[0]])
        first = {one: (one, other) for one, other in reversed(list(others))}
        return [f"{named(one)} = {named(other)}" for one, other in sorted(first.values())]

    _refuse_pictures(pairs(joined.patient), "of two patients", _TWO_PATIENTS)
    _refuse_pictures(pairs(joined.label), "in class 0 and in class 1", _TWO_CLASSES)


_TWO_PATIENTS = (
    "left out with one, it would be fitted to with the other; give the slide one patient_id in --corrections, that of "
    "--patches, or remove one"
)
_TWO_CLASSES = "a patch has one class; correct the label of one, or remove it"


def _refuse_pictures(pairs: Sequence[str], what: str, remedy: str) -> None:
    if pairs:
        more = f" and {len(pairs) - _NAMED} more" if len(pairs) > _NAMED else ""
        raise PatchSetError(
            f"the same pixels are {what}: {'; '.join(pairs[:_NAMED])}{more} (px at the model's spacing): {remedy}"
        )
