"""`batchscan model`."""

from __future__ import annotations

import click


def _names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from batchscan.stores.packages import shipped_models  # noqa: PLC0415 - see the package's docstring

    return [name for name in shipped_models() if name.startswith(incomplete)]


DEFAULT = "published-cnn"
_PACKAGE = click.argument("package", metavar="[NAME|DIR]", default=DEFAULT, shell_complete=_names)
MODEL_OPTION = click.option(
    "--model",
    metavar="NAME|DIR",
    shell_complete=_names,
    help=f"Model package; `batchscan model list` shows those that ship [default: {DEFAULT}].",
)


@click.group()
def model() -> None:
    """Look at model packages."""


@model.command("list")
def list_models() -> None:
    """List the models that ship with batchscan."""
    from batchscan.stores.packages import DEFAULT_MODEL, open_package, shipped_models  # noqa: PLC0415

    for name in shipped_models():
        info = open_package(name).info
        note = "  (default)" if name == DEFAULT_MODEL else ""
        click.echo(f"{name}  version {info.version}  sha256 {info.sha256}{note}")


@model.command()
@_PACKAGE
def show(package: str) -> None:
    """Print a model's card."""
    from batchscan.stores.packages import open_package  # noqa: PLC0415 - see the package's docstring

    click.echo(open_package(package).card.model_dump_json(indent=2))


@model.command()
@_PACKAGE
def verify(package: str) -> None:
    """Check a model's card and hash, and its golden patches on every engine there is."""
    from batchscan.scan.engines import MISSING, available_engines, open_engine  # noqa: PLC0415 - see the package's docstring
    from batchscan.stores.packages import open_package  # noqa: PLC0415

    opened = open_package(package)
    click.echo(f"{opened.info.name} {opened.info.version}: card complete, weights have the card's sha256")
    for name, text in available_engines().items():
        if text.startswith(MISSING):
            click.echo(f"engine {name}: {text}")
            continue
        engine = open_engine(opened, name)
        click.echo(f"engine {name} {engine.info.precision}: golden patches within {opened.card.engine_tolerance:g}")
