"""Local workers: which device each sees, and that one that dies comes back as it was."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask
import pytest
from dask_processes import wait_until
from distributed import Client
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError

from batchscan.domain.errors import ClusterError
from batchscan.scan import cluster
from batchscan.scan.cluster import (
    call_on_worker,
    connect,
    dismiss,
    facts_by_address,
    left_in_order,
    n_workers,
    threads_by_address,
)


def seen() -> tuple[str, str, int]:
    return os.environ["CUDA_VISIBLE_DEVICES"], os.environ.get("NVIDIA_TF32_OVERRIDE", ""), os.getpid()


def _by_name(client: Client) -> dict[str, tuple[str, str, int]]:
    """What each worker that is there reports, by its name."""
    reports = client.run(seen, on_error="ignore")
    names = {address: worker["name"] for address, worker in client.scheduler_info(n_workers=-1)["workers"].items()}
    return {names[address]: report for address, report in reports.items() if address in names}


def test_each_worker_has_a_gpu_of_its_own_and_keeps_it_when_killed() -> None:
    with connect(None, 2, devices=("3", "MIG-a")) as client:
        before = _by_name(client)
        assert {name: report[:2] for name, report in before.items()} == {"gpu-0": ("3", "0"), "gpu-1": ("MIG-a", "0")}
        old = before["gpu-1"][2]
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: _by_name(client).get("gpu-1", (0, 0, old))[2] != old)
        after = _by_name(client)
        assert (after["gpu-0"], after["gpu-1"][:2]) == (before["gpu-0"], ("MIG-a", "0"))


def test_workers_beyond_the_gpus_take_turns() -> None:
    with connect(None, 3, devices=("0", "1")) as client:
        assert {name: report[0] for name, report in _by_name(client).items()} == {
            "gpu-0": "0", "gpu-1": "1", "gpu-0-1": "0",
        }  # fmt: skip


def test_workers_for_the_cpu_see_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with connect(None, 2) as client:
        assert {name: report[:2] for name, report in _by_name(client).items()} == {
            "cpu-0": ("-1", ""), "cpu-1": ("-1", ""),
        }  # fmt: skip


# What NVIDIA's own does on a machine with one GPU.
NVML = """
class NVMLError_LibraryNotFound(Exception): pass
class NVMLError_DriverNotLoaded(Exception): pass
class NVMLError_Unknown(Exception): pass
class NVMLError_InvalidArgument(Exception): pass
def nvmlInit(): pass
def nvmlSystemGetDriverVersion(): return "580.159.04"
def nvmlDeviceGetCount(): return 1
def nvmlDeviceGetHandleByIndex(index):
    if index != 0:
        raise NVMLError_InvalidArgument
    return index
"""


def test_workers_that_see_no_gpu_live_beside_nvidias_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pynvml.py").write_text(NVML)
    monkeypatch.syspath_prepend(tmp_path)  # handed on to what is spawned
    with connect(None, 1) as client:
        assert set(_by_name(client)) == {"cpu-0"}


def test_workers_that_never_start_are_reported_with_what_they_died_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os, sys\nif '--multiprocessing-fork' in sys.argv: os._exit(7)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"died 5 times while they started \(RuntimeError: .+\)"), connect(None, 1):
        pass


def kept() -> tuple[object, ...]:
    names = ("worker.profile.enabled", "admin.log-length", "admin.low-level-log-length")
    return tuple(dask.config.get(f"distributed.{name}") for name in names)


def test_neither_scheduler_nor_workers_keep_what_nobody_asks_for() -> None:
    """All of it grows with every slide: samples of the stack, messages, moves, events."""
    with connect(None, 1) as client:
        assert set(client.run(kept).values()) == {(False, 100, 100)}
        scheduler = client.cluster.scheduler
        assert scheduler.transition_log.maxlen == 100


class Lost:
    """A client whose scheduler has gone: whatever it is asked for raises what Dask raises then."""

    cluster = None
    scheduler = None

    def __init__(self, error: BaseException, status: str = "closed") -> None:
        self._error = error
        self.status = status

    def _raise(self, *_: object, **__: object) -> Any:
        raise self._error

    nthreads = submit = get_events = scheduler_info = sync = _raise


GONE = [
    OSError("Timed out trying to connect"),
    CommClosedError("closed"),
    RuntimeError("ConnectionPool is closed"),
    AttributeError("'NoneType' object has no attribute 'ncores'"),
    CancelledError(),
    ClosedClientError("closed"),
]


@pytest.mark.parametrize("error", GONE, ids=lambda error: type(error).__name__)
def test_a_scheduler_that_is_gone_is_no_defect(error: BaseException) -> None:
    client: Any = Lost(error)
    for asked in (lambda: n_workers(client), lambda: call_on_worker(client, os.getpid)):
        with pytest.raises(ClusterError, match="the connection to the scheduler is lost; start the same command again"):
            asked()
    assert (threads_by_address(client), facts_by_address(client)) == ({}, {})
    assert not left_in_order(client, "tcp://a")
    assert dismiss(client, "a")


def test_an_error_of_what_was_called_is_its_own() -> None:
    with pytest.raises(PermissionError):
        call_on_worker(Lost(PermissionError("no"), "running"), os.getpid)  # type: ignore[arg-type]


class LateClient:
    """Its answer comes after more than a second; to call that off would call off all answers that come later."""

    cluster = None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = SimpleNamespace(asyncio_loop=loop)
        self.asked: list[str] = []

    async def gather(self, future: str, *, asynchronous: bool) -> int:
        assert asynchronous
        self.asked.append(future)
        await asyncio.sleep(1.2)
        return 7


def test_an_answer_that_takes_long_is_asked_for_once() -> None:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    late = LateClient(loop)
    assert cluster._patiently(late, "the one") == 7  # type: ignore[arg-type]
    assert late.asked == ["the one"]
    loop.call_soon_threadsafe(loop.stop)
