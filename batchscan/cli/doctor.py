"""`batchscan doctor`."""

from __future__ import annotations

import json

import click

from batchscan.cli.exits import EXIT_ERROR

_MARKS = {"ok": "ok     ", "missing": "MISSING", "note": "note   "}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor(*, as_json: bool) -> None:
    """Say what this machine has, what is missing, and the remedy.

    Engines, GPUs, libraries, models. Exit code 1 if something is missing without which a command can't work.
    """
    from dataclasses import asdict  # noqa: PLC0415 - see the package's docstring

    from batchscan.workflow.doctor import examine  # noqa: PLC0415

    findings = examine()
    if as_json:
        click.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            click.echo(f"{_MARKS[finding.state]} {finding.name:<18} {finding.text}")
    if any(finding.state == "missing" for finding in findings):
        raise click.exceptions.Exit(EXIT_ERROR)
