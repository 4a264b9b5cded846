"""`batchscan review`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchscan.cli.exits import EXIT_SOME_MISSING
from batchscan.cli.local_paths import LocalPath

if TYPE_CHECKING:
    from batchscan.stores.results import RunFolder
    from batchscan.workflow.review import Taken
    from batchscan.workflow.review_state import RunReviewed

_NAMED = 30


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="[FILE...]")
@click.option("--form", type=click.Path(path_type=Path, dir_okay=False), metavar="CSV", help="Write a form to fill in.")
@click.option(
    "--semicolons", is_flag=True, help="With --form: for spreadsheets of countries that write 1,5 instead of 1.5."
)
@click.option(
    "--slide", "slides", multiple=True, metavar="ID", help="With --form: this slide's foci alone; of a FILE: its slide."
)
@click.option("--reviewer", default="", metavar="NAME", help="Whose words FILE holds; kept with each of them.")
@click.option(
    "--all-looked-at",
    is_flag=True,
    help="In QuPath every focus was looked at: one that was left as it was is agreed with.",
)
@click.option(
    "--pixels",
    type=click.Choice(["store", "file"]),
    help="What was open in QuPath, where FILE doesn't say: the slide's store or its own file.",
)
@click.option(
    "--corrections",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="CSV",
    help="Write a manifest with all verdicts as labels, for train --corrections.",
)
@click.option(
    "--manifest",
    type=LocalPath(dir_okay=False),
    metavar="CSV",
    help="With --corrections: where the slides' stores are [default: those that the run made itself].",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def review(
    run: Path,
    files: tuple[Path, ...],
    form: Path | None,
    slides: tuple[str, ...],
    reviewer: str,
    pixels: str | None,
    corrections: Path | None,
    manifest: Path | None,
    *,
    semicolons: bool,
    all_looked_at: bool,
    as_json: bool,
) -> None:
    """Take in what reviewers say of a run's foci, or sum it up.

    Without FILE and options it says how far the run is reviewed.
    --form writes a CSV with a row a focus: agree, disagree or unsure, and a comment. A FILE is such a form, filled in,
    or the GeoJSON that QuPath exports after corrections on a slide's qupath.geojson. All of it is checked before any is
    kept. Nothing that was said is ever overwritten: the last word of a reviewer on a focus counts, and the earlier ones
    stay in the run's ledger. docs/review.md has the details.
    """
    from batchscan.domain.errors import UsageError  # noqa: PLC0415 - see the package's docstring
    from batchscan.stores.results import RunFolder  # noqa: PLC0415

    folder = RunFolder(run)
    if (form is not None) + (corrections is not None) + bool(files) > 1:
        raise UsageError("--form, --corrections and files to take in are three errands: one at a time")
    if as_json and (form or corrections):
        raise UsageError("--json is for how far a run is reviewed, and for what was taken in")
    if form:
        _write_form(folder, form, slides, reviewer, semicolons=semicolons)
    elif corrections:
        _write_corrections(folder, corrections, manifest)
    elif files:
        taken = _take(folder, files, slides, reviewer, pixels or "", all_looked_at=all_looked_at)
        click.echo(json.dumps(taken.as_json()) if as_json else "\n".join(_words(taken)))
    else:
        _show(folder, as_json=as_json)


def _write_form(folder: RunFolder, form: Path, slides: tuple[str, ...], reviewer: str, *, semicolons: bool) -> None:
    from batchscan.workflow.review import write_run_form  # noqa: PLC0415 - see the package's docstring

    n_rows, unreadable = write_run_form(folder, form, slides, reviewer, semicolons=semicolons)
    click.echo(f"foci to review: {n_rows}")
    click.echo(form)
    _complain(unreadable)


def _write_corrections(folder: RunFolder, path: Path, manifest: Path | None) -> None:
    from batchscan.workflow.review_state import write_run_corrections  # noqa: PLC0415 - see the package's docstring

    n_slides, unreadable = write_run_corrections(folder, path, manifest)
    click.echo(f"slides with labels: {n_slides}")
    click.echo(path)
    _complain(unreadable)


def _take(
    folder: RunFolder,
    files: tuple[Path, ...],
    slides: tuple[str, ...],
    reviewer: str,
    pixels: str,
    *,
    all_looked_at: bool,
) -> Taken:
    from batchscan.domain.errors import UsageError  # noqa: PLC0415 - see the package's docstring
    from batchscan.stores.review_outlines import ExportRules  # noqa: PLC0415
    from batchscan.workflow.review import ReviewRequest, take_reviews  # noqa: PLC0415

    if len(slides) > 1:
        raise UsageError("--slide says whose slide the files are of: give one, or take the files in one by one")
    rules = ExportRules(all_looked_at=all_looked_at, pixels=pixels)
    asked = ReviewRequest(files, reviewer, slides[0] if slides else "", rules, datetime.now(UTC))
    return take_reviews(folder, asked)


def _words(taken: Taken) -> list[str]:
    kept = ", ".join(f"{n} {verdict.value}" for verdict, n in taken.kept.items())
    lines = [f"kept: {kept or 'nothing new'}; slides: {len(taken.slides)}"]
    if taken.n_said_before:
        lines.append(f"said before in the same words: {taken.n_said_before}")
    if taken.n_untouched:
        lines.append(
            f"foci left as they were: {taken.n_untouched}; they say nothing, unless --all-looked-at says that they do"
        )
    if taken.n_other:
        lines.append(f"drawn regions of other classes than IDC: {taken.n_other}, not kept")
    return lines


def _show(folder: RunFolder, *, as_json: bool) -> None:
    from batchscan.workflow.review_state import read_reviewed  # noqa: PLC0415 - see the package's docstring

    state = read_reviewed(folder)
    if as_json:
        click.echo(json.dumps(state.as_json()))
    else:
        for line in _state_words(state):
            click.echo(line)
    _complain(state.unreadable)


def _state_words(state: RunReviewed) -> list[str]:
    said = state.as_json()
    counts = ", ".join(f"{said[name]} {name}" for name in ("agreed", "disagreed", "divided", "unsure"))
    lines = [f"{said['reviewed']} of {state.n_foci} foci reviewed: {counts}; regions missed: {said['missed']}"]
    if said["of_earlier_results"]:
        lines.append(f"of earlier results, not counted: {said['of_earlier_results']}")
    if said["reviewers"]:
        lines.append(f"reviewers: {', '.join(said['reviewers'])}")
    lines += [f"  {one.slide_id}: {one.n_reviewed} of {one.n_foci}" for one in state.slides[:_NAMED]]
    if len(state.slides) > _NAMED:
        lines.append(f"  and {len(state.slides) - _NAMED} more: --json has all")
    return lines


def _complain(unreadable: tuple[str, ...]) -> None:
    for why in unreadable:
        click.echo(f"left out: {why}", err=True)
    if unreadable:
        raise click.exceptions.Exit(EXIT_SOME_MISSING)
