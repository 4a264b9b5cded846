"""The curves of a training, looked at as pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from batchscan.domain.card import Epoch, History
from batchscan.training.history_figure import draw_history

TRAINING, WATCHED = (0x1F, 0x4E, 0x8C), (0xC4, 0x58, 0x1B)


def history(*, watched: bool) -> History:
    epochs = tuple(
        Epoch(
            epoch=number,
            training_loss=1 / number,
            training_accuracy=1 - 0.5 / number,
            watched_loss=1.5 / number if watched else None,
            watched_accuracy=1 - 0.6 / number if watched else None,
            watched_auroc=0.9 if watched else None,
            seconds=1.0,
        )
        for number in (1, 2, 3, 4)
    )
    patients = ("8863",) if watched else ()
    return History(
        kept_epoch=4,
        how_kept="last",
        watched="held out" if watched else "nobody",
        watched_patients=patients,
        epochs=epochs,
    )


def drawn(of: History) -> bytes:
    target = io.BytesIO()
    draw_history(of, target)
    return target.getvalue()


@pytest.mark.parametrize("watched", [True, False])
def test_each_curve_is_drawn_in_both_plots(*, watched: bool) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(drawn(history(watched=watched)))).convert("RGB")).astype(int)
    middle = pixels.shape[1] // 2
    for half in (pixels[:, :middle], pixels[:, middle:]):
        counts = [int((np.abs(half - colour).max(axis=2) < 12).sum()) for colour in (TRAINING, WATCHED)]
        assert counts[0] > 300
        assert (counts[1] > 200) is watched


def test_the_same_history_gives_the_same_bytes() -> None:
    assert drawn(history(watched=True)) == drawn(history(watched=True))
