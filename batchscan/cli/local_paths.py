"""A word of a command -> a path of this machine; an address is refused, and not repeated: it may hold a password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class LocalPath(click.Path):
    """`click.Path` for commands that read disks only."""

    def __init__(self, **checks: Any) -> None:
        super().__init__(path_type=Path, **checks)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path that was meant."""
        if "://" in str(value):
            self.fail("is an address, and this reads disks only: copy what it needs to one first", param, ctx)
        return super().convert(value, param, ctx)
