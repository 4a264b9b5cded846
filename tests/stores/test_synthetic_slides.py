"""The slide that a bench is made on: the same for a seed, a pyramid to OpenSlide, and as heavy as a scanner's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import pytest
from patch_folders import write_patch_set

from batchscan.domain.errors import OutputError, PatchSetError
from batchscan.stores.synthetic_slides import SyntheticSlide, rearranged, write_slide
from batchscan.workflow.demo import demo_patches

# Less than one of the squares that are made at once; a patch is 400 px.
SLIDE = SyntheticSlide(3.2, 1.0, seed=7)


def made(path: Path, slide: SyntheticSlide, threads: int) -> bytes:
    with demo_patches() as patches:
        write_slide(path, patches, slide, threads)
    return path.read_bytes()


@pytest.fixture(scope="module")
def slide_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slide") / "a.tiff"
    made(path, SLIDE, 2)
    return path


def test_the_same_seed_gives_the_same_file_on_any_number_of_threads(slide_file: Path, tmp_path: Path) -> None:
    assert made(tmp_path / "again.tiff", SLIDE, 1) == slide_file.read_bytes()
    assert made(tmp_path / "other.tiff", SyntheticSlide(3.2, 1.0, seed=8), 2) != slide_file.read_bytes()


def test_it_is_a_scanners_pyramid(slide_file: Path) -> None:
    with openslide.OpenSlide(slide_file) as slide:
        assert slide.properties["openslide.vendor"] == "generic-tiff"
        assert slide.level_dimensions == ((3200, 3200), (800, 800), (200, 200))
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(1.0)
        fine, coarse = (
            np.asarray(slide.read_region((0, 0), level, size).convert("RGB"))
            for level, size in (
                (0, (3200, 3200)),
                (1, (800, 800)),
            )
        )
    means = fine.reshape(800, 4, 800, 4, 3).mean(axis=(1, 3))
    # Each is a JPEG of its own, with colour at half resolution; what lies elsewhere is further off.
    assert np.abs(means - coarse).mean() < 8
    assert np.abs(means[:-40] - coarse[40:]).mean() > 20


def test_its_tissue_is_the_whole_mounts_and_its_glass_is_white(slide_file: Path) -> None:
    with demo_patches() as patches:
        # Of the whole square that is made, of 4,096 level-0 pixels.
        glass = rearranged(patches, 512, SLIDE)[:400, :400]
    with openslide.OpenSlide(slide_file) as slide:
        fine = np.asarray(slide.read_region((0, 0), 0, (3200, 3200)).convert("RGB")).astype(float)
    # At the model's spacing, most of the texture has averaged out.
    seen = fine.reshape(400, 8, 400, 8, 3).mean(axis=(1, 3))
    assert np.abs(seen - glass).mean() < 12
    assert np.abs(seen[:-40] - glass[40:]).mean() > 20
    assert (glass[:8, :8] == 255).all()
    assert (seen[:8, :8] > 253).all()
    assert (glass.min(axis=2) < 200).mean() > 0.3


def test_a_pixel_of_tissue_takes_the_bytes_that_it_takes_on_a_real_slide(slide_file: Path) -> None:
    # The two real slides of shared/data/slides with tissue in JPEG take .25 and .29 a pixel, glass and all.
    assert 0.2 < slide_file.stat().st_size / (3200**2 + 800**2 + 200**2) < 0.4


def test_a_slide_smaller_than_a_square_has_only_its_own_tiles(tmp_path: Path) -> None:
    slide = SyntheticSlide(0.4, 0.5, seed=0)
    assert slide.side_px == 800
    seen: list[int] = []
    with demo_patches() as patches:
        write_slide(tmp_path / "a.tiff", patches, slide, 1, seen.append)
    assert sum(seen) == 800 * 800


def test_patches_that_never_lie_together_make_no_slide(tmp_path: Path) -> None:
    # It is four patches wide.
    write_patch_set(tmp_path / "set", "A")
    with pytest.raises(PatchSetError, match="side by side"):
        write_slide(tmp_path / "a.tiff", tmp_path / "set", SLIDE, 1)


def test_no_folder_no_slide(tmp_path: Path) -> None:
    with demo_patches() as patches, pytest.raises(OutputError, match="can't be written"):
        write_slide(tmp_path / "none" / "a.tiff", patches, SyntheticSlide(0.4, 0.5, 0), 1)
