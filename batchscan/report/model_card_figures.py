"""A model card's curves become drawings: SVG whose words are outlines, the same bytes for the same card.

Lines differ in dashes and marks besides colour, so that they read in grey and to colour-blind eyes (colours after
Okabe and Ito, https://jfly.uni-koeln.de/color/).
"""

from __future__ import annotations

import io
import math
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
from matplotlib.ticker import FuncFormatter, MaxNLocator

from batchscan.domain.card import (
    Calibration,
    CrossValidation,
    Epoch,
    FoldFigures,
    History,
    ModelCard,
    ReliabilityBin,
    Threshold,
)
from batchscan.report.sheet import GREY, INK, TEXT_PT

_MM_PER_INCH = 25.4
_SIZE_MM = (91.0, 60.0)
P = ParamSpec("P")

_LEFT_MM, _RIGHT_MM, _TOP_MM, _BOTTOM_MM = 11.0, 2.0, 6.0, 9.5
_GRID = "#d0d5da"
_FEW = 7
_MANY_MARKS = 40
# No date and no random names within, so that a card printed again is the same.
_SETTINGS: Any = {"svg.fonttype": "path", "svg.hashsalt": "batchscan", "path.simplify": False}


@dataclass(frozen=True, slots=True)
class _Line:
    """How one curve is drawn: no two alike in grey."""

    colour: str
    dashes: tuple[float, ...]
    mark: str

    @property
    def style(self) -> object:
        """Matplotlib's line style."""
        return (0, self.dashes) if self.dashes else "-"


_LINES = (
    _Line("#0072b2", (), "o"),
    _Line("#d55e00", (5, 1.6), "s"),
    _Line("#009e73", (1.4, 1.2), "^"),
    _Line("#cc79a7", (6, 1.4, 1.4, 1.4), "D"),
    _Line("#56b4e9", (3, 1, 1, 1, 1, 1), "v"),
    _Line("#e69f00", (8, 2), "P"),
    _Line("#7a5195", (2.5, 2.5), "X"),
)
_SUM = _Line(INK, (), "*")


