"""A part of a slide becomes a sheet of paper to draw on: in level-0 pixels, and in millimetres in a strip below."""

from __future__ import annotations

import io
import math
import zlib
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Bbox, Transform
from PIL import Image, ImageDraw, ImageFont

from batchscan.domain.geometry import Box, Spacing
from batchscan.domain.records import Float64Array, Uint8Array
from batchscan.report import numbers
from batchscan.report.layout import PictureLayout, grid_step_px, scale_bar_mm

INK, GREY = "#1b1f24", "#6a737d"
TEXT_PT = 7.0
HALO = patheffects.withStroke(linewidth=2.4, foreground="white")

_DPI = 200
_MM_PER_INCH = 25.4
_DOTS_PER_MM = _DPI / _MM_PER_INCH
_GRID_PT = 5.6
_GRID_TICK_MM, _GRID_GAP_MM = 0.9, 0.6
_PT_PER_INCH = 72.0
_TICK_MM = 0.9
_BESIDE_LEGEND_MM = 22.0
_BAR_ABOVE_END_MM = 2.4
_JPEG: dict[str, Any] = {"quality": 90, "subsampling": 0}


@cache
def typeface(weight: str = "SemiBold") -> FontProperties:
    """The reports' own typeface, `Regular` or `SemiBold`, at the size of words in a picture."""
    return FontProperties(fname=str(files("batchscan.templates").joinpath(f"IBMPlexSans-{weight}.ttf")), size=TEXT_PT)


@lru_cache(maxsize=1024)
def _number(words: str, *, upright: bool) -> Uint8Array:
    """A coordinate in grey on white (rows, cols), or turned to be read from the right; slides have many in common."""
    font = ImageFont.truetype(str(typeface("Regular").get_file()), _GRID_PT * _DPI / _PT_PER_INCH)
    left, _, right, _ = font.getbbox(words)
    # As high for every number, so that all stand on one line.
    _, top, _, bottom = font.getbbox("0,")
    image = Image.new("L", (math.ceil(right - left), math.ceil(bottom - top)), 255)
    ImageDraw.Draw(image).text((-left, -top), words, font=font, fill=GREY)
    return np.asarray(image if upright else image.transpose(Image.Transpose.ROTATE_90))


