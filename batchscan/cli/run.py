"""`batchscan run` and `batchscan scan`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchscan.cli.evaluate import follow_evaluation
from batchscan.cli.exits import EXIT_SOME_MISSING
from batchscan.cli.model import MODEL_OPTION
from batchscan.cli.printing import LANGUAGE_OPTION, PAPER_OPTION, TEMPLATES_OPTION
from batchscan.cli.progress import display, drained
from batchscan.cli.run_drawing import draw_run

if TYPE_CHECKING:
    from batchscan.domain.job import EvaluationSection, Job

SCHEDULER_OPTION = click.option(
    "--scheduler", metavar="ADDR", help="An existing Dask scheduler (tcp://host:port) instead of this machine."
)
WORKERS_OPTION = click.option(
    "--workers", type=click.IntRange(1), help="Worker processes [default: one a core or GPU, as memory allows]."
)
FRESH_OPTION = click.option("--fresh", is_flag=True, help="Redo everything, also what is already done.")
RETRY_OPTION = click.option(
    "--retry", is_flag=True, help="Also try slides again that were given up after several accidents."
)


@click.command()
@click.argument("job", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="Run folder, instead of the job file's.")
@SCHEDULER_OPTION
@WORKERS_OPTION
@FRESH_OPTION
@RETRY_OPTION
def run(job: Path, out: Path | None, scheduler: str | None, workers: int | None, *, fresh: bool, retry: bool) -> None:
    """Run a job file: scan, report, evaluate.

    Its slides are scanned and reported and, where it names reference labels, evaluated against them. The same
    command again does only what is missing. Example job files, commented key by key, are in jobs/.
    """
    from batchscan.domain.job import overridden, read_job  # noqa: PLC0415 - see the package's docstring

    chosen = overridden(read_job(job), {"out": out and out.resolve(), "scheduler": scheduler, "workers": workers})
    follow(chosen, fresh=fresh, retry=retry)


@click.command()
@click.argument("slides", nargs=-1, required=True, type=str, metavar="SLIDE|ARCHIVE|MANIFEST...")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="RUN", help="Run folder.")
@MODEL_OPTION
@click.option(
    "--threshold", type=click.FloatRange(0, 1), help="Positive from this p_idc on [default: the model card's]."
)
@click.option(
    "--orientations",
    type=click.Choice([1, 2, 4, 8]),
    help="Ways each patch is turned and mirrored; p is their mean, time goes with them [default: the model card's].",
)
@click.option(
    "--neighbours",
    type=click.FloatRange(0, 5),
    metavar="SIGMA",
    help="Average over neighbouring patches, sigma in patch sides; 0: none [default: the model card's].",
)
@click.option("--stride", type=click.FloatRange(0, 1, min_open=True), help="Fraction of a patch side [default: 1.0].")
@click.option(
    "--engine", type=click.Choice(["auto", "keras", "openvino"]), help="What runs the network [default: auto]."
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "f32", "bf16"]),
    help="Of the network's arithmetic. bf16: faster where the processor has it, less exact by what the card says; "
    "auto: f32, unless bf16 is as exact [default: auto].",
)
@click.option(
    "--um-per-px", type=click.FloatRange(0, min_open=True), help="Spacing of all these slides, in place of their own."
)
@click.option(
    "--finest",
    type=click.FloatRange(0.05, 20),
    metavar="UM_PER_PX",
    help="Spacing that slide files are read and stored at, if they are finer: with the model's own the scan is about "
    "five times as fast, and close-ups are as fine as ever [default: 1.0].",
)
@SCHEDULER_OPTION
@WORKERS_OPTION
@PAPER_OPTION
@LANGUAGE_OPTION
@TEMPLATES_OPTION
@click.option("--no-report", is_flag=True, help="Numbers only, no PDF.")
@FRESH_OPTION
@RETRY_OPTION
def scan(
    slides: tuple[str, ...],
    out: Path,
    model: str | None,
    threshold: float | None,
    orientations: int | None,
    neighbours: float | None,
    stride: float | None,
    engine: str | None,
    precision: str | None,
    um_per_px: float | None,
    finest: float | None,
    scheduler: str | None,
    workers: int | None,
    paper: str | None,
    language: str | None,
    templates: Path | None,
    *,
    no_report: bool,
    fresh: bool,
    retry: bool,
) -> None:
    """Scan slides and report each one's IDC extent.

    SLIDE is a slide store (.ome.zarr) or a file that OpenSlide opens, ARCHIVE a folder that `batchscan ingest`
    filled, MANIFEST a CSV with slide_id and path; stores, archives and their manifests may also be on S3, as
    s3://bucket/folder. The same command again does only what is missing.
    """
    from batchscan.domain.job import absolute, validated_job  # noqa: PLC0415 - see the package's docstring

    given: dict[str, dict[str, Any]] = {
        "slides": {"sources": slides, "um_per_px": um_per_px, "finest_um_per_px": finest},
        "model": {
            "package": model,
            "threshold": threshold,
            "orientations": orientations,
            "neighbours": neighbours,
            "engine": engine,
            "precision": precision,
        },
        "patches": {"stride": stride},
        "run": {"out": out, "scheduler": scheduler, "workers": workers},
        "report": {"per_slide": not no_report, "paper": paper, "language": language, "templates": templates},
    }
    sections = {name: {key: value for key, value in keys.items() if value is not None} for name, keys in given.items()}
    follow(absolute(validated_job(sections, "the options"), Path.cwd()), fresh=fresh, retry=retry)


def follow(job: Job, *, fresh: bool = False, retry: bool = False) -> None:
    """Run a job, draw what happens, print where the results are.

    Exit 3 if a slide failed or was excluded, if one can't be evaluated, or a gate was missed; 130 if it was told to
    stop and slides are left.
    """
    from batchscan.workflow.run import run_job  # noqa: PLC0415 - see the package's docstring

    evaluation = planned_evaluation(job)
    quieten_dask()
    with display("slides", "patches") as shown, drained(shown) as draining:
        counts = draw_run(run_job(job, fresh=fresh, retry=retry, draining=draining), shown)
    click.echo(f"{job.run.out / 'index.html'}")
    if counts["remaining"]:
        raise KeyboardInterrupt
    met = not evaluation or follow_evaluation([job.run.out], evaluation, job.gates.require)
    if evaluation:
        _link_evaluation(job.run.out)
    if counts["failed"] or counts["excluded"] or not met:
        raise click.exceptions.Exit(EXIT_SOME_MISSING)


def _link_evaluation(run: Path) -> None:
    """The run's digest was printed before its evaluation was there."""
    from batchscan.stores.results import RunFolder  # noqa: PLC0415 - see the package's docstring
    from batchscan.workflow.printing import renew_digest  # noqa: PLC0415

    renew_digest(RunFolder(run))


def planned_evaluation(job: Job) -> EvaluationSection | None:
    """What follows the scan, checked before it: a night's work shouldn't end in a wrong word."""
    if job.evaluation.manifest is None:
        return None
    from batchscan.workflow.evaluate import check_evaluation  # noqa: PLC0415 - see the package's docstring

    section = job.evaluation
    if section.out is None:
        section = section.model_copy(update={"out": job.run.out / "evaluation"})
    check_evaluation(section, job.gates.require)
    return section


def quieten_dask() -> None:
    """What Dask's loggers have to say of lost connections comes as an error; with --debug they are heard."""
    if logging.getLogger("batchscan").level == logging.DEBUG:
        return
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
