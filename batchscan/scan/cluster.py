"""A scheduler, or the cores or GPUs of one machine -> a Dask client whose workers compute alike.

One worker process a GPU is a few lines of our own, not dask-cuda: that is for Linux with CUDA only, pulls in pandas,
numba-cuda and the CUDA bindings, and brings memory pools that a scan has no use for, to set the same variable.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, TypeVar

import dask
from dask.system import CPU_COUNT
from distributed import Client, KilledWorker, Nanny, NannyPlugin, Scheduler, SpecCluster, Worker, WorkerPlugin
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError
from distributed.system import MEMORY_LIMIT

from batchscan import __version__
from batchscan.domain.errors import ClusterError
from batchscan.scan.fetching import answer_of
from batchscan.scan.revival import Revival
from batchscan.scan.seats import NETWORK, WORKER_ENVIRONMENT, Seat, seats

DISCONNECTED = "the connection to the scheduler is lost; start the same command again to go on"
LOST = (OSError, RuntimeError, AttributeError, CancelledError, ClosedClientError)
"""What Dask raises where a scheduler has gone, by where it notices; time limits are among them, as OSError."""
_CONNECT_S = 15
_TRIES = 5
_PATIENCE_S = 600.0

T = TypeVar("T")


@contextlib.contextmanager
def connect(scheduler: str | None, workers: int, devices: tuple[str, ...] = (), aside: int = 0) -> Iterator[Client]:
    """Open a client of `scheduler`, or of a cluster of `workers` local processes that ends with the block.

    Parameters
    ----------
    scheduler
        Address of one that exists; its workers are what they are, and the other parameters don't count.
    workers
        How many local processes.
    devices
        GPUs as CUDA_VISIBLE_DEVICES takes them. Each worker sees one, taken in turn; without any, workers see no GPU.
    aside
        How many more local processes do what needs no GPU.

    Raises
    ------
    ClusterError
        If the scheduler can't be reached, has no workers, or its workers run another version.
    """
    if scheduler is None:
        with _local_cluster(seats(workers, devices, aside)) as client:
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
        with _connected(client):
            _check_versions(client, scheduler)
            client.register_plugin(_SameVersion(__version__))
        try:
            yield client
        finally:
            _let_all_in(client)


@contextlib.contextmanager
def _connected(client: Client, *, calls: bool = False) -> Iterator[None]:
    """Raises ClusterError where the scheduler is lost; where something is called there, the error may be its own."""
    try:
        yield
    except LOST as error:
        if calls and client.status == "running" and not isinstance(error, CommClosedError | CancelledError):
            raise
        raise ClusterError(DISCONNECTED) from error


class _SameVersion(NannyPlugin):
    """What the nanny of a worker that joins later unpickles first: without this very version it starts no worker.

    Let in, such a worker would take step after step and fail or falsify each, being always free for the next.
    """

    name = "same-batchscan-version"

    def __init__(self, version: str) -> None:
        self._version = version

    def __reduce__(self) -> tuple[Callable[[str], _SameVersion], tuple[str]]:
        return _let_in, (self._version,)


def _let_all_in(client: Client) -> None:
    # Where the scheduler is gone, or another runner was faster, there is nothing to take back.
    if client.status == "running":
        with contextlib.suppress(*LOST, ValueError):
            client.unregister_worker_plugin(_SameVersion.name, nanny=True)


def _let_in(version: str) -> _SameVersion:
    if version != __version__:
        raise ClusterError(
            f"the run is of batchscan {version}, this worker has {__version__}: install the same version"
        )
    return _SameVersion(version)


class _LeaveInterruptsToTheRunner(WorkerPlugin):
    """Ctrl-C reaches every process of a terminal, SIGTERM all of a batch job; the runner says what it means."""

    name = "leave-interrupts-to-the-runner"

    def setup(self, worker: Worker) -> None:
        """Run in a worker process's main thread."""
        del worker
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


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
def _local_cluster(processes: Sequence[Seat]) -> Iterator[Client]:
    settings = {
        "distributed.nanny.pre-spawn-environ": WORKER_ENVIRONMENT,
        "distributed.worker.multiprocessing-method": "spawn",
        "distributed.worker.daemon": True,
        # Whom to blame for a dead worker, and how often to try, is the dispatcher's to say.
        "distributed.scheduler.allowed-failures": 0,
        # Tasks hold next to nothing between them: a worker near its limit must go on, not wait for memory to come back.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        # Samples of the stack, messages, moves and events would be kept that nobody ever asks for.
        "distributed.worker.profile.enabled": False,
        "distributed.admin.log-length": 100,
        "distributed.admin.low-level-log-length": 100,
        "distributed.admin.system-monitor.log-length": 100,
        # Of the machine as a whole nobody asks anything; ticking fifty times a second, and looking at a worker's memory
        # ten times, took a twentieth of a core from the slides.
        "distributed.admin.system-monitor.disk": False,
        "distributed.admin.system-monitor.host-cpu": False,
        "distributed.admin.system-monitor.interval": "1s",
        "distributed.worker.memory.monitor-interval": "500ms",
        "distributed.admin.tick.interval": "1s",
        "distributed.diagnostics.computations.max-history": 1,
        # With NVIDIA's library installed, a worker that shall see no GPU dies of asking it for device -1.
        "distributed.diagnostics.nvml": False,
    }
    with (
        _safe_path(),
        dask.config.set(settings),
        _started(processes) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(_LeaveInterruptsToTheRunner())
        yield client


def _started(processes: Sequence[Seat]) -> SpecCluster:
    """A cluster whose workers are all up; one that dies meanwhile spoils the cluster, so another is tried.

    Raises
    ------
    ClusterError
        If that happens again and again.
    """
    # Nobody looks at a dashboard, and its fixed port may be taken.
    options = {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    scheduler = {"cls": Scheduler, "options": options}
    for _ in range(_TRIES):
        try:
            return SpecCluster(_specs(processes), scheduler, silence_logs=logging.CRITICAL)
        except (RuntimeError, TimeoutError) as error:
            lost = error
    raise ClusterError(
        f"worker processes died {_TRIES} times while they started ({_root_cause(lost)}): where that doesn't say why, "
        f"there is too little memory for {len(processes)}; try --workers 1"
    ) from lost


def _root_cause(error: BaseException) -> str:
    """What stands at the beginning of a chain of errors, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(f"{type(error).__name__}: {error}".split())


def _specs(processes: Sequence[Seat]) -> dict[str, dict[str, Any]]:
    """What SpecCluster starts, by worker name. A worker that dies is started again as it was, on the same device."""
    always = {
        "host": "127.0.0.1",
        "memory_limit": int(MEMORY_LIMIT / len(processes)),
        "dashboard": False,
        "silence_logs": logging.CRITICAL,
    }
    return {
        seat.name: {
            "cls": Nanny,
            "options": {
                **always,
                "nthreads": seat.n_threads,
                "resources": dict.fromkeys(seat.offers, seat.n_threads),
                "env": {**seat.environment, "CUDA_VISIBLE_DEVICES": seat.device},
            },
        }
        for seat in processes
    }


def default_workers(bytes_each: int) -> int:
    """One worker process a core, as far as the memory of this machine (or container) allows."""
    return max(1, min(CPU_COUNT, int(0.7 * MEMORY_LIMIT / bytes_each)))


def n_workers(client: Client) -> int:
    """How many worker processes the client has now."""
    with _connected(client):
        return len(client.nthreads())


def _patiently(client: Client, future: Any) -> Any:
    """What a future comes to, with the local cluster looked after meanwhile."""
    revival, end, answer = Revival(client), time.monotonic() + _PATIENCE_S, answer_of(client, future)
    while (moment := time.monotonic()) < end:
        with contextlib.suppress(TimeoutError):
            return answer.result(timeout=1.0)
        revival.look(moment)
    raise ClusterError(
        f"no worker has opened the model within {_PATIENCE_S:.0f} s: look whether workers are there and busy, and "
        "start the same command again"
    )


def threads_by_address(client: Client) -> dict[str, int]:
    """How many threads each worker has now; none also while the scheduler can't be reached."""
    try:
        return dict(client.nthreads())
    except LOST:
        return {}


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker has last said of itself.

    Parameters
    ----------
    offers
        The kinds of steps that it is for (`scan/seats.py`); none: all.
    said, rss_mb
        When, in seconds on its own wall clock, and its resident memory in MiB; None until it has said so.
    """

    offers: frozenset[str]
    said: float | None
    rss_mb: float | None


def facts_by_address(client: Client) -> dict[str, WorkerFacts]:
    """What the workers have said of themselves; nothing while the scheduler can't be reached."""
    scheduler: Any = client.scheduler
    with contextlib.suppress(*LOST):
        workers = client.sync(scheduler.identity, n_workers=-1)["workers"]
        return {address: _facts(worker) for address, worker in workers.items()}
    return {}


def _facts(worker: Mapping[str, Any]) -> WorkerFacts:
    said, offers = worker["metrics"], frozenset(worker.get("resources") or ())
    # One that has just come has said nothing yet.
    if "memory" not in said:
        return WorkerFacts(offers, None, None)
    return WorkerFacts(offers, float(said["time"]), said["memory"] / (1 << 20))


def left_in_order(client: Client, address: str) -> bool:
    """Whether the worker that was at an address was told to go (SIGTERM, retired, out of time), and said so."""
    with contextlib.suppress(*LOST):
        events = client.get_events(address)
        return any(isinstance(each, dict) and each.get("action") == "closing-worker" for _, each in events)
    return False


def dismiss(client: Client, name: str) -> bool:
    """Send one worker of an external scheduler away, with its nanny; False if there is no other to go on with."""
    with contextlib.suppress(*LOST):  # a scheduler that is gone is noticed elsewhere
        workers = client.scheduler_info(n_workers=-1)["workers"]
        addresses = [address for address, worker in workers.items() if str(worker["name"]) == name]
        if client.cluster is not None or len(addresses) == len(workers):
            return False
        client.retire_workers(addresses)
    return True


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
    """Call a function on any one worker that runs the network and wait for what it returns; it may raise.

    Raises
    ------
    ClusterError
        If worker after worker dies of it, or the scheduler is lost.
    """
    for _ in range(_TRIES):
        with contextlib.suppress(KilledWorker), _connected(client, calls=True):
            # Where some workers are for the network, the others may see another device.
            is_for_it = any(NETWORK in facts.offers for facts in facts_by_address(client).values())
            future = client.submit(function, *arguments, pure=False, resources={NETWORK: 1} if is_for_it else None)
            value: T = _patiently(client, future)
            return value
    raise ClusterError(
        f"{_TRIES} worker processes died one after the other before any slide was begun: most likely there is too "
        "little memory for the model; try --workers 1, and `batchscan doctor`"
    )


def begin_on_each(client: Client, function: Callable[..., Any], *arguments: Any, kind: str = "") -> list[Any]:
    """Have every worker (that is for a kind of steps) call a function; returns their futures, to be held meanwhile."""
    with _connected(client, calls=True):
        facts = facts_by_address(client)
        able = [address for address, each in facts.items() if not (kind and each.offers) or kind in each.offers]
        return [client.submit(function, *arguments, workers=[address], pure=False) for address in able]


def call_on_each(client: Client, function: Callable[..., T], *arguments: Any) -> list[T]:
    """Call a function on every worker, on all at once, and wait for what they return; it may raise.

    Raises
    ------
    ClusterError
        If a worker dies of it.
    """
    try:
        return [_patiently(client, future) for future in begin_on_each(client, function, *arguments)]
    except KilledWorker as error:
        raise ClusterError(
            "a worker process died while it was measured: most likely there is too little memory; try fewer --workers"
        ) from error


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
