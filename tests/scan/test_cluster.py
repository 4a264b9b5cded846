"""Local workers: which device each sees, and that one that dies comes back as it was."""

from __future__ import annotations

import os
import signal

import pytest
from dask_processes import wait_until
from distributed import Client

from batchscan.scan.cluster import connect


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
