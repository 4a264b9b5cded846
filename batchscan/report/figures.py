"""Records and stored pixels become pictures: PNG bytes, drawn without pyplot's global state.

Everything is drawn in level-0 pixels of the slide. Colour is never alone: foci have outlines and numbers,
unreadable cells a hatching, probabilities a legend. The colour map is cividis (perceptually uniform and the same
to colour-blind eyes, doi:10.1371/journal.pone.0199239), dark for probable, so that it also reads in grey.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.patches import Rectangle
from PIL import Image

from batchscan.domain.geometry import Box
from batchscan.domain.quality import BLURRED_BELOW
from batchscan.domain.records import BoolArray, Float32Array, Focus, PatchTable, Pictures, SlideResult, Uint8Array
from batchscan.report import numbers
from batchscan.report.layout import FRAME_MM, number_boxes, picture_layout
from batchscan.report.sheet import GREY, HALO, INK, Sheet, typeface

N_NUMBERED = 10

_COLOURS = colormaps["cividis_r"]
_CELL_ALPHA = 0.72
_FADE = 0.45
_PLATE_MM = 2.9
_LEGEND_MM = (40.0, 2.4)
_LEGEND_TOP_MM = 4.6
_LEGEND_END_MM = 12.0
_HATCH_MM = Box(FRAME_MM, 1.9, 3.6, 2.4)
_GALLERY_DOTS = 240
_MARK_STEP_MM = 28.0


@dataclass(frozen=True, slots=True)
class _Mark:
    """How something that spoils a slide is drawn; told apart by its hatching, its colour only helps."""

    words: str
    hatch: str
    colour: str


# Colours of Okabe & Ito that keep apart to colour-blind eyes.
_PEN = _Mark("pen", "/" * 6, "#0072b2")
_DARK = _Mark("fold, debris", "x" * 6, "#b34700")
_BLURRED = _Mark("blurred", "." * 4, "#1b1f24")


def overview_png(result: SlideResult, pictures: Pictures, less_mm: float = 0.0) -> bytes:
    """The slide with every focus outlined and the largest ten numbered, and a scale bar, as PNG.

    `less_mm` is what `batchscan.report.layout.picture_layout` takes.
    """
    sheet = _sheet(result, less_mm)
    _show(sheet, pictures, _resized(pictures.overview, sheet.dots))
    _outline(sheet, result.extent.foci)
    _number(sheet, result.extent.foci[:N_NUMBERED])
    return sheet.png()


def heatmap_png(result: SlideResult, pictures: Pictures, less_mm: float = 0.0) -> bytes:
    """p_idc of every scanned cell over the faded slide, with legend, threshold and scale bar, as PNG.

    Cells that could not be read are hatched; what was not scanned has no colour, and nothing has on a slide that is not
    analysable. A thin line is the tissue's edge.
    `less_mm` as for the overview.
    """
    sheet = _sheet(result, less_mm)
    _show(sheet, pictures, _faded(_resized(pictures.overview, sheet.dots)))
    if not result.quality.refuses:
        _colour_cells(sheet, result.table)
    _tissue_edge(sheet, pictures)
    _outline(sheet, result.extent.foci)
    if result.table.readable.any() and not result.quality.refuses:
        _legend(sheet, result.settings.threshold, unreadable=result.counts.unreadable > 0)
    return sheet.png()


def quality_png(result: SlideResult, pictures: Pictures, less_mm: float = 0.0) -> bytes:
    """The faded slide with pen, dark matter and blurred patches marked, each by its own hatching, and a legend, as PNG.

    `less_mm` as for the overview.
    """
    sheet = _sheet(result, less_mm)
    _show(sheet, pictures, _faded(_resized(pictures.overview, sheet.dots)))
    table = result.table
    if table.sharpness is not None:
        blurred = np.flatnonzero(np.nan_to_num(table.sharpness, nan=np.inf) < BLURRED_BELOW)
        _mark(sheet.axes, [table.grid.cell_box(int(table.row[i]), int(table.col[i])) for i in blurred], _BLURRED)
    _mark_area(sheet, pictures, pictures.dark, _DARK)
    _mark_area(sheet, pictures, pictures.pen, _PEN)
    for number, mark in enumerate((_PEN, _DARK, _BLURRED)):
        box = Box(FRAME_MM + number * _MARK_STEP_MM, _HATCH_MM.y, _HATCH_MM.width, _HATCH_MM.height)
        _mark(sheet.strip, [box], mark)
        sheet.text(box.right + 1.0, box.y + box.height / 2, mark.words)
    return sheet.png()


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


def _sheet(result: SlideResult, less_mm: float) -> Sheet:
    sheet = Sheet(result.slide, picture_layout(result.slide.width_px, result.slide.height_px, less_mm))
    sheet.scale_bar()
    return sheet


def _show(sheet: Sheet, pictures: Pictures, pixels: Uint8Array) -> None:
    sheet.axes.imshow(pixels, extent=_overview_extent(sheet, pictures), aspect="auto", interpolation="bilinear")


def _overview_extent(sheet: Sheet, pictures: Pictures) -> tuple[float, float, float, float]:
    rows, cols = pictures.overview.shape[:2]
    scale = pictures.overview_um_per_px / sheet.slide.spacing.um_per_px
    return 0.0, cols * scale, rows * scale, 0.0


def _colour_cells(sheet: Sheet, table: PatchTable) -> None:
    grid = table.grid
    cells = np.ma.masked_invalid(probabilities(table))
    right = np.minimum(grid.col_edges_px, grid.width_px)
    lower = np.minimum(grid.row_edges_px, grid.height_px)
    # Rasterised cell by cell, without smoothing: edges between cells must not shine through.
    sheet.axes.pcolormesh(
        right, lower, cells, cmap=_COLOURS, vmin=0, vmax=1, alpha=_CELL_ALPHA, linewidth=0, antialiased=False
    )
    unread = np.flatnonzero(~table.readable)
    boxes = [grid.cell_box(int(table.row[i]), int(table.col[i])) for i in unread]
    _hatch(sheet.axes, boxes)


def _hatch(axes: Axes, boxes: Sequence[Box]) -> None:
    squares = [Rectangle((box.x, box.y), box.width, box.height) for box in boxes]
    collection = PatchCollection(squares, facecolor="white", edgecolor=GREY, linewidth=0.4, hatch="/" * 7)
    collection.set_hatch_linewidth(0.5)
    axes.add_collection(collection)


def _mark(axes: Axes, boxes: Sequence[Box], mark: _Mark) -> None:
    squares = [Rectangle((box.x, box.y), box.width, box.height) for box in boxes]
    collection = PatchCollection(squares, facecolor="none", edgecolor=mark.colour, linewidth=0.4, hatch=mark.hatch)
    collection.set_hatch_linewidth(0.6)
    axes.add_collection(collection)


def _mark_area(sheet: Sheet, pictures: Pictures, mask: BoolArray | None, mark: _Mark) -> None:
    """Outline and hatch an area of the overview."""
    if mask is None or not mask.any():
        return
    _, right, bottom, _ = _overview_extent(sheet, pictures)
    height, width = (max(2, min(side, dots)) for side, dots in zip(mask.shape, sheet.dots[::-1], strict=True))
    # The greatest in each dot: what is thinner than one must not vanish.
    rows, cols = (np.arange(side) * dots // side for side, dots in zip(mask.shape, (height, width), strict=True))
    found = np.zeros((height, width), dtype=np.bool_)
    np.logical_or.at(found, (rows[:, None], cols[None, :]), mask)
    x, y = (np.arange(width) + 0.5) * right / width, (np.arange(height) + 0.5) * bottom / height
    values = found.astype(np.float32)
    filled = sheet.axes.contourf(x, y, values, levels=[0.5, 1.5], colors="none", hatches=[mark.hatch])
    filled.set(edgecolor=mark.colour, linewidth=0.0)
    filled.set_hatch_linewidth(0.6)
    sheet.axes.contour(x, y, values, levels=[0.5], colors=[mark.colour], linewidths=0.6)


def _tissue_edge(sheet: Sheet, pictures: Pictures) -> None:
    width, height = (max(2, side // 2) for side in sheet.dots)
    mask = np.asarray(Image.fromarray(pictures.tissue).resize((width, height), Image.Resampling.NEAREST))
    if mask.all() or not mask.any():
        return
    _, right, bottom, _ = _overview_extent(sheet, pictures)
    x, y = (np.arange(width) + 0.5) * right / width, (np.arange(height) + 0.5) * bottom / height
    sheet.axes.contour(x, y, mask.astype(np.float32), levels=[0.5], colors=[GREY], linewidths=0.5)


def _outline(sheet: Sheet, foci: Sequence[Focus]) -> None:
    """Each focus's outer edge in full, the holes in it thinner and dashed, so that none looks like a small focus."""
    polygons = [polygon for focus in foci for polygon in focus.rings_px]
    holes = [np.asarray(ring) for polygon in polygons for ring in polygon[1:]]
    dashed = LineCollection(holes, colors=[INK], linewidths=0.6, linestyles=[(0, (2.2, 1.6))], zorder=4)
    sheet.axes.add_collection(dashed)
    edges = [np.asarray(polygon[0]) for polygon in polygons]
    full = LineCollection(edges, colors=[INK], linewidths=0.9, path_effects=[HALO], zorder=4)
    sheet.axes.add_collection(full)


