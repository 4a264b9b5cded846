"""A Dask scheduler and a worker as processes of their own, as on a cluster."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Return once it holds; fail if it doesn't within that time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@contextlib.contextmanager
def scheduler_with_a_worker() -> Iterator[str]:
    """The scheduler's address."""
    with scheduler() as (address, _), worker(address):
        yield address


@contextlib.contextmanager
def scheduler() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its address, and the process."""
    port = str(free_port())
    with _process("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard") as process:
        yield f"tcp://127.0.0.1:{port}", process


@contextlib.contextmanager
def worker(address: str, *words: str, code: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The process of `dask worker`; modules in `code` go before all others."""
    with _process("worker", address, "--nthreads", "1", "--no-dashboard", *words, code=code) as process:
        yield process


@contextlib.contextmanager
def _process(*words: str, code: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    command = [str(Path(sys.executable).with_name("dask")), *words]
    # Steps that a test defines are pickled by name: these processes must find the tests.
    here = Path(__file__).parent
    places = [*([str(code)] if code else []), str(here), str(here / "scan"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
