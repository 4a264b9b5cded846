"""`batchscan report`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--slide", "slides", multiple=True, metavar="ID", help="Only this slide; may be given several times.")
def report(run: Path, slides: tuple[str, ...]) -> None:
    """Print a run's reports again from its stored results.

    Needs neither the model nor the slides.
    """
    from batchscan.stores.results import RunFolder  # noqa: PLC0415 - see the package's docstring
    from batchscan.workflow.printing import reprint  # noqa: PLC0415

    for pdf in reprint(RunFolder(run), slides, datetime.now(UTC)):
        click.echo(pdf)
