"""`batchscan model`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from batchscan.domain.defaults import DEFAULT_MODEL


def _names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from batchscan.stores.packages import shipped_models  # noqa: PLC0415 - see the package's docstring

    names = [CompletionItem(name) for name in shipped_models() if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="dir")]


_PAGES = (".pdf", ".html")
_PACKAGE = click.argument("package", metavar="[NAME|DIR]", default=DEFAULT_MODEL, shell_complete=_names)
MODEL_OPTION = click.option(
    "--model",
    metavar="NAME|DIR",
    shell_complete=_names,
    help=f"Model package; `batchscan model list` shows those that ship [default: {DEFAULT_MODEL}].",
)


@click.group()
def model() -> None:
    """Look at model packages."""


@model.command("list")
def list_models() -> None:
    """List the models that ship with batchscan."""
    from batchscan.stores.packages import open_package, shipped_models  # noqa: PLC0415

    for name in shipped_models():
        info = open_package(name).info
        note = "  (default)" if name == DEFAULT_MODEL else ""
        click.echo(f"{name}  version {info.version}  sha256 {info.sha256}{note}")


@model.command()
@_PACKAGE
@click.option("--json", "as_json", is_flag=True, help="The card itself, one JSON object.")
def show(package: str, *, as_json: bool) -> None:
    """Print a model's card as text; `batchscan model card` has it with its curves and pictures."""
    from batchscan.stores.packages import open_package  # noqa: PLC0415 - see the package's docstring

    card = open_package(package).card
    if as_json:
        click.echo(card.model_dump_json(indent=2))
        return
    from batchscan.report.model_card_content import model_card_content  # noqa: PLC0415
    from batchscan.report.model_card_text import model_card_text  # noqa: PLC0415

    click.echo(model_card_text(model_card_content(card), shutil.get_terminal_size().columns))


@model.command("card")
@_PACKAGE
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="FILE.pdf or FILE.html; a file that is there is replaced.",
)
def write_card(package: str, out: Path) -> None:
    """Write a model's card as a page: what was measured, curves, failures with pictures, limits, definitions.

    The HTML file needs neither network nor any other file.
    """
    suffix = out.suffix.lower()
    if suffix not in _PAGES:
        raise click.BadParameter(f"{out} ends in {suffix or 'nothing'}: expected .pdf or .html", param_hint="--out")
    from batchscan.report.model_card import render_model_card  # noqa: PLC0415 - see the package's docstring
    from batchscan.stores.packages import open_package  # noqa: PLC0415

    opened = open_package(package)
    render_model_card(
        opened.card, opened.examples(), html=out if suffix == ".html" else None, pdf=out if suffix == ".pdf" else None
    )
    click.echo(out)


@model.command()
@_PACKAGE
def verify(package: str) -> None:
    """Check a model's files against its card, and its golden patches on every engine there is."""
    from batchscan.domain.errors import ModelError  # noqa: PLC0415 - see the package's docstring
    from batchscan.report.numbers import count  # noqa: PLC0415
    from batchscan.scan.engines import proofs  # noqa: PLC0415
    from batchscan.stores.packages import open_package  # noqa: PLC0415

    opened = open_package(package)
    card = opened.card
    click.echo(f"{opened.info.name} {opened.info.version}: card complete, weights have its sha256")
    n_examples = len(opened.examples())
    pictures = f"{count(n_examples, 'picture')}, with its sha256" if n_examples else "none on the card"
    click.echo(f"examples: {pictures}")
    seen = opened.seen()
    known = f"{count(len(seen.patches), 'patch', 'patches')}, {count(len(seen.slides), 'slide')}" if seen else ""
    click.echo(f"made with: {known}, with its sha256" if known else "made with: the package has no list of patches")
    golden = len(opened.golden().p_idc)
    problems, proven = [], 0
    for proof in proofs(opened):
        name = f"engine {proof.engine} {proof.precision}".rstrip()
        if proof.missing:
            click.echo(f"{name}: {proof.versions}")
        elif proof.problem:
            problems.append(proof.problem)
            click.echo(f"{name}: FAILED")
        else:
            proven += 1
            click.echo(
                f"{name}: {golden} golden patches, greatest difference {proof.apart:.2g}, "
                f"{card.tolerance(proof.precision):g} allowed ({proof.versions})"
            )
    if problems or not proven:
        raise ModelError("; ".join(problems) or "no engine is there that could prove it: see `batchscan doctor`")
