"""The foci of a slide become a table and close-ups: the rows, what stands above them, and the pictures in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from batchscan.domain.geometry import PatchSpec
from batchscan.domain.records import BoxPx, Extent, Focus, SlideInfo, SlideResult
from batchscan.report import numbers
from batchscan.report.focus_views import N_FOCI_SHOWN, focus_view
from batchscan.report.words import is_reduced

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
        return f"Foci are not defined: {extent.undefined.get('n_foci', 'the slide was not analysed')}."
    if extent.n_foci == 0:
        return "There is no focus: no patch reaches the threshold."
    listed = extent.foci[:N_FOCI_LISTED]
    order = "Largest area first."
    if extent.n_foci > N_FOCI_LISTED:
        rest = sum(focus.area_mm2 for focus in extent.foci[N_FOCI_LISTED:])
        order = (
            f"The {N_FOCI_LISTED} of largest area out of {extent.n_foci:,}; the others hold {numbers.area(rest)} "
            "together; all are in result.json and regions.geojson, the patches of each in patches.parquet."
        )
    words = f"{order} {positions(result.slide)}"
    if any(focus.n_patches == 1 for focus in listed):
        words += f" {_ONE_PATCH_MARK} One patch: the diagonals of its square."
    return words


def focus_pictures(result: SlideResult) -> tuple[FocusPicture, ...]:
    """The close-ups of the largest foci."""
    return tuple(
        _picture(number, focus, result.slide) for number, focus in enumerate(result.extent.foci[:N_FOCI_SHOWN], start=1)
    )


def close_ups_note(result: SlideResult) -> str:
    """What the close-ups show."""
    n = len(result.extent.foci)
    which = f"The {N_FOCI_SHOWN} of largest area." if n > N_FOCI_SHOWN else ""
    return (
        f"{which} Outlined: the focus of that number; thinner: others. Below each: what of the slide it shows.".strip()
    )


def positions(slide: SlideInfo) -> str:
    """What the printed positions count, and how they become those of the original file."""
    words = "Positions are level-0 pixels of the stored slide, counted from its upper left corner"
    if not is_reduced(slide):
        return f"{words}."
    factor = f"{slide.source_downsample:.5g}"
    return f"{words}; multiply by {factor if '.' in factor else factor + '.0'} for pixels of the original file."


def largest_focus(extent: Extent) -> Focus | None:
    """The focus that has the greatest dimension."""
    return max(extent.foci, key=lambda focus: focus.greatest_mm, default=None)


def cell_mm(patch: PatchSpec) -> float:
    """Side of the cell that a patch stands for."""
    return patch.side_um * patch.stride / 1000


def cell_diagonal(patch: PatchSpec) -> str:
    """The greatest dimension of a focus of one patch, to a hundredth of a millimetre."""
    return f"{math.sqrt(2) * cell_mm(patch):.2f} mm"


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
        touches_edge="yes" if focus.touches_edge else "no",
    )


def _picture(number: int, focus: Focus, slide: SlideInfo) -> FocusPicture:
    x, y, width, height = box = focus_view(focus, slide)
    size = f"{numbers.dimensions(focus.greatest_mm, focus.perpendicular_mm)}, {numbers.area(focus.area_mm2)}"
    position = f"x {x:,} to {x + width:,}, y {y:,} to {y + height:,}"
    return FocusPicture(
        number=str(number),
        box=box,
        size=size,
        position=position,
        alt=f"Focus {number} outlined in its surroundings: {size}; {position} px.",
    )
