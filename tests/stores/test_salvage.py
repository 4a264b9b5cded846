"""Slide files with tiles that can't be decoded: which squares are lost, what the others show, and what is no damage."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pytest
import tifffile
from slide_files import TILE_PX, Rgb, tissue_like, write_aperio, write_spoilt

from batchscan.domain.errors import SlideGone, SourceVanished, UnreadableSlide
from batchscan.domain.geometry import Box
from batchscan.domain.records import SlideRequest
from batchscan.stores import salvage
from batchscan.stores.crew import Crew
from batchscan.stores.pyramids import open_store
from batchscan.stores.salvage import SalvagedSlide
from batchscan.stores.slides import VendorSlide
from batchscan.workflow.ingest import ingest_slide
from batchscan.workflow.ingest_steps import plan_vendor

SIDE = 13 * TILE_PX - 40  # 169 tiles, the last column and row narrower


@pytest.fixture(scope="module")
def rgb() -> Rgb:
    return tissue_like(SIDE, SIDE)


@pytest.fixture(scope="module")
def whole(rgb: Rgb, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "a.svs"
    write_aperio(path, [rgb])
    return path


@pytest.fixture
def spoilt(rgb: Rgb, tmp_path: Path) -> Path:
    return write_spoilt(tmp_path / "a.svs", [rgb], [(3, 2)])


def pixels_of(path: Path, box: tuple[int, int, int, int]) -> np.ndarray:
    with openslide.OpenSlide(path) as slide:
        return np.asarray(slide.read_region(box[:2], 0, box[2:]).convert("RGB"))


@pytest.mark.parametrize(
    "box",
    [(0, 0, 2048, 2048), (512, 300, 700, 500), (700, 600, 100, 100), (800, 500, 1, 20)],
    ids=["many tiles", "some tiles", "inside the tile", "a column of it"],
)
def test_one_tile_is_black_and_the_others_are_the_files(box: tuple[int, ...], spoilt: Path, whole: Path) -> None:
    x, y, width, height = box
    expected = pixels_of(whole, (x, y, width, height)).copy()
    rows, cols = (slice(max(0, start - at), max(0, start + 256 - at)) for start, at in ((512, y), (768, x)))
    expected[rows, cols] = 0
    with VendorSlide(spoilt) as slide:
        salvaged = SalvagedSlide(slide)
        assert np.array_equal(salvaged.read(0, *box), expected)
        # All of the tile, however little of it was asked for.
        assert salvaged.damaged(0) == ((Box(768, 512, 256, 256),) if (expected == 0).all(axis=2).any() else ())


def test_the_last_tiles_are_cut_at_the_edge(rgb: Rgb, whole: Path, tmp_path: Path) -> None:
    path = write_spoilt(tmp_path / "a.svs", [rgb], [(12, 12)])
    with VendorSlide(path) as slide:
        salvaged = SalvagedSlide(slide)
        found = salvaged.read(0, 3000, 3000, SIDE - 3000, SIDE - 3000)
        assert salvaged.damaged(0) == (Box(3072, 3072, 216, 216),)
    expected = pixels_of(whole, (3000, 3000, SIDE - 3000, SIDE - 3000)).copy()
    expected[72:, 72:] = 0
    assert np.array_equal(found, expected)


def test_an_intact_slide_is_read_as_it_is_and_opened_once(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with VendorSlide(whole) as slide:
        monkeypatch.setattr(salvage, "VendorSlide", None)
        salvaged = SalvagedSlide(slide)
        assert np.array_equal(salvaged.read(0, 500, 600, 700, 300), pixels_of(whole, (500, 600, 700, 300)))
        assert salvaged.damaged(0) == ()


def test_another_threads_error_on_the_same_handle_is_no_damage(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with VendorSlide(whole) as slide:

        def read(*_: object) -> None:
            raise UnreadableSlide("the handle is spoilt")

        monkeypatch.setattr(slide, "read", read)
        salvaged = SalvagedSlide(slide)
        assert np.array_equal(salvaged.read(0, 500, 600, 700, 300), pixels_of(whole, (500, 600, 700, 300)))
        assert salvaged.damaged(0) == ()


def test_the_store_does_not_depend_on_the_number_of_threads(rgb: Rgb, tmp_path: Path) -> None:
    path = write_spoilt(tmp_path / "a.svs", [rgb], [(3, 2)])
    request, stores = SlideRequest("a", "a", path), set()
    for n_threads in (1, 4, 4):
        archive = tmp_path / f"archive-{len(stores)}-{n_threads}"
        archive.mkdir(exist_ok=True)
        step = plan_vendor(request, archive, 1.0)
        with Crew(n_threads) as crew:
            assert step.write is not None
            step.write(crew, lambda _: None)
        store = open_store(archive / "a.ome.zarr")
        assert store.record["damaged_px"] == [[384, 256, 128, 128]]
        stores.add((n_threads, store.fingerprint))
        if n_threads == 4:
            (archive / "a.ome.zarr/zarr.json").unlink()
    assert len({fingerprint for _, fingerprint in stores}) == 1


def test_pixels_that_straddle_a_tile_are_lost_with_it(tmp_path: Path) -> None:
    path = write_spoilt(tmp_path / "a.svs", [tissue_like(SIDE, SIDE)], [(1, 0)])
    # Five pixels a side: the tile from 256 to 512 has pixels 51.2 to 102.4 of the store.
    store = open_store(ingest_slide(SlideRequest("a", "a", path), tmp_path, 2.5))
    assert store.record["source"]["downsample"] == 5
    assert store.record["damaged_px"] == [[51, 0, 52, 52]]


def test_a_file_that_is_gone_is_not_damaged(spoilt: Path) -> None:
    (spoilt.parent / "b.svs").touch()
    with VendorSlide(spoilt) as slide:
        spoilt.unlink()
        salvaged = SalvagedSlide(slide)
        with pytest.raises(SlideGone):
            salvaged.read(0, 0, 0, 2048, 2048)
        assert salvaged.damaged(0) == ()


def test_what_can_be_read_a_moment_later_is_not_damaged(spoilt: Path, whole: Path) -> None:
    with VendorSlide(spoilt) as slide:
        salvaged = SalvagedSlide(slide)
        salvaged.read(0, 0, 0, 2048, 2048)
        spoilt.write_bytes(whole.read_bytes())
        with pytest.raises(SourceVanished, match="at the second try only"):
            salvaged.damaged(0)


def test_more_than_a_hundredth_is_too_much_and_said_soon(
    rgb: Rgb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 1 of 169 tiles is 0.6 %, 2 are 1.2 %.
    path = write_spoilt(tmp_path / "a.svs", [rgb], itertools.product(range(13), range(3, 13)))
    n_errors, fill = 0, VendorSlide.fill

    def counting(*words: Any) -> Any:
        nonlocal n_errors
        try:
            return fill(*words)
        except UnreadableSlide:
            n_errors += 1
            raise

    monkeypatch.setattr(VendorSlide, "fill", counting)
    with pytest.raises(UnreadableSlide, match=r"cut off.*2 such squares were found until.*\(1 % of the slide"):
        ingest_slide(SlideRequest("a", "a", path), tmp_path, 1.0)
    # 64 tiles in the first square: once as asked for, once alone, and at most 6 halvings for each of 2 tiles.
    assert n_errors <= 14
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.svs"]


def test_a_great_many_small_squares_are_too_much(rgb: Rgb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_spoilt(tmp_path / "a.svs", [rgb], [(0, 0), (5, 5), (9, 2)])
    monkeypatch.setattr(salvage, "MOST_DAMAGED_SHARE", 0.5)
    for most, fails in ((3, False), (2, True)):
        monkeypatch.setattr(salvage, "MOST_DAMAGED_SQUARES", most)
        with VendorSlide(path) as slide:
            salvaged = SalvagedSlide(slide)
            if fails:
                with pytest.raises(UnreadableSlide, match=r"3 such squares .* no more than 2"):
                    salvaged.read(0, 0, 0, SIDE, SIDE)
            else:
                salvaged.read(0, 0, 0, SIDE, SIDE)
                assert len(salvaged.damaged(0)) == 3


def test_a_tile_of_a_real_file_that_has_tiles_of_240_px(slides: Path, tmp_path: Path) -> None:
    original = slides / "cmu-1-small-region.svs"
    content = bytearray(original.read_bytes())
    with tifffile.TiffFile(original) as tiff:
        page = tiff.pages[0]
        start, length = page.dataoffsets[3 * 10 + 4], page.databytecounts[3 * 10 + 4]
    content[start : start + length] = bytes(length)
    (tmp_path / "a.svs").write_bytes(content)
    store = open_store(ingest_slide(SlideRequest("a", "a", tmp_path / "a.svs"), tmp_path, 0.4))
    assert (store.width_px, store.height_px) == (2220, 2967)
    # 57,600 of 6,586,740 px are 0.87 %.
    assert store.record["damaged_px"] == [[960, 720, 240, 240]]
    expected = pixels_of(original, (0, 0, 2220, 2967)).copy()
    expected[720:960, 960:1200] = 0
    found = store.read_around(Box(0, 0, 2220, 2967), store.spacing.um_per_px)[0]
    assert np.array_equal(found, expected)