def _number(sheet: Sheet, foci: Sequence[Focus]) -> None:
    within = Box(0, 0, sheet.slide.width_px, sheet.slide.height_px)
    for number, box in enumerate(number_boxes(foci, within, _PLATE_MM * sheet.px_per_mm), start=1):
        plate = Rectangle((box.x, box.y), box.width, box.height, facecolor="white", edgecolor=INK, linewidth=0.5)
        sheet.axes.add_patch(plate).set_zorder(5)
        centre = (box.x + box.width / 2, box.y + box.height * 0.47)
        words = sheet.axes.text(*centre, str(number), fontproperties=typeface(), ha="center", va="center_baseline")
        words.set(color=INK, zorder=6)


def _legend(sheet: Sheet, threshold: float, *, unreadable: bool) -> None:
    width, height = _LEGEND_MM
    left, top = sheet.width_mm - width - 4.0, _LEGEND_TOP_MM
    bar = np.linspace(0, 1, 256)[np.newaxis]
    extent = (left, left + width, top + height, top)
    sheet.strip.imshow(bar, extent=extent, aspect="auto", cmap=_COLOURS, vmin=0, vmax=1, alpha=_CELL_ALPHA)
    sheet.strip.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=GREY, linewidth=0.5))
    for value in (0, 1):
        sheet.text(left + value * width, top + height + 1.6, str(value), ha="center")
    sheet.text(left - 1.4, top + height / 2, "p(IDC)", ha="right")
    at = left + threshold * width
    sheet.strip.plot([at, at], [top - 0.5, top + height + 0.5], color=INK, linewidth=1.1, path_effects=[HALO])
    middle = min(at, sheet.width_mm - _LEGEND_END_MM)
    sheet.text(middle, top - 2.3, f"positive from {numbers.threshold(threshold)}", ha="center")
    if unreadable:
        _hatch(sheet.strip, [_HATCH_MM])
        sheet.text(_HATCH_MM.right + 1.0, _HATCH_MM.y + _HATCH_MM.height / 2, "not readable")


def _resized(pixels: Uint8Array, dots: tuple[int, int]) -> Uint8Array:
    """Shrunk by area to `dots` (width, height) where it is larger, else as it is."""
    rows, cols = pixels.shape[:2]
    width, height = min(dots[0], cols), min(dots[1], rows)
    if (width, height) == (cols, rows):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


def _faded(pixels: Uint8Array) -> Uint8Array:
    """Grey, and lightened so that a heat map on it keeps its own colours."""
    grey = np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.float32)
    faded = np.clip(255 - (255 - grey) * _FADE, 0, 255).astype(np.uint8)
    return np.repeat(faded[..., np.newaxis], 3, axis=2)
