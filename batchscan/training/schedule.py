"""A recipe -> which patches a step takes, and how fast it learns from them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from batchscan.training.recipe import Recipe


def steps_per_epoch(n_training: int, batch: int) -> int:
    """How many steps one pass over the training patches takes."""
    return math.ceil(n_training / batch)


def shuffled(n_training: int, batch: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Every patch's number once, in random order, (steps, batch).

    A shorter rest is filled from the beginning, so that one shape serves all steps.
    """
    return np.resize(rng.permutation(n_training), (steps_per_epoch(n_training, batch), batch))


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The rate of a step, counted from 0: it rises in equal parts to the first rate, then falls to the final one.

    The fall is half a cosine over the steps that the rise leaves.
    """
    if step < recipe.warmup_steps:
        return recipe.learning_rate * (step + 1) / recipe.warmup_steps
    through = (step - recipe.warmup_steps) / max(1, steps - recipe.warmup_steps)
    share = (1.0 + math.cos(math.pi * through)) / 2.0
    return recipe.final_learning_rate + (recipe.learning_rate - recipe.final_learning_rate) * share
