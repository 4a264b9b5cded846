"""What people outlined on a slide (QuPath GeoJSON) -> a label for each cell of a patch grid that an outline decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely

from batchscan.domain.errors import ReferenceFileError
from batchscan.domain.geometry import PatchGrid
from batchscan.domain.records import BoolArray, Float64Array
from batchscan.stores.references import Reference
from batchscan.stores.regions import Geometry, Region, polygons_of, read_regions

IDC = ("IDC", "Invasive ductal carcinoma", "Invasive carcinoma", "Carcinoma", "Tumor", "Tumour", "Positive")
OTHER = ("not IDC", "non-IDC", "Negative", "Normal", "Benign", "Stroma", "Fat", "Immune cells", "DCIS", "Other")
LEFT_OUT = ("Ignore*", "Necrosis")
LEAST_SHARE = 0.5
RULE = (
    "a cell of which outlines of IDC cover at least half is IDC, one of which outlines of other tissue cover at least "
    "half is not IDC; every other one is left out"
)
"""How outlines become labels, for people."""

KINDS: Mapping[str, tuple[str, ...]] = {"IDC": IDC, "other tissue": OTHER, "left out": LEFT_OUT}
_KIND_OF = {name.lower(): kind for kind, names in KINDS.items() for name in names}
# Drawn along one another, two outlines overlap by a hair; more is a contradiction.
_OVERLAP_SHARE = 0.02
# An outline may stick out over the slide's edge by so many sides of a patch.
_BEYOND_SIDES = 0.5
_NAMED = 5
_WHOLE = 1.0 - 1e-9


@dataclass(frozen=True)
class AnnotatedCells:
    """The labels that a slide's outlines come to.

    Parameters
    ----------
    reference
        The labelled cells as patches, row-major.
    n_left_out
        Cells that an outline touches, but that have no label.
    """

    reference: Reference
    n_left_out: int


def annotated_cells(path: Path, grid: PatchGrid) -> AnnotatedCells:
    """Label the cells of a slide's grid by the outlines of a GeoJSON file: `RULE`.

    Of a cell, the part that lies on the slide counts. `Ignore*` and `Necrosis` leave out what they cover at least half
    of, whatever else does.

    Parameters
    ----------
    path
        QuPath's export or a run's regions.geojson; coordinates in level-0 pixels of the slide's store.
    grid
        Over the same slide.

    Raises
    ------
    ReferenceFileError
        If the file can't be read, an outline has no class that is known or lies off the slide, or outlines of IDC and
        of other tissue overlap; the first few are named.
    """
    outlines = read_outlines(path, grid)
    x_px = np.minimum(grid.col_edges_px, grid.width_px)
    y_px = np.minimum(grid.row_edges_px, grid.height_px)
    whole = np.outer(np.diff(y_px), np.diff(x_px))
    idc, other, ignored = (shares(covered_areas(outlines.get(kind), x_px, y_px), whole) for kind in KINDS)
    least = LEAST_SHARE * (1.0 - 1e-9)
    both = (idc >= least) & (other >= least)
    kept = (ignored < least) & ~both
    check_agreement(path, idc, other, ignored, grid)
    decided = kept & ((idc >= least) | (other >= least))
    touched = (idc > 0) | (other > 0) | (ignored > 0)
    return AnnotatedCells(_reference(decided, idc >= least, grid), int((touched & ~decided).sum()))


def read_outlines(path: Path, grid: PatchGrid, downsample: float = 1.0) -> Mapping[str, Geometry]:
    """What the outlines of each of `KINDS` cover together, level-0 pixels; a kind without any is left out.

    Parameters
    ----------
    path
        QuPath's export or a run's regions.geojson.
    grid
        Over the same slide.
    downsample
        Pixels of the file's frame along a side of one of the grid's.

    Raises
    ------
    ReferenceFileError
        If the file can't be read, or an outline has no class that is known or lies off the slide.
    """
    regions = [shrunk(region, downsample) for region in read_regions(path)]
    _check_classes(path, regions)
    _check_on_slide(path, regions, grid)
    of_kind: dict[str, list[Geometry]] = {}
    for region in regions:
        of_kind.setdefault(_KIND_OF[_class_name(region).lower()], []).append(region.polygon)
    # As one, so that what two outlines cover counts once.
    return {kind: polygons_of(shapely.union_all(polygons)) for kind, polygons in of_kind.items()}


def kind_of(name: str) -> str | None:
    """Which of `KINDS` a class is of; None if its name isn't known."""
    return _KIND_OF.get(name.strip().lower())


def shrunk(region: Region, downsample: float) -> Region:
    """The same region where so many pixels lie along a side of one."""
    if downsample == 1.0:
        return region
    return replace(region, polygon=shapely.transform(region.polygon, lambda corners: corners / downsample))


def _class_name(region: Region) -> str:
    """Its class; an outline without one may still be called like one."""
    return (region.classification or region.name).strip()


