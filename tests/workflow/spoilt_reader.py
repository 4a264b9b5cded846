"""Loaded by a killable process alone: slides of certain names crash, hang or swell the process that reads them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from killable_tasks import crash, hang, swell

from batchscan.domain.records import Uint8Array
from batchscan.stores import slides
from batchscan.workflow import ingest_processes

_FILL = slides.VendorSlide.fill
_VENDOR_OF = slides.vendor_of


def crash_once(path: Path) -> None:
    mark = path.with_suffix(".tried")
    if not mark.exists():
        mark.touch()
        crash()


def _spoil(path: Path) -> None:
    # So that a test can count the tries, and see which processes there were.
    with path.with_suffix(".pids").open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    ways: dict[str, Callable[[], None]] = {"crash": crash, "hang": hang, "swell": swell}
    if path.stem == "flaky":
        crash_once(path)
    elif path.stem in ways:
        ways[path.stem]()


def _fill(self: slides.VendorSlide, planes: Uint8Array, level: int, x: int, y: int) -> None:
    # The first tile is read well: something is half-written by then.
    if x or y:
        _spoil(self.path)
    _FILL(self, planes, level, x, y)


def _vendor_of(path: Path) -> str | None:
    if path.stem == "unrecognisable":
        crash()
    return _VENDOR_OF(path)


slides.VendorSlide.fill = _fill  # type: ignore[method-assign]
ingest_processes.vendor_of = _vendor_of  # type: ignore[attr-defined]
