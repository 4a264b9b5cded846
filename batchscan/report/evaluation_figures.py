"""An evaluation's curves, probabilities and extents become drawings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from batchscan.domain.card import ReliabilityBin
from batchscan.domain.evaluated import Evaluation, SlideRow
from batchscan.domain.levels import Agreement, BandPoint, DecisionPoint, Level, Measured
from batchscan.report.charts import (
    FAINT,
    LINES,
    SUM,
    band,
    chart,
    curve,
    dotted,
    drawing,
    face,
    legend,
    marked,
    unit_square,
)
from batchscan.report.evaluation_words import UNITS, pairs
from batchscan.report.sheet import GREY, INK

_CURVE, _REFERENCE = LINES[0], LINES[1]
_MARGIN = 0.06
_MILLION = 1_000_000


def charts(evaluation: Evaluation) -> dict[str, bytes]:
    """The figures that the evaluation has the numbers for, by name, each an SVG document."""
    drawn: dict[str, bytes] = {}
    levels = evaluation.levels
    for level in (levels.patch, levels.slide, levels.patient):
        if level is not None and level.roc:
            drawn[f"roc_{level.unit}"] = roc_svg(level)
        if level is not None and level.pr:
            drawn[f"pr_{level.unit}"] = precision_svg(level)
    if levels.patch is not None and levels.patch.reliability:
        drawn["reliability"] = reliability_svg(levels.patch.reliability)
        drawn["distribution"] = distribution_svg(levels.patch.reliability)
    if levels.patch is not None and levels.patch.decision:
        threshold = _one_threshold(evaluation)
        drawn["decision"] = decision_svg(levels.patch.decision, threshold)
    for agreement in evaluation.extent.quantities:
        if pairs(agreement, evaluation.extent.per_slide):
            drawn[f"scatter_{agreement.quantity}"] = scatter_svg(agreement, evaluation.extent.per_slide)
            drawn[f"difference_{agreement.quantity}"] = difference_svg(agreement, evaluation.extent.per_slide)
    return drawn


@drawing
def roc_svg(level: Level) -> Figure:
    """Sensitivity against false-positive rate, its band, and where the calls of this evaluation lie."""
    figure, axes = chart("False-positive rate (1 \u2212 specificity)", "Sensitivity")
    dotted(axes, [0, 1], [0, 1])
    _banded(axes, level.roc_band)
    axes.plot([x for x, _, _ in level.roc], [y for _, y, _ in level.roc], color=_CURVE.colour, linewidth=1.3)
    found = level.confusion
    if found.tp + found.fn and found.fp + found.tn:
        _called(axes, found.fp / (found.fp + found.tn), found.tp / (found.tp + found.fn))
    unit_square(axes)
    _named(axes, level.roc_band, "lower right")
    return figure


@drawing
def precision_svg(level: Level) -> Figure:
    """Precision against sensitivity, its band, and where the calls of this evaluation lie."""
    figure, axes = chart("Sensitivity (recall)", "Precision (PPV)")
    if level.prevalence is not None:
        dotted(axes, [0, 1], [level.prevalence, level.prevalence])
    _banded(axes, level.pr_band)
    axes.plot([x for x, _, _ in level.pr], [y for _, y, _ in level.pr], color=_CURVE.colour, linewidth=1.3)
    found = level.confusion
    if found.tp + found.fn and found.tp + found.fp:
        _called(axes, found.tp / (found.tp + found.fn), found.tp / (found.tp + found.fp))
    unit_square(axes)
    _named(axes, level.pr_band, "lower left")
    return figure


@drawing
def reliability_svg(bins: Sequence[ReliabilityBin]) -> Figure:
    """Share of IDC by mean p of each bin."""
    figure, axes = chart("Mean p of the bin", "Share of IDC in the bin")
    dotted(axes, [0, 1], [0, 1])
    curve(axes, [one.mean_p for one in bins], [one.share_idc for one in bins], _CURVE, "this cohort")
    unit_square(axes)
    return figure


@drawing
def distribution_svg(bins: Sequence[ReliabilityBin]) -> Figure:
    """How many patches have about which p, with and without IDC; the scale is logarithmic."""
    figure, axes = chart("p(IDC)", "")
    width = 0.42
    of_idc = [one.n * one.share_idc for one in bins]
    of_others = [one.n * (1 - one.share_idc) for one in bins]
    for line, label, side, heights in (
        (_REFERENCE, "labelled IDC", -width / 2, of_idc),
        (_CURVE, "labelled not IDC", width / 2, of_others),
    ):
        middle = [(one.low + one.high) / 2 + side * (one.high - one.low) for one in bins]
        axes.bar(
            middle,
            heights,
            [width * (one.high - one.low) for one in bins],
            color=line.colour,
            edgecolor="white",
            linewidth=0.3,
            hatch="////" if line is _REFERENCE else None,
            label=label,
        )
    axes.set_xlim(-0.01, 1.01)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.8)
    axes.yaxis.set_major_formatter(FuncFormatter(_counted))
    axes.minorticks_off()
    legend(axes, "upper center")
    return figure


@drawing
def decision_svg(points: Sequence[DecisionPoint], threshold: float | None) -> Figure:
    """Net benefit by threshold, of the model, of calling everything, and of calling nothing."""
    figure, axes = chart("Threshold on p(IDC)", "Net benefit a patch")
    at = [one.threshold for one in points]
    axes.plot(at, [one.net_benefit for one in points], color=_CURVE.colour, linewidth=1.3, label="by the model")
    everything = [one.call_all for one in points]
    axes.plot(at, everything, color=_REFERENCE.colour, linestyle=_REFERENCE.style, linewidth=1.1, label="call all IDC")
    axes.axhline(0, color=GREY, linewidth=0.9, linestyle=(0, (1, 2)), label="call none")
    best = max(0.0, *(one.net_benefit for one in points), *everything)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.25 * max(best, 0.02), 1.12 * max(best, 0.02)))
    if threshold is not None:
        marked(axes, threshold, f"{threshold:.6g}")
    legend(axes, "upper right")
    return figure


@drawing
def scatter_svg(agreement: Agreement, rows: Sequence[SlideRow]) -> Figure:
    """What was found against the reference, a mark a slide; on the line they agree."""
    unit = UNITS[agreement.unit]
    figure, axes = chart(f"Reference, {unit}", f"Found, {unit}")
    found, reference = zip(*pairs(agreement, rows), strict=True)
    most = max(*found, *reference, 1e-6) * (1 + _MARGIN)
    dotted(axes, [0, most], [0, most])
    _slides(axes, reference, found)
    axes.set(xlim=(-0.02 * most, most), ylim=(-0.02 * most, most))
    return figure


@drawing
def difference_svg(agreement: Agreement, rows: Sequence[SlideRow]) -> Figure:
    """Bland and Altman's plot: difference against mean, bias and limits of agreement with their intervals."""
    unit = UNITS[agreement.unit]
    figure, axes = chart(f"Mean of found and reference, {unit}", f"Found \u2212 reference, {unit}")
    measured = pairs(agreement, rows)
    mean, difference = [(a + b) / 2 for a, b in measured], [a - b for a, b in measured]
    right = max(*mean, 1e-6) * (1 + 4 * _MARGIN)
    axes.axhline(0, color=GREY, linewidth=0.7, linestyle=(0, (1, 2)))
    for found, words, line in (
        (agreement.loa_high, "upper limit", _REFERENCE),
        (agreement.bias, "bias", SUM),
        (agreement.loa_low, "lower limit", _REFERENCE),
    ):
        _level_line(axes, found, words, line, right)
    _slides(axes, mean, difference)
    axes.set_xlim(-0.02 * right, right)
    axes.margins(y=0.12)
    return figure


