from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from store_files import Pixels, noise, write_own

from batchscan.domain.errors import (
    SpacingTooCoarse,
    UnopenableSlide,
    UnreadableSlide,
)
from batchscan.domain.geometry import Box, Spacing, SpacingSource
from batchscan.stores.pyramids import SlideStore, is_store, open_store

OPTION = Spacing(0.7, SpacingSource.OPTION)


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    return noise(1100, 1301)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, rgb: np.ndarray) -> Path:
    return write_own(tmp_path_factory.mktemp("own") / "s1.ome.zarr", Pixels(rgb))


@pytest.fixture
def copy(tmp_path: Path, own: Path) -> Path:
    return Path(shutil.copytree(own, tmp_path / "copy.ome.zarr"))


@pytest.fixture(scope="module")
def store(own: Path) -> SlideStore:
    return open_store(own)


def averages(rgb: np.ndarray, box: Box, step: float, shape: tuple[int, int]) -> np.ndarray:
    """Area averages of a white-extended image by cumulative sums: a second route, in float64."""
    margin = 64
    wide = np.pad(rgb.astype(float), ((margin, margin), (margin, margin), (0, 0)), constant_values=255)
    for axis, start, n in ((0, box.y, shape[0]), (1, box.x, shape[1])):
        sums = np.insert(np.cumsum(wide, axis=axis), 0, 0, axis=axis)
        edges = margin + start + step * np.arange(n + 1)
        low = np.floor(edges).astype(int)
        part = (edges - low).reshape([-1 if a == axis else 1 for a in range(3)])
        at = np.take(sums, low, axis=axis) * (1 - part) + np.take(sums, low + 1, axis=axis) * part
        wide = np.diff(at, axis=axis) / step
    return wide


def test_the_whole_slide_at_its_own_spacing(store: SlideStore, rgb: np.ndarray) -> None:
    assert np.array_equal(store.read_box(Box(0, 0, 1301, 1100), 0.5), rgb)
    assert (store.width_px, store.height_px, store.spacing) == (1301, 1100, Spacing(0.5, SpacingSource.VENDOR))


def test_a_box_over_the_edge_is_white_outside(store: SlideStore, rgb: np.ndarray) -> None:
    found = store.read_box(Box(-20, 1090, 40, 30), 0.5)
    assert np.array_equal(found[:10, 20:], rgb[1090:, :20])
    assert (found[10:] == 255).all()
    assert (found[:, :20] == 255).all()
    assert (store.read_box(Box(5000, 5000, 10, 10), 0.5) == 255).all()
    assert (store.read_box(Box(5000, 0, 10, 10), 0.7) == 255).all()


@settings(max_examples=40, deadline=None)
@given(st.floats(-40, 1290), st.floats(-40, 1090), st.floats(2, 60), st.floats(2, 60), st.floats(0.5, 0.99))
def test_fractional_boxes_are_exact_averages_of_level_0(
    store: SlideStore, rgb: np.ndarray, x: float, y: float, width: float, height: float, um: float
) -> None:
    found = store.read_box(Box(x, y, width, height), um)
    assert found.shape == (max(1, round(height * 0.5 / um)), max(1, round(width * 0.5 / um)), 3)
    part = rgb[max(int(y) - 60, 0) : int(y) + 160, max(int(x) - 60, 0) : int(x) + 160]
    local = Box(x - max(int(x) - 60, 0), y - max(int(y) - 60, 0), width, height)
    if found.size and part.size:
        assert np.abs(found - averages(part, local, um / 0.5, found.shape[:2])).max() <= 0.5 + 1e-2


def test_a_coarse_box_comes_from_the_coarsest_level_that_is_fine_enough(store: SlideStore, rgb: np.ndarray) -> None:
    assert store.level_for(0.99) is store.levels[0]
    assert store.level_for(0.9995) is store.levels[1]
    assert store.level_for(1.0) is store.levels[1]
    assert store.level_for(30.0) is store.levels[-1]
    # 8 um pixels are 16 x 16 of level 0, through one rounded halving.
    found = store.read_box(Box(160, 320, 640, 480), 8.0)
    expected = rgb[320:800, 160:800].reshape(30, 16, 40, 16, 3).mean(axis=(1, 3))
    assert np.abs(found - expected).max() <= 1.0
    assert np.abs(found - expected).mean() <= 0.3


