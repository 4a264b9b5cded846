"""Patch sets in the public layout that are learnt in two epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_patch_set(root: Path, patients: str, seed: int = 0) -> Path:
    """A patient a letter, 24 patches each, every second one IDC: dark purple, the rest pale pink, with noise."""
    rng = np.random.default_rng(seed)
    for patient in patients:
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
