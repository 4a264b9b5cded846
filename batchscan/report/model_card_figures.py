"""A model card's curves become drawings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
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
from batchscan.report.charts import FAINT, LINES, SUM, Line, chart, curve, dotted, drawing, legend, marked, unit_square

_FEW = 7


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


@drawing
def roc_svg(found: CrossValidation) -> Figure:
    """ROC of each left-out slide and of all together, with what came out at its threshold."""
    figure, axes = chart("False-positive rate (1 \u2212 specificity)", "Sensitivity")
    dotted(axes, [0, 1], [0, 1])
    many = len(found.slides) > _FEW
    for i, fold in enumerate(found.slides):
        if many:
            label = f"each of {len(found.slides)} slides" if i == 0 else ""
            _roc(axes, fold, FAINT, label, width=0.6)
        else:
            _roc(axes, fold, LINES[i], _labelled(fold.slide, fold), width=1.2)
    _roc(axes, found.pooled, SUM, _labelled("pooled", found.pooled), width=1.9 if many else 0.9)
    unit_square(axes)
    legend(axes, "lower right")
    return figure


@drawing
def threshold_svg(threshold: Threshold) -> Figure:
    """Sensitivity, specificity and F1 by threshold, the chosen one marked."""
    figure, axes = chart("Threshold on p(IDC)", "Mean over slides and seeds")
    at = [point.threshold for point in threshold.curve]
    names = ("sensitivity", "specificity", "f1")
    for line, name in zip(LINES, names, strict=False):
        values = [getattr(point, name) for point in threshold.curve]
        axes.plot(at, values, color=line.colour, linestyle=line.style, linewidth=1.3, label=_LABELS[name])
    unit_square(axes)
    marked(axes, threshold.value, f"{threshold.value:.6g}")
    legend(axes, "lower center")
    return figure


@drawing
def reliability_svg(calibration: Calibration) -> Figure:
    """Share of IDC by mean p of each bin, before and after calibration."""
    figure, axes = chart("Mean p of the bin", "Share of IDC in the bin")
    dotted(axes, [0, 1], [0, 1])
    for label, bins, line in _calibrated(calibration):
        x, y = [one.mean_p for one in bins], [one.share_idc for one in bins]
        curve(axes, x, y, line, label)
    unit_square(axes)
    legend(axes, "upper left")
    return figure


@drawing
def distribution_svg(calibration: Calibration) -> Figure:
    """How many patches have about which p, before and after calibration; the scale is logarithmic."""
    figure, axes = chart("p", "Patches in the bin")
    for label, bins, line in _calibrated(calibration):
        steps, edges = _steps(bins)
        axes.stairs(steps, edges, baseline=None, color=line.colour, linestyle=line.style, linewidth=1.3, label=label)
    axes.set_xlim(-0.01, 1.01)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.8)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.minorticks_off()
    legend(axes, "upper center")
    return figure


@drawing
def history_svg(history: History, what: str) -> Figure:
    """Loss or accuracy by epoch, of training and of the watched patients, the kept epoch marked."""
    figure, axes = chart("Epoch", {"accuracy": "Accuracy", "loss": "Loss"}[what])
    _by_epoch(axes, history.epochs, f"training_{what}", LINES[0], "training")
    _by_epoch(axes, history.epochs, f"watched_{what}", LINES[1], history.watched)
    epochs = len(history.epochs)
    axes.set_xlim(0.5, max(epochs, 2) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    if what == "loss":
        axes.set_ylim(bottom=0)
    axes.margins(y=0.08)
    marked(axes, history.kept_epoch, "kept")
    legend(axes, "lower right" if what == "accuracy" else "upper right")
    return figure


_LABELS = {"sensitivity": "Sensitivity", "specificity": "Specificity", "f1": "F1"}


def _calibrated(calibration: Calibration) -> list[tuple[str, tuple[ReliabilityBin, ...], Line]]:
    """Label, bins and line of each curve that there is."""
    if calibration.method == "none":
        return [("not calibrated", calibration.after or calibration.before, LINES[0])]
    both = [("before", calibration.before, LINES[1]), ("after", calibration.after, LINES[0])]
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


def _roc(axes: Axes, fold: FoldFigures, line: Line, label: str, *, width: float) -> None:
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


def _by_epoch(axes: Axes, epochs: Sequence[Epoch], field: str, line: Line, label: str) -> None:
    points = [(one.epoch, value) for one in epochs if (value := getattr(one, field)) is not None]
    if not points:
        return
    curve(axes, [x for x, _ in points], [y for _, y in points], line, label)
