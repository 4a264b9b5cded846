"""`batchscan evaluate`, and the evaluation at the end of `batchscan run`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchscan.cli.exits import EXIT_SOME_MISSING
from batchscan.cli.local_paths import LocalPath
from batchscan.cli.progress import Display, display
from batchscan.cli.typed import typed_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchscan.domain.job import EvaluationSection
    from batchscan.workflow.evaluate import EvaluationEvent

_GATE = 'What must be reached, such as "sensitivity.low >= 0.85" or "slide.auroc.value >= 0.9"; exit 3 if it isn\'t.'


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--manifest",
    required=True,
    type=LocalPath(dir_okay=False),
    metavar="CSV",
    help="Names the slides with their reference labels.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder to make.")
@click.option(
    "--prevalence",
    multiple=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Predictive values at this share of IDC too.",
)
@click.option(
    "--slide-score",
    type=click.Choice(["idc_mm2", "largest_focus_mm", "max_p"]),
    help="What slides are ranked by [default: idc_mm2].",
)
@click.option(
    "--slide-threshold",
    type=click.FloatRange(0, min_open=True),
    help="A slide is called positive from this score on [default: when it has a focus].",
)
@click.option(
    "--readers",
    metavar="majority|any|all|NAME",
    help="How several readers become one reference [default: majority].",
)
@click.option(
    "--outlines",
    type=click.Choice(["complete", "partial"]),
    help="Whether what no outline covers is not IDC, or not labelled [default: complete].",
)
@click.option(
    "--by", multiple=True, metavar="COLUMN", help="Report apart by this column [default: each with 2 to 12 values]."
)
@click.option(
    "--min-patients", type=click.IntRange(2), help="A subgroup with fewer patients has no figures [default: 5]."
)
@click.option(
    "--tune-on", metavar="SPLIT", help="Choose the threshold on the slides of this split, judge it on all others."
)
@click.option("--allow-seen", is_flag=True, help="Evaluate slides that a model was made with; every page says so.")
@click.option("--robustness", is_flag=True, help="Score the slides again with their pixels changed; takes eight scans.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|DIR",
    help="Package for --robustness [default: where each run found its own].",
)
@click.option(
    "--pictures", type=click.IntRange(0, 60), help="Pictures of false positives, and of false negatives [default: 12]."
)
@click.option(
    "--replicates", type=click.IntRange(200, 100_000), help="Bootstrap replicates over patients [default: 2000]."
)
@click.option("--seed", type=click.IntRange(0), help="Of the bootstrap [default: 0].")
@click.option("--gate", "gates", multiple=True, metavar="CONDITION", help=_GATE)
def evaluate(runs: tuple[Path, ...], gates: tuple[str, ...], **options: Any) -> None:
    """Measure finished runs against reference labels.

    Several RUNs are taken together, as the folds of a cross-validation or the sites of a study; each slide from the one
    run that has it. Neither model nor slides are needed, but for --robustness and the pictures of wrong calls.

    DIR gets evaluation.json, report.pdf, index.html, patches.csv (discordant patches first), patches.parquet,
    suspects.csv (doubted labels) and, for QuPath, discordant/<slide_id>.geojson. An evaluation that is there already is
    replaced.
    """
    from batchscan.domain.job import evaluation_section  # noqa: PLC0415 - see the package's docstring

    given = {name: value for name, value in options.items() if value is not None and value != ()}
    met = follow_evaluation(runs, evaluation_section(given), gates)
    if not met:
        raise click.exceptions.Exit(EXIT_SOME_MISSING)


def follow_evaluation(runs: Sequence[Path], section: EvaluationSection, gates: Sequence[str]) -> bool:
    """Evaluate runs, draw what happens, print the figures and where the report is.

    Returns
    -------
    Whether all slides that were asked for were judged, and every gate was met.
    """
    from batchscan.cli.evaluation_outcome import outcome  # noqa: PLC0415 - see the package's docstring
    from batchscan.workflow.evaluate import EvaluationEnded, evaluate_runs  # noqa: PLC0415

    with display("slides", "patches") as shown:
        events = evaluate_runs(
            runs,
            section,
            gates,
            created=datetime.now(UTC),
            command=typed_command(click.get_current_context()),
            threads=len(os.sched_getaffinity(0)),
        )
        for event in events:
            if isinstance(event, EvaluationEnded):
                ended = event
            else:
                _draw(event, shown)
    for line in outcome(ended.evaluation):
        click.echo(line)
    click.echo(ended.folder / "report.pdf")
    missed = [gate for gate in ended.evaluation.gates if not gate.passed]
    return not missed and not ended.evaluation.exclusions


def _draw(event: EvaluationEvent, shown: Display) -> None:
    from batchscan.workflow.evaluate import EvaluationPlanned, FiguresBegun  # noqa: PLC0415 - see the package's docstring
    from batchscan.workflow.judged_cohort import SlideJoined  # noqa: PLC0415
    from batchscan.workflow.robustness import PatchesRescored, SweepBegun  # noqa: PLC0415

    match event:
        case EvaluationPlanned(n_slides, n_excluded, replaced):
            if replaced:
                shown.line(f"replaces the evaluation {replaced[:19]} in the same folder")
            shown.line(f"slides to judge: {n_slides}, excluded: {n_excluded}")
            shown.expect(jobs=n_slides)
        case SlideJoined():
            shown.advance(jobs=1)
        case SweepBegun(n_patches):
            shown.line("scoring the slides again with their pixels changed")
            shown.expect(units=n_patches)
        case PatchesRescored(n_patches):
            shown.advance(units=n_patches)
        case FiguresBegun(n_patients):
            shown.line(f"redrawing patients ({n_patients}) for the intervals, then the pages")
