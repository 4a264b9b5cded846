"""`batchscan bench`."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchscan.cli.exits import EXIT_SOME_MISSING
from batchscan.cli.progress import Display, announced_interrupt
from batchscan.cli.run import quieten_dask

if TYPE_CHECKING:
    from batchscan.domain.speed import BenchRecord, RunSpeed, Unknown
    from batchscan.workflow.bench import BenchOptions

Row = tuple[str, str, str, str]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with machine, versions and commit.")
@click.option("--workers", type=click.IntRange(1), help="Worker processes [default: one a core, as memory allows].")
@click.option(
    "--mm",
    "side_mm",
    type=click.FloatRange(1, 60),
    default=16.0,
    show_default=True,
    metavar="SIDE",
    help="Side of the slide that is made.",
)
@click.option(
    "--um-per-px",
    type=click.FloatRange(0.2, 2),
    default=0.5,
    show_default=True,
    metavar="F",
    help="Its finest spacing; two coarser levels follow, each a quarter of the one before along a side.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which slide: the same for a seed.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 60),
    default=4.0,
    show_default=True,
    help="How long each measurement lasts; real runs take what they take.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="New folder to keep slide, stores and runs in [default: a temporary one].",
)
def bench(
    *,
    as_json: bool,
    workers: int | None,
    side_mm: float,
    um_per_px: float,
    seed: int,
    seconds: float,
    out: Path | None,
) -> None:
    """Measure how fast each stage is on this machine.

    All in one run, each stage against its ceiling. A slide is made of the bundled one's tissue, written as a scanner
    writes it, ingested, scanned and reported. The ceiling of a scan is its engine alone, from patches in memory; that
    of an ingest is OpenSlide alone. What each line means, and figures to compare with, are in docs/performance.md.
    Exit code 3 if one of the real runs failed.
    """
    from batchscan.stores.synthetic_slides import SyntheticSlide  # noqa: PLC0415 - see the package's docstring
    from batchscan.workflow.bench import BenchOptions  # noqa: PLC0415

    options = BenchOptions(SyntheticSlide(side_mm, um_per_px, seed), workers, seconds)
    quieten_dask()
    shown = _Said()
    with announced_interrupt(shown), _folder(out) as folder:
        record = _draw(options, folder, shown)
    click.echo(json.dumps(record.as_json()) if as_json else "\n".join(_page(record)))
    if not record.is_whole:
        raise click.exceptions.Exit(EXIT_SOME_MISSING)


class _Said(Display):
    """Stages are too unlike each other for a bar."""

    def line(self, text: str) -> None:
        click.echo(text, err=True)

    def expect(self, *, jobs: int = 0, units: float = 0) -> None:
        """Nothing is counted."""

    def advance(self, *, jobs: int = 0, units: float = 0) -> None:
        """Nothing is counted."""


@contextlib.contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="batchscan-bench-") as folder:
        yield Path(folder)


def _draw(options: BenchOptions, folder: Path, shown: Display) -> BenchRecord:
    from batchscan.domain.speed import BenchRecord  # noqa: PLC0415 - see the package's docstring
    from batchscan.workflow.bench import bench as measure  # noqa: PLC0415

    for event in measure(options, folder):
        if isinstance(event, BenchRecord):
            return event
        shown.line(event.words)
    raise AssertionError("a bench ends with its record")


def _page(record: BenchRecord) -> Iterator[str]:
    machine, slide, together = record.place.machine, record.slide, record.together
    flags = [name for name, there in (machine.flags or {}).items() if there]
    yield f"machine  {machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB; {' '.join(flags)}"
    commit = record.place.commit or "no git checkout"
    yield f"software batchscan {record.place.versions['batchscan']} ({commit}), model {record.model}"
    yield (
        f"slide    {slide.width_px:,} x {slide.height_px:,} px at {slide.um_per_px:g} um/px, seed {slide.seed}: "
        f"{slide.n_bytes / 1e6:,.0f} MB, {together.n_patches:,} patches with tissue; {together.workers} workers"
    )
    if record.place.is_busy:
        yield f"CAUTION  {record.place.load:.1f} other processes were at work when this began: measure again when idle"
    yield ""
    rows = list(_rows(record))
    widths = [max(len(row[index]) for row in rows) for index in range(3)]
    for name, what, figure, share in rows:
        yield f"{name:<{widths[0]}}  {what:<{widths[1]}}  {figure:>{widths[2]}}  {share}".rstrip()


def _rows(record: BenchRecord) -> Iterator[Row]:
    yield "read", "store to boxes at the model's spacing", f"{record.together.read_bytes_per_s / 1e6:,.0f} MB/s", ""
    yield "cut", "read, cut, hashed, judged for sharpness", f"{record.together.cut_patches_per_s:,.0f} patches/s", ""
    for engine in record.together.engines:
        rate = engine.patches_per_s
        figure = "-" if rate is None else f"{rate:,.0f} patches/s"
        yield "engine", f"{engine.name} {engine.precision}, from memory", figure, engine.why
    for name, run in record.runs.items():
        yield from _run_rows(name, run, record)
    yield from _ingest_rows(record)
    yield from _other_rows(record)


def _run_rows(name: str, run: RunSpeed | Unknown, record: BenchRecord) -> Iterator[Row]:
    from batchscan.domain.speed import RUNS, Pace, Unknown, ratio  # noqa: PLC0415 - see the package's docstring

    if isinstance(run, Unknown):
        yield "run", RUNS[name], "-", run.why
        return

    def of_ceiling(pace: Pace) -> str:
        share = ratio(pace, record.ceiling(run))
        return "" if share is None else f"{share:.2f} of {run.engine.name} {run.engine.precision} alone"

    n_slides = f"{run.n_slides} slides" if run.n_slides > 1 else "1 slide"
    paces = (
        (RUNS[name], run.steady),
        ("  once as many slides have ended as there are workers", run.onward),
        ("  from its blocks being known to the last one scanned", run.blocks),
        (f"  with start and end, {n_slides}, {run.whole.seconds:.1f} s", run.whole),
    )
    for place, (words, pace) in enumerate(paces):
        if pace:
            yield "" if place else "run", words, f"{pace.per_s:,.0f} patches/s", of_ceiling(pace)
    if name.startswith("scan"):
        beside = f"  a slide besides reading and network: tissue {run.tissue_s:.2f} s, results {run.write_s:.2f} s"
        yield "", beside, f"{run.beside_s:.2f} s", ""


def _ingest_rows(record: BenchRecord) -> Iterator[Row]:
    from batchscan.domain.speed import ratio  # noqa: PLC0415 - see the package's docstring

    found = record.ingest
    share = f"{ratio(found.ingest, found.openslide):.2f} of OpenSlide alone"
    yield "ingest", f"level {found.level} to a store", f"{found.ingest.per_s / 1e6:,.1f} MPix/s", share
    yield "", "  OpenSlide alone, as many threads", f"{found.openslide.per_s / 1e6:,.1f} MPix/s", ""


def _other_rows(record: BenchRecord) -> Iterator[Row]:
    from batchscan.domain.speed import Unknown  # noqa: PLC0415 - see the package's docstring

    pdf, start = record.pdf, record.start
    if isinstance(pdf, Unknown):
        yield "PDF", "a report", "-", pdf.why
    else:
        yield "PDF", f"a report; the first, with its libraries, {pdf.first_s:.2f} s", f"{pdf.next_s:.2f} s", ""
    yield "start", "batchscan --help", f"{start.help_s:.2f} s", ""
    yield "", "  batchscan status", f"{start.status_s:.2f} s", ""
    yield "", "  local cluster up", f"{record.together.cluster_s:.2f} s", ""
    for stage, peak in record.peak_mib.items():
        yield "memory", f"most of all processes, {stage}", "-" if peak is None else f"{peak:,.0f} MiB", ""
    yield "all", "this bench", f"{record.seconds:.0f} s", ""
