"""Whole slides of every kind that an ingest takes: real files where they are at hand, and small ones made here."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import tifffile
import zarr
from PIL import Image
from slide_files import Rgb, tissue_like, write_aperio
from store_files import Pixels, write_own
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from batchscan.stores.ngff import image_attributes

SIDE_PX = 640
TILE_PX = 128
UM_PER_PX = 0.5


class Kind(StrEnum):
    """How a file is built, which says how it is damaged."""

    TIFF = "tiff"
    DICOM = "dicom"
    STORE = "store"
    PATCHES = "patches"


@dataclass(frozen=True)
class Original:
    """A whole slide (or patch set) on disk."""

    name: str
    kind: Kind
    path: Path


def make_originals(folder: Path, real: Path | None) -> list[Original]:
    """Write the small ones into a folder, and add the real ones that are there."""
    folder.mkdir(parents=True)
    made = [
        *(Original(path.stem, Kind.TIFF, path) for path in _tiffs(folder)),
        *(Original(path.name, Kind.STORE, path) for path in _stores(folder)),
        Original("patches.zip", Kind.PATCHES, _patch_zip(folder / "patches.zip")),
    ]
    if real is None:
        return made
    dicom = [Original(path.name, Kind.DICOM, path) for path in sorted(real.glob("*.dcm"))]
    usable = ("cmu-1-small-region.svs", "boxes.tiff", "small.svs", "unreadable.svs")
    return made + dicom + [Original(name, Kind.TIFF, real / name) for name in usable if (real / name).is_file()]


def _tiffs(folder: Path) -> Iterator[Path]:
    fine = tissue_like(SIDE_PX + 60, SIDE_PX, 1)
    levels = [fine, np.ascontiguousarray(fine[::2, ::2]), np.ascontiguousarray(fine[::4, ::4])]
    for name, compression, big in (("plain", None, False), ("deflate", "zlib", True)):
        path = folder / f"{name}.tif"
        with tifffile.TiffWriter(path, bigtiff=big) as writer:
            for index, level in enumerate(levels):
                _write_level(writer, level, index, compression)
        yield path
    path = folder / "aperio.svs"
    write_aperio(path, levels)
    yield path


def _write_level(writer: tifffile.TiffWriter, level: Rgb, index: int, compression: str | None) -> None:
    writer.write(
        level,
        photometric="rgb",
        tile=(TILE_PX, TILE_PX),
        compression=compression,
        subfiletype=1 if index else 0,
        resolution=(1e4 / UM_PER_PX / 2**index,) * 2,
        resolutionunit="CENTIMETER",
        metadata=None,
    )


def _stores(folder: Path) -> Iterator[Path]:
    fine = tissue_like(SIDE_PX, SIDE_PX + 30, 2)
    own = write_own(folder / "own.ome.zarr", Pixels(np.tile(fine, (2, 2, 1))), UM_PER_PX)
    yield own
    for name, codec in (("zstd", ZstdCodec(level=1)), ("blosc", BloscCodec()), ("gzip", GzipCodec(level=1))):
        path = folder / f"{name}.zarr"
        group = zarr.create_group(path, attributes={"ome": image_attributes(name, [UM_PER_PX])})
        array = group.create_array(
            "0", shape=(3, *fine.shape[:2]), dtype="uint8", chunks=(3, 256, 256), compressors=codec
        )
        array[...] = fine.transpose(2, 0, 1)
        yield path


def _patch_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for patient in range(2):
            for place in range(6):
                x, y, label = 1 + 50 * (place % 3), 1 + 50 * (place // 3), place % 2
                stream = io.BytesIO()
                Image.fromarray(tissue_like(50, 50, 10 * patient + place)).save(stream, "PNG")
                name = f"10{patient}/{label}/10{patient}_idx5_x{x}_y{y}_class{label}.png"
                packed.writestr(zipfile.ZipInfo(name), stream.getvalue())
    return path
