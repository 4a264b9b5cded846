"""A recipe is read whole or refused with the key named; the shipped one is the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchscan.domain.errors import JobError
from batchscan.stores.packages import DEFAULT_MODEL, open_package
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
    of_its_patches = ("name", "licence", "spacing_known", "data", "labels_known", "notes", "validation_patients")
    assert shipped.model_copy(update={key: getattr(Recipe(), key) for key in of_its_patches}) == Recipe()


def test_the_shipped_recipe_says_what_the_shipped_card_says(tmp_path: Path) -> None:
    card = open_package(DEFAULT_MODEL).card
    made = read_recipe(SHIPPED).completed(tmp_path).model_dump(mode="json")
    # The card was written before the labels' origin was a key; it says the same among its limits.
    assert made.pop("labels_known") in card.limits
    assert made == {key: value for key, value in card.recipe.items() if key in made}


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("my-model", "my-model"),
        ("my model (v2)", "my-model-v2"),
        ("x/../Modell.3_b", "Modell.3_b"),
        ("\u6a21", "unnamed"),
    ],
)
def test_a_model_is_called_like_its_folder(folder: str, name: str, tmp_path: Path) -> None:
    assert Recipe().completed(tmp_path / folder).name == name
    assert Recipe(name="mine").completed(tmp_path / folder).name == "mine"


def test_nothing_is_claimed_that_nobody_said(tmp_path: Path) -> None:
    found = Recipe().completed(tmp_path)
    assert found.licence == "not stated"
    assert "not stated" in found.data
    assert "not stated" in found.labels_known
    assert found.spacing_known == (
        "8.0 um/px assumed: the convention of the public patch layout; set um_per_px and spacing_known in a recipe if "
        "yours differ"
    )


def test_a_recipes_spacing_is_no_assumption(tmp_path: Path) -> None:
    assert "0.5 um/px, as the training recipe says" in str(Recipe(um_per_px=0.5).completed(tmp_path).spacing_known)
    known = Recipe(um_per_px=0.5, spacing_known="the scanner says so")
    assert known.completed(tmp_path).spacing_known == "the scanner says so"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epoch = 3", "unknown key epoch: the nearest known one is epochs"),
        ("[augment]\nstains = 0.1", r"unknown key augment\.stains: the nearest known one is stain"),
        ("epochs = 0", "epochs = 0 is refused"),
        ('spacing_known = "8"', "spacing_known = '8' is refused"),
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