def _level_line(axes: Axes, found: Measured, words: str, line: Any, right: float) -> None:
    if found.value is None:
        return
    if found.low is not None and found.high is not None:
        axes.axhspan(found.low, found.high, color=line.colour, alpha=0.12, linewidth=0)
    axes.axhline(found.value, color=line.colour, linestyle=line.style, linewidth=1.0)
    axes.text(right, found.value, words, ha="right", va="bottom", color=INK, fontproperties=face("Regular"))


def _counted(value: float, _: int) -> str:
    return f"{value / _MILLION:,.0f} M" if value >= _MILLION else f"{value:,.0f}"


def _slides(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    axes.plot(x, y, linestyle="none", marker="o", markersize=3.6, color=_CURVE.colour, markeredgecolor="white",
              markeredgewidth=0.4, alpha=0.9)  # fmt: skip


def _banded(axes: Axes, points: Sequence[BandPoint]) -> None:
    band(axes, [one.x for one in points], [one.low for one in points], [one.high for one in points], _CURVE)


def _called(axes: Axes, x: float, y: float) -> None:
    axes.plot(x, y, marker="s", markersize=6, color=INK, markeredgecolor="white", markeredgewidth=0.6,
              linestyle="none", label="as called")  # fmt: skip


def _named(axes: Axes, points: Sequence[BandPoint], place: str) -> None:
    axes.plot([], [], color=_CURVE.colour, linewidth=1.3, label="by threshold")
    if points:
        axes.fill_between([], [], [], color=_CURVE.colour, alpha=0.18, linewidth=0, label="95 % interval")
    axes.plot([], [], color=FAINT.colour, linewidth=0.9, linestyle=(0, (1, 2)), label="chance")
    legend(axes, place)


def _one_threshold(evaluation: Evaluation) -> float | None:
    """The threshold where all slides were called at the same."""
    found = {row.threshold for row in evaluation.extent.per_slide}
    return found.pop() if len(found) == 1 else None
