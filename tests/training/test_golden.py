"""Golden patches: spread over the network's answers, and its answers to just them."""

from __future__ import annotations

import numpy as np
import pytest

from batchscan.training import golden as module
from batchscan.training.dataset import LabelledPatches
from batchscan.training.golden import golden_patches


def patches(count: int) -> LabelledPatches:
    """Each patch's first pixel is its number."""
    pixels = np.zeros((count, 2, 2, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(count)
    return LabelledPatches(pixels, np.zeros(count, np.int64), np.full(count, "a"), np.zeros(count), np.zeros(count))


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "predicted", lambda _, pixels: pixels[:, 0, 0, 0].astype(np.float32) / 255)


def test_they_spread_over_all_answers_and_crowd_at_the_decision() -> None:
    found = golden_patches(None, patches(256), 100 / 255, np.random.default_rng(0))
    numbers = np.rint(found.p_idc * 255).astype(int)
    assert len(numbers) == len(set(numbers)) == 32
    assert {0, 255} <= set(numbers)
    assert np.diff(np.sort(numbers)).max() <= 12
    assert len([n for n in numbers if 95 <= n <= 105]) >= 8
    assert (found.patches[:, 0, 0, 0] == numbers).all()


def test_few_patches_come_more_than_once() -> None:
    found = golden_patches(None, patches(5), 0.5, np.random.default_rng(0))
    assert len(found.p_idc) >= 16
    assert set(np.rint(found.p_idc * 255).astype(int)) == set(range(5))
