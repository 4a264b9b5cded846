"""bfloat16 where something computes in it, else float32; what is asked for by name is taken."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from batchscan.stores.networks import import_keras
from batchscan.training import precision
from batchscan.training.precision import chosen_precision, computed_with

PLAIN = "processor\t: 0\nflags\t\t: fpu sse avx2 avx512f\nbugs\t\t: amx_bf16\n"
WITH_AMX = "processor\t: 0\nflags\t\t: fpu avx512f amx_bf16 amx_tile\n"
WITH_AVX = "processor\t: 0\nflags\t\t: fpu avx512_bf16\n"


def keras_with(*gpus: str) -> Any:
    return SimpleNamespace(
        distribution=SimpleNamespace(list_devices=lambda kind: list(gpus) if kind == "gpu" else ["cpu:0"])
    )


@pytest.mark.parametrize(
    ("cpu", "gpus", "expected"),
    [
        (PLAIN, (), "float32"),
        (WITH_AMX, (), "mixed_bfloat16"),
        (WITH_AVX, (), "mixed_bfloat16"),
        (PLAIN, ("gpu:0",), "mixed_bfloat16"),
        (None, (), "float32"),
    ],
)
def test_auto_looks_at_the_machine(
    cpu: str | None, gpus: tuple[str, ...], expected: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(precision, "CPU_FLAGS", tmp_path / "cpuinfo")
    if cpu is not None:
        (tmp_path / "cpuinfo").write_text(cpu)
    assert chosen_precision("auto", keras_with(*gpus)) == expected


def test_what_is_named_is_taken() -> None:
    assert chosen_precision("float32", keras_with("gpu:0")) == "float32"
    assert chosen_precision("mixed_bfloat16", keras_with()) == "mixed_bfloat16"


def test_a_backend_that_cannot_name_its_devices_has_no_gpu(tmp_path: Path, monkeypatch: Any) -> None:
    def refuse(_: str) -> list[str]:
        raise NotImplementedError

    monkeypatch.setattr(precision, "CPU_FLAGS", tmp_path / "none")
    assert chosen_precision("auto", SimpleNamespace(distribution=SimpleNamespace(list_devices=refuse))) == "float32"


def test_keras_can_be_asked(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(precision, "CPU_FLAGS", tmp_path / "none")
    keras = import_keras(2)
    for gpus, expected in (([], "float32"), (["gpu:0"], "mixed_bfloat16")):
        # Fails where Keras has no such function any more.
        monkeypatch.setattr(keras.distribution, "list_devices", lambda kind, gpus=gpus: gpus if kind == "gpu" else [])
        assert chosen_precision("auto", keras) == expected


def test_what_decides_the_last_bits_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    keras = import_keras(1)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    # Keras is there already, with as many threads as it was imported with.
    assert computed_with("mixed_bfloat16", 5) == {
        "keras": f"{keras.__version__} with {keras.config.backend()}",
        "precision": "mixed_bfloat16",
        "threads": 3,
    }
