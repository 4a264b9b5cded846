"""`batchscan train` on patches of one's own: what it makes, prints and refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from patch_folders import write_patch_set

from batchscan.cli.train import train
from batchscan.cli.training_outcome import outcome
from batchscan.domain.card import ModelCard
from batchscan.domain.errors import PatchSetError
from batchscan.report.numbers import probability
from batchscan.stores.packages import open_package

pytestmark = pytest.mark.usefixtures("no_paper")


def ran(*words: object) -> Result:
    return CliRunner().invoke(train, [str(word) for word in words])


@pytest.fixture(scope="module")
def patch_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_patch_set(tmp_path_factory.mktemp("patches") / "set", "abcd")


@pytest.fixture(scope="module")
def trained(patch_set: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """Its epoch is chosen on b; c is held out though it is named for that too."""
    folder = tmp_path_factory.mktemp("command")
    recipe = folder / "recipe.toml"
    recipe.write_text('batch = 8\nprecision = "float32"\nkeep = "best"\nvalidation_patients = ["b", "c"]\n')
    out = folder / "our lab"
    return ran("--patches", patch_set, "--out", out, "--holdout", "c", "--epochs", 2, "--recipe", recipe), out


@pytest.fixture(scope="module")
def validated(patch_set: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("validated")
    recipe = folder / "recipe.toml"
    recipe.write_text('batch = 8\nnetwork = "compact"\nfolds = ["a", "b"]\ncv_seeds = 2\n')
    out = folder / "model"
    words = ("--patches", patch_set, "--out", out, "--cross-validate", "--epochs", 1, "--recipe", recipe)
    return ran(*words, "--seed", 5), out


def test_the_command_ends_with_the_figures_and_the_path(trained: tuple[Result, Path]) -> None:
    result, out = trained
    assert result.exit_code == 0, result.output
    first, context, _, head, *rows, last = result.stdout.splitlines()
    card = open_package(out).card
    assert first.startswith(f"threshold {card.threshold.value:.3f}. Greatest F1 on the validation patients")
    assert context.startswith("context: 1 orientations, sigma 0.")
    assert head.split() == "patient used for patches IDC AUROC F1 sensitivity specificity".split()
    cells = [row.split() for row in rows]
    assert [row[:4] for row in cells] == [["c", "test", "24", "12"], ["b", "validation", "24", "12"]]
    one = card.performance[0]
    assert cells[0][4:] == [f"{value:.3f}" for value in (one.auroc, one.f1, one.sensitivity, one.specificity)]
    assert last == str(out)
    assert "warning" not in result.stderr


def test_epochs_are_told_with_who_is_watched(trained: tuple[Result, Path]) -> None:
    lines = trained[0].stderr.splitlines()
    assert "training 1 of 1, seed 0: 48 patches of 2 patients, validating on b; left out: c" in lines
    assert sum(line.startswith("epoch 2 of 2: loss ") and "; validation: loss " in line for line in lines) == 1


def test_a_patient_that_is_held_out_instead_of_validating_is_named(trained: tuple[Result, Path]) -> None:
    result, out = trained
    assert "c: held out, so not used for validation, though the recipe's validation_patients says so" in result.stderr
    assert open_package(out).card.validation_patients == ("b",)


def test_a_model_of_ones_own_is_not_the_shipped_one(trained: tuple[Result, Path]) -> None:
    card = open_package(trained[1]).card
    assert (card.name, card.licence) == ("our-lab", "not stated")
    assert card.scale.how_known.startswith("8.0 um/px assumed")
    assert card.training_data.startswith("origin not stated: 72 patches")
    assert "public patches" not in " ".join(card.limits)


def test_cross_validation_ends_with_a_table_of_slides(validated: tuple[Result, Path]) -> None:
    result, out = validated
    assert result.exit_code == 0, result.output
    card = open_package(out).card
    found = card.cross_validation
    assert found is not None
    lines = result.stdout.splitlines()
    assert lines[0].startswith("cross-validation, mean (least - greatest) of 2 seeds")
    assert lines[1].split() == ["a", "b", "pooled"]
    assert lines[2].split() == ["patches", "/", "IDC", "24", "/", "12", "24", "/", "12", "48", "/", "24"]
    (row,) = (line for line in lines if line.startswith("AUROC"))
    spread = found.slides[0].figures["auroc"]
    mean, low, high = (probability(value) for value in (spread.mean, spread.low, spread.high))
    assert f"{mean} ({low} - {high})" in row
    assert sum(line.startswith(("IDC area found - labelled, mm2", "calibration error")) for line in lines) == 2
    (areas,) = (line for line in lines if line.startswith("IDC area found - labelled, mm2"))
    assert areas.endswith("not defined")
    (size,) = (line for line in lines if "without its sign, mm2; pooled: mean of the slides" in line)
    assert f"{found.pooled.figures['idc_mm2_absolute_error'].mean:.2f}" in size
    assert lines[-1] == str(out)


def test_cross_validation_tells_what_is_to_come_and_what_is_done(validated: tuple[Result, Path]) -> None:
    lines = validated[0].stderr.splitlines()
    # Everyone's network, then a, b and both left out with each seed.
    assert "with the seeds 5, 6: with the package's 7 trainings of 1 epochs" in lines[0]
    assert [line.split(",")[0] for line in lines if " left out: " in line and "patients" in line] == [
        f"training {number} of 7" for number in range(1, 8)
    ]
    assert sum(" took " in line and "AUROC of single patches, left out: a " in line for line in lines) == 4


def test_the_card_repeats_the_command_as_it_was_typed(validated: tuple[Result, Path]) -> None:
    found = open_package(validated[1]).card.cross_validation
    assert found is not None
    assert found.command == (
        "batchscan train --patches set --out model --cross-validate --epochs 1 --seed 5 --recipe recipe.toml"
    )


def test_the_state_is_kept_for_the_same_command_only(patch_set: Path, tmp_path: Path) -> None:
    (tmp_path / "model.training").mkdir()
    (tmp_path / "model.training/inputs.json").write_text('{"patches": "others"}')
    words = ("--patches", patch_set, "--out", tmp_path / "model", "--epochs", 1)
    refused = ran(*words)
    assert "--fresh" in str(refused.exception)
    done = ran(*words, "--fresh")
    assert done.exit_code == 0, done.output
    assert "nothing was measured: nobody was held out" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_poor_model_is_called_one(patch_set: Path, tmp_path: Path) -> None:
    swapped = tmp_path / "swapped"
    shutil.copytree(patch_set, swapped)
    for patient in "abcd":  # each colour has as much IDC as the other: nothing can be learnt
        for index in range(0, 24, 4):
            for label, other in ((0, 1), (1, 0)):
                place = f"{patient}_idx5_x{1 + 50 * ((index + label) % 4)}_y{1 + 50 * (index // 4)}_class"
                source = swapped / patient / str(label) / f"{place}{label}.png"
                source.rename(swapped / patient / str(other) / f"{place}{other}.png")
    result = ran("--patches", swapped, "--out", tmp_path / "model", "--holdout", "a", "--epochs", 1)
    assert result.exit_code == 0, result.output
    assert "warning: this model is hardly better than chance on the test patients (a): AUROC" in result.stderr


def test_a_recipe_for_other_patches_is_refused_with_its_key(patch_set: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('validation_patients = ["8865", "9022"]\n')
    result = ran("--patches", patch_set, "--out", tmp_path / "model", "--recipe", recipe)
    assert isinstance(result.exception, PatchSetError)
    assert "validation_patients of the recipe (--recipe) names 8865, 9022" in str(result.exception)
    assert list(tmp_path.iterdir()) == [recipe]


@pytest.mark.parametrize("seed", ["-1", "134217728"])
def test_a_seed_that_cannot_serve_is_a_wrong_word(seed: str, patch_set: Path, tmp_path: Path) -> None:
    assert ran("--patches", patch_set, "--out", tmp_path / "model", "--seed", seed).exit_code == 2


def last_row(card: ModelCard) -> str:
    return list(outcome(card))[-1]


def test_what_is_not_defined_is_said_so(trained: tuple[Result, Path]) -> None:
    card = open_package(trained[1]).card
    one_class = card.performance[0].model_copy(update={"auroc": None, "f1": None, "specificity": None})
    assert last_row(card.model_copy(update={"performance": (one_class,)})).count("not defined") == 3


def test_a_measure_that_no_seed_defines_is_said_so(validated: tuple[Result, Path]) -> None:
    card = open_package(validated[1]).card
    found = card.cross_validation
    assert found is not None
    fold = found.slides[0]
    without = fold.model_copy(update={"figures": {name: v for name, v in fold.figures.items() if name != "auroc"}})
    changed = found.model_copy(update={"slides": (without, *found.slides[1:])})
    (row,) = (line for line in outcome(card.model_copy(update={"cross_validation": changed})) if line[:5] == "AUROC")
    assert row.split()[1:3] == ["not", "defined"]
