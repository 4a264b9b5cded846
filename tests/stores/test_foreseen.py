"""A slide file as the store that it will be: against the store that an ingest really makes of it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from slide_files import TILE_PX, jpeg_tile, tissue_like, write_aperio, write_spoilt, write_tiles

from batchscan.domain.errors import UnreadableSlide
from batchscan.domain.geometry import Box, Spacing, SpacingSource
from batchscan.domain.records import SlideRequest
from batchscan.stores import foreseen
from batchscan.stores.foreseen import ForeseenStore
from batchscan.stores.pyramids import open_store
from batchscan.stores.slides import VendorSlide
from batchscan.workflow.ingest import ingest_slide

SPACING = Spacing(0.5, SpacingSource.VENDOR)


def test_frame_and_pixels_are_those_of_the_store_to_be(tmp_path: Path) -> None:
    finest = tissue_like(1204, 1500)
    coarse = finest.reshape(301, 4, 375, 4, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    write_aperio(tmp_path / "a.svs", [finest, coarse])
    store = open_store(ingest_slide(SlideRequest("a", "a", tmp_path / "a.svs"), tmp_path, 1.0))
    with VendorSlide(tmp_path / "a.svs") as slide:
        ahead = ForeseenStore(slide, SPACING, 1.0)
        assert (ahead.width_px, ahead.height_px, ahead.spacing) == (store.width_px, store.height_px, store.spacing)
        whole = Box(0, 0, store.width_px, store.height_px)
        found, expected = ahead.read_around(whole, 16.0)[0], store.read_box(whole, 16.0)
    assert found.shape == expected.shape == (38, 47, 3)
    # Only JPEG differs, which the coarse level went through on its own.
    assert np.abs(found.astype(int) - expected).max() <= 3


def test_a_large_level_is_left_for_one_a_little_coarser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = [np.full((1024 // k, 1024 // k, 3), colour, np.uint8) for k, colour in ((1, 50), (8, 100), (16, 150))]
    write_aperio(tmp_path / "a.svs", levels)
    box = Box(0, 0, 512, 512)
    with VendorSlide(tmp_path / "a.svs") as slide:
        ahead = ForeseenStore(slide, SPACING, 1.0)
        # Level 1 has 4 um/px, level 2 has 8.
        assert [round(ahead.read_around(box, um)[0].mean(), -1) for um in (2.0, 4.0, 8.0)] == [50, 100, 150]
        monkeypatch.setattr(foreseen, "_COMFORTABLE_PX", 1_000_000)
        assert round(ahead.read_around(box, 2.0)[0].mean(), -1) == 100
        # Eight times coarser is too coarse to find tissue on.
        assert round(ahead.read_around(box, 0.9)[0].mean(), -1) == 50


def test_a_look_at_a_file_without_coarse_levels_says_that_it_gets_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_aperio(tmp_path / "a.svs", [tissue_like(1024, 1024)])
    monkeypatch.setattr(foreseen, "TILE_PX", 1 << 18)
    monkeypatch.setattr(foreseen, "_READ_AT_ONCE", (256, 256))
    signs: list[None] = []
    with VendorSlide(tmp_path / "a.svs") as slide:
        ForeseenStore(slide, SPACING, 1.0, lambda: signs.append(None)).read_around(Box(0, 0, 512, 512), 16.0)
    assert len(signs) == 4


@pytest.mark.parametrize("first_lost", range(0, 96, 5))
def test_a_lost_piece_of_a_file_is_found_wherever_it_lies(first_lost: int, tmp_path: Path) -> None:
    n_cols, n_rows = 8, 12
    tile = jpeg_tile(tissue_like(TILE_PX, TILE_PX))
    # Two tiles in a row: a 48th of the file.
    lost = {first_lost, (first_lost + 1) % 96}
    tiles = [bytes(len(tile)) if place in lost else tile for place in range(n_cols * n_rows)]
    write_tiles(tmp_path / "a.svs", [(n_cols * TILE_PX, n_rows * TILE_PX)], [tiles], "|AppMag = 20|MPP = 0.5")
    with VendorSlide(tmp_path / "a.svs") as slide, pytest.raises(UnreadableSlide, match="cut off"):
        ForeseenStore(slide, SPACING, 1.0).check_samples(lambda: None)


def test_a_whole_file_passes(tmp_path: Path) -> None:
    for name, side in (("large", 700), ("small", 20)):
        write_aperio(tmp_path / f"{name}.svs", [tissue_like(side, side)])
        with VendorSlide(tmp_path / f"{name}.svs") as slide:
            ForeseenStore(slide, SPACING, 1.0).check_samples(lambda: None)


@pytest.mark.parametrize("seed", range(10))
def test_a_piece_lost_from_a_real_file_is_found_if_an_ingest_would_meet_it(
    seed: int, slides: Path, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    content = bytearray((slides / "cmu-1-small-region.svs").read_bytes())
    n_lost = len(content) // 50
    at = rng.randrange(1000, len(content) - n_lost)
    content[at : at + n_lost] = bytes(n_lost)
    (tmp_path / "a.svs").write_bytes(content)
    try:
        ingest_slide(SlideRequest("a", "a", tmp_path / "a.svs"), tmp_path, 1.0)
        damaged = False
    except UnreadableSlide:
        damaged = True
    with VendorSlide(tmp_path / "a.svs") as slide:
        ahead = ForeseenStore(slide, slide.spacing(), 1.0)
        if damaged:
            with pytest.raises(UnreadableSlide):
                ahead.check_samples(lambda: None)
        else:
            ahead.check_samples(lambda: None)


def test_one_lost_tile_is_foreseen_where_a_store_would_lack_it(tmp_path: Path) -> None:
    rgb = tissue_like(13 * TILE_PX, 13 * TILE_PX)
    # The first of the squares lies on it.
    path = write_spoilt(tmp_path / "a.svs", [rgb], [(0, 0)])
    store = open_store(ingest_slide(SlideRequest("a", "a", path), tmp_path, 1.0))
    whole, parts = Box(0, 0, store.width_px, store.height_px), []
    with VendorSlide(path) as slide:
        ahead = ForeseenStore(slide, SPACING, 1.0)
        assert ahead.check_samples(lambda: parts.append(1)) == store.damage
        (pixels, lost), (expected, truly_lost) = ahead.read_around(whole, 8.0), store.read_around(whole, 8.0)
    # 3,328 px in squares of 2,048.
    assert len(parts) == 4
    assert np.array_equal(lost, truly_lost)
    assert np.argwhere(lost).max() == 15
    assert np.abs(pixels.astype(int) - expected)[~lost].max() <= 1


def test_a_spoilt_level_that_no_store_is_made_of_does_no_harm(tmp_path: Path) -> None:
    rgb = tissue_like(2048, 2048)
    path = write_spoilt(tmp_path / "a.svs", [rgb, np.ascontiguousarray(rgb[::4, ::4])], [(0, 0), (1, 1)], level=1)
    whole = Box(0, 0, 1024, 1024)
    with VendorSlide(path) as slide:
        ahead = ForeseenStore(slide, SPACING, 1.0)
        pixels, lost = ahead.read_around(whole, 16.0)
        assert len(ahead.check_samples(lambda: None)) == 0
    assert not lost.any()
    store = open_store(ingest_slide(SlideRequest("a", "a", path), tmp_path, 1.0))
    assert np.abs(pixels.astype(int) - store.read_box(whole, 16.0)).max() <= 1
