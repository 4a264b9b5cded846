"""Records and stored pixels become pictures: PNG bytes, drawn without pyplot's global state.

Everything is drawn in level-0 pixels of the slide. Colour is never alone: foci have outlines and numbers,
unreadable cells a hatching, probabilities a legend. The colour map is cividis (perceptually uniform and the same
to colour-blind eyes, doi:10.1371/journal.pone.0199239), dark for probable, so that it also reads in grey.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from contourpy import contour_generator
from matplotlib import colormaps
from matplotlib.collections import LineCollection, PatchCollection, QuadMesh
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image

from batchscan.domain.geometry import Box, PatchGrid
from batchscan.domain.quality import BLURRED_BELOW
from batchscan.domain.records import BoolArray, Float32Array, Focus, PatchTable, Pictures, SlideResult, Uint8Array
from batchscan.report import numbers
from batchscan.report.language import say
from batchscan.report.layout import PICTURES_MM, WITH_GRID, number_boxes, picture_layout
from batchscan.report.sheet import GREY, HALO, INK, Sheet, typeface

N_NUMBERED = 10

_COLOURS = colormaps["cividis_r"]
_CELL_ALPHA = 0.72
_FADE = 0.45
_PLATE_MM = 2.9
_LEGEND_MM = (40.0, 2.4)
_LEGEND_TOP_MM = 4.6
_LEGEND_END_MM = 12.0
_HATCH_MM = Box(WITH_GRID.left, 1.9, 3.6, 2.4)
_GALLERY_DOTS = 240
_MARK_STEP_MM = 28.0
# Greys of the tissue mask; the paper is 255.
_SCANNED, _NOT_SCANNED, _HALF_GREY = 138, 205, 128


@dataclass(frozen=True, slots=True)
class _Mark:
    """How something that spoils a slide is drawn; told apart by its hatching, its colour only helps."""

    message: str
    hatch: str
    colour: str


# Colours of Okabe & Ito that keep apart to colour-blind eyes.
_PEN = _Mark("legend-pen", "/" * 6, "#0072b2")
_DARK = _Mark("legend-dark", "x" * 6, "#b34700")
_BLURRED = _Mark("legend-blurred", "." * 4, "#1b1f24")


def overview_jpeg(result: SlideResult, pictures: Pictures, free_mm: float = PICTURES_MM) -> bytes:
    """The slide with every focus outlined and the largest ten numbered, coordinates and a scale bar, as JPEG.

    `free_mm` is what `batchscan.report.layout.picture_layout` takes.
    """
    sheet = _sheet(result, free_mm)
    sheet.show(in_window(sheet, pictures.overview, overview_box(result, pictures)))
    sheet.frame()
    outline(sheet, result.extent.foci)
    _number(sheet, result.extent.foci[:N_NUMBERED])
    return sheet.jpeg()


def heatmap_png(result: SlideResult, pictures: Pictures, free_mm: float = PICTURES_MM) -> bytes:
    """p_idc of every scanned cell over the faded slide, with legend, threshold and scale bar, as PNG.

    Cells that could not be read are hatched; what was not scanned has no colour, and nothing has on a slide that is not
    analysable. A thin line is the tissue's edge.
    `free_mm` as for the overview.
    """
    sheet = _sheet(result, free_mm)
    faded = _faded(sheet, result, pictures)
    sheet.show(faded if result.quality.refuses else _with_cells(sheet, faded, result.table))
    if not result.quality.refuses:
        sheet.add(_hatching(_boxes(result.table, ~result.table.readable)))
    _tissue_edge(sheet, result, pictures)
    sheet.frame()
    outline(sheet, result.extent.foci)
    if result.table.readable.any() and not result.quality.refuses:
        _legend(sheet, result.settings.threshold, unreadable=result.counts.unreadable > 0)
    return sheet.png()


def quality_png(result: SlideResult, pictures: Pictures, free_mm: float = PICTURES_MM) -> bytes:
    """The faded slide with pen, dark matter and blurred patches marked, each by its own hatching, and a legend, as PNG.

    `free_mm` as for the overview.
    """
    sheet = _sheet(result, free_mm)
    sheet.show(_faded(sheet, result, pictures))
    table = result.table
    if table.sharpness is not None:
        sheet.add(_marking(_boxes(table, np.nan_to_num(table.sharpness, nan=np.inf) < BLURRED_BELOW), _BLURRED))
    _mark_area(sheet, overview_box(result, pictures), pictures.dark, _DARK)
    _mark_area(sheet, overview_box(result, pictures), pictures.pen, _PEN)
    sheet.frame()
    for number, mark in enumerate((_PEN, _DARK, _BLURRED)):
        box = Box(sheet.left_mm + number * _MARK_STEP_MM, _HATCH_MM.y, _HATCH_MM.width, _HATCH_MM.height)
        sheet.add_below(_marking([box], mark))
        sheet.text(box.right + 1.0, box.y + box.height / 2, say(mark.message))
    return sheet.png()


def tissue_png(result: SlideResult, pictures: Pictures, free_mm: float = PICTURES_MM) -> bytes:
    """The tissue mask, what of it was scanned and what not in two greys, unreadable cells hatched, a legend, as PNG.

    `free_mm` as for the overview.
    """
    sheet, table = _sheet(result, free_mm), result.table
    mask = in_window(sheet, pictures.tissue.astype(np.uint8) * 255, overview_box(result, pictures)) >= _HALF_GREY
    scanned = np.zeros((table.grid.n_rows, table.grid.n_cols), dtype=np.bool_)
    scanned[table.row, table.col] = True
    row, col = _cells_of_dots(sheet, table.grid)
    tones = np.where(mask, np.where(scanned[row][:, col], _SCANNED, _NOT_SCANNED), 255).astype(np.uint8)
    sheet.show(np.repeat(tones[..., np.newaxis], 3, axis=2))
    sheet.add(_hatching(_boxes(table, ~table.readable)))
    _tissue_edge(sheet, result, pictures)
    sheet.frame()
    _tissue_legend(sheet, unreadable=result.counts.unreadable > 0)
    return sheet.png()


def patch_jpeg(pixels: Uint8Array) -> bytes:
    """The same as JPEG, a tenth of the bytes: a report has many."""
    target = io.BytesIO()
    side = min(_GALLERY_DOTS, pixels.shape[0])
    Image.fromarray(_resized(pixels, (side, side))).save(target, format="JPEG", quality=90, subsampling=0)
    return target.getvalue()


def patch_png(pixels: Uint8Array) -> bytes:
    """One patch as PNG, shrunk to what a page can show, never enlarged.

    Parameters
    ----------
    pixels
        (side, side, 3) uint8.
    """
    side = min(_GALLERY_DOTS, pixels.shape[0])
    target = io.BytesIO()
    Image.fromarray(_resized(pixels, (side, side))).save(target, format="PNG")
    return target.getvalue()


def probabilities(table: PatchTable) -> Float32Array:
    """(n_rows, n_cols) float32 of the grid: p_idc where it was read, NaN elsewhere."""
    cells = np.full((table.grid.n_rows, table.grid.n_cols), np.nan, dtype=np.float32)
    cells[table.row[table.readable], table.col[table.readable]] = table.p_idc[table.readable]
    return cells


def _sheet(result: SlideResult, free_mm: float) -> Sheet:
    slide = result.slide
    layout = picture_layout(slide.width_px, slide.height_px, free_mm)
    sheet = Sheet(Box(0, 0, slide.width_px, slide.height_px), slide.spacing, layout)
    sheet.coordinates()
    sheet.scale_bar()
    return sheet


def in_window(sheet: Sheet, pixels: Uint8Array, shows: Box) -> Uint8Array:
    """Pixels (rows, cols[, 3]) of a box of the slide as the window has them: averaged by area, or smoothly enlarged."""
    (y, x), (rows, cols) = sheet.places_px(), pixels.shape[:2]
    left, right = ((edge - shows.x) / shows.width * cols for edge in (x[0], x[-1]))
    top, bottom = ((edge - shows.y) / shows.height * rows for edge in (y[0], y[-1]))
    box = max(0.0, left), max(0.0, top), min(right, cols), min(bottom, rows)
    size = len(x) - 1, len(y) - 1
    way = Image.Resampling.BOX if size[0] < right - left else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(pixels).resize(size, way, box))


def overview_box(result: SlideResult, pictures: Pictures) -> Box:
    """What the overview shows, level-0 pixels: its own size is rounded."""
    rows, cols = pictures.overview.shape[:2]
    scale = pictures.overview_um_per_px / result.slide.spacing.um_per_px
    return Box(0, 0, cols * scale, rows * scale)


def _cells_of_dots(sheet: Sheet, grid: PatchGrid) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The grid's row of each row of the window's dots, and its column of each column."""
    y, x = ((edges[1:] + edges[:-1]) / 2 for edges in sheet.places_px())
    row = np.searchsorted(grid.row_edges_px, y, side="right") - 1
    col = np.searchsorted(grid.col_edges_px, x, side="right") - 1
    return row, col


