"""`batchscan train`."""

from __future__ import annotations

import importlib.resources
import os
from pathlib import Path

import click

from batchscan.cli.progress import Display, display


@click.command()
@click.option(
    "--patches",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="DIR|ZIP",
    help="Labelled patches in the layout of the public IDC set.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="MODEL_DIR", help="Package to make.")
@click.option("--holdout", default="", metavar="ID,ID", help="Patients that serve for nothing but being measured.")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed on one machine: the same weights.")
@click.option(
    "--recipe",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="TOML",
    help="How to train [default: published-cnn.toml, which ships].",
)
def train(patches: Path, out: Path, holdout: str, epochs: int | None, seed: int, recipe: Path | None) -> None:
    """Train a model package from labelled patches.

    Patients, never patches, are split into those that are fitted to, chosen on and only measured.
    """
    from batchscan.training.package import train_package  # noqa: PLC0415 - see the package's docstring
    from batchscan.training.recipe import read_recipe  # noqa: PLC0415

    with importlib.resources.as_file(importlib.resources.files("batchscan.jobs") / "published-cnn.toml") as shipped:
        chosen = read_recipe(recipe or shipped)
    if epochs:
        chosen = chosen.model_copy(update={"epochs": epochs})
    held_out = tuple(name.strip() for name in holdout.split(",") if name.strip())
    with display("epochs", "steps") as shown:
        threads = len(os.sched_getaffinity(0))
        train_package(patches, out, held_out, chosen, seed, lambda event: _draw(event, shown), threads=threads)
    click.echo(out)


def _draw(event: object, shown: Display) -> None:
    from batchscan.training.fit import EpochDone, StepsDone, TrainingStarted  # noqa: PLC0415

    match event:
        case TrainingStarted(split, n_training, n_validation, epochs):
            shown.line(
                f"training on {n_training} patches of {len(split.training)} patients, validating on {n_validation} "
                f"of {', '.join(split.validation)}; held out: {', '.join(split.test) or 'nobody'}"
            )
            shown.expect(jobs=epochs)
        case StepsDone(_, _, steps):
            del steps
            shown.advance(units=1)
        case EpochDone(epoch, epochs, training_loss, validation_loss, validation_auroc, best):
            shown.advance(jobs=1)
            note = " (best so far)" if best else ""
            shown.line(
                f"epoch {epoch} of {epochs}: loss {training_loss:.3f}, validation loss {validation_loss:.3f}, "
                f"AUROC {validation_auroc:.3f}{note}"
            )
