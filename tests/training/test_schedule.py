"""Each patch once an epoch, and rates worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscan.training.recipe import Recipe
from batchscan.training.schedule import learning_rate, shuffled, steps_per_epoch


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 9))
def test_every_patch_comes_and_only_the_last_step_repeats_some(count: int, batch: int, seed: int) -> None:
    batches = shuffled(count, batch, np.random.default_rng(seed))
    assert batches.shape == (steps_per_epoch(count, batch), batch)
    assert sorted(batches.ravel()[:count].tolist()) == list(range(count))
    assert batches.size - count < batch


def test_the_order_is_random_and_its_seed_decides() -> None:
    one, same, other = (shuffled(40, 8, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.ravel().tolist() != list(range(40))


def test_the_rate_falls_along_half_a_cosine() -> None:
    recipe = Recipe(learning_rate=0.5, final_learning_rate=0.1)
    # Half way: their mean. At a third: cos 60 degrees is 0.5, so three quarters of the way up.
    assert learning_rate(recipe, 0, 12) == pytest.approx(0.5)
    assert learning_rate(recipe, 4, 12) == pytest.approx(0.1 + 0.75 * 0.4)
    assert learning_rate(recipe, 6, 12) == pytest.approx(0.3)
    assert learning_rate(recipe, 12, 12) == pytest.approx(0.1)


def test_it_rises_first_where_asked() -> None:
    recipe = Recipe(learning_rate=0.4, final_learning_rate=0.1, warmup_steps=4)
    assert [learning_rate(recipe, step, 16) for step in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])
    assert learning_rate(recipe, 10, 16) == pytest.approx(0.25)


def test_a_training_may_be_shorter_than_the_rise() -> None:
    recipe = Recipe(learning_rate=0.4, warmup_steps=100)
    assert learning_rate(recipe, 49, 50) == pytest.approx(0.2)
