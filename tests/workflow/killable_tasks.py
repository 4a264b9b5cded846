"""What a killable process is asked to do in tests."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import numpy as np


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang() -> None:
    threading.Event().wait()


def swell() -> None:
    np.ones(1 << 34, dtype=np.uint8)


def add(a: int, b: int, report: Callable[[int], None]) -> int:
    for n in range(a):
        report(n)
    return a + b


def fail(text: str, report: Callable[[int], None]) -> None:
    del report
    raise ValueError(text)


def fail_unpicklably(report: Callable[[int], None]) -> None:
    del report

    class Odd(Exception):
        pass

    raise Odd("odd")


def ask_for(n_bytes: int, report: Callable[[int], None]) -> int:
    del report
    return int(np.ones(n_bytes, dtype=np.uint8).nbytes)


def exit_with(code: int, report: Callable[[int], None]) -> None:
    del report
    os._exit(code)


def crash_here(report: Callable[[int], None]) -> None:
    del report
    crash()


def hang_after(n: int, report: Callable[[int], None]) -> None:
    report(n)
    hang()


def pid(report: Callable[[int], None]) -> int:
    report(os.getpid())
    return os.getpid()


def hang_said(report: Callable[[int], None]) -> None:
    report(os.getpid())
    hang()


def environment(report: Callable[[int], None]) -> tuple[str | None, int, int]:
    del report
    return os.environ.get("PYTHONSAFEPATH"), os.getpgid(0), os.getpid()
