"""A patch set that is learnt in two epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def patch_set(tmp_path_factory: Any) -> Path:
    """Three patients; IDC is dark purple, the rest pale pink, with noise."""
    root: Path = tmp_path_factory.mktemp("patches")
    rng = np.random.default_rng(0)
    for patient in "abc":
        for index in range(24):
            label = index % 2
            colour = np.array((110, 60, 130) if label else (235, 190, 215))
            height = 30 if index >= 20 else 50  # the slide's edge cuts the last row
            pixels = np.clip(colour + rng.normal(0, 12, (height, 50, 3)), 0, 255).astype(np.uint8)
            folder = root / patient / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            x, y = 1 + 50 * (index % 4), 1 + 50 * (index // 4)
            Image.fromarray(pixels).save(folder / f"{patient}_idx5_x{x}_y{y}_class{label}.png")
    return root