def _with_cells(sheet: Sheet, faded: Uint8Array, table: PatchTable) -> Uint8Array:
    """The window with each dot that lies in a readable cell in the colour of its p_idc."""
    p = probabilities(table)
    row, col = _cells_of_dots(sheet, table.grid)
    known = np.isfinite(p)
    colour = (_COLOURS(np.where(known, p, 0.0))[..., :3] * (_CELL_ALPHA * 255)).astype(np.float32)
    # Cells are numbered, so that a dot looks up one number for all that there is to know of its own.
    number = np.where(known, np.arange(1, p.size + 1).reshape(p.shape), 0).astype(np.int32)
    at = number[row][:, col]
    tints = np.vstack([np.zeros((1, 3), np.float32), colour.reshape(-1, 3)])
    share = np.concatenate([[1.0], np.full(p.size, 1 - _CELL_ALPHA)]).astype(np.float32)
    return np.asarray(np.rint(faded * share[at][..., None] + tints[at]), dtype=np.uint8)


def _boxes(table: PatchTable, which: BoolArray) -> list[Box]:
    return [table.grid.cell_box(int(table.row[i]), int(table.col[i])) for i in np.flatnonzero(which)]


def _hatching(boxes: Sequence[Box]) -> PatchCollection:
    squares = [Rectangle((box.x, box.y), box.width, box.height) for box in boxes]
    collection = PatchCollection(squares, facecolor="white", edgecolor=GREY, linewidth=0.4, hatch="/" * 7)
    collection.set_hatch_linewidth(0.5)
    return collection


