"""A recipe's settings as rows: those that are settings, with what they mean."""

from __future__ import annotations

from typing import Any

import pytest

from batchscan.report.blocks import Cell
from batchscan.report.recipes import _MEANINGS, recipe_table
from batchscan.training.recipe import Augmentation, Context, Recipe


def values(recipe: dict[str, Any]) -> dict[str, str]:
    table = recipe_table(recipe)
    assert table is not None
    return {row[0].value: row[1].value for row in table.rows}


def test_sections_become_dotted_keys_and_values_words() -> None:
    recipe = {
        "epochs": 15,
        "final_learning_rate": 1e-5,
        "keep": "last",
        "patience": None,
        "folds": [],
        "augment": {"turns": True, "stain": 0.25},
        "context": {"sigmas": [0.0, 0.8]},
    }
    assert values(recipe) == {
        "epochs": "15",
        "final_learning_rate": "0.00001",
        "keep": "last",
        "patience": "none",
        "folds": "none",
        "augment.turns": "yes",
        "augment.stain": "0.25",
        "context.sigmas": "0, 0.8",
    }


def test_what_is_no_setting_is_no_row() -> None:
    """Version 1 of the card kept the history of the training among its recipe."""
    recipe = {
        "epochs": 15,
        "history": [{"epoch": 1, "training_loss": 0.4}],
        "notes": ["a note"],
        "name": "x",
        "l": [[1]],
    }
    assert values(recipe) == {"epochs": "15"}


def test_an_unknown_setting_is_shown_without_a_meaning() -> None:
    table = recipe_table({"of_ones_own": 3})
    assert table is not None
    assert table.rows == ((Cell("of_ones_own"), Cell("3"), Cell("")),)


@pytest.mark.parametrize("recipe", [{}, {"history": [], "notes": []}])
def test_no_settings_make_no_table(recipe: dict[str, Any]) -> None:
    assert recipe_table(recipe) is None


def test_every_setting_that_a_recipe_has_is_explained() -> None:
    shown = values(Recipe().model_dump(mode="json"))
    assert {f"augment.{name}" for name in Augmentation.model_fields} <= set(shown)
    assert {f"context.{name}" for name in Context.model_fields} <= set(shown)
    assert set(shown) <= set(_MEANINGS)
