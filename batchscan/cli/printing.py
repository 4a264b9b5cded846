"""`batchscan report`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from batchscan.cli.exits import EXIT_SOME_MISSING


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--slide", "slides", multiple=True, metavar="ID", help="Only this slide; may be given several times.")
def report(run: Path, slides: tuple[str, ...]) -> None:
    """Print a run's reports again from its stored results.

    Needs neither the model nor the slides. Results that can't be read are named at the end (exit code 3).
    """
    from batchscan.stores.results import RunFolder  # noqa: PLC0415 - see the package's docstring
    from batchscan.workflow.printing import reprint  # noqa: PLC0415

    unreadable = []
    try:
        for printed in reprint(RunFolder(run), slides, datetime.now(UTC)):
            if isinstance(printed, Path):
                click.echo(printed)
            else:
                unreadable.append(printed)
    finally:
        for why in unreadable:
            click.echo(f"not printed: {why}", err=True)
    if unreadable:
        raise click.exceptions.Exit(EXIT_SOME_MISSING)
