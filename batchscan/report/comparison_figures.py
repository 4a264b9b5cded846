"""A comparison's differences, curves and slides become drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from batchscan.domain.card import ConfusionCounts
from batchscan.domain.compared import LOWER_IS_BETTER, ComparedLevel, Comparison, Difference
from batchscan.domain.levels import CALLS, RANKS
from batchscan.report.charts import LINES, chart, dotted, drawing, face, legend, unit_square
from batchscan.report.comparison_words import label
from batchscan.report.sheet import GREY, INK

_FIRST, _SECOND = LINES[0], LINES[1]
_DRAWN = (*RANKS, *CALLS)
_LEFT, _BOTTOM, _WIDTH, _HEIGHT = 0.34, 0.17, 0.63, 0.79
_ROOM = 1.08


def charts(comparison: Comparison) -> dict[str, bytes]:
    """The figures that the comparison has the numbers for, by name, each an SVG document."""
    drawn: dict[str, bytes] = {}
    patch = comparison.levels.patch
    if patch is not None:
        margins = {one.figure.removeprefix("patch."): one.margin for one in comparison.noninferiority}
        drawn["differences"] = differences_svg(patch.differences, margins)
        drawn["roc"] = roc_svg(comparison, patch)
    if comparison.per_slide:
        name = "balanced_accuracy"
        pairs = [(one.first[name], one.second[name]) for one in comparison.per_slide]
        drawn["slides"] = slides_svg([(a, b) for a, b in pairs if a is not None and b is not None])
        areas = [(one.first_mm2, one.second_mm2) for one in comparison.per_slide]
        drawn["areas"] = areas_svg([(a, b) for a, b in areas if a is not None and b is not None])
    return drawn


@drawing
def differences_svg(found: Mapping[str, Difference], margins: Mapping[str, float]) -> Figure:
    """Each measure's difference as a mark on its interval; a tick where a stated margin ends."""
    figure, axes = chart("B \u2212 A", "")
    axes.set_position((_LEFT, _BOTTOM, _WIDTH, _HEIGHT))
    names = [name for name in _DRAWN if name in found]
    reach = 0.01
    for place, name in enumerate(names):
        one, margin = found[name], margins.get(name)
        if margin is not None:
            end = margin if name in LOWER_IS_BETTER else -margin
            axes.plot([end, end], [place - 0.36, place + 0.36], color=INK, linewidth=1.1)
            reach = max(reach, margin)
        if one.value is None:
            continue
        if one.low is not None and one.high is not None:
            axes.plot([one.low, one.high], [place, place], color=_SECOND.colour, linewidth=1.3)
            reach = max(reach, -one.low, one.high)
        inside = _SECOND.colour if one.trusted else "white"
        axes.plot(one.value, place, marker="o", markersize=4, color=inside, markeredgecolor=_SECOND.colour)
        reach = max(reach, abs(one.value))
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set(xlim=(-_ROOM * reach, _ROOM * reach), ylim=(len(names) - 0.4, -0.6))
    axes.set_yticks(range(len(names)), [label(name) for name in names])
    return figure


@drawing
def roc_svg(comparison: Comparison, patch: ComparedLevel) -> Figure:
    """Both curves, and where the calls of each lie."""
    figure, axes = chart("False-positive rate (1 \u2212 specificity)", "Sensitivity")
    dotted(axes, [0, 1], [0, 1])
    curves = comparison.roc
    for line, name, points, called in (
        (_FIRST, "A", curves.first if curves else (), patch.first),
        (_SECOND, "B", curves.second if curves else (), patch.second),
    ):
        x, y = [point[0] for point in points], [point[1] for point in points]
        axes.plot(x, y, color=line.colour, linestyle=line.style, linewidth=1.3, label=name)
        _as_called(axes, called, line.colour, line.mark)
    unit_square(axes)
    legend(axes, "lower right")
    return figure


@drawing
def slides_svg(pairs: Sequence[tuple[float, float]]) -> Figure:
    """The balanced accuracy of each slide, B against A."""
    figure, axes = chart("Balanced accuracy, A", "Balanced accuracy, B")
    dotted(axes, [0, 1], [0, 1])
    _marks(axes, pairs)
    least = max(0.0, min((value for pair in pairs for value in pair), default=0.0) - 0.05)
    axes.set(xlim=(least, 1.02), ylim=(least, 1.02))
    return figure


@drawing
def areas_svg(pairs: Sequence[tuple[float, float]]) -> Figure:
    """The area called IDC on each slide, B against A."""
    figure, axes = chart("Area called IDC by A, mm\u00b2", "By B, mm\u00b2")
    most = _ROOM * max((value for pair in pairs for value in pair), default=1.0) or 1.0
    dotted(axes, [0, most], [0, most])
    _marks(axes, pairs)
    axes.set(xlim=(-0.02 * most, most), ylim=(-0.02 * most, most))
    return figure


def _marks(axes: Axes, pairs: Sequence[tuple[float, float]]) -> None:
    axes.plot([a for a, _ in pairs], [b for _, b in pairs], linestyle="none", marker="o", markersize=3.6,
              color=_FIRST.colour, markeredgecolor="white", markeredgewidth=0.4, alpha=0.9, clip_on=False)  # fmt: skip
    if not pairs:
        axes.text(0.5, 0.5, "no slide has both", ha="center", transform=axes.transAxes, fontproperties=face("Regular"))


def _as_called(axes: Axes, found: ConfusionCounts, colour: str, mark: str) -> None:
    if found.tp + found.fn and found.fp + found.tn:
        at = found.fp / (found.fp + found.tn), found.tp / (found.tp + found.fn)
        axes.plot(*at, marker=mark, markersize=6, color=colour, markeredgecolor="white", markeredgewidth=0.6)
