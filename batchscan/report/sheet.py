"""A slide's outline becomes a sheet of paper to draw on: axes in level-0 pixels above a strip in millimetres."""

from __future__ import annotations

import io
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from PIL import Image

from batchscan.domain.records import SlideInfo
from batchscan.report.layout import FRAME_MM, PictureLayout, scale_bar_mm

INK, GREY = "#1b1f24", "#6a737d"
TEXT_PT = 7.0
HALO = patheffects.withStroke(linewidth=2.4, foreground="white")

_DPI = 200
_MM_PER_INCH = 25.4
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

    Parameters
    ----------
    slide
        Whose level-0 pixels `axes` counts in.
    layout
        How large the slide is on paper.

    Attributes
    ----------
    axes
        The slide's own rectangle, level-0 pixels, y downwards.
    strip
        The full width below it, millimetres of paper, y downwards.
    """

    def __init__(self, slide: SlideInfo, layout: PictureLayout) -> None:
        self.slide = slide
        self.layout = layout
        self.width_mm = layout.box_mm[0]
        self.height_mm = _TOP_MM + layout.height_mm + _STRIP_MM
        self.left_mm = FRAME_MM
        self.figure = Figure(figsize=(self.width_mm / _MM_PER_INCH, self.height_mm / _MM_PER_INCH), dpi=_DPI)
        self.figure.patch.set_facecolor("white")
        self.axes = self._axes(self.left_mm, _STRIP_MM, layout.width_mm, layout.height_mm)
        self.axes.set(xlim=(0, slide.width_px), ylim=(slide.height_px, 0), xticks=[], yticks=[], autoscale_on=False)
        for spine in self.axes.spines.values():
            spine.set(linewidth=0.75, color=GREY)
        self.strip = self._axes(0, 0, self.width_mm, _STRIP_MM)
        self.strip.set(xlim=(0, self.width_mm), ylim=(_STRIP_MM, 0), autoscale_on=False)
        self.strip.set_axis_off()

    def _axes(self, left_mm: float, bottom_mm: float, width_mm: float, height_mm: float) -> Axes:
        rectangle = (left_mm / self.width_mm, bottom_mm / self.height_mm)
        return self.figure.add_axes((*rectangle, width_mm / self.width_mm, height_mm / self.height_mm))

    @property
    def px_per_mm(self) -> float:
        """Level-0 pixels a millimetre of paper."""
        return self.slide.width_px / self.layout.width_mm

    @property
    def dots(self) -> tuple[int, int]:
        """Width and height of the slide on paper in printed dots."""
        dots_per_mm = _DPI / _MM_PER_INCH
        return max(1, round(self.layout.width_mm * dots_per_mm)), max(1, round(self.layout.height_mm * dots_per_mm))

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
        self.strip.add_line(Line2D(*outline, color=INK, linewidth=1.1, solid_joinstyle="miter"))
        self.text(right + 1.4, y, f"{bar_mm:g} mm")

    def text(self, x_mm: float, y_mm: float, words: str, *, ha: str = "left", va: str = "center") -> None:
        """Words in the strip."""
        self.strip.text(x_mm, y_mm, words, ha=ha, va=va, color=INK, fontproperties=typeface())

    def png(self) -> bytes:
        """The sheet as PNG; the same drawing always gives the same bytes.

        `savefig` would follow the user's matplotlibrc (a tight box, a colour), so the canvas is read instead.
        """
        canvas: Any = FigureCanvasAgg(self.figure)
        canvas.draw()
        target = io.BytesIO()
        Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).save(target, format="PNG")
        return target.getvalue()
