"""Cores and GPUs of one machine -> the worker processes to start there, and which kinds of steps each is for.

Without a GPU all workers do everything. With one, only scanning goes to the worker that sees it; opening, tissue,
results and reports are done beside it by processes that never open the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchscan.scan.gpus import NO_GPU

NETWORK, ASIDE = "network", "aside"
"""Kinds of steps, which are Dask's resources: `dask worker --resources` offers them to a scheduler of one's own."""
# While one thread has the network at work, the others read the next blocks: a GPU scores as many as five cores cut.
_GPU_THREADS = 6
# One thread a worker process and one process a core: the same arithmetic whatever the number of workers. Dask's own
# MALLOC_TRIM_THRESHOLD_ isn't among them: to hand back each array's memory cost a sixth of a second a slide.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
# On a GPU: float32 is float32 (not TF32, which keeps 10 bits), and nobody takes the whole memory for himself.
_GPU_ENVIRONMENT = {
    "NVIDIA_TF32_OVERRIDE": "0",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker process to be started.

    Parameters
    ----------
    name
        Its own.
    device
        The GPU that it sees, as CUDA_VISIBLE_DEVICES takes it.
    environment
        Variables that it has besides.
    n_threads
        Steps that it does at a time.
    offers
        Kinds of steps that it is for; none: all.
    """

    name: str
    device: str = NO_GPU
    environment: Mapping[str, str] = field(default_factory=dict)
    n_threads: int = 1
    offers: tuple[str, ...] = ()


def seats(workers: int, devices: tuple[str, ...] = (), aside: int = 0) -> tuple[Seat, ...]:
    """The processes of a run on this machine.

    Parameters
    ----------
    workers
        How many run the network.
    devices
        GPUs, given to these in turn; none: they see none.
    aside
        How many more do what needs no GPU; only beside GPUs.
    """
    if not devices:
        return tuple(Seat(f"cpu-{i}") for i in range(workers))
    offers = (NETWORK,) if aside else (NETWORK, ASIDE)
    at_gpus = (
        Seat(_gpu_name(i, devices), devices[i % len(devices)], _GPU_ENVIRONMENT, _GPU_THREADS, offers)
        for i in range(workers)
    )
    return *at_gpus, *(Seat(f"cpu-{i}", offers=(ASIDE,)) for i in range(aside))


def _gpu_name(worker: int, devices: tuple[str, ...]) -> str:
    """`gpu-0` for the first worker of the first device, `gpu-0-1` for its second."""
    turn, place = divmod(worker, len(devices))
    return f"gpu-{place}-{turn}" if turn else f"gpu-{place}"
