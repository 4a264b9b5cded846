"""A pyramid of JPEG tiles as OpenSlide and tifffile, both by others, read it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from slide_files import tissue_like

from batchscan.stores.tiled_tiff import TILE_PX, TiffLevel, TiledTiff, jpeg_tile

LEVELS = (TiffLevel(600, 300, 0.2428), TiffLevel(150, 75, 0.9712))


def write(path: Path) -> list[np.ndarray]:
    """Whole tiles of both levels, added last first."""
    images = [tissue_like(level.n_rows * TILE_PX, level.n_cols * TILE_PX, seed) for seed, level in enumerate(LEVELS)]
    with path.open("wb") as stream:
        tiff = TiledTiff(stream, LEVELS)
        for index, level in reversed(list(enumerate(LEVELS))):
            for row in reversed(range(level.n_rows)):
                for col in range(level.n_cols):
                    top, left = row * TILE_PX, col * TILE_PX
                    tile = images[index][top : top + TILE_PX, left : left + TILE_PX]
                    tiff.add(index, row, col, jpeg_tile(tile, 95))
        tiff.finish()
    return images


def test_openslide_finds_levels_spacing_and_pixels(tmp_path: Path) -> None:
    images = write(tmp_path / "a.tiff")
    with openslide.OpenSlide(tmp_path / "a.tiff") as slide:
        assert slide.properties["openslide.vendor"] == "generic-tiff"
        assert slide.level_dimensions == ((600, 300), (150, 75))
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.2428, rel=1e-6)
        assert float(slide.properties["openslide.mpp-y"]) == pytest.approx(0.2428, rel=1e-6)
        for index, (width, height) in enumerate(slide.level_dimensions):
            found = np.asarray(slide.read_region((0, 0), index, (width, height)).convert("RGB"))
            apart = np.abs(found.astype(int) - images[index][:height, :width])
            # Other tiles in the wrong place would be far off: no two places are alike.
            assert apart.mean() < 3


def test_another_reader_finds_the_same_directories(tmp_path: Path) -> None:
    write(tmp_path / "a.tiff")
    with tifffile.TiffFile(tmp_path / "a.tiff") as tiff:
        assert tiff.is_bigtiff
        assert [page.shape for page in tiff.pages] == [(300, 600, 3), (75, 150, 3)]
        assert [bool(page.is_reduced) for page in tiff.pages] == [False, True]
        assert [page.is_tiled for page in tiff.pages] == [True, True]
        # 0.9712 um a pixel is 10,296.54 pixels a centimetre.
        numerator, denominator = tiff.pages[1].tags["XResolution"].value
        assert numerator / denominator == pytest.approx(10296.54, abs=0.01)
        assert tiff.pages[1].tags["ResolutionUnit"].value == 3


def test_a_file_without_all_its_tiles_is_not_finished() -> None:
    tiff = TiledTiff(io.BytesIO(), LEVELS)
    tiff.add(0, 0, 0, b"x")
    with pytest.raises(ValueError, match="never added"):
        tiff.finish()
