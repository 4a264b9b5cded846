"""Which GPUs are found, and which of them a run's workers are given."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_nvidia import SPLIT_GPU, TWO_GPUS, put_on_path

from batchscan.scan import gpus
from batchscan.scan.gpus import FoundGpus, GpuChoice, choose_gpus, find_gpus, keras_without_gpus

FIRST, SECOND = (f"GPU-5a1f0f3e-0000-4c8b-9d57-1f1f6f0a000{i}" for i in (1, 2))
PARTS = ("MIG-c7384736-a75d-5afc-978f-d2f1294409fd", "MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d")
FOUND = FoundGpus(("0", "1"), ("a", "b"), "a test")


@pytest.fixture
def gpu_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "keras_without_gpus", lambda: "")


@pytest.mark.parametrize(
    ("said", "devices"),
    [
        ("0", ("0",)),
        ("2,0", ("2", "0")),
        (" 1, 3 ", ("1", "3")),
        ("0,0", ("0",)),
        (f"{FIRST},{PARTS[0]}", (FIRST, PARTS[0])),
        ("MIG-GPU-5a1f0f3e/1/0", ("MIG-GPU-5a1f0f3e/1/0",)),
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("1,-1,0", ("1",)),
    ],
)
def test_cuda_visible_devices_has_the_last_word(said: str, devices: tuple[str, ...]) -> None:
    found = find_gpus({"CUDA_VISIBLE_DEVICES": said}, lambda: (TWO_GPUS, ""))
    assert (found.devices, found.source) == (devices, f"CUDA_VISIBLE_DEVICES={said}")


@pytest.mark.parametrize(
    ("listed", "devices", "last"),
    [
        (TWO_GPUS, (FIRST, SECOND), "GPU 1: NVIDIA A100-SXM4-40GB"),
        (SPLIT_GPU, (*PARTS, SECOND), "GPU 1: NVIDIA A100-SXM4-40GB"),
        ("".join(SPLIT_GPU.splitlines(keepends=True)[:3]), PARTS, "MIG 3g.20gb Device 1"),
    ],
)
def test_what_nvidia_smi_lists_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str, devices: tuple[str, ...], last: str
) -> None:
    put_on_path(tmp_path, monkeypatch, listed)
    found = find_gpus()
    assert (found.devices, found.names[-1], found.source) == (devices, last, "nvidia-smi")
    assert len(found.names) == len(devices)


def test_an_nvidia_smi_that_fails_says_why_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "NVIDIA-SMI has failed because it couldn't\ncommunicate with the NVIDIA driver."
    put_on_path(tmp_path, monkeypatch, said, code=9)
    found = find_gpus()
    assert (found.devices, found.source) == ((), f"nvidia-smi says: {said}".replace("\n", " "))


def test_without_nvidia_smi_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_gpus({}) == FoundGpus((), (), "no nvidia-smi on the PATH")


@pytest.mark.usefixtures("gpu_build")
def test_keras_has_a_worker_a_gpu() -> None:
    assert choose_gpus("keras", None, FOUND) == GpuChoice(("0", "1"), ())
    assert choose_gpus("keras", 1, FOUND) == GpuChoice(("0",), ())
    assert choose_gpus("keras", 2, FOUND) == GpuChoice(("0", "1"), ())


@pytest.mark.usefixtures("gpu_build")
def test_more_workers_than_gpus_share_them_and_that_is_said() -> None:
    choice = choose_gpus("keras", 5, FOUND)
    assert choice.devices == ("0", "1")
    (note,) = choice.notes
    assert note.startswith("5 worker processes share 2 GPUs")


@pytest.mark.usefixtures("gpu_build")
def test_an_engine_of_the_cpu_has_no_gpu() -> None:
    assert choose_gpus("openvino", None, FOUND) == GpuChoice((), ())
    assert choose_gpus("auto", None, FoundGpus((), (), "none")) == GpuChoice((), ())


@pytest.mark.usefixtures("gpu_build")
def test_whoever_leaves_the_engine_open_hears_of_gpus() -> None:
    assert choose_gpus("auto", None, FOUND) == GpuChoice((), ("2 GPUs not used: for that give --engine keras",))


@pytest.mark.parametrize(
    ("engine", "begins"),
    [("keras", "2 GPUs not used: the "), ("auto", "2 GPUs not used: for that give --engine keras; before that: the ")],
)
def test_a_keras_for_cpus_leaves_the_gpus_alone_and_says_so(
    monkeypatch: pytest.MonkeyPatch, engine: str, begins: str
) -> None:
    monkeypatch.setattr(gpus, "_installed", lambda name: name == "tensorflow-cpu")
    choice = choose_gpus(engine, None, FOUND)
    assert choice.devices == ()
    (note,) = choice.notes
    assert note.startswith(begins)
    assert "pip install 'tensorflow[and-cuda]'" in note


@pytest.mark.parametrize(
    ("backend", "installed", "can"),
    [
        ("tensorflow", {"tensorflow-cpu"}, False),
        ("tensorflow", {"tensorflow"}, True),
        ("tensorflow", {"tensorflow", "tensorflow-cpu"}, True),
        ("jax", {"tensorflow-cpu"}, True),
    ],
)
def test_which_keras_may_have_gpus(
    monkeypatch: pytest.MonkeyPatch, backend: str, installed: set[str], *, can: bool
) -> None:
    monkeypatch.setattr(gpus, "_installed", installed.__contains__)
    assert (keras_without_gpus({"KERAS_BACKEND": backend}) == "") is can