def _check_classes(path: Path, regions: Sequence[Region]) -> None:
    unknown: dict[str, list[int]] = {}
    for number, region in enumerate(regions, start=1):
        name = _class_name(region)
        if name.lower() not in _KIND_OF:
            unknown.setdefault(name, []).append(number)
    if unknown:
        named = (f"{name[:60]!r} (feature {_listed(numbers)})" for name, numbers in unknown.items())
        known = (f"{kind}: {', '.join(names)}" for kind, names in KINDS.items())
        raise ReferenceFileError(
            f"{path}: has outlines of classes that are not known: {', '.join(named)}; expected one of those for "
            f"{'; '.join(known)}; set the class in QuPath"
        )


def _check_on_slide(path: Path, regions: Sequence[Region], grid: PatchGrid) -> None:
    margin = _BEYOND_SIDES * grid.side_px
    off = [
        f"feature {number} ({_class_name(region)}: x {left:.0f} to {right:.0f}, y {top:.0f} to {bottom:.0f})"
        for number, region in enumerate(regions, start=1)
        for left, top, right, bottom in (region.polygon.bounds,)
        if min(left, top) < -margin or right > grid.width_px + margin or bottom > grid.height_px + margin
    ]
    if off:
        more = f" and {len(off) - _NAMED} more" if len(off) > _NAMED else ""
        raise ReferenceFileError(
            f"{path}: {', '.join(off[:_NAMED])}{more} reach beyond the slide's {grid.width_px} x {grid.height_px} px: "
            "coordinates must be level-0 pixels of the slide store; divide those of a finer vendor file by the store's "
            "source_downsample, or ingest the slide with the file as its manifest's reference"
        )


def check_agreement(path: Path, idc: Float64Array, other: Float64Array, ignored: Float64Array, grid: PatchGrid) -> None:
    """Refuse outlines that say two things of a cell.

    Parameters
    ----------
    idc, other, ignored
        (n_rows, n_cols) float64 in 0-1: the share of each cell that outlines of a kind cover.

    Raises
    ------
    ReferenceFileError
        If outlines of IDC and of other tissue each cover at least half of a cell that isn't to be ignored, and overlap
        there by more than a hair; the first few are named.
    """
    least = LEAST_SHARE * (1.0 - 1e-9)
    both = (idc >= least) & (other >= least) & (ignored < least)
    contradicted = np.argwhere(both & (idc + other > 1.0 + _OVERLAP_SHARE))
    places = [f"({col * grid.step_px:.0f}, {row * grid.step_px:.0f})" for row, col in contradicted]
    if places:
        more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
        raise ReferenceFileError(
            f"{path}: outlines of IDC and of other tissue both cover at least half of the {grid.side_px:g} px cells at "
            f"{', '.join(places[:_NAMED])}{more}: subtract one from the other in QuPath"
        )


def shares(part: Float64Array, whole: Float64Array) -> Float64Array:
    """Part over whole, 0 where there is nothing."""
    return np.asarray(np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0), dtype=np.float64)


def covered_areas(outline: Geometry | None, x_px: Float64Array, y_px: Float64Array) -> Float64Array:
    """(rows, cols) float64, square pixels: the area that an outline covers of each rectangle between the lines.

    Parameters
    ----------
    outline
        In the lines' frame; None covers nothing.
    x_px, y_px
        (cols + 1,) and (rows + 1,) float64, rising.
    """
    covered = np.zeros((len(y_px) - 1, len(x_px) - 1))
    if outline is not None:
        _add(covered, outline, x_px, y_px)
    return covered


def _add(covered: Float64Array, outline: Geometry, x_px: Float64Array, y_px: Float64Array) -> None:
    """Fill in the area that an outline covers of each cell between the lines.

    The outline is cut into halves down to single cells, so that each cut looks at few of its corners.
    """
    frame = shapely.box(x_px[0], y_px[0], x_px[-1], y_px[-1])
    inside = polygons_of(shapely.intersection(outline, frame))
    rows, cols = covered.shape
    if not inside.area > 0:
        return
    if inside.area >= _WHOLE * frame.area:
        covered[...] = np.outer(np.diff(y_px), np.diff(x_px))
    elif rows == cols == 1:
        covered[0, 0] = inside.area
    elif rows >= cols:
        half = rows // 2
        _add(covered[:half], inside, x_px, y_px[: half + 1])
        _add(covered[half:], inside, x_px, y_px[half:])
    else:
        half = cols // 2
        _add(covered[:, :half], inside, x_px[: half + 1], y_px)
        _add(covered[:, half:], inside, x_px[half:], y_px)


def _reference(decided: BoolArray, idc: BoolArray, grid: PatchGrid) -> Reference:
    row, col = np.nonzero(decided)
    x_px, y_px = np.asarray(col * grid.step_px, dtype=np.float64), np.asarray(row * grid.step_px, dtype=np.float64)
    return Reference(x_px, y_px, np.full(len(row), grid.side_px), idc[row, col])


def _listed(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    return ", ".join(map(str, numbers[:_NAMED])) + more