def _undisturbed(draw: Callable[P, Figure]) -> Callable[P, bytes]:
    """The drawing as SVG, whatever the user's matplotlibrc says."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> bytes:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_SETTINGS)
            return _svg(draw(*args, **kwargs))

    return drawn


def charts(card: ModelCard) -> dict[str, bytes]:
    """The figures that the card has the numbers for, by name, each an SVG document."""
    drawn = {}
    if card.cross_validation and any(fold.roc for fold in _folds(card.cross_validation)):
        drawn["roc"] = roc_svg(card.cross_validation)
    if card.threshold.curve:
        drawn["threshold"] = threshold_svg(card.threshold)
    if card.calibration.before or card.calibration.after:
        drawn["reliability"] = reliability_svg(card.calibration)
        drawn["distribution"] = distribution_svg(card.calibration)
    if card.history and card.history.epochs:
        drawn |= {what: history_svg(card.history, what) for what in ("accuracy", "loss") if _has(card.history, what)}
    return drawn


@_undisturbed
def roc_svg(found: CrossValidation) -> Figure:
    """ROC of each left-out slide and of all together, with what came out at its threshold."""
    figure, axes = _chart("False-positive rate (1 \u2212 specificity)", "Sensitivity")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, linestyle=(0, (1, 2)))
    many = len(found.slides) > _FEW
    for i, fold in enumerate(found.slides):
        if many:
            label = f"each of {len(found.slides)} slides" if i == 0 else ""
            _roc(axes, fold, _Line("#9aa3ad", (), ""), label, width=0.6)
        else:
            _roc(axes, fold, _LINES[i], _labelled(fold.slide, fold), width=1.2)
    _roc(axes, found.pooled, _SUM, _labelled("pooled", found.pooled), width=1.9 if many else 0.9)
    _unit_square(axes)
    _legend(axes, "lower right")
    return figure


@_undisturbed
def threshold_svg(threshold: Threshold) -> Figure:
    """Sensitivity, specificity and F1 by threshold, the chosen one marked."""
    figure, axes = _chart("Threshold on p(IDC)", "Mean over slides and seeds")
    at = [point.threshold for point in threshold.curve]
    names = ("sensitivity", "specificity", "f1")
    for line, name in zip(_LINES, names, strict=False):
        values = [getattr(point, name) for point in threshold.curve]
        axes.plot(at, values, color=line.colour, linestyle=line.style, linewidth=1.3, label=_LABELS[name])
    _unit_square(axes)
    _mark(axes, threshold.value, f"{threshold.value:.6g}")
    _legend(axes, "lower center")
    return figure


@_undisturbed
def reliability_svg(calibration: Calibration) -> Figure:
    """Share of IDC by mean p of each bin, before and after calibration."""
    figure, axes = _chart("Mean p of the bin", "Share of IDC in the bin")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, linestyle=(0, (1, 2)))
    for label, bins, line in _calibrated(calibration):
        x, y = [one.mean_p for one in bins], [one.share_idc for one in bins]
        _curve(axes, x, y, line, label)
    _unit_square(axes)
    _legend(axes, "upper left")
    return figure


@_undisturbed
def distribution_svg(calibration: Calibration) -> Figure:
    """How many patches have about which p, before and after calibration; the scale is logarithmic."""
    figure, axes = _chart("p", "Patches in the bin")
    for label, bins, line in _calibrated(calibration):
        steps, edges = _steps(bins)
        axes.stairs(steps, edges, baseline=None, color=line.colour, linestyle=line.style, linewidth=1.3, label=label)
    axes.set_xlim(-0.01, 1.01)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.8)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.minorticks_off()
    _legend(axes, "upper center")
    return figure


@_undisturbed
def history_svg(history: History, what: str) -> Figure:
    """Loss or accuracy by epoch, of training and of the watched patients, the kept epoch marked."""
    figure, axes = _chart("Epoch", {"accuracy": "Accuracy", "loss": "Loss"}[what])
    _by_epoch(axes, history.epochs, f"training_{what}", _LINES[0], "training")
    _by_epoch(axes, history.epochs, f"watched_{what}", _LINES[1], history.watched)
    epochs = len(history.epochs)
    axes.set_xlim(0.5, max(epochs, 2) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    if what == "loss":
        axes.set_ylim(bottom=0)
    axes.margins(y=0.08)
    _mark(axes, history.kept_epoch, "kept")
    _legend(axes, "lower right" if what == "accuracy" else "upper right")
    return figure


_LABELS = {"sensitivity": "Sensitivity", "specificity": "Specificity", "f1": "F1"}


def _calibrated(calibration: Calibration) -> list[tuple[str, tuple[ReliabilityBin, ...], _Line]]:
    """Label, bins and line of each curve that there is."""
    if calibration.method == "none":
        return [("not calibrated", calibration.after or calibration.before, _LINES[0])]
    both = [("before", calibration.before, _LINES[1]), ("after", calibration.after, _LINES[0])]
    return [(label, bins, line) for label, bins, line in both if bins]


def _steps(bins: Sequence[ReliabilityBin]) -> tuple[list[float], list[float]]:
    """Heights and edges of the bins; between two that don't touch (empty ones aren't on a card) is a gap."""
    steps: list[float] = []
    edges = [one.low for one in bins[:1]]
    for one in bins:
        if one.low > edges[-1]:
            steps.append(math.nan)
            edges.append(one.low)
        steps.append(one.n)
        edges.append(one.high)
    return steps, edges


def _has(history: History, what: str) -> bool:
    last = history.epochs[-1]
    return any(getattr(last, f"{whose}_{what}") is not None for whose in ("training", "watched"))


def _folds(found: CrossValidation) -> tuple[FoldFigures, ...]:
    return *found.slides, found.pooled


def _labelled(name: str, fold: FoldFigures) -> str:
    area = fold.figures.get("auroc")
    return name if area is None else f"{name}  {area.mean:.3f}"


def _roc(axes: Axes, fold: FoldFigures, line: _Line, label: str, *, width: float) -> None:
    if not fold.roc:
        return
    x, y = [point[0] for point in fold.roc], [point[1] for point in fold.roc]
    # The mark stands in the legend, and once beside the curve.
    (drawn,) = axes.plot(x, y, color=line.colour, linestyle=line.style, linewidth=width, label=label or "_")
    drawn.set(marker=line.mark, markevery=slice(0, 0), markersize=5)
    called = fold.confusions[0] if fold.confusions else None
    if called and line.mark and called.fp + called.tn and called.tp + called.fn:
        at = (called.fp / (called.fp + called.tn), called.tp / (called.tp + called.fn))
        axes.plot(*at, marker=line.mark, color=line.colour, markeredgecolor="white", markeredgewidth=0.6, markersize=6)


def _by_epoch(axes: Axes, epochs: Sequence[Epoch], field: str, line: _Line, label: str) -> None:
    points = [(one.epoch, value) for one in epochs if (value := getattr(one, field)) is not None]
    if not points:
        return
    _curve(axes, [x for x, _ in points], [y for _, y in points], line, label)


def _curve(axes: Axes, x: Sequence[float], y: Sequence[float], line: _Line, label: str) -> None:
    size = 3.0 if len(x) <= _MANY_MARKS else 0.0
    drawn = axes.plot(x, y, color=line.colour, linestyle=line.style, linewidth=1.3, marker=line.mark, markersize=size)
    drawn[0].set_label(label)


def _mark(axes: Axes, x: float, words: str) -> None:
    """A vertical line through the whole chart, named above it."""
    axes.axvline(x, color=INK, linewidth=0.8)
    axes.text(
        x,
        1.015,
        words,
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="bottom",
        fontproperties=_face("SemiBold"),
    )


def _chart(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    width, height = _SIZE_MM
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
    axes.set_xlabel(x_label, fontproperties=_face("Regular"), color=INK, labelpad=2.5)
    axes.set_ylabel(y_label, fontproperties=_face("Regular"), color=INK, labelpad=3)
    return figure, axes


def _unit_square(axes: Axes) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])


def _legend(axes: Axes, place: Any) -> None:
    legend = axes.legend(
        loc=place, prop=_face("Regular"), handlelength=3.2, labelspacing=0.35, borderpad=0.5, framealpha=0.9
    )
    legend.get_frame().set(edgecolor=_GRID, linewidth=0.4, boxstyle="square,pad=0")


@cache
def _face(weight: str) -> FontProperties:
    return FontProperties(fname=str(files("batchscan.templates").joinpath(f"IBMPlexSans-{weight}.ttf")), size=TEXT_PT)


def _svg(figure: Figure) -> bytes:
    for axes in figure.axes:
        for words in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            words.set_fontproperties(_face("Regular"))
    target = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(target, metadata={"Date": None})
    return target.getvalue().encode()
