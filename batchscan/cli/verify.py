"""`batchscan verify`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchscan.cli.exits import EXIT_SOME_MISSING
from batchscan.cli.local_paths import LocalPath
from batchscan.cli.progress import display

if TYPE_CHECKING:
    from batchscan.domain.verified import Finding, Verified

_NAMED = 30


@click.command()
@click.argument("what", type=LocalPath(exists=True), metavar="FILE.pdf|RUN")
@click.option(
    "--model", metavar="NAME|DIR", help="Model package to compare with [default: the run's, or a shipped one]."
)
@click.option("--archive", type=LocalPath(exists=True), metavar="DIR", help="Where the slides are now.")
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PUBLIC",
    help="PEM file with the Ed25519 public key of who should have signed.",
)
@click.option(
    "--print-again",
    "again",
    is_flag=True,
    help="Print each report anew from its run's files and compare all bytes, pictures too: a second or two each.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def verify(
    what: Path, model: str | None, archive: Path | None, key_file: Path | None, *, again: bool, as_json: bool
) -> None:
    """Compare a report with its own data, or a run with its files.

    FILE.pdf: its attachments must have the sha256 that they are listed with, the digest of that list must stand on
    each page, and the numbers of page one must be those that its patch table comes to; with model and slide where
    they are here. RUN: the same for each result, from its files.

    Exit 0 if all that could be compared agrees, 3 if something differs or is missing, 1 if it can't be read.

    Without a signature this finds damage, and a change of one thing; it can't find that somebody made a whole new
    report, data and digests too, or changed a picture and computed the seal anew. --print-again finds the latter where
    the run is here. Compare the data digest with a page on paper, or have reports signed (`batchscan report --sign`)
    and give --key.
    """
    from batchscan.stores.signatures import read_public_key  # noqa: PLC0415 - see the package's docstring
    from batchscan.workflow.verify import verify_report, verify_run  # noqa: PLC0415

    key = read_public_key(key_file) if key_file else None
    given: dict[str, Any] = {"model": model, "archive": archive, "key": key, "again": again}
    is_run = what.is_dir()
    verified = tuple(_drawn(verify_run(what, **given))) if is_run else (verify_report(what, **given),)
    differing = [one for one in verified if one.differing]
    if as_json:
        click.echo(json.dumps({"agrees": not differing, "verified": [one.as_json() for one in verified]}))
    elif is_run:
        _summarise(what, verified, differing)
    else:
        _show(verified[0])
    if differing:
        raise click.exceptions.Exit(EXIT_SOME_MISSING)


def _drawn(events: Iterator[Any]) -> Iterator[Verified]:
    """What was verified, drawn as it comes."""
    from batchscan.workflow.verify import RunOpened  # noqa: PLC0415 - see the package's docstring

    with display("slides", "checks") as shown:
        for event in events:
            if isinstance(event, RunOpened):
                shown.expect(jobs=event.n_slides)
                continue
            shown.advance(jobs=1, units=len(event.findings))
            yield event


def _show(verified: Verified) -> None:
    """Every line of one report, and what they come to."""
    from batchscan.domain.verified import Verdict  # noqa: PLC0415 - see the package's docstring

    for finding in verified.findings:
        click.echo(_line(finding))
    n_agree, n_left_out = verified.count(Verdict.AGREES), verified.count(Verdict.NOT_CHECKED)
    n_differ = len(verified.differing)
    outcome = f"{n_differ} DIFFER, {n_agree} agree" if n_differ else f"{n_agree} agree, none differs"
    click.echo(f"{verified.subject}: {outcome}, {n_left_out} not checked")


def _summarise(run: Path, verified: tuple[Verified, ...], differing: list[Verified]) -> None:
    """What differs of each slide, and how many agree."""
    for one in differing[:_NAMED]:
        click.echo(f"{one.subject}:")
        for finding in one.differing[:_NAMED]:
            click.echo(f"  {_line(finding)}")
    if len(differing) > _NAMED:
        click.echo(f"and {len(differing) - _NAMED} more: --json has all")
    n_agree = len(verified) - len(differing)
    click.echo(f"{run}: {len(verified)} results, {n_agree} agree with their files, {len(differing)} differ")
    left_out = sorted(
        {finding.what for one in verified for finding in one.findings if finding.verdict == "not checked"}
    )
    if left_out:
        click.echo(f"not checked, of all or some: {', '.join(left_out)}")


def _line(finding: Finding) -> str:
    verdict = finding.verdict.value
    return f"{verdict.upper() if finding.verdict == 'differs' else verdict:<12} {finding.what}: {finding.words}"
