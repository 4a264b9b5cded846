"""What a recipe asks for, and what the machine has -> the number format that a network is trained in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

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
