"""`batchscan train` on patches of one's own: what it makes, prints and refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from batchscan.cli import train as command
from batchscan.cli.progress import Display
from batchscan.cli.train import train
from batchscan.domain.errors import PatchSetError
from batchscan.stores.packages import open_package
from batchscan.training.dataset import Split
from batchscan.training.fit import StepsDone, TrainingStarted

SHIPPED = Path(__file__).parents[2] / "jobs" / "published-cnn.toml"


def ran(*words: object) -> Result:
    return CliRunner().invoke(train, [str(word) for word in words])


@pytest.fixture(scope="module")
def trained(patch_set: Path, tmp_path_factory: Any) -> tuple[Result, Path]:
    """Without a recipe, but for batches that are small enough to learn something in six steps."""
    folder = tmp_path_factory.mktemp("command")
    recipe = folder / "recipe.toml"
    recipe.write_text('batch = 8\nprecision = "float32"\nvalidation_patients = ["b", "c"]\n')
    out = folder / "our lab"
    words = ("--patches", patch_set, "--out", out, "--holdout", "c", "--epochs", 2, "--recipe", recipe)
    return ran(*words), out


def test_the_command_ends_with_the_figures_and_the_path(trained: tuple[Result, Path]) -> None:
    result, out = trained
    assert result.exit_code == 0, result.output
    first, head, *rows, last = result.stdout.splitlines()
    card = open_package(out).card
    assert f"{card.threshold.value:.3f}" in first
    assert head.split() == "patient used for patches IDC AUROC F1 sensitivity specificity".split()
    cells = [row.split() for row in rows]
    assert [row[:4] for row in cells] == [["c", "test", "24", "12"], ["b", "validation", "24", "12"]]
    one = card.performance[0]
    assert cells[0][4:] == [f"{value:.3f}" for value in (one.auroc, one.f1, one.sensitivity, one.specificity)]
    assert last == str(out)
    assert "warning" not in result.stderr


def test_a_patient_that_is_held_out_instead_of_validating_is_named(trained: tuple[Result, Path]) -> None:
    result, out = trained
    assert "c: held out, so not used for validation, though the recipe's validation_patients says so" in result.stderr
    assert open_package(out).card.validation_patients == ("b",)


def test_a_model_of_ones_own_is_not_the_shipped_one(trained: tuple[Result, Path]) -> None:
    card = open_package(trained[1]).card
    assert (card.name, card.licence) == ("our-lab", "not stated")
    assert card.scale.how_known.startswith("8.0 um/px assumed")
    assert card.training_data.startswith("origin not stated: 48 patches")
    assert "public patches" not in " ".join(card.limits)


def test_without_a_recipe_patients_are_drawn_and_a_poor_model_is_called_one(patch_set: Path, tmp_path: Path) -> None:
    swapped = tmp_path / "swapped"
    shutil.copytree(patch_set, swapped)
    for patient in "abc":  # each colour has as much IDC as the other: nothing can be learnt
        for index in range(0, 24, 4):
            for label, other in ((0, 1), (1, 0)):
                place = f"{patient}_idx5_x{1 + 50 * ((index + label) % 4)}_y{1 + 50 * (index // 4)}_class"
                source = swapped / patient / str(label) / f"{place}{label}.png"
                source.rename(swapped / patient / str(other) / f"{place}{other}.png")
    result = ran("--patches", swapped, "--out", tmp_path / "model", "--holdout", "a", "--epochs", 1)
    assert result.exit_code == 0, result.output
    card = open_package(tmp_path / "model").card
    assert sorted((*card.training_patients, *card.validation_patients)) == ["b", "c"]
    (who,) = card.validation_patients
    assert (
        f"warning: this model is hardly better than chance on the validation patients ({who}): AUROC" in result.stderr
    )


def test_a_recipe_for_other_patches_is_refused_with_its_key(patch_set: Path, tmp_path: Path) -> None:
    result = ran("--patches", patch_set, "--out", tmp_path / "model", "--recipe", SHIPPED)
    assert isinstance(result.exception, PatchSetError)
    assert "validation_patients of the recipe (--recipe) names 8865, 8950, 8957, 9022" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", ["-1", "134217728"])
def test_a_seed_that_cannot_serve_is_a_wrong_word(seed: str, patch_set: Path, tmp_path: Path) -> None:
    assert ran("--patches", patch_set, "--out", tmp_path / "model", "--seed", seed).exit_code == 2


class Counts(Display):
    def __init__(self) -> None:
        self.jobs = self.units = 0.0

    def line(self, text: str) -> None:
        del text

    def expect(self, *, jobs: int = 0, units: float = 0) -> None:
        self.jobs += jobs
        self.units += units

    def advance(self, *, jobs: int = 0, units: float = 0) -> None:
        self.jobs -= jobs
        self.units -= units


def test_as_many_steps_are_announced_as_are_done() -> None:
    counts = Counts()
    command._draw(TrainingStarted(Split(("a",), ("b",), ()), 100, 30, 3, 7, ()), counts)
    assert (counts.jobs, counts.units) == (3, 21)
    for epoch in (1, 2, 3):
        for done in range(1, 8):
            command._draw(StepsDone(epoch, done, 7), counts)
    assert counts.units == 0


def test_what_is_not_defined_is_said_so(trained: tuple[Result, Path]) -> None:
    card = open_package(trained[1]).card
    one_class = card.performance[0].model_copy(update={"auroc": None, "f1": None, "specificity": None})
    table = command._figures(card.model_copy(update={"performance": (one_class,)}))
    assert table.splitlines()[-1].count("not defined") == 3
