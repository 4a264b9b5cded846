"""`batchscan demo`."""

from __future__ import annotations

from pathlib import Path

import click

from batchscan.cli.archive import follow_ingest
from batchscan.cli.run import follow


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("batchscan-demo"),
    show_default=True,
    help="Folder for archive and run.",
)
def demo(out: Path) -> None:
    """Do the whole job on the bundled slide, from patches to PDF.

    The slide is patient 8863 of the public IDC set, a complete whole mount with its ground truth. The shipped
    model has never seen this patient.
    """
    from batchscan.workflow.demo import agreement, demo_job, demo_patches  # noqa: PLC0415 - see the package's docstring

    with demo_patches() as patches:
        follow_ingest((patches,), out / "archive")
    job = demo_job(out)
    follow(job)
    click.echo(agreement(job.run.out, out / "archive"))
    click.echo(f"report: {job.run.out / 'slides' / '8863' / 'report.pdf'}")
