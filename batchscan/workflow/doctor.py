"""Machine -> what it has for the product, what is missing, and the remedy."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from batchscan import __version__
from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.errors import BatchscanError, OutputError
from batchscan.report.render import pdf_library
from batchscan.scan.engines import available_engines, open_engine
from batchscan.scan.gpus import find_gpus, keras_without_gpus
from batchscan.stores.packages import open_package, shipped_models

_LIBRARIES = ("openslide-bin", "zarr", "distributed", "pyarrow", "keras", "weasyprint", "matplotlib")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `missing` stops some command from working; `note` doesn't."""

    name: str
    state: Literal["ok", "missing", "note"]
    text: str


def examine() -> tuple[Finding, ...]:
    """Look at everything; nothing is changed."""
    return (
        Finding("batchscan", "ok", f"{__version__}, Python {platform.python_version()} on {platform.platform()}"),
        _machine(),
        *_libraries(),
        _pdf(),
        *_engines(),
        _gpus(),
        *_models(),
    )


def _machine() -> Finding:
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    free_gb = shutil.disk_usage(".").free / 1e9
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return Finding("machine", "ok", f"{cores} cores, {memory_gb:.0f} GB memory, {free_gb:.0f} GB free on this disk")


def _libraries() -> Iterator[Finding]:
    for name in _LIBRARIES:
        try:
            yield Finding(name, "ok", version(name))
        except PackageNotFoundError:
            yield Finding(name, "missing", f"not installed; run: pip install {name}")


def _pdf() -> Finding:
    try:
        return Finding("PDF", "ok", pdf_library())
    except OutputError as error:
        return Finding("PDF", "missing", str(error))


def _engines() -> Iterator[Finding]:
    try:
        package = open_package(DEFAULT_MODEL)
    except BatchscanError as error:
        yield Finding("engines", "missing", f"none can prove itself: {error}")
        return
    for name, text in available_engines().items():
        try:
            info = open_engine(package, name).info
        except BatchscanError as error:
            yield Finding(f"engine {name}", "note", f"{text}; {error}")
        else:
            yield Finding(
                f"engine {name}", "ok", f"{text}, {info.precision}, reproduces the golden patches of {DEFAULT_MODEL}"
            )


def _gpus() -> Finding:
    found = find_gpus()
    if not found.devices:
        return Finding("GPU", "note", f"none ({found.source}); the CPU is used")
    names = f"{len(found.devices)}: {'; '.join(found.names)} ({found.source})"
    obstacle = keras_without_gpus()
    if obstacle:
        return Finding("GPU", "note", f"{names}; not used: {obstacle}")
    return Finding("GPU", "ok", f"{names}; with --engine keras a worker process each")


def _models() -> Iterator[Finding]:
    for name in shipped_models():
        try:
            info = open_package(name).info
        except BatchscanError as error:
            yield Finding(f"model {name}", "missing", f"{error}; install batchscan again")
        else:
            yield Finding(f"model {name}", "ok", f"version {info.version}, sha256 {info.sha256[:12]}")