def _marking(boxes: Sequence[Box], mark: _Mark) -> PatchCollection:
    squares = [Rectangle((box.x, box.y), box.width, box.height) for box in boxes]
    collection = PatchCollection(squares, facecolor="none", edgecolor=mark.colour, linewidth=0.4, hatch=mark.hatch)
    collection.set_hatch_linewidth(0.6)
    return collection


def _mark_area(sheet: Sheet, shows: Box, mask: BoolArray | None, mark: _Mark) -> None:
    """Outline and hatch an area of the overview, which shows that box."""
    if mask is None or not mask.any():
        return
    height, width = (max(2, min(side, dots)) for side, dots in zip(mask.shape, _dots(sheet), strict=True))
    # The greatest in each dot: what is thinner than one must not vanish.
    rows, cols = (np.arange(side) * dots // side for side, dots in zip(mask.shape, (height, width), strict=True))
    found = np.zeros((height, width), dtype=np.bool_)
    np.logical_or.at(found, (rows[:, None], cols[None, :]), mask)
    contour = _contour(shows, found)
    points, codes = contour.filled(0.5, 1.5)
    area = PathPatch(Path(np.concatenate(points), np.concatenate(codes)), facecolor="none", edgecolor=mark.colour)
    area.set(linewidth=0.0, hatch=mark.hatch)
    area.set_hatch_linewidth(0.6)
    sheet.add(area)
    sheet.add(LineCollection(contour.lines(0.5), colors=[mark.colour], linewidths=0.6))


def _tissue_edge(sheet: Sheet, result: SlideResult, pictures: Pictures) -> None:
    height, width = (max(2, side // 2) for side in _dots(sheet))
    mask = np.asarray(Image.fromarray(pictures.tissue).resize((width, height), Image.Resampling.NEAREST))
    if mask.all() or not mask.any():
        return
    sheet.add(LineCollection(_contour(overview_box(result, pictures), mask).lines(0.5), colors=[GREY], linewidths=0.5))


def _dots(sheet: Sheet) -> tuple[int, int]:
    """(height, width) of the slide on paper in whole dots."""
    return max(1, round(sheet.dots_high)), max(1, round(sheet.dots_wide))


def _contour(shows: Box, mask: BoolArray) -> Any:
    """What gives `lines` and `filled` areas of a mask of the whole overview, level-0 pixels (contourpy)."""
    height, width = mask.shape
    x, y = (np.arange(width) + 0.5) * shows.width / width, (np.arange(height) + 0.5) * shows.height / height
    return contour_generator(x, y, mask.astype(np.float32), line_type="Separate", fill_type="OuterCode")


def outline(sheet: Sheet, foci: Sequence[Focus]) -> None:
    """Each focus's outer edge in full, the holes in it thinner and dashed, so that none looks like a small focus."""
    polygons = [polygon for focus in foci for polygon in focus.rings_px]
    holes = [np.asarray(ring) for polygon in polygons for ring in polygon[1:]]
    sheet.add(LineCollection(holes, colors=[INK], linewidths=0.6, linestyles=[(0, (2.2, 1.6))]))
    edges = [np.asarray(polygon[0]) for polygon in polygons]
    sheet.add(LineCollection(edges, colors=[INK], linewidths=0.9, path_effects=[HALO]))


def _number(sheet: Sheet, foci: Sequence[Focus]) -> None:
    boxes = number_boxes(foci, sheet.part, _PLATE_MM * sheet.px_per_mm)
    for box in boxes:
        plate = Rectangle((box.x, box.y), box.width, box.height, facecolor="white", edgecolor=INK, linewidth=0.5)
        sheet.add(plate)
    for number, box in enumerate(boxes, start=1):
        centre = (box.x + box.width / 2, box.y + box.height * 0.47)
        words = Text(*centre, str(number), fontproperties=typeface(), ha="center", va="center_baseline", color=INK)
        sheet.add(words)


def _legend(sheet: Sheet, threshold: float, *, unreadable: bool) -> None:
    width, height = _LEGEND_MM
    left, top = sheet.width_mm - width - 3.0, _LEGEND_TOP_MM
    edges, colours = left + np.linspace(0, width, 257), _COLOURS(np.linspace(0, 1, 256), alpha=_CELL_ALPHA)
    corners = np.stack(np.meshgrid(edges, [top, top + height]), axis=-1)
    sheet.add_below(QuadMesh(corners, facecolors=colours, linewidth=0, antialiased=False))
    sheet.add_below(Rectangle((left, top), width, height, fill=False, edgecolor=GREY, linewidth=0.5))
    at = left + threshold * width
    ends = [at, at], [top - 0.5, top + height + 0.5]
    sheet.add_below(Line2D(*ends, color=INK, linewidth=1.1, path_effects=[HALO]))
    for value in (0, 1):
        sheet.text(left + value * width, top + height + 1.6, str(value), ha="center")
    sheet.text(left - 1.4, top + height / 2, "p(IDC)", ha="right")
    middle = min(at, sheet.width_mm - _LEGEND_END_MM)
    sheet.text(middle, top - 2.3, say("legend-positive", limit=numbers.threshold(threshold)), ha="center")
    if unreadable:
        sheet.add_below(_hatching([_HATCH_MM]))
        sheet.text(_HATCH_MM.right + 1.0, _HATCH_MM.y + _HATCH_MM.height / 2, say("legend-unreadable"))


def _tissue_legend(sheet: Sheet, *, unreadable: bool) -> None:
    left = sheet.left_mm
    for message, tone in (("legend-scanned", _SCANNED), ("legend-not-scanned", _NOT_SCANNED)):
        box = Box(left, _HATCH_MM.y, _HATCH_MM.width, _HATCH_MM.height)
        grey = (tone / 255,) * 3
        sheet.add_below(Rectangle((box.x, box.y), box.width, box.height, facecolor=grey, edgecolor=GREY, linewidth=0.4))
        sheet.text(box.right + 1.0, box.y + box.height / 2, say(message))
        left += _MARK_STEP_MM
    if unreadable:
        box = Box(left, _HATCH_MM.y, _HATCH_MM.width, _HATCH_MM.height)
        sheet.add_below(_hatching([box]))
        sheet.text(box.right + 1.0, box.y + box.height / 2, say("legend-unreadable"))


def _resized(pixels: Uint8Array, dots: tuple[int, int]) -> Uint8Array:
    """Shrunk by area to `dots` (width, height) where it is larger, else as it is."""
    rows, cols = pixels.shape[:2]
    width, height = min(dots[0], cols), min(dots[1], rows)
    if (width, height) == (cols, rows):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


def _faded(sheet: Sheet, result: SlideResult, pictures: Pictures) -> Uint8Array:
    """The window in grey (rows, cols, 3), and lightened so that a heat map on it keeps its own colours."""
    grey = in_window(sheet, np.asarray(Image.fromarray(pictures.overview).convert("L")), overview_box(result, pictures))
    lightened = (255 - (255 - np.arange(256, dtype=np.float32)) * _FADE).astype(np.uint8)
    return np.repeat(lightened[grey][..., np.newaxis], 3, axis=2)
