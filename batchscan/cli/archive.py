"""`batchscan ingest`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from batchscan.cli.exits import EXIT_SOME_MISSING
from batchscan.cli.local_paths import LocalPath
from batchscan.cli.progress import Display, announced_interrupt, display
from batchscan.domain.plain_text import plain

_PX_PER_MPX = 1e6


@click.command()
@click.argument("sources", nargs=-1, required=True, type=LocalPath(exists=True), metavar="SOURCE...")
@click.option(
    "--archive", required=True, type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where stores go."
)
@click.option(
    "--manifest",
    type=LocalPath(exists=True, dir_okay=False),
    metavar="CSV",
    help="What is known of the slides: slide_id, path, patient_id, um_per_px, reference, ...",
)
@click.option("--um-per-px", type=click.FloatRange(0, min_open=True), metavar="F", help="Spacing of all these slides.")
@click.option(
    "--finest",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="F",
    help="Store slide files no finer than this, in um/px.",
)
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Threads for a large slide [default: one a core].")
@click.option(
    "--stall",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Give a slide up that gets no further for so long.",
)
def ingest(
    sources: tuple[Path, ...],
    archive: Path,
    manifest: Path | None,
    um_per_px: float | None,
    finest: float,
    workers: int | None,
    stall: float,
) -> None:
    """Turn slides into an archive of slide stores with a manifest.

    SOURCE is a slide that OpenSlide opens, an OME-Zarr image, a patch folder or zip in the layout of the public IDC
    set, a folder of those, or a manifest that lists slides. The same command again does only what is missing or has
    changed.
    """
    follow_ingest(sources, archive, manifest=manifest, um_per_px=um_per_px, finest=finest, workers=workers, stall=stall)


def follow_ingest(
    sources: tuple[Path, ...],
    archive: Path,
    *,
    manifest: Path | None = None,
    um_per_px: float | None = None,
    finest: float = 1.0,
    workers: int | None = None,
    stall: float = 300.0,
) -> None:
    """Ingest, draw what happens, print where the manifest is; exit 3 if a slide failed or was excluded."""
    from batchscan.workflow.ingest import IngestOptions, ingest  # noqa: PLC0415 - see the package's docstring

    options = IngestOptions(workers or len(os.sched_getaffinity(0)), manifest, um_per_px, finest, stall)
    with display("slides", "Mpx") as shown, announced_interrupt(shown):
        counts = {"done": 0, "failed": 0, "excluded": 0}
        for event in ingest(sources, archive, options):
            ended = _draw(event, shown)
            if ended:
                counts[ended] += 1
        shown.line(", ".join(f"{count} {name}" for name, count in counts.items()))
    click.echo(archive / "manifest.csv")
    if counts["failed"] or counts["excluded"]:
        raise click.exceptions.Exit(EXIT_SOME_MISSING)


def _draw(event: object, shown: Display) -> str | None:
    """The status that a slide ended with, if the event says so."""
    from batchscan.workflow.ingest import IngestPlanned, IngestProgress, SlideIngested  # noqa: PLC0415

    match event:
        case IngestPlanned(n_slides, n_to_do, n_px):
            slides = "1 slide" if n_slides == 1 else f"{n_slides} slides"
            shown.line(f"{slides}, {n_to_do} to make: {n_px / _PX_PER_MPX:,.0f} Mpx")
            shown.expect(jobs=n_slides, units=n_px / _PX_PER_MPX)
        case IngestProgress(_, n_px):
            shown.advance(units=n_px / _PX_PER_MPX)
        case SlideIngested(outcome, source, _, _, renamed):
            shown.advance(jobs=1)
            name = plain(source.name)
            if renamed:
                shown.line(f"{name}: its slide_id is {outcome.slide_id}")
            if outcome.reason:
                shown.line(f"{name}: {outcome.status.value} ({outcome.reason}): {outcome.sentence}")
            return outcome.status.value
    return None
