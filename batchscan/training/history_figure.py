"""The history of a training -> its curves of accuracy and loss by epoch, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from batchscan.domain.card import Epoch, History

_SIZE_INCHES = (8.0, 3.4)
_DPI = 150
# Dark blue and orange: apart to colour-blind eyes too, and the lines differ by dashes beside.
_TRAINING, _WATCHED = "#1f4e8c", "#c4581b"


def draw_history(history: History, target: IO[bytes]) -> None:
    """Two plots side by side, training and watched patients in each, the kept epoch marked; PNG into an open file."""
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    epochs = history.epochs
    for place, (title, name) in enumerate((("Accuracy", "accuracy"), ("Loss", "loss")), start=1):
        axes = figure.add_subplot(1, 2, place)
        axes.plot(*_line(epochs, f"training_{name}"), label="training", color=_TRAINING)
        if history.watched_patients:
            axes.plot(*_line(epochs, f"watched_{name}"), label=history.watched, color=_WATCHED, linestyle="--")
        axes.axvline(history.kept_epoch, color="0.6", linewidth=0.8, linestyle=":", label="kept")
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False)
    figure.savefig(target, format="png", metadata={"Software": None})


def _line(epochs: Sequence[Epoch], name: str) -> tuple[list[int], list[float]]:
    """Numbers of the epochs that have a value, and the values."""
    points = [(epoch.epoch, value) for epoch in epochs if (value := getattr(epoch, name)) is not None]
    return [number for number, _ in points], [value for _, value in points]
