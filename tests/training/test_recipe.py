"""A recipe is read whole or refused with the key named; the shipped one is the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchscan.domain.errors import JobError
from batchscan.training.recipe import Augmentation, Recipe, read_recipe

SHIPPED = Path(__file__).parents[2] / "jobs" / "published-cnn.toml"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_the_default(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, "epochs = 3\n[augment]\nstain = 0.5\n"))
    assert recipe == Recipe(epochs=3, augment=Augmentation(stain=0.5))


def test_the_shipped_recipe_is_the_default_for_the_public_patches() -> None:
    shipped = read_recipe(SHIPPED)
    assert "8863" not in shipped.validation_patients
    assert shipped.model_copy(update={"validation_patients": (), "notes": (), "data": Recipe().data}) == Recipe()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epoch = 3", "unknown key epoch: the nearest known one is epochs"),
        ("[augment]\nstains = 0.1", r"unknown key augment\.stains: the nearest known one is stain"),
        ("epochs = 0", "epochs = 0 is refused"),
        ('precision = "int8"', "precision = 'int8' is refused"),
        ("epochs = ", "can't be read"),
    ],
)
def test_wrong_recipes_are_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(JobError, match=told):
        read_recipe(written(tmp_path, text))


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"none\.toml can't be read"):
        read_recipe(tmp_path / "none.toml")
