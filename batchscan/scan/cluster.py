"""A scheduler, or the cores of one machine -> a Dask client whose workers compute alike."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import dask
from dask.system import CPU_COUNT
from distributed import Client, KilledWorker, LocalCluster, Worker, WorkerPlugin
from distributed.system import MEMORY_LIMIT

from batchscan import __version__
from batchscan.domain.errors import ClusterError

_CONNECT_S = 15
_TRIES = 3
# One thread a worker process and one process a core: the same arithmetic whatever the number of workers.
_WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}

T = TypeVar("T")


@contextlib.contextmanager
def connect(scheduler: str | None, workers: int) -> Iterator[Client]:
    """Open a client of `scheduler`, or of a cluster of `workers` local processes that ends with the block.

    Raises
    ------
    ClusterError
        If the scheduler can't be reached, has no workers, or its workers run another version.
    """
    if scheduler is None:
        with _local_cluster(workers) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=_CONNECT_S)
        client.wait_for_workers(1, timeout=_CONNECT_S)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"scheduler {scheduler}: no answer with at least one worker within {_CONNECT_S} s ({error}); "
            "start `dask scheduler` and `dask worker ADDRESS`, or leave --scheduler out to use this machine"
        ) from error
    with client:
        _check_versions(client, scheduler)
        yield client


class _LeaveInterruptsToTheRunner(WorkerPlugin):
    """Ctrl-C reaches every process of the terminal; what it means is the runner's to say."""

    name = "leave-interrupts-to-the-runner"

    def setup(self, worker: Worker) -> None:
        """Run in a worker process's main thread."""
        del worker
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """What is spawned begins as `python -c`, which without this would import what lies in the current folder."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


@contextlib.contextmanager
def _local_cluster(workers: int) -> Iterator[Client]:
    settings = {
        "distributed.nanny.pre-spawn-environ": _WORKER_ENVIRONMENT,
        "distributed.worker.multiprocessing-method": "spawn",
        "distributed.worker.daemon": True,
        # Whom to blame for a dead worker, and how often to try, is the dispatcher's to say.
        "distributed.scheduler.allowed-failures": 0,
        # Tasks hold next to nothing between them: a worker near its limit must go on, not wait for memory to come back.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
    }
    with (
        _safe_path(),
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            # Nobody looks at a dashboard, and its fixed port may be taken.
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(_LeaveInterruptsToTheRunner())
        yield client


def default_workers(bytes_each: int) -> int:
    """One worker process a core, as far as the memory of this machine (or container) allows."""
    return max(1, min(CPU_COUNT, int(0.7 * MEMORY_LIMIT / bytes_each)))


def n_workers(client: Client) -> int:
    """How many worker processes the client has now."""
    return len(client.nthreads())


def n_threads(client: Client) -> int:
    """How many threads all workers have together now; 0 also while the scheduler can't be reached."""
    try:
        return sum(client.nthreads().values())
    except (OSError, TimeoutError):
        return 0


def end_worker(client: Client, address: str) -> None:
    """End a worker process that is stuck, whatever it is doing; its nanny, if it has one, starts another."""
    with contextlib.suppress(Exception):
        client.run(_kill_child, workers=[address], nanny=True)
        return
    # Without a nanny the process has to end itself; its event loop answers even where its thread is stuck.
    with contextlib.suppress(Exception):
        client.run(os._exit, 1, workers=[address], wait=False)


def _kill_child(dask_worker: Any) -> None:
    """Run by a nanny, which is given as `dask_worker`."""
    os.kill(dask_worker.pid, signal.SIGKILL)


def call_on_worker(client: Client, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function on any one worker and wait for what it returns; it may raise.

    Raises
    ------
    ClusterError
        If worker after worker dies of it.
    """
    for _ in range(_TRIES):
        with contextlib.suppress(KilledWorker):
            value: T = client.submit(function, *arguments, pure=False).result()
            return value
    raise ClusterError(
        f"{_TRIES} worker processes died one after the other before any slide was begun: most likely there is too "
        "little memory for the model; try --workers 1, and `batchscan doctor`"
    )


def _check_versions(client: Client, scheduler: str) -> None:
    others = {name: version for name, version in client.run(_version).items() if version != __version__}
    if others:
        found = ", ".join(f"{name}: {version}" for name, version in sorted(others.items()))
        raise ClusterError(
            f"scheduler {scheduler}: this is batchscan {__version__}, but workers run another ({found}); "
            "install the same version on all"
        )


def _version() -> str:
    return __version__
