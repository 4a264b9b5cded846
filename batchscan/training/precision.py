"""What a recipe asks for, and what the machine has -> the number format that a network is trained in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from batchscan.stores.networks import import_keras

Precision = Literal["float32", "mixed_bfloat16"]

CPU_FLAGS = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}


def chosen_precision(asked: Literal["auto", "float32", "mixed_bfloat16"], keras: Any) -> Precision:
    """What is asked for; `auto` takes mixed_bfloat16 where the CPU computes in it or there is a GPU.

    Elsewhere bfloat16 is emulated and slower than float32.
    """
    if asked != "auto":
        return asked
    return "mixed_bfloat16" if _cpu_flags() & BFLOAT16_FLAGS or _gpus(keras) else "float32"


def computed_with(asked: Literal["auto", "float32", "mixed_bfloat16"], threads: int) -> dict[str, str | int]:
    """What decides a training's last bits besides its recipe: another one of these ends with other weights."""
    keras = import_keras(threads)
    return {
        "keras": keras_version(keras),
        "precision": chosen_precision(asked, keras),
        # Where Keras was imported before, it keeps the threads that it had.
        "threads": int(os.environ.get("TF_NUM_INTRAOP_THREADS", threads)),
    }


def keras_version(keras: Any) -> str:
    """Keras and its backend, as people say it."""
    return f"{keras.__version__} with {keras.config.backend()}"


def _cpu_flags() -> set[str]:
    """What Linux says of the first processor; nothing elsewhere."""
    try:
        lines = CPU_FLAGS.read_text("ascii", errors="replace").splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith(("flags", "Features"))), "").split())


def _gpus(keras: Any) -> list[str]:
    try:
        return [str(device) for device in keras.distribution.list_devices("gpu")]
    except (AttributeError, NotImplementedError, RuntimeError, ValueError):
        return []  # not every backend can say
