"""Many small boxes read together: the very pixels of each read alone, and no chunk decoded twice while it is kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from store_files import Pixels, noise, write_own

from batchscan.domain.errors import UnreadableSlide
from batchscan.domain.geometry import Box
from batchscan.domain.records import Uint8Array
from batchscan.stores import kept_chunks
from batchscan.stores.kept_chunks import KeptChunks
from batchscan.stores.levels import Level
from batchscan.stores.pyramids import SlideStore, open_store

LEVEL = Level("0", 130, 95, 1.0, 1.0, 0.5, (40, 50))
PIXELS = np.moveaxis(noise(95, 130), 2, 0)


class Decoder:
    """Counts how often each chunk is asked for."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[int, int]] = Counter()

    def read(self, level: Level, x: int, y: int, width: int, height: int) -> Uint8Array:
        assert (x % 50, y % 40) == (0, 0)
        assert (width, height) == (min(50, level.width_px - x), min(40, level.height_px - y))
        self.asked[x, y] += 1
        return PIXELS[:, y : y + height, x : x + width]


def boxes(n: int) -> list[tuple[int, int, int, int]]:
    dice = np.random.default_rng(4)
    corners = [(int(dice.integers(0, 120)), int(dice.integers(0, 85))) for _ in range(n)]
    return [(x, y, int(dice.integers(1, 131 - x)), int(dice.integers(1, 96 - y))) for x, y in corners]


def test_every_part_is_what_lies_there() -> None:
    decoder = Decoder()
    kept = KeptChunks(decoder.read)
    for x, y, width, height in [(0, 0, 130, 95), (49, 39, 2, 2), (100, 80, 30, 15), *boxes(60)]:
        found = kept.read_planes(LEVEL, x, y, width, height)
        np.testing.assert_array_equal(found, PIXELS[:, y : y + height, x : x + width])
    assert set(decoder.asked.values()) == {1}
    assert len(decoder.asked) == 9


def test_only_as_many_are_kept_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_chunks, "_MOST_PX", 2 * 40 * 50)
    decoder = Decoder()
    kept = KeptChunks(decoder.read)
    for x in (0, 50, 0, 100, 0, 50):
        kept.read_planes(LEVEL, x, 0, 10, 10)
    # The second one made way for the third, as it had been used before the first.
    assert decoder.asked == {(0, 0): 1, (50, 0): 2, (100, 0): 1}


def test_a_chunk_larger_than_the_room_is_kept_until_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_chunks, "_MOST_PX", 7)
    decoder = Decoder()
    kept = KeptChunks(decoder.read)
    for _ in range(3):
        kept.read_planes(LEVEL, 3, 3, 10, 10)
    assert decoder.asked == {(0, 0): 1}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SlideStore:
    return open_store(write_own(tmp_path_factory.mktemp("kept") / "s.ome.zarr", Pixels(noise(1300, 1500))))


@pytest.mark.parametrize("um_per_px", [0.5, 0.73, 1.0, 1.6])
def test_boxes_read_together_are_as_each_read_alone(store: SlideStore, um_per_px: float) -> None:
    """On the pixels and between them, over chunks' edges and over the slide's."""
    dice = np.random.default_rng(1)
    places = [Box(float(x), float(y), 60.0, 40.0) for x, y in dice.integers(-30, 1480, (25, 2))]
    places += [Box(float(x), float(y), 61.3, 40.9) for x, y in dice.uniform(-30, 1480, (25, 2))]
    together = store.read_each(places, um_per_px)
    for box, found in zip(places, together, strict=True):
        np.testing.assert_array_equal(found, store.read_box(box, um_per_px))


def test_no_box_is_no_picture(store: SlideStore) -> None:
    assert store.read_each([], 0.5) == []


def test_damage_is_said_as_of_one_box(tmp_path: Path) -> None:
    path = write_own(tmp_path / "s.ome.zarr", Pixels(noise(90, 120)))
    shard = max((file for file in (path / "0").rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[100:200] = bytes(100)
    shard.write_bytes(content)
    with pytest.raises(UnreadableSlide, match=r"level 0 can't be decoded within x 5, y 6, 20 x 20 px"):
        open_store(path).read_each([Box(5, 6, 20, 20)], 0.5)
