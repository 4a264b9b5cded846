"""What a store says of its damage: which pixels it costs at any spacing, who is believed, what copies say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_files import Pixels, Rgb, edit_json, noise, write_foreign, write_own

from batchscan.domain.errors import UnopenableSlide, UnreadableSlide
from batchscan.domain.geometry import Box
from batchscan.stores.area import Lattice
from batchscan.stores.damage import MOST_DAMAGED_SQUARES, Damage, merged, read_damage
from batchscan.stores.pyramids import open_store
from batchscan.workflow.ingest import IngestOptions, ingest

BOXES = (Box(701, 300, 50, 100), Box(0, 1000, 9, 100))


@pytest.fixture(scope="module")
def rgb() -> Rgb:
    return noise(1100, 1301)


@pytest.fixture
def own(tmp_path: Path, rgb: Rgb) -> Path:
    return write_own(tmp_path / "s.ome.zarr", Pixels(rgb), damage=Damage(BOXES))


def say(store: Path, boxes: Any) -> None:
    edit_json(store / "zarr.json", lambda found: found["attributes"]["batchscan"].update(damaged_px=boxes))


@pytest.mark.parametrize(
    ("start", "step", "downsample", "cols"),
    [
        (0.0, 1.0, 1.0, [10, 11, 12, 13, 14]),
        (8.0, 1.0, 1.0, [2, 3, 4, 5, 6]),
        (12.0, 1.0, 1.0, [0, 1, 2]),
        (15.0, 1.0, 1.0, []),
        (-9.0, 1.0, 1.0, [19]),
        (-10.0, 1.0, 1.0, []),
        # Pixels 2 and 3 of a level 4 times as coarse: 8 to 16 of level 0.
        (0.0, 1.0, 4.0, [2, 3]),
        (0.0, 0.5, 4.0, [4, 5, 6, 7]),
        # Squares of 1.5 level-0 pixels: from 9 to 10.5, ..., 13.5 to 15; a hair of a pixel is none of it.
        (0.0, 1.5, 1.0, [6, 7, 8, 9]),
        (5.0 + 1e-13, 5.0, 1.0, [1]),
    ],
)
def test_lost_squares_by_hand(start: float, step: float, downsample: float, cols: list[int]) -> None:
    damage = Damage((Box(10, 0, 5, 1),))
    found = damage.lost(Lattice.of((start, 0.0), (step, 1.0), (2, 20)), (downsample, downsample))
    assert found.shape == (2, 20)
    assert np.flatnonzero(found[0]).tolist() == cols
    assert not found[1].any()


@pytest.mark.parametrize("um", [0.5, 0.7, 1.0, 1.3, 2.0, 8.0])
def test_a_pixel_is_lost_if_and_only_if_its_value_depends_on_what_is_lost(um: float, tmp_path: Path, rgb: Rgb) -> None:
    # A second route: two stores that differ in the damaged pixels alone, as much as pixels can.
    found = []
    for value in (0, 255):
        pixels = rgb.copy()
        for box in BOXES:
            pixels[int(box.y) : int(box.bottom), int(box.x) : int(box.right)] = value
        store = open_store(write_own(tmp_path / f"{value}.ome.zarr", Pixels(pixels), damage=Damage(BOXES)))
        found.append(store.read_around(Box(3, 5, 1290, 1090), um))
    (black, lost), (white, _) = found
    differ = (black != white).any(axis=2)
    assert not (differ & ~lost).any()
    assert differ.any()
    # Of the boxes' rims a coarse pixel may hold too little to show.
    rim = 2 * (1301 + 1100) * 2
    assert lost.sum() - differ.sum() < rim * 0.5 / um


def test_a_box_with_damage_is_an_error_one_beside_it_is_not(own: Path, rgb: Rgb) -> None:
    store = open_store(own)
    assert np.array_equal(store.read_box(Box(651, 300, 50, 100), 0.5), rgb[300:400, 651:701])
    with pytest.raises(UnreadableSlide) as caught:
        store.read_box(Box(652, 390, 50, 50), 0.5)
    assert "10 px of 0.5 um within x 652, y 390, 50 x 50 px couldn't be decoded when" in str(caught.value)
    assert "copy it again from the scanner" in str(caught.value)
    # On the level with pixels of two it is half of one.
    with pytest.raises(UnreadableSlide):
        store.read_box(Box(650, 300, 52, 100), 1.0)
    with pytest.raises(UnreadableSlide):
        store.read_box(Box(691, 300, 10, 10), 1.0)


def test_damage_is_part_of_what_a_store_is(own: Path, tmp_path: Path, rgb: Rgb) -> None:
    whole = open_store(write_own(tmp_path / "t.ome.zarr", Pixels(rgb)))
    damaged = open_store(own)
    assert damaged.record["fingerprint"] != whole.record["fingerprint"]
    before = damaged.fingerprint
    say(own, [[0, 0, 1, 1]])
    assert open_store(own).fingerprint != before


@pytest.mark.parametrize(
    "said",
    [
        7, None, {}, "x", [7], [[1, 2, 3]], [[0, 0, 1, 1, 1]], [[0, 0, 1, True]], [[0, 0, 1.0, 1]], [["0", 0, 1, 1]],
        [[0, 0, 0, 1]], [[-1, 0, 5, 5]], [[0, 0, 1302, 1]], [[0, 1099, 1, 2]], [[2**70, 0, 1, 1]],
        [[0, 0, 1, 1]] * (MOST_DAMAGED_SQUARES + 1),
    ],
)  # fmt: skip
def test_what_no_ingest_writes_is_refused_and_of_others_not_believed(
    said: Any, own: Path, tmp_path: Path, rgb: Rgb
) -> None:
    say(own, said)
    with pytest.raises(UnopenableSlide, match=r"damaged_px .*ingest it again"):
        open_store(own)
    foreign = write_foreign(tmp_path / "f.zarr", [rgb[:90, :80].transpose(2, 0, 1)])
    edit_json(foreign / "zarr.json", lambda found: found["attributes"].update(batchscan={"damaged_px": said}))
    store = open_store(foreign)
    assert len(store.damage) == 0
    assert np.array_equal(store.read_box(Box(0, 0, 80, 90), 0.5), rgb[:90, :80])


def test_of_others_even_right_boxes_are_not_believed(tmp_path: Path, rgb: Rgb) -> None:
    foreign = write_foreign(tmp_path / "f.zarr", [rgb[:90, :80].transpose(2, 0, 1)])
    edit_json(foreign / "zarr.json", lambda found: found["attributes"].update(batchscan={"damaged_px": [[0, 0, 9, 9]]}))
    assert len(open_store(foreign).damage) == 0


def test_a_copy_says_it_too(own: Path, tmp_path: Path) -> None:
    (ended,) = [event for event in ingest([own], tmp_path / "archive", IngestOptions(1)) if hasattr(event, "outcome")]
    assert (ended.outcome.status, ended.outcome.reason) == ("done", "damaged")
    assert "2 squares of it (0.41 % of its area)" in ended.outcome.sentence
    copied = open_store(tmp_path / "archive/s.ome.zarr")
    assert copied.damage == open_store(own).damage == merged(BOXES)
    with pytest.raises(UnreadableSlide):
        copied.read_box(Box(701, 300, 1, 1), 0.5)


def test_what_is_written_is_understood_again() -> None:
    damage = merged([Box(5, 6, 7, 8), Box(9, 0, 1, 1), Box(5, 6, 7, 8)])
    assert damage.document() == [[9, 0, 1, 1], [5, 6, 7, 8]]
    assert read_damage({"damaged_px": damage.document()}, 100, 100) == damage
    assert read_damage({}, 100, 100) == Damage()
