"""`batchscan train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchscan.cli.progress import display
from batchscan.cli.typed import typed_command

if TYPE_CHECKING:
    from batchscan.training.recipe import Recipe

_LARGEST_SEED = 2**31 // 16 - 1  # each layer has a seed of its own, 16 times this and a little


@click.command()
@click.option(
    "--patches",
    type=click.Path(path_type=Path, exists=True),
    metavar="DIR|ZIP",
    help="Labelled patches in the layout of the public IDC set.",
)
@click.option(
    "--corrections",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="MANIFEST|ARCHIVE",
    help="Labelled slides: their labels replace those of --patches or are added. May be given several times.",
)
@click.option(
    "--from",
    "start",
    metavar="NAME|DIR",
    help="Go on from this model's weights, gently, instead of fresh ones.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="MODEL_DIR",
    help="Package to make; the model is called like the folder, unless the recipe names it.",
)
@click.option("--holdout", default="", metavar="ID,ID", help="Patients that nothing about the model rests on.")
@click.option(
    "--cross-validate",
    is_flag=True,
    help="Leave each slide with 20 patches or more of each class out in turn (or the recipe's folds), with 3 seeds (or "
    "its cv_seeds).",
)
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option(
    "--seed",
    type=click.IntRange(0, _LARGEST_SEED),
    default=0,
    show_default=True,
    help="The same seed on one machine: the same weights.",
)
@click.option(
    "--recipe",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="TOML",
    help="How to train, and what the model card says of the patches; jobs/published-cnn.toml is one, commented key by "
    "key [default: the published network, but not as it was published; that is jobs/published-recipe.toml].",
)
@click.option("--fresh", is_flag=True, help="Throw away what an interrupted training of the same package left.")
def train(
    patches: Path | None,
    corrections: tuple[Path, ...],
    start: str | None,
    out: Path,
    holdout: str,
    epochs: int | None,
    seed: int,
    recipe: Path | None,
    *,
    cross_validate: bool,
    fresh: bool,
) -> None:
    """Train a model package from labelled patches or slides.

    Patients, never patches, are held out. What the model does on them is printed at the end, then the package's path.
    With --cross-validate slides with both classes are left out, one by one and in twos, and threshold, neighbours and
    calibration are chosen on what networks say of slides that they never saw: 3 slides take 6 trainings for each of 3
    seeds.

    MODEL_DIR.training keeps the state: the same command goes on after an interruption.
    """
    from batchscan.cli.training_outcome import outcome, warnings  # noqa: PLC0415 - see the package's docstring
    from batchscan.cli.training_progress import TrainingProgress  # noqa: PLC0415
    from batchscan.training.transfer import open_parent  # noqa: PLC0415
    from batchscan.workflow.train_model import Order, train_model  # noqa: PLC0415

    threads = len(os.sched_getaffinity(0))
    order = Order(
        patches,
        out,
        _recipe(recipe, epochs),
        seed,
        tuple(name.strip() for name in holdout.split(",") if name.strip()),
        cross_validate=cross_validate,
        start=open_parent(start, threads) if start else None,
        fresh=fresh,
        command=typed_command(click.get_current_context()),
        corrections=corrections,
    )
    with display("epochs", "steps") as shown:
        progress = TrainingProgress(shown)
        package = train_model(order, progress.follow, threads=threads)
    for line in outcome(package.card):
        click.echo(line)
    for warning in (*warnings(package.card, progress.measured), *(one.reason for one in progress.not_printed)):
        click.echo(f"warning: {warning}", err=True)
    click.echo(out)


def _recipe(path: Path | None, epochs: int | None) -> Recipe:
    from batchscan.training.recipe import Recipe, read_recipe  # noqa: PLC0415

    chosen = read_recipe(path) if path else Recipe()
    return chosen.model_copy(update={"epochs": epochs}) if epochs else chosen
