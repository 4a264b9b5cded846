"""A recipe is read whole or refused with the key named; the shipped one is the default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from batchscan.domain.errors import JobError
from batchscan.stores.packages import open_package
from batchscan.training.recipe import Augmentation, Context, Recipe, read_recipe

JOBS = Path(__file__).parents[2] / "jobs"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_the_default(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, "epochs = 3\n[augment]\nstain = 0.5\n"))
    assert recipe == Recipe(epochs=3, augment=Augmentation(stain=0.5))


RECIPES = sorted(path for path in JOBS.glob("*.toml") if path.name not in ("overnight.toml", "validation.toml"))


def test_the_published_recipe_is_as_it_was_published() -> None:
    found = read_recipe(JOBS / "published-recipe.toml")
    assert (found.network, found.epochs, found.weight_decay, found.warmup_steps) == ("published", 15, 0.0, 0)
    assert (found.learning_rate, found.final_learning_rate) == (1e-3, 1e-3)
    assert (found.keep, found.validation_patients, found.contrast) == ("last", (), 0.0)
    assert found.augment == Augmentation(stain=0.0, brightness=0.0, gaps=0.0)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_says_what_its_patches_are(path: Path) -> None:
    found = read_recipe(path)
    assert found.name
    assert found.data.startswith("Breast Histopathology Images (public IDC set, CC0)")
    assert (found.um_per_px, str(found.spacing_known)[:9]) == (8.0, "inferred:")
    assert "8863" not in found.validation_patients


def test_recipes_make_models_of_different_names() -> None:
    assert len({read_recipe(path).name for path in RECIPES}) == len(RECIPES) >= 3


def said_defaults(lines: list[str], key: str) -> list[str]:
    """What stands in brackets in the comment on a key, around its line."""
    (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{key} = ")]
    comments = " ".join(line.partition("#")[2] for line in lines[at - 1 : at + 2])
    return re.findall(r"\[([^\]]*)\]", comments)


@pytest.mark.parametrize("section", [None, "augment", "context"])
def test_the_shipped_recipe_gives_the_default_where_it_is_another(section: str | None) -> None:
    lines = (JOBS / "published-cnn.toml").read_text().splitlines()
    shipped, plain = read_recipe(JOBS / "published-cnn.toml"), Recipe()
    if section:
        lines = lines[lines.index(f"[{section}]") :]
        shipped, plain = getattr(shipped, section), getattr(plain, section)
    keys = list(type(plain).model_fields)
    for key in keys[keys.index("network") if section is None else 0 :]:
        value, default = getattr(shipped, key), getattr(plain, key)
        if (
            value == default
            or default is None
            or key in {"folds", "data", "labels_known", "notes", "augment", "context"}
        ):
            continue
        (said,) = said_defaults(lines, key)
        assert float(said) == (default[0] if isinstance(default, tuple) else default), key


@pytest.mark.parametrize("section", [Recipe, Augmentation, Context])
def test_the_shipped_recipe_shows_every_key(section: type[Recipe | Augmentation | Context]) -> None:
    text = (JOBS / "published-cnn.toml").read_text()
    shown = set(re.findall(r"^(?:# )?([a-z0-9_]+) = ", text, re.MULTILINE))
    assert set(section.model_fields) - {"augment", "context"} <= shown


def test_the_compact_recipe_is_of_the_compact_network() -> None:
    assert read_recipe(JOBS / "compact.toml").network == "compact"


def test_the_shipped_recipe_says_of_the_patches_what_the_shipped_card_says() -> None:
    card = open_package("published-cnn").card
    published = read_recipe(JOBS / "published-cnn.toml")
    for key in ("name", "licence", "data", "um_per_px", "spacing_known"):
        assert getattr(published, key) == card.recipe[key], key


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
        ('keep = "first"', "keep = 'first' is refused"),
        ('network = "resnet"', "network = 'resnet' is refused"),
        ("patience = 3", '^[^:]*recipe.toml: patience ends a training early only with keep = "best"$'),
        ("[context]\nsigma = 1.0", r"unknown key context\.sigma: the nearest known one is sigmas"),
        ("[context]\nsigmas = []", r"context\.sigmas = \[\] is refused"),
        ("[context]\nsigmas = [-1.0]", r"context\.sigmas\.0 = -1.0 is refused"),
        ("[context]\norientations = 3", r"context\.orientations = 3 is refused"),
    ],
)
def test_wrong_recipes_are_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(JobError, match=told):
        read_recipe(written(tmp_path, text))


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"none\.toml can't be read"):
        read_recipe(tmp_path / "none.toml")


def test_the_published_recipe_weighs_no_patch_and_rounds_none() -> None:
    found = read_recipe(JOBS / "published-recipe.toml")
    assert (found.balance, found.precision, found.contrast) == (False, "float32", 0.0)


def test_weights_that_weigh_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("balance = false\ncontrast = 1.0\n")
    with pytest.raises(JobError, match="contrast weigh nothing with balance = false"):
        read_recipe(path)
