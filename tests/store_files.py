"""Arrays -> slide stores: ours, through the writer, and other programs', spelt out file by file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.stores.crew import Crew
from batchscan.stores.damage import Damage
from batchscan.stores.pyramid_writer import StoreFacts, write_pyramid

Rgb = NDArray[np.uint8]
WHOLE = Damage()


@dataclass(frozen=True)
class Pixels:
    """An array as what a pyramid is written from; `fault` is called before each tile."""

    rgb: Rgb
    tile_px: int = 300
    fault: Callable[[int, int], None] = lambda _x, _y: None

    @property
    def width_px(self) -> int:
        return self.rgb.shape[1]

    @property
    def height_px(self) -> int:
        return self.rgb.shape[0]

    def read(self, x: int, y: int, width: int, height: int) -> Rgb:
        self.fault(x, y)
        return self.rgb[y : y + height, x : x + width]


def write_own(path: Path, pixels: Pixels, um_per_px: float = 0.5, workers: int = 2, damage: Damage = WHOLE) -> Path:
    facts = StoreFacts(
        path.name.removesuffix(".ome.zarr"), Spacing(um_per_px, SpacingSource.VENDOR), {"format": "test"}
    )
    with Crew(workers) as crew:
        write_pyramid(path, pixels, facts, crew, lambda _: None, lambda: damage)
    return path


def noise(rows: int, cols: int, seed: int = 3) -> Rgb:
    return np.random.default_rng(seed).integers(0, 256, (rows, cols, 3), dtype=np.uint8)


def axes_of(letters: str, unit: str | None = "micrometer") -> list[dict[str, str]]:
    kinds = {"t": "time", "c": "channel"}
    axes = [{"name": letter, "type": kinds.get(letter, "space")} for letter in letters]
    if unit:
        for axis in axes:
            if axis["type"] == "space":
                axis["unit"] = unit
    return axes


def write_foreign(
    path: Path,
    levels: list[Rgb],
    letters: str = "cyx",
    um: tuple[float, ...] = (0.5, 1.0, 2.0),
    unit: str | None = "micrometer",
    version: str = "0.5",
    **array: Any,
) -> Path:
    """Write levels that are in the order of the axes; y and x have the scale `um`."""
    v2 = version == "0.4"
    for index, level in enumerate(levels):
        written = zarr.create_array(
            path / str(index),
            shape=level.shape,
            dtype=level.dtype,
            chunks=tuple(min(side, 64) for side in level.shape),
            zarr_format=2 if v2 else 3,
            **({"chunk_key_encoding": {"name": "v2", "separator": "/"}} if v2 else {}),
            **array,
        )
        written[...] = level
    datasets = [
        {"path": str(i), "coordinateTransformations": [{"type": "scale", "scale": scale_of(letters, um[i])}]}
        for i in range(len(levels))
    ]
    write_attributes(path, {"axes": axes_of(letters, unit), "datasets": datasets}, version)
    return path


def scale_of(letters: str, um: float) -> list[float]:
    return [um if letter in "yx" else 1.0 for letter in letters]


def write_attributes(path: Path, multiscale: Mapping[str, Any], version: str = "0.5") -> None:
    path.mkdir(exist_ok=True)
    if version == "0.4":
        (path / ".zgroup").write_text('{"zarr_format": 2}')
        (path / ".zattrs").write_text(json.dumps({"multiscales": [{"version": version, **multiscale}]}))
    else:
        attributes = {"ome": {"version": version, "multiscales": [multiscale]}}
        document = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        (path / "zarr.json").write_text(json.dumps(document))


def edit_json(path: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
