"""A slide store -> how fast all workers together read, cut and score its patches: the ceilings of a scan."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

from batchscan.domain.records import EngineInfo
from batchscan.domain.speed import EngineSpeed, Pace, WorkerSpeeds
from batchscan.scan.cluster import call_on_each, connect
from batchscan.scan.engines import MISSING, available_engines
from batchscan.workflow import bench_tasks
from batchscan.workflow.bench_tasks import BenchWork

_PRECISIONS = ("f32", "bf16")
_Everywhere = Callable[..., list[Any]]


def worker_speeds(work: BenchWork, workers: int) -> WorkerSpeeds:
    """Start workers as a run does and let all of them do the same thing at a time: they share memory and caches.

    Raises
    ------
    ClusterError
        If they don't start, or die.
    SlideError
        If the store can't be read, or there is no tissue on it.
    """
    clock = time.perf_counter()
    with connect(None, workers) as client:
        cluster_s = time.perf_counter() - clock
        everywhere = functools.partial(call_on_each, client)
        return WorkerSpeeds(
            workers=workers,
            cluster_s=cluster_s,
            n_patches=everywhere(bench_tasks.n_patches, work)[0],
            read_bytes_per_s=_per_s(everywhere(bench_tasks.read_pace, work)),
            cut_patches_per_s=_per_s(everywhere(bench_tasks.cut_pace, work)),
            engines=tuple(_engines(everywhere, work)),
            chosen=everywhere(bench_tasks.chosen_engine, work)[0],
        )


def _engines(everywhere: _Everywhere, work: BenchWork) -> Iterator[EngineSpeed]:
    for (name, versions), precision in itertools.product(available_engines().items(), _PRECISIONS):
        engine = EngineInfo(name, precision)
        why = versions if versions.startswith(MISSING) else max(everywhere(bench_tasks.try_engine, work, engine))
        rate = None if why else _per_s(everywhere(bench_tasks.engine_pace, work, engine))
        yield EngineSpeed(name, precision, rate, why)


def _per_s(paces: list[Pace]) -> float:
    return sum(pace.per_s for pace in paces)
