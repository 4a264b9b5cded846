"""The machine and what is installed -> the facts that a bench's figures mean nothing without."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import batchscan
from batchscan.domain.speed import Machine, Place
from batchscan.stores.machine import memory_bytes, versions_of

_CPUINFO = Path("/proc/cpuinfo")
# Each decides which kernels a network is run with.
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8")
_LIBRARIES = (
    "numpy",
    "scipy",
    "pillow",
    "zarr",
    "openslide-python",
    "openslide-bin",
    "distributed",
    "keras",
    "tensorflow-cpu",
    "tensorflow",
    "jax",
    "torch",
    "openvino",
    "weasyprint",
    "matplotlib",
)
_GIT_S = 20.0


def place_of(date: str) -> Place:
    """All of it, for a bench that begins now, at that date."""
    return Place(date, this_machine(), installed_versions(), git_commit(), os.getloadavg()[0])


def this_machine() -> Machine:
    """What the bench runs on; no name of it."""
    facts = _cpu_facts()
    return Machine(
        cpu=facts.get("model name") or platform.processor() or platform.machine(),
        cores=n_cores(),
        memory_bytes=memory_bytes(),
        system=platform.platform(),
        flags={flag: flag in facts["flags"].split() for flag in _FLAGS} if "flags" in facts else None,
    )


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _cpu_facts() -> dict[str, str]:
    """What the system says of its first processor; nothing where it doesn't."""
    try:
        first = _CPUINFO.read_text("utf-8", "replace").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def installed_versions() -> dict[str, str]:
    """batchscan, Python, and the libraries that do the work, of those that are there."""
    return {"batchscan": batchscan.__version__, "python": platform.python_version(), **versions_of(_LIBRARIES)}


def git_commit() -> str | None:
    """Commit of the checkout that this code lies in, with a `+` where tracked files differ; None if it lies in none."""
    root = Path(batchscan.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    commit, changes = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain", "--untracked-files=no")
    return commit and f"{commit}{'+' if changes else ''}"


def _git(root: Path, *words: str) -> str | None:
    # A checkout may belong to another user.
    command = ["git", "-c", "safe.directory=*", "-C", str(root), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_GIT_S)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
