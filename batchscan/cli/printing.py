"""`batchscan report`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from batchscan.cli.exits import EXIT_SOME_MISSING
from batchscan.cli.local_paths import LocalPath

PAPER_OPTION = click.option(
    "--paper", type=click.Choice(["a4", "letter"]), help="What reports are printed for [default: a4, or the run's]."
)
LANGUAGE_OPTION = click.option(
    "--language", type=click.Choice(["en", "de"]), help="What reports and notices are in [default: en, or the run's]."
)
TEMPLATES_OPTION = click.option(
    "--templates",
    type=LocalPath(exists=True, file_okay=False),
    metavar="DIR",
    help="A laboratory's own templates, words and logo for them [default: none, or the run's].",
)


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--slide", "slides", multiple=True, metavar="ID", help="Only this slide; may be given several times.")
@PAPER_OPTION
@LANGUAGE_OPTION
@TEMPLATES_OPTION
@click.option(
    "--sign",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="KEY",
    help="PEM file with an Ed25519 private key: the signature of each report is put beside it, as report.pdf.sig.",
)
def report(
    run: Path,
    slides: tuple[str, ...],
    paper: Any,
    language: str | None,
    templates: Path | None,
    key_file: Path | None,
) -> None:
    """Print a run's reports again from its stored results.

    Needs neither the model nor the slides. Results that can't be read are named at the end (exit code 3). With
    SOURCE_DATE_EPOCH set, the same results give the same bytes. Without --sign, earlier signatures go.
    """
    from batchscan.stores.results import RunFolder  # noqa: PLC0415 - see the package's docstring
    from batchscan.stores.signatures import read_signing_key  # noqa: PLC0415
    from batchscan.workflow.printing import date_of_print, reprint  # noqa: PLC0415
    from batchscan.workflow.styles import style_with  # noqa: PLC0415

    style = style_with(RunFolder(run), language, templates, paper)
    date, key = date_of_print(datetime.now(UTC)), read_signing_key(key_file) if key_file else None
    unreadable = []
    try:
        for printed in reprint(RunFolder(run), slides, date, style=style, key=key):
            if isinstance(printed, Path):
                click.echo(printed)
            else:
                unreadable.append(printed)
    finally:
        for why in unreadable:
            click.echo(f"not printed: {why}", err=True)
    if unreadable:
        raise click.exceptions.Exit(EXIT_SOME_MISSING)
