"""Curves and marks become a drawing: the frame, lines and letters that every chart of a page has, as SVG.

Words are outlines, and the same numbers give the same bytes. Lines differ in dashes and marks besides colour, so that
they read in grey and to colour-blind eyes (colours after Okabe and Ito, https://jfly.uni-koeln.de/color/).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from importlib.resources import files
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from batchscan.report.sheet import GREY, INK, TEXT_PT

SIZE_MM = (91.0, 60.0)
"""Of a chart on paper; two stand beside one another. `blocks.css` has the same numbers."""

_MM_PER_INCH = 25.4
_LEFT_MM, _RIGHT_MM, _TOP_MM, _BOTTOM_MM = 11.0, 2.0, 6.0, 9.5
_GRID = "#d0d5da"
_MANY_MARKS = 40
_BAND = 0.18
# No date and no random names within, so that a page printed again is the same.
_SETTINGS: Any = {"svg.fonttype": "path", "svg.hashsalt": "batchscan", "path.simplify": False}
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Line:
    """How one curve is drawn: no two alike in grey."""

    colour: str
    dashes: tuple[float, ...]
    mark: str

    @property
    def style(self) -> object:
        """Matplotlib's line style."""
        return (0, self.dashes) if self.dashes else "-"


LINES = (
    Line("#0072b2", (), "o"),
    Line("#d55e00", (5, 1.6), "s"),
    Line("#009e73", (1.4, 1.2), "^"),
    Line("#cc79a7", (6, 1.4, 1.4, 1.4), "D"),
    Line("#56b4e9", (3, 1, 1, 1, 1, 1), "v"),
    Line("#e69f00", (8, 2), "P"),
    Line("#7a5195", (2.5, 2.5), "X"),
)
SUM = Line(INK, (), "*")
"""What sums up the others."""
FAINT = Line("#9aa3ad", (), "")
"""One of many."""


def drawing(draw: Callable[P, Figure]) -> Callable[P, bytes]:
    """The figure that a function draws as an SVG document, whatever the user's matplotlibrc says."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> bytes:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_SETTINGS)
            return _svg(draw(*args, **kwargs))

    return drawn


def chart(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """An empty chart with its axes named."""
    width, height = SIZE_MM
    figure = Figure(figsize=(width / _MM_PER_INCH, height / _MM_PER_INCH))
    figure.patch.set_alpha(0)
    inner = (width - _LEFT_MM - _RIGHT_MM) / width, (height - _TOP_MM - _BOTTOM_MM) / height
    axes = figure.add_axes((_LEFT_MM / width, _BOTTOM_MM / height, *inner))
    axes.set_facecolor("none")
    axes.grid(visible=True, color=_GRID, linewidth=0.4)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=GREY, linewidth=0.75)
    axes.tick_params(color=GREY, labelcolor=INK, length=2.5, width=0.6, pad=2)
    axes.set_xlabel(x_label, fontproperties=face("Regular"), color=INK, labelpad=2.5)
    axes.set_ylabel(y_label, fontproperties=face("Regular"), color=INK, labelpad=3)
    return figure, axes


def unit_square(axes: Axes) -> None:
    """Both axes from 0 to 1."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])


def dotted(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """A line to compare with: chance, or perfection."""
    axes.plot(x, y, color=GREY, linewidth=0.7, linestyle=(0, (1, 2)))


def curve(axes: Axes, x: Sequence[float], y: Sequence[float], line: Line, label: str) -> None:
    """Points joined by a line; each is marked unless there are many."""
    size = 3.0 if len(x) <= _MANY_MARKS else 0.0
    drawn = axes.plot(x, y, color=line.colour, linestyle=line.style, linewidth=1.3, marker=line.mark, markersize=size)
    drawn[0].set_label(label)


def band(axes: Axes, x: Sequence[float], low: Sequence[float], high: Sequence[float], line: Line) -> None:
    """What lies between two curves, in the pale colour of the line that it belongs to."""
    axes.fill_between(x, low, high, color=line.colour, alpha=_BAND, linewidth=0)


def marked(axes: Axes, x: float, words: str) -> None:
    """A vertical line through the whole chart, named above it."""
    axes.axvline(x, color=INK, linewidth=0.8)
    axes.text(
        x,
        1.015,
        words,
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="bottom",
        fontproperties=face("SemiBold"),
    )


def legend(axes: Axes, place: Any) -> None:
    """The names of the lines; `place` is matplotlib's `loc`."""
    drawn = axes.legend(
        loc=place, prop=face("Regular"), handlelength=3.2, labelspacing=0.35, borderpad=0.5, framealpha=0.9
    )
    drawn.get_frame().set(edgecolor=_GRID, linewidth=0.4, boxstyle="square,pad=0")


@cache
def face(weight: str) -> FontProperties:
    """The reports' own typeface, `Regular` or `SemiBold`, at the size of words in a picture."""
    return FontProperties(fname=str(files("batchscan.templates").joinpath(f"IBMPlexSans-{weight}.ttf")), size=TEXT_PT)


def _svg(figure: Figure) -> bytes:
    for axes in figure.axes:
        for words in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            words.set_fontproperties(face("Regular"))
    target = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(target, metadata={"Date": None})
    return target.getvalue().encode()
