"""A Dask scheduler and a worker as processes of their own, as on a cluster."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def scheduler_with_a_worker() -> Iterator[str]:
    """The scheduler's address."""
    port = str(free_port())
    address = f"tcp://127.0.0.1:{port}"
    with (
        _process("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"),
        _process("worker", address, "--nthreads", "1", "--no-dashboard"),
    ):
        yield address


@contextlib.contextmanager
def _process(*words: str) -> Iterator[None]:
    command = [str(Path(sys.executable).with_name("dask")), *words]
    # Steps that a test defines are pickled by name: these processes must find the tests.
    here = Path(__file__).parent
    places = [str(here), str(here / "scan"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
