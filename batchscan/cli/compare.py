"""`batchscan compare`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchscan.cli.exits import EXIT_SOME_MISSING
from batchscan.cli.progress import Display, display
from batchscan.cli.typed import typed_command

if TYPE_CHECKING:
    from batchscan.workflow.compare import CompareEvent

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("first", type=_FOLDER, metavar="EVAL_A")
@click.argument("second", type=_FOLDER, metavar="EVAL_B")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder to make.")
@click.option(
    "--margin",
    "margins",
    multiple=True,
    metavar="FIGURE=LOSS",
    help='Greatest loss that counts as none, such as "auroc=0.02" or "extent.dice=0.05"; exit 3 unless B is shown to '
    "keep it.",
)
@click.option("--intersection", is_flag=True, help="Leave out what only one of them has, instead of refusing it.")
@click.option(
    "--replicates",
    type=click.IntRange(200, 100_000),
    default=2000,
    show_default=True,
    help="Bootstrap replicates over patients.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the bootstrap.")
def compare(
    first: Path, second: Path, out: Path, margins: tuple[str, ...], *, intersection: bool, replicates: int, seed: int
) -> None:
    """Compare two evaluations of the same slides.

    How far B is from A, patch by patch, and whether it is no worse. Every difference is B less A, with an interval over
    patients who are redrawn for both at once. Both must have been evaluated against the same labels.

    DIR gets comparison.json, report.pdf and index.html.
    """
    from batchscan.cli.comparison_outcome import outcome  # noqa: PLC0415 - see the package's docstring
    from batchscan.workflow.compare import CompareOptions, ComparisonMade, compare_evaluations  # noqa: PLC0415

    options = CompareOptions(margins, replicates, seed, intersection)
    command, created = typed_command(click.get_current_context()), datetime.now(UTC)
    with display("slides", "patches") as shown:
        for event in compare_evaluations(first, second, out, options, command, created):
            if isinstance(event, ComparisonMade):
                made = event
            else:
                _draw(event, shown)
    for line in outcome(made.comparison):
        click.echo(line)
    click.echo(made.folder / "report.pdf")
    if not all(one.shown for one in made.comparison.noninferiority):
        raise click.exceptions.Exit(EXIT_SOME_MISSING)


def _draw(event: CompareEvent, shown: Display) -> None:
    from batchscan.workflow.compare import ComparisonPlanned, FiguresBegun, SlideCompared  # noqa: PLC0415 - see the package's docstring

    match event:
        case ComparisonPlanned(n_slides):
            shown.expect(jobs=n_slides)
        case SlideCompared(_, n_patches):
            shown.advance(jobs=1, units=n_patches)
        case FiguresBegun(n_patients):
            shown.line(f"redrawing {n_patients} patients for the intervals, then the pages")
