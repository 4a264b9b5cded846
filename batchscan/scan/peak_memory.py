"""The process that a step runs in -> the largest resident memory that it has had meanwhile."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path


def forget_peak() -> None:
    """Begin the process's peak anew, where the system can do that (Linux, proc(5): clear_refs)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_rss_mb() -> float:
    """Largest resident memory (MiB) since `forget_peak`; since the process began where the system can't forget."""
    with suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / (1 << 20)
