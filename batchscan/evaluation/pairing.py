"""Two evaluations' joined slides -> the patches that both have, beside one another; and what only one has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import NotComparable
from batchscan.domain.joined import JoinedSlide

_PER_PATCH = ("row", "col", "x_px", "y_px", "label", "p_raw", "p_idc", "positive", "scanned", "readable", "tissue_mm2")
_N_NAMED = 5
# Two evaluations reckon corners from the same grid: more than rounding is another grid.
_SAME_PX = 1e-3


@dataclass(frozen=True)
class PairedPatches:
    """The patches of one slide that both evaluations have and both could read; element i of both is the same patch."""

    first: JoinedSlide
    second: JoinedSlide


@dataclass
class LeftOver:
    """What pairing left out, counted while it goes on.

    Parameters
    ----------
    first, second
        How many patches only this one has.
    unreadable
        Patches of both that one of them couldn't read, or both.
    first_slide, second_slide
        Those with such patches, in order.
    """

    first: int = 0
    second: int = 0
    unreadable: int = 0
    first_slides: list[str] = field(default_factory=list)
    second_slides: list[str] = field(default_factory=list)

    def refuse(self) -> None:
        """See that nothing but unreadable patches was left out.

        Raises
        ------
        NotComparable
            Counting the patches and naming the slides.
        """
        sides = (("A", self.first, self.first_slides), ("B", self.second, self.second_slides))
        said = [f"patches that only {name} has: {n:,} ({named(slides)})" for name, n, slides in sides if n]
        if said:
            raise NotComparable(
                f"{'; '.join(said)}: expected the same labelled patches in both; evaluate both against the same "
                "manifest, or compare with --intersection what both have"
            )


def paired_patches(
    first: Iterator[JoinedSlide], second: Iterator[JoinedSlide], left_over: LeftOver
) -> Iterator[PairedPatches]:
    """The slides of both with their common readable patches, one slide of each in memory at a time.

    Parameters
    ----------
    first, second
        Slides in the order of their ids.
    left_over
        Is counted up; whole when the iteration is over.

    Raises
    ------
    NotComparable
        If a patch of both lies elsewhere or has another label, or a slide is of another patient.
    """
    one, other = next(first, None), next(second, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.slide_id < other.slide_id):
            assert one is not None
            _only(one, left_over, first=True)
            one = next(first, None)
        elif one is None or other.slide_id < one.slide_id:
            _only(other, left_over, first=False)
            other = next(second, None)
        else:
            yield _paired(one, other, left_over)
            one, other = next(first, None), next(second, None)


def named(names: list[str]) -> str:
    """The first few of many names, and how many there are beside them."""
    more = len(names) - _N_NAMED
    return ", ".join(names[:_N_NAMED]) + (f" and {more} more" if more > 0 else "")


def _only(slide: JoinedSlide, left_over: LeftOver, *, first: bool) -> None:
    if first:
        left_over.first += len(slide)
        left_over.first_slides.append(slide.slide_id)
    else:
        left_over.second += len(slide)
        left_over.second_slides.append(slide.slide_id)


def _paired(one: JoinedSlide, other: JoinedSlide, left_over: LeftOver) -> PairedPatches:
    if one.patient_id != other.patient_id:
        raise NotComparable(
            f"slide {one.slide_id} is of patient {one.patient_id!r} in A and of {other.patient_id!r} in B: expected "
            "the same, since whole patients are redrawn; correct a manifest and evaluate again"
        )
    cells = [one.row.astype(np.int64) << 32 | one.col, other.row.astype(np.int64) << 32 | other.col]
    _, in_one, in_other = np.intersect1d(cells[0], cells[1], assume_unique=True, return_indices=True)
    for slide, common, is_first in ((one, in_one, True), (other, in_other, False)):
        if len(common) < len(slide):
            rest = _taken(slide, np.setdiff1d(np.arange(len(slide)), common))
            _only(rest, left_over, first=is_first)
    one, other = _taken(one, in_one), _taken(other, in_other)
    _check_places(one, other)
    _check_labels(one, other)
    readable = np.flatnonzero(one.readable & other.readable)
    left_over.unreadable += len(one) - len(readable)
    return PairedPatches(_taken(one, readable), _taken(other, readable))


def _taken(slide: JoinedSlide, places: NDArray[np.intp]) -> JoinedSlide:
    kept: dict[str, Any] = {name: getattr(slide, name)[places] for name in _PER_PATCH}
    return replace(slide, **kept)


def _check_places(one: JoinedSlide, other: JoinedSlide) -> None:
    apart = np.maximum(np.abs(one.x_px - other.x_px), np.abs(one.y_px - other.y_px))
    wrong = np.flatnonzero(apart > _SAME_PX)
    if not len(one) or (not len(wrong) and abs(one.side_px - other.side_px) <= _SAME_PX):
        return
    i = wrong[0] if len(wrong) else 0
    places = (
        f"at ({slide.x_px[i]:g}, {slide.y_px[i]:g}) px with side {slide.side_px:g} px in {name}"
        for slide, name in ((one, "A"), (other, "B"))
    )
    raise NotComparable(
        f"patch (row {one.row[i]}, col {one.col[i]}) of slide {one.slide_id} is {' and '.join(places)}: expected one "
        "grid in both; scan with the same patch size, spacing and stride"
    )


def _check_labels(one: JoinedSlide, other: JoinedSlide) -> None:
    wrong = np.flatnonzero(one.label != other.label)
    if not len(wrong):
        return
    i = wrong[0]
    words = ("not IDC", "IDC")
    raise NotComparable(
        f"{len(wrong)} of {len(one)} patches of slide {one.slide_id} are labelled otherwise in B than in A: the first, "
        f"(row {one.row[i]}, col {one.col[i]}) at ({one.x_px[i]:g}, {one.y_px[i]:g}) px, is {words[int(one.label[i])]} "
        f"in A and {words[int(other.label[i])]} in B; evaluate both against the same labels"
    )
