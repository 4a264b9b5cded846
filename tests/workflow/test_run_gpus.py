"""A run on this machine gives its workers the GPUs that there are; doctor says the same ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_nvidia import TWO_GPUS, put_on_path
from store_files import Pixels, noise, write_own

from batchscan.domain.job import Job, validated_job
from batchscan.scan import gpus
from batchscan.workflow import doctor, run
from batchscan.workflow.run import RunPlanned, run_job


class Started(Exception):
    """In place of a cluster."""


@pytest.fixture
def a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Job]:
    put_on_path(tmp_path, monkeypatch, TWO_GPUS)
    store = write_own(tmp_path / "a.ome.zarr", Pixels(noise(64, 64)))

    def connect(*asked: Any) -> Any:
        raise Started(*asked)

    monkeypatch.setattr(run, "connect", connect)

    def job(engine: str, **keys: Any) -> Job:
        sections = {"slides": {"sources": [store]}, "model": {"engine": engine}}
        return validated_job({**sections, "run": {"out": tmp_path / "run", **keys}}, "a test")

    return job


def _begin(job: Job) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """What the operator is told first, and what the cluster is asked for."""
    events = run_job(job)
    planned = next(events)
    assert isinstance(planned, RunPlanned)
    with pytest.raises(Started) as started:
        list(events)
    return planned.notes, started.value.args


def test_keras_has_a_worker_a_gpu(a_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "keras_without_gpus", lambda: "")
    ids = tuple(line.split("UUID: ")[1].rstrip(")") for line in TWO_GPUS.splitlines())
    monkeypatch.setattr(run, "default_workers", lambda _: 16)
    assert _begin(a_job("keras")) == ((), (None, 2, ids, 14))
    notes, asked = _begin(a_job("keras", workers=3))
    assert asked == (None, 3, ids, 13)
    assert [note.split(":")[0] for note in notes] == ["3 worker processes share 2 GPUs"]


def test_what_computes_on_the_cpu_or_elsewhere_has_none(a_job: Callable[..., Job]) -> None:
    assert _begin(a_job("openvino", workers=3)) == ((), (None, 3, (), 0))
    (note,), asked = _begin(a_job("auto", workers=3))
    assert note.startswith("2 GPUs not used: for that give --engine keras")
    assert asked == (None, 3, (), 0)
    assert _begin(a_job("keras", workers=3, scheduler="tcp://h:1")) == ((), ("tcp://h:1", 3, (), 0))


def test_a_gpu_on_a_small_machine_still_has_somebody_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "default_workers", lambda _: 1)
    assert run.aside_of(("0",), 1) == 1


@pytest.mark.usefixtures("a_job")
@pytest.mark.parametrize(
    ("obstacle", "state", "said"),
    [
        ("", "ok", "with --engine keras a worker process each"),
        ("a build for CPUs", "note", "not used: a build for CPUs"),
    ],
)
def test_doctor_names_the_gpus_and_says_whether_they_serve(
    monkeypatch: pytest.MonkeyPatch, obstacle: str, state: str, said: str
) -> None:
    monkeypatch.setattr(doctor, "keras_without_gpus", lambda: obstacle)
    finding = doctor._gpus()
    assert (finding.state, finding.text) == (
        state,
        f"2: GPU 0: NVIDIA A100-SXM4-40GB; GPU 1: NVIDIA A100-SXM4-40GB (nvidia-smi); {said}",
    )


def test_doctor_says_why_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert doctor._gpus().text == "none (CUDA_VISIBLE_DEVICES=-1); the CPU is used"
