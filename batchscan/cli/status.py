"""`batchscan status`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from batchscan.cli.progress import duration

_NAMED = 30


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(run: Path, *, as_json: bool) -> None:
    """Say how a run stands, live or finished.

    Done, failed, excluded, remaining, the time left, and every slide that needs a look.
    """
    from batchscan.workflow.status import read_status  # noqa: PLC0415 - see the package's docstring

    state = read_status(run)
    if as_json:
        click.echo(json.dumps(state.as_json()))
        return
    by = f" by {state.holder}" if state.holder else ""
    click.echo(f"{run}: {state.state}{by}, started {state.started}")
    counts = {"asked": state.asked, **state.counts, "remaining": state.remaining}
    click.echo(", ".join(f"{n} {name}" for name, n in counts.items()))
    if state.retried:
        click.echo(f"attempts that were retried: {state.retried}")
    if state.eta_s is not None:
        click.echo(f"about {duration(state.eta_s)} left")
    for outcome in state.troubles[:_NAMED]:
        click.echo(f"  {outcome.slide_id}: {outcome.status.value} ({outcome.reason}): {outcome.sentence}")
    if len(state.troubles) > _NAMED:
        click.echo(f"  and {len(state.troubles) - _NAMED} more: --json has all, {run / 'index.html'} their reasons")
