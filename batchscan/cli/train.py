"""`batchscan train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchscan.cli.progress import Display, display

if TYPE_CHECKING:
    from batchscan.domain.card import ModelCard
    from batchscan.training.fit import PartMeasured, TrainingStarted

_COLUMNS = ("patient", "used for", "patches", "IDC", "AUROC", "F1", "sensitivity", "specificity")
_LARGEST_SEED = 2**31 // 16 - 1  # each layer has a seed of its own, 16 times this and a little


@click.command()
@click.option(
    "--patches",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="DIR|ZIP",
    help="Labelled patches in the layout of the public IDC set.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="MODEL_DIR",
    help="Package to make; the model is called like the folder, unless the recipe names it.",
)
@click.option("--holdout", default="", metavar="ID,ID", help="Patients that serve for nothing but being measured.")
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
    "key [default: as the shipped model, validation patients are drawn].",
)
def train(patches: Path, out: Path, holdout: str, epochs: int | None, seed: int, recipe: Path | None) -> None:
    """Train a model package from labelled patches.

    Patients, never patches, are split into those that are fitted to, chosen on and only measured. What the model does
    on the latter two is printed at the end, then the package's path.
    """
    from batchscan.training.fit import PartMeasured  # noqa: PLC0415 - see the package's docstring
    from batchscan.training.package import train_package  # noqa: PLC0415
    from batchscan.training.recipe import Recipe, read_recipe  # noqa: PLC0415

    chosen = read_recipe(recipe) if recipe else Recipe()
    if epochs:
        chosen = chosen.model_copy(update={"epochs": epochs})
    held_out = tuple(name.strip() for name in holdout.split(",") if name.strip())
    measured: list[PartMeasured] = []
    with display("epochs", "steps") as shown:

        def follow(event: object) -> None:
            if isinstance(event, PartMeasured):
                measured.append(event)
            else:
                _draw(event, shown)

        package = train_package(patches, out, held_out, chosen, seed, follow, threads=len(os.sched_getaffinity(0)))
    click.echo(_figures(package.card))
    for part in measured:
        _warn(part)
    click.echo(out)


def _draw(event: object, shown: Display) -> None:
    from batchscan.training.fit import EpochDone, StepsDone, TrainingStarted  # noqa: PLC0415

    match event:
        case TrainingStarted():
            _announce(event, shown)
        case StepsDone():
            shown.advance(units=1)
        case EpochDone(epoch, epochs, training_loss, validation_loss, validation_auroc, best):
            shown.advance(jobs=1)
            note = " (best so far)" if best else ""
            shown.line(
                f"epoch {epoch} of {epochs}: loss {training_loss:.3f}, validation loss {validation_loss:.3f}, "
                f"AUROC {validation_auroc:.3f}{note}"
            )


def _announce(started: TrainingStarted, shown: Display) -> None:
    split = started.split
    if started.not_validating:
        shown.line(
            f"{', '.join(started.not_validating)}: held out, so not used for validation, though the recipe's "
            "validation_patients says so"
        )
    shown.line(
        f"training on {started.n_training} patches of {len(split.training)} patients, validating on "
        f"{started.n_validation} of {', '.join(split.validation)}; held out: {', '.join(split.test) or 'nobody'}"
    )
    shown.expect(jobs=started.epochs, units=started.epochs * started.steps_per_epoch)


def _figures(card: ModelCard) -> str:
    """The card's figures as a table, a patient a line."""
    rows = [_COLUMNS] + [
        (
            one.patient_id,
            one.used_for,
            str(one.n_patches),
            str(one.n_positive),
            *map(_figure, (one.auroc, one.f1, one.sensitivity, one.specificity)),
        )
        for one in card.performance
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"at the threshold {card.threshold.value:.3f}, which was chosen on the validation patients:"]
    for patient, used_for, *numbers in rows:
        cells = [patient.ljust(widths[0]), used_for.ljust(widths[1])]
        cells += [number.rjust(width) for number, width in zip(numbers, widths[2:], strict=True)]
        lines.append("  ".join(cells))
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _warn(part: PartMeasured) -> None:
    from batchscan.training.measures import near_chance  # noqa: PLC0415

    if near_chance(part.auroc, part.balanced_accuracy):
        click.echo(
            f"warning: this model is hardly better than chance on the {part.used_for} patients "
            f"({', '.join(part.patients)}): AUROC {_figure(part.auroc)}, balanced accuracy "
            f"{_figure(part.balanced_accuracy)}, weighted by patient",
            err=True,
        )