class Sheet:
    """Paper for one picture of a slide, or of a part of it.

    Artists are drawn one by one on a raster, in the order in which they are added. Matplotlib's axes would bring ticks,
    margins and styles that a picture hasn't, and take longer than all that is drawn in them.

    Parameters
    ----------
    part
        What of the slide is shown, level-0 pixels, which `add` counts in too.
    spacing
        Of level 0.
    layout
        How large that is on paper.
    """

    def __init__(self, part: Box, spacing: Spacing, layout: PictureLayout) -> None:
        self.part, self.spacing, self.layout = part, spacing, layout
        self.width_mm = layout.box_mm[0]
        margins = layout.margins
        self.left_mm = margins.left
        height_mm = margins.top + layout.height_mm + margins.below
        size = (self.width_mm / _MM_PER_INCH, height_mm / _MM_PER_INCH)
        self._figure = Figure(figsize=size, dpi=_DPI)
        canvas: Any = FigureCanvasAgg(self._figure)
        self._renderer: Any = canvas.get_renderer()
        # Red, green, blue and alpha of each dot; what is drawn is drawn into it.
        self._raster: Uint8Array = np.asarray(canvas.buffer_rgba())
        self._raster[:] = 255
        # Upwards, as all of Matplotlib counts.
        bottom = margins.below * _DOTS_PER_MM
        scale = layout.width_mm * _DOTS_PER_MM / part.width, layout.height_mm * _DOTS_PER_MM / part.height
        self._left, self._top = self.left_mm * _DOTS_PER_MM, self._raster.shape[0] - bottom - self.dots_high
        self._on_slide = Affine2D().translate(-part.x, -part.bottom).scale(scale[0], -scale[1])
        self._on_slide.translate(self._left, bottom)
        self._within = Bbox.from_bounds(self._left, bottom, self.dots_wide, self.dots_high)
        self._on_strip = Affine2D().translate(0, -margins.below).scale(_DOTS_PER_MM, -_DOTS_PER_MM)

    @property
    def px_per_mm(self) -> float:
        """Level-0 pixels a millimetre of paper."""
        return self.part.width / self.layout.width_mm

    @property
    def dots_wide(self) -> float:
        """Width of the part on paper in printed dots."""
        return self.layout.width_mm * _DOTS_PER_MM

    @property
    def dots_high(self) -> float:
        """Its height."""
        return self.layout.height_mm * _DOTS_PER_MM

    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the raster that lie wholly on the part; one that lies partly on it where none does."""
        return _whole_dots(self._top, self.dots_high), _whole_dots(self._left, self.dots_wide)

    def places_px(self) -> tuple[Float64Array, Float64Array]:
        """Edges of those rows and of those columns, level-0 pixels: one more than there are."""
        (rows, cols), part = self.window(), self.part
        y = part.y + (np.arange(rows.start, rows.stop + 1) - self._top) / self.dots_high * part.height
        x = part.x + (np.arange(cols.start, cols.stop + 1) - self._left) / self.dots_wide * part.width
        return y.clip(part.y, part.bottom), x.clip(part.x, part.right)

    def show(self, pixels: Uint8Array) -> None:
        """Fill the window with its own pixels (rows, cols, 3)."""
        self._raster[(*self.window(), slice(3))] = pixels

    def add(self, artist: Artist) -> None:
        """Draw something in level-0 pixels; nothing of it shows beyond the part."""
        artist.set_clip_box(self._within)
        self._draw(artist, self._on_slide)

    def add_below(self, artist: Artist) -> None:
        """Draw something in the strip below, in millimetres of paper from its upper left corner on."""
        self._draw(artist, self._on_strip)

    def _draw(self, artist: Artist, transform: Transform) -> None:
        artist.set_figure(self._figure)
        artist.set_transform(transform)
        artist.draw(self._renderer)

    def frame(self) -> None:
        """The part's edge, half of it beyond the part."""
        part = self.part
        edge = Rectangle((part.x, part.y), part.width, part.height, fill=False, edgecolor=GREY, linewidth=0.75)
        self._draw(edge, self._on_slide)

    def coordinates(self) -> None:
        """Ticks of level-0 pixels on the left and the upper edge, with their numbers."""
        part, tick = self.part, _GRID_TICK_MM * self.px_per_mm
        xs, ys = (_round_numbers(*side, self.px_per_mm) for side in ((part.x, part.width), (part.y, part.height)))
        ticks = [[(x, part.y - tick), (x, part.y)] for x in xs] + [[(part.x - tick, y), (part.x, y)] for y in ys]
        self._draw(LineCollection(ticks, colors=[GREY], linewidths=0.6), self._on_slide)
        beyond = (_GRID_TICK_MM + _GRID_GAP_MM) * _DOTS_PER_MM
        for x in xs:
            number = _number(numbers.count(round(x)), upright=True)
            left = self._left + (x - part.x) / self.px_per_mm * _DOTS_PER_MM
            # The first begins at the edge instead of before it, where another picture may stand; the last isn't cut.
            left = min(left - (number.shape[1] / 2 if x > part.x else 0), self._raster.shape[1] - number.shape[1])
            self._paste(number, left, self._top - beyond - len(number))
        for y in ys:
            number = _number(numbers.count(round(y)), upright=False)
            top = self._top + (y - part.y) / self.px_per_mm * _DOTS_PER_MM
            self._paste(number, self._left - beyond - number.shape[1], top - (len(number) / 2 if y > part.y else 0))

    def _paste(self, grey: Uint8Array, left: float, top: float) -> None:
        """Darken a place by dark words (rows, cols) on white; what would be beyond the sheet is left out."""
        x, y = max(0, round(left)), max(0, round(top))
        place = self._raster[y : y + len(grey), x : x + grey.shape[1], :3]
        np.minimum(place, grey[: place.shape[0], : place.shape[1], np.newaxis], out=place)

    def scale_bar(self, *, longest_mm: float = _BESIDE_LEGEND_MM) -> None:
        """A bar of whole millimetres of tissue that starts where the part does, low in the strip."""
        tissue_mm_per_mm = self.spacing.mm(self.px_per_mm)
        bar_mm = scale_bar_mm(longest_mm * tissue_mm_per_mm)
        left, y = self.left_mm, self.layout.margins.below - _BAR_ABOVE_END_MM
        right = left + bar_mm / tissue_mm_per_mm
        outline = (
            [left, left, left, right, right, right],
            [y - _TICK_MM, y + _TICK_MM, y, y, y - _TICK_MM, y + _TICK_MM],
        )
        self.add_below(Line2D(*outline, color=INK, linewidth=1.1, solid_joinstyle="miter"))
        self.text(right + 1.4, y, f"{numbers.setting(bar_mm)} mm")

    def text(self, x_mm: float, y_mm: float, words: str, *, ha: str = "left", va: str = "center") -> None:
        """Words in the strip."""
        self.add_below(Text(x_mm, y_mm, words, ha=ha, va=va, color=INK, fontproperties=typeface()))

    def png(self) -> bytes:
        """The sheet as PNG; the same drawing always gives the same bytes."""
        target = io.BytesIO()
        # Runs alone are sought: a third of the time, and two hundredths more bytes.
        Image.fromarray(self._raster[..., :3]).save(target, format="PNG", compress_type=zlib.Z_RLE)
        return target.getvalue()

    def jpeg(self) -> bytes:
        """The sheet as JPEG, for a picture that is mostly a photograph: smaller, and quicker to put on a page."""
        target = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(self._raster[..., :3])).save(target, format="JPEG", **_JPEG)
        return target.getvalue()


def _round_numbers(start: float, length: float, px_per_mm: float) -> list[float]:
    """The coordinates that stand on an edge, both its ends included."""
    step = grid_step_px(length, px_per_mm)
    first = math.ceil(start / step)
    return [number * step for number in range(first, math.floor((start + length) / step + 1e-9) + 1)]


def _whole_dots(start: float, length: float) -> slice:
    first = math.ceil(start) if length >= 2 else math.floor(start)  # noqa: PLR2004 - of two one is whole
    return slice(first, max(first + 1, math.floor(start + length)))