@pytest.mark.parametrize(
    ("tile_px", "expected"),
    [
        # Whole rows of chunks, as long as they are small.
        (1 << 20, [(3, 7, 1201, 505), (3, 512, 1201, 496)]),
        # One chunk is the least, in x and in y.
        (1, [(x, y, w, h) for y, h in ((7, 505), (512, 496)) for x, w in ((3, 509), (512, 512), (1024, 180))]),
    ],
)
def test_large_boxes_are_read_in_parts_with_the_same_result(
    store: SlideStore, monkeypatch: pytest.MonkeyPatch, tile_px: int, expected: list[tuple[int, ...]]
) -> None:
    boxes = ((Box(3.3, 7.7, 1200, 1000), 0.83), (Box(3, 7, 1201, 1001), 0.5))
    whole = [store.read_box(box, um) for box, um in boxes]
    monkeypatch.setattr("batchscan.stores.pyramids.TILE_PX", tile_px)
    monkeypatch.setattr("batchscan.stores.area._PART_PX", 4000)
    read: list[tuple[int, ...]] = []
    inside = SlideStore.read_planes
    monkeypatch.setattr(
        SlideStore, "read_planes", lambda self, level, *place: read.append(place) or inside(self, level, *place)
    )
    parts = [store.read_box(box, um) for box, um in boxes]
    # Sums of floats depend on their order, by less than one step of 255.
    assert np.abs(whole[0].astype(int) - parts[0]).max() <= 1
    assert (whole[0] != parts[0]).mean() < 1e-3
    assert np.array_equal(whole[1], parts[1])
    # Parts end with chunks: none is decoded twice.
    assert read[: len(expected)] == expected


@pytest.mark.parametrize("side", [16, 3, 1])
def test_a_slide_smaller_than_a_pixel_of_the_result_is_one_on_white(tmp_path: Path, side: int) -> None:
    rgb = noise(side, side)
    store = open_store(write_own(tmp_path / "tiny.ome.zarr", Pixels(rgb)))
    # One pixel of 16 um is 32 x 32 of level 0.
    expected = (rgb.astype(float).sum(axis=(0, 1)) + 255 * (32 * 32 - side * side)) / (32 * 32)
    found = store.read_box(Box(0, 0, side, side), 16.0)
    assert found.shape == (1, 1, 3)
    assert np.abs(found[0, 0] - expected).max() <= 0.5 + 1e-3
    assert store.read_box(Box(0, 0, side, 40 * side), 16.0).shape == (max(1, round(40 * side / 32)), 1, 3)


def test_pixels_changed_in_place_change_the_fingerprint(copy: Path, own: Path) -> None:
    before = open_store(copy).fingerprint
    assert before == open_store(own).fingerprint
    os.utime(copy / "0/c/0/0/0", (1, 1))
    assert open_store(copy).fingerprint == before
    array = zarr.open_array(copy / "0", mode="r+")
    array[:, 500:520, 500:520] = 0
    assert open_store(copy).fingerprint != before


def test_a_slide_can_be_too_coarse(own: Path) -> None:
    with pytest.raises(SpacingTooCoarse, match=r"0.5 um \(vendor\), coarser than the 0.49 um/px"):
        open_store(own).read_box(Box(0, 0, 10, 10), 0.49)
    # Within 1 % it counts as the same.
    assert open_store(own).read_box(Box(0, 0, 99, 99), 0.496).shape == (100, 100, 3)


def test_an_override_changes_every_levels_spacing(own: Path) -> None:
    store = open_store(own, OPTION)
    assert store.spacing == OPTION
    assert [level.um_per_px for level in store.levels] == pytest.approx([0.7, 1.4])


def test_a_missing_shard_is_named(copy: Path) -> None:
    (copy / "1/c/0/0/0").unlink()
    with pytest.raises(UnreadableSlide, match=r"shard 1/c/0/0/0 is missing"):
        open_store(copy)
    shutil.rmtree(copy / "1/c")
    with pytest.raises(UnreadableSlide, match=r"shard 1/c/0/0/0 is missing"):
        open_store(copy)


@pytest.mark.parametrize("where", ["chunk", "index", "cut", "empty"])
def test_damaged_bytes_are_an_error_and_not_a_picture(copy: Path, where: str) -> None:
    shard = copy / "0/c/0/0/0"
    content = bytearray(shard.read_bytes())
    if where == "cut":
        del content[len(content) // 2 :]
    elif where == "empty":
        content.clear()
    else:
        content[5000 if where == "chunk" else -10] ^= 4
    shard.write_bytes(content)
    store = open_store(copy)
    with pytest.raises(UnreadableSlide) as caught:
        store.read_box(Box(0, 0, 1301, 1100), 0.5)
    assert str(copy) in str(caught.value)
    assert "level 0 can't be decoded within x 0, y 0, 1301 x 1100" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damage_costs_only_the_boxes_that_need_it(copy: Path, rgb: np.ndarray) -> None:
    shard = copy / "0/c/0/0/0"
    content = bytearray(shard.read_bytes())
    content[5000] ^= 4
    shard.write_bytes(content)
    assert np.array_equal(open_store(copy).read_box(Box(1100, 1030, 50, 50), 0.5), rgb[1030:1080, 1100:1150])


def test_a_store_without_its_group_document_is_none(copy: Path) -> None:
    (copy / "zarr.json").unlink()
    assert not is_store(copy)
    with pytest.raises(UnopenableSlide, match="no zarr group"):
        open_store(copy)


def test_fingerprints_have_the_promised_form(store: SlideStore) -> None:
    kind, _, digits = store.fingerprint.partition(":")
    assert (kind, len(digits)) == ("sha256", 64)
    int(digits, 16)
