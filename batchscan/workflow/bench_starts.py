"""A command's words -> how long it takes from its start to its end, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time

_TIMES = 3


def command_s(*words: str) -> float:
    """Seconds of the fastest of three: what is on the disk is in memory then, and nobody else was in the way."""
    return min(_once_s(words) for _ in range(_TIMES))


def _once_s(words: tuple[str, ...]) -> float:
    clock = time.perf_counter()
    subprocess.run([sys.executable, "-m", "batchscan", *words], stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - our own command
    return time.perf_counter() - clock
