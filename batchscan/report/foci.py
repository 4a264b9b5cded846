"""The foci of a slide become a table and close-ups: the rows, what stands above them, and the pictures in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from batchscan.domain.geometry import PatchSpec
from batchscan.domain.records import BoxPx, Extent, Focus, SlideInfo, SlideResult
from batchscan.report import numbers
from batchscan.report.focus_views import N_FOCI_SHOWN, focus_view
from batchscan.report.language import say, spoken
from batchscan.report.words import is_reduced, reason

N_FOCI_LISTED = 10
_ONE_PATCH_MARK = "*"


@dataclass(frozen=True, slots=True)
class FocusRow:
    """One line of the foci table; positions are level-0 pixels of the stored slide."""

    number: str
    area: str
    greatest: str
    perpendicular: str
    mean_p: str
    n_patches: str
    bbox: str
    centroid: str
    touches_edge: str


@dataclass(frozen=True, slots=True)
class FocusPicture:
    """One close-up: of which focus, what of the slide it shows (level-0 pixels), its caption and alternative text."""

    number: str
    box: BoxPx
    size: str
    position: str
    alt: str


def focus_rows(extent: Extent) -> tuple[FocusRow, ...]:
    """The largest foci, one row each."""
    return tuple(_row(number, focus) for number, focus in enumerate(extent.foci[:N_FOCI_LISTED], start=1))


def foci_note(result: SlideResult) -> str:
    """How many foci are listed in which order, what their positions count, and what one patch measures."""
    extent = result.extent
    if extent.n_foci is None:
        why = extent.undefined.get("n_foci")
        return say("foci-undefined", why=reason(why) if why else say("foci-undefined-why"))
    if extent.n_foci == 0:
        return say("foci-none")
    words = f"{_order(extent)} {positions(result.slide)}"
    if any(focus.n_patches == 1 for focus in extent.foci[:N_FOCI_LISTED]):
        words += f" {say('foci-one-patch')}"
    return words


def _order(extent: Extent) -> str:
    n_foci = extent.n_foci or 0
    if n_foci <= N_FOCI_LISTED:
        return say("foci-order")
    rest = numbers.area(sum(focus.area_mm2 for focus in extent.foci[N_FOCI_LISTED:]))
    return say("foci-order-many", listed=str(N_FOCI_LISTED), count=numbers.count(n_foci), rest=rest)


def focus_pictures(result: SlideResult) -> tuple[FocusPicture, ...]:
    """The close-ups of the largest foci."""
    return tuple(
        _picture(number, focus, result.slide) for number, focus in enumerate(result.extent.foci[:N_FOCI_SHOWN], start=1)
    )


def close_ups_note(result: SlideResult) -> str:
    """What the close-ups show."""
    if len(result.extent.foci) > N_FOCI_SHOWN:
        return say("close-ups-note-many", shown=str(N_FOCI_SHOWN))
    return say("close-ups-note")


def positions(slide: SlideInfo) -> str:
    """What the printed positions count, and how they become those of the original file."""
    if not is_reduced(slide):
        return say("foci-positions")
    factor = f"{slide.source_downsample:.5g}"
    return say("foci-positions-reduced", factor=spoken().digits(factor if "." in factor else factor + ".0"))


def largest_focus(extent: Extent) -> Focus | None:
    """The focus that has the greatest dimension."""
    return max(extent.foci, key=lambda focus: focus.greatest_mm, default=None)


def cell_mm(patch: PatchSpec) -> float:
    """Side of the cell that a patch stands for."""
    return patch.side_um * patch.stride / 1000


def cell_diagonal(patch: PatchSpec) -> str:
    """The greatest dimension of a focus of one patch, to a hundredth of a millimetre."""
    return f"{spoken().digits(f'{math.sqrt(2) * cell_mm(patch):.2f}')} mm"


def _row(number: int, focus: Focus) -> FocusRow:
    mark = _ONE_PATCH_MARK if focus.n_patches == 1 else ""
    return FocusRow(
        number=str(number),
        area=numbers.area(focus.area_mm2),
        greatest=numbers.length(focus.greatest_mm) + mark,
        perpendicular=numbers.length(focus.perpendicular_mm) + mark,
        mean_p=numbers.probability(focus.mean_p),
        n_patches=numbers.count(focus.n_patches),
        bbox=", ".join(str(value) for value in focus.bbox_px),
        centroid=", ".join(f"{value:.0f}" for value in focus.centroid_px),
        touches_edge=say("yes") if focus.touches_edge else say("no"),
    )


def _picture(number: int, focus: Focus, slide: SlideInfo) -> FocusPicture:
    x, y, width, height = box = focus_view(focus, slide)
    size = f"{numbers.dimensions(focus.greatest_mm, focus.perpendicular_mm)}, {numbers.area(focus.area_mm2)}"
    left, right, top, bottom = map(numbers.count, (x, x + width, y, y + height))
    position = say("focus-position", left=left, right=right, top=top, bottom=bottom)
    return FocusPicture(
        number=str(number),
        box=box,
        size=size,
        position=position,
        alt=say("focus-alt", number=str(number), size=size, position=position),
    )
