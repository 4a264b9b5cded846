"""A slide's small picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batchscan.stores.pictures import write_thumbnail


@pytest.mark.parametrize(("shape", "size"), [((600, 1200), (96, 48)), ((2400, 100), (4, 96)), ((40, 60), (60, 40))])
def test_a_thumbnail_is_the_overview_no_larger_than_96_px(
    tmp_path: Path, shape: tuple[int, int], size: tuple[int, int]
) -> None:
    overview = np.full((*shape, 3), 255, np.uint8)
    overview[:, shape[1] // 2 :] = (150, 60, 120)
    write_thumbnail(tmp_path / "thumbnail.jpg", overview)
    with Image.open(tmp_path / "thumbnail.jpg") as image:
        assert (image.size, image.format) == (size, "JPEG")
        pixels = np.asarray(image).astype(int)
    assert np.abs(pixels[:, 0] - 255).max() < 25
    assert np.abs(pixels[:, -1] - (150, 60, 120)).max() < 25


def test_it_is_small_and_holds_nothing_but_pixels(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (960, 960, 3)).astype(np.uint8)
    write_thumbnail(tmp_path / "thumbnail.jpg", noise)
    assert (tmp_path / "thumbnail.jpg").stat().st_size < 6000
    with Image.open(tmp_path / "thumbnail.jpg") as image:
        assert not image.getexif()
        assert "comment" not in image.info
    assert [path.name for path in tmp_path.iterdir()] == ["thumbnail.jpg"]
