"""An `nvidia-smi` that says what a test wants, in place of a driver's."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

TWO_GPUS = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5a1f0f3e-0000-4c8b-9d57-1f1f6f0a0001)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-5a1f0f3e-0000-4c8b-9d57-1f1f6f0a0002)
"""
# As on a machine where the first of two is split in two (MIG).
SPLIT_GPU = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5a1f0f3e-0000-4c8b-9d57-1f1f6f0a0001)
  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736-a75d-5afc-978f-d2f1294409fd)
  MIG 3g.20gb     Device  1: (UUID: MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-5a1f0f3e-0000-4c8b-9d57-1f1f6f0a0002)
"""


def put_on_path(folder: Path, patch: pytest.MonkeyPatch, printed: str, code: int = 0) -> None:
    """From now on `nvidia-smi` prints that (for -L alone) and exits so; CUDA_VISIBLE_DEVICES isn't set."""
    tool = folder / "nvidia-smi"
    tool.write_text(f'#!/bin/sh\n[ "$*" = -L ] || exit 64\nprintf %s {shlex.quote(printed)}\nexit {code}\n')
    tool.chmod(0o755)
    patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
