"""The group of commands, and what becomes of errors: one line and an exit code."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

import click

from batchscan import __version__
from batchscan.cli.archive import ingest
from batchscan.cli.bench import bench
from batchscan.cli.compare import compare
from batchscan.cli.demo import demo
from batchscan.cli.doctor import doctor
from batchscan.cli.evaluate import evaluate
from batchscan.cli.exits import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_USAGE
from batchscan.cli.model import model
from batchscan.cli.plan import plan
from batchscan.cli.printing import report
from batchscan.cli.review import review
from batchscan.cli.run import run, scan
from batchscan.cli.status import status
from batchscan.cli.train import train
from batchscan.cli.verify import verify
from batchscan.domain.errors import BatchscanError, UsageError
from batchscan.domain.plain_text import plain


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="batchscan")
@click.option("--debug", is_flag=True, help="On an error, print the traceback too.")
def commands(*, debug: bool) -> None:
    """Scan archives of whole-mount breast slides for invasive ductal carcinoma (IDC) and report each slide's extent.

    Research use only: not for diagnosis. Start with `batchscan demo`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    log = logging.getLogger("batchscan")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if debug else logging.ERROR)
    if not debug:
        # Dask sets its loggers up when it is imported, here and in the workers: what it has to say comes as errors.
        os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")


for _command in (
    demo, doctor, ingest, plan, run, scan, status, report, review, evaluate, compare, train, model, verify, bench,
):  # fmt: skip
    commands.add_command(_command)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with the code that the contract gives."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # --debug is understood wherever it stands.
    debug = "--debug" in arguments
    if debug:
        arguments = ["--debug", *(word for word in arguments if word != "--debug")]
    try:
        code = commands.main(arguments, prog_name="batchscan", standalone_mode=False)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as error:
        error.show()
        code = EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        kept = {"ingest", "scan", "run", "demo", "train"} & set(arguments)
        goes_on = ": what is finished is kept; the same command goes on from here" if kept else ""
        click.echo(f"interrupted{goes_on}", err=True)
        code = EXIT_INTERRUPTED
    except BatchscanError as error:
        code = _complain(error, debug=debug)
    except Exception as error:
        if debug:
            raise
        click.echo(f"error: {type(error).__name__}: {plain(str(error))} (a defect; see --debug)", err=True)
        code = EXIT_ERROR
    sys.exit(code if isinstance(code, int) else 0)


def _complain(error: BatchscanError, *, debug: bool) -> int:
    if debug:
        logging.getLogger(__name__).error("stopped by an error", exc_info=error)
    click.echo(f"error: {plain(str(error))}", err=True)
    return EXIT_USAGE if isinstance(error, UsageError) else EXIT_ERROR
