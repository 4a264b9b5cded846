"""A zip in the layout of the public IDC set -> whole mounts at 8 um/px and where their labelled patches lie."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

REPOSITORY = Path(__file__).parents[2]
SHARED = REPOSITORY.parent / "shared" / "data"
SOURCES: Mapping[str, Path] = {
    "8863": REPOSITORY / "batchscan" / "demo" / "8863.zip",
    "8865": SHARED / "idc_patches.zip",
    "8867": SHARED / "idc_patches.zip",
}
UM_PER_PX = 8.0
SIDE_PX = 50


@dataclass(frozen=True)
class WholeMount:
    pixels: NDArray[np.uint8]
    labelled: NDArray[np.bool_]
    """(rows, cols) of the grid of 50-pixel squares."""

    def overview(self, factor: int) -> NDArray[np.uint8]:
        rows, cols = (side // factor for side in self.pixels.shape[:2])
        whole = self.pixels[: rows * factor, : cols * factor].reshape(rows, factor, cols, factor, 3)
        return np.rint(whole.mean(axis=(1, 3), dtype=np.float32)).astype(np.uint8)


@cache
def whole_mount(patient: str) -> WholeMount:
    source = SOURCES[patient]
    if not source.exists():
        pytest.skip(f"{source.name} isn't here")
    with zipfile.ZipFile(source) as archive:
        names = [re.search(rf".*/{patient}_idx5_x(\d+)_y(\d+)_class\d\.png$", name) for name in archive.namelist()]
        patches = [(int(name[1]) - 1, int(name[2]) - 1, _pixels(archive.read(name[0]))) for name in names if name]
    width = max(x + patch.shape[1] for x, _, patch in patches)
    height = max(y + patch.shape[0] for _, y, patch in patches)
    pixels = np.full((height, width, 3), 255, dtype=np.uint8)
    labelled = np.zeros((-(-height // SIDE_PX), -(-width // SIDE_PX)), dtype=np.bool_)
    for x, y, patch in patches:
        pixels[y : y + patch.shape[0], x : x + patch.shape[1]] = patch
        labelled[y // SIDE_PX, x // SIDE_PX] = True
    return WholeMount(pixels, labelled)


def _pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
