"""The `batchscan` command as a user starts it, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Ran:
    out: str
    err: str


def batchscan(*words: object, code: int = 0) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "batchscan", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return Ran(done.stdout, done.stderr)
