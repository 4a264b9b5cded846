"""A slide's outline becomes a sheet of paper to draw on: in level-0 pixels, and in millimetres in a strip below."""

from __future__ import annotations

import io
import math
import zlib
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Bbox, Transform
from PIL import Image

from batchscan.domain.records import Float64Array, SlideInfo, Uint8Array
from batchscan.report.layout import FRAME_MM, PictureLayout, scale_bar_mm

INK, GREY = "#1b1f24", "#6a737d"
TEXT_PT = 7.0
HALO = patheffects.withStroke(linewidth=2.4, foreground="white")

_DPI = 200
_MM_PER_INCH = 25.4
_DOTS_PER_MM = _DPI / _MM_PER_INCH
_STRIP_MM = 10.4
_TOP_MM = 0.4
_SCALE_BAR_Y_MM = 7.4
_TICK_MM = 0.9
_BESIDE_LEGEND_MM = 22.0


@cache
def typeface() -> FontProperties:
    """The reports' own typeface at the size of words in a picture."""
    return FontProperties(fname=str(files("batchscan.templates").joinpath("IBMPlexSans-SemiBold.ttf")), size=TEXT_PT)


class Sheet:
    """Paper for one picture of a whole slide.

    Artists are drawn one by one on a raster, in the order in which they are added. Matplotlib's axes would bring ticks,
    margins and styles that a picture hasn't, and take longer than all that is drawn in them.

    Parameters
    ----------
    slide
        Whose level-0 pixels `add` counts in.
    layout
        How large the slide is on paper.
    """

    def __init__(self, slide: SlideInfo, layout: PictureLayout) -> None:
        self.slide = slide
        self.layout = layout
        self.width_mm = layout.box_mm[0]
        self.left_mm = FRAME_MM
        height_mm = _TOP_MM + layout.height_mm + _STRIP_MM
        size = (self.width_mm / _MM_PER_INCH, height_mm / _MM_PER_INCH)
        self._figure = Figure(figsize=size, dpi=_DPI)
        canvas: Any = FigureCanvasAgg(self._figure)
        self._renderer: Any = canvas.get_renderer()
        # Red, green, blue and alpha of each dot; what is drawn is drawn into it.
        self._raster: Uint8Array = np.asarray(canvas.buffer_rgba())
        self._raster[:] = 255
        # Upwards, as all of Matplotlib counts.
        bottom = _STRIP_MM * _DOTS_PER_MM
        scale = layout.width_mm * _DOTS_PER_MM / slide.width_px, layout.height_mm * _DOTS_PER_MM / slide.height_px
        self._left, self._top = self.left_mm * _DOTS_PER_MM, self._raster.shape[0] - bottom - self.dots_high
        self._on_slide = Affine2D().translate(0, -slide.height_px).scale(scale[0], -scale[1])
        self._on_slide.translate(self._left, bottom)
        self._within = Bbox.from_bounds(self._left, bottom, self.dots_wide, self.dots_high)
        self._on_strip = Affine2D().translate(0, -_STRIP_MM).scale(_DOTS_PER_MM, -_DOTS_PER_MM)

    @property
    def px_per_mm(self) -> float:
        """Level-0 pixels a millimetre of paper."""
        return self.slide.width_px / self.layout.width_mm

    @property
    def dots_wide(self) -> float:
        """Width of the slide on paper in printed dots."""
        return self.layout.width_mm * _DOTS_PER_MM

    @property
    def dots_high(self) -> float:
        """Its height."""
        return self.layout.height_mm * _DOTS_PER_MM

    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the raster that lie wholly on the slide; one that lies partly on it where none does."""
        return _whole_dots(self._top, self.dots_high), _whole_dots(self._left, self.dots_wide)

    def places_px(self) -> tuple[Float64Array, Float64Array]:
        """Edges of those rows and of those columns, level-0 pixels: one more than there are."""
        rows, cols = self.window()
        y = (np.arange(rows.start, rows.stop + 1) - self._top) / self.dots_high * self.slide.height_px
        x = (np.arange(cols.start, cols.stop + 1) - self._left) / self.dots_wide * self.slide.width_px
        return y.clip(0, self.slide.height_px), x.clip(0, self.slide.width_px)

    def show(self, pixels: Uint8Array) -> None:
        """Fill the window with its own pixels (rows, cols, 3)."""
        self._raster[(*self.window(), slice(3))] = pixels

    def add(self, artist: Artist) -> None:
        """Draw something in level-0 pixels; nothing of it shows beyond the slide."""
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
        """The slide's edge, half of it beyond the slide."""
        edge = Rectangle((0, 0), self.slide.width_px, self.slide.height_px, fill=False, edgecolor=GREY, linewidth=0.75)
        self._draw(edge, self._on_slide)

    def scale_bar(self) -> None:
        """A bar of whole millimetres of tissue that starts where the slide does."""
        tissue_mm_per_mm = self.slide.spacing.mm(self.px_per_mm)
        bar_mm = scale_bar_mm(_BESIDE_LEGEND_MM * tissue_mm_per_mm)
        left, y = self.left_mm, _SCALE_BAR_Y_MM
        right = left + bar_mm / tissue_mm_per_mm
        outline = (
            [left, left, left, right, right, right],
            [y - _TICK_MM, y + _TICK_MM, y, y, y - _TICK_MM, y + _TICK_MM],
        )
        self.add_below(Line2D(*outline, color=INK, linewidth=1.1, solid_joinstyle="miter"))
        self.text(right + 1.4, y, f"{bar_mm:g} mm")

    def text(self, x_mm: float, y_mm: float, words: str, *, ha: str = "left", va: str = "center") -> None:
        """Words in the strip."""
        self.add_below(Text(x_mm, y_mm, words, ha=ha, va=va, color=INK, fontproperties=typeface()))

    def png(self) -> bytes:
        """The sheet as PNG; the same drawing always gives the same bytes."""
        target = io.BytesIO()
        # Runs alone are sought: a third of the time, and two hundredths more bytes.
        Image.fromarray(self._raster[..., :3]).save(target, format="PNG", compress_type=zlib.Z_RLE)
        return target.getvalue()


def _whole_dots(start: float, length: float) -> slice:
    first = math.ceil(start) if length >= 2 else math.floor(start)  # noqa: PLR2004 - of two one is whole
    return slice(first, max(first + 1, math.floor(start + length)))
