from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from store_files import Pixels, noise, write_own

from batchscan.domain.errors import OutputError, UnreadableSlide
from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.stores import pyramid_writer
from batchscan.stores.crew import Crew
from batchscan.stores.pyramid_writer import StoreFacts, level_sizes, write_pyramid
from batchscan.stores.pyramids import open_store


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1023, 10), [(1023, 10)]),
        ((1024, 10), [(1024, 10), (512, 5)]),
        ((4095, 3001), [(4095, 3001), (2048, 1501), (1024, 751), (512, 376)]),
        ((1, 1), [(1, 1)]),
    ],
)
def test_levels_halve_until_both_sides_are_below_1024(size: tuple[int, int], expected: list[tuple[int, int]]) -> None:
    assert list(level_sizes(*size)) == expected


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    return noise(1301, 1777)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, rgb: np.ndarray) -> Path:
    return write_own(tmp_path_factory.mktemp("own") / "s1.ome.zarr", Pixels(rgb))


def test_ome_zarr_py_reads_pixels_and_scale(store: Path, rgb: np.ndarray) -> None:
    location = parse_url(store)
    assert location is not None
    (node,) = Reader(location)()
    assert [level.shape for level in node.data] == [(3, 1301, 1777), (3, 651, 889)]
    assert np.array_equal(np.asarray(node.data[0]), rgb.transpose(2, 0, 1))
    assert [axis["name"] for axis in node.metadata["axes"]] == ["c", "y", "x"]
    assert [axis.get("unit") for axis in node.metadata["axes"]] == [None, "micrometer", "micrometer"]
    scales = [level[0]["scale"] for level in node.metadata["coordinateTransformations"]]
    assert scales == [[1, 0.5, 0.5], [1, 1.0, 1.0]]


def test_channels_are_red_green_and_blue(store: Path) -> None:
    omero = zarr.open_group(store, mode="r").attrs["ome"]["omero"]  # type: ignore[index,call-overload]
    assert [channel["color"] for channel in omero["channels"]] == ["FF0000", "00FF00", "0000FF"]  # type: ignore[index,call-overload,union-attr]


def test_the_storage_is_the_promised_one(store: Path) -> None:
    array = json.loads((store / "0" / "zarr.json").read_text())
    assert array["chunk_grid"]["configuration"]["chunk_shape"] == [3, 4096, 4096]
    (shard,) = array["codecs"]
    assert shard["configuration"]["chunk_shape"] == [3, 512, 512]
    assert [codec["name"] for codec in shard["configuration"]["codecs"]] == ["bytes", "zstd", "crc32c"]
    assert shard["configuration"]["codecs"][1]["configuration"]["level"] == 1
    assert array["dimension_names"] == ["c", "y", "x"]


def test_coarser_levels_are_averages_of_2_by_2_with_white_beyond_the_edge(store: Path, rgb: np.ndarray) -> None:
    white = np.full((1302, 1778, 3), 255.0)
    white[:1301, :1777] = rgb
    expected = np.rint(white.reshape(651, 2, 889, 2, 3).mean(axis=(1, 3)))
    found = zarr.open_array(store / "1", mode="r")[...]
    assert np.array_equal(np.asarray(found).transpose(1, 2, 0), expected)


def test_only_what_is_said_is_kept(store: Path) -> None:
    record = json.loads((store / "zarr.json").read_text())["attributes"]["batchscan"]
    assert record.pop("fingerprint").startswith("sha256:")
    assert record.pop("writer")
    assert record == {"slide_id": "s1", "um_per_px_source": "vendor", "source": {"format": "test"}}


def test_several_shards_meet_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rgb: np.ndarray) -> None:
    monkeypatch.setattr(pyramid_writer, "SHARD_PX", 512)
    monkeypatch.setattr(pyramid_writer, "SHARD", (3, 512, 512))
    monkeypatch.setattr(pyramid_writer, "CHUNK", (3, 128, 128))
    small = open_store(write_own(tmp_path / "small.ome.zarr", Pixels(rgb)))
    monkeypatch.undo()
    large = open_store(write_own(tmp_path / "large.ome.zarr", Pixels(rgb)))
    for one, other in zip(small.levels, large.levels, strict=True):
        size = (0, 0, one.width_px, one.height_px)
        assert np.array_equal(small.read_planes(one, *size), large.read_planes(other, *size))
    assert len(list((tmp_path / "small.ome.zarr/0").rglob("c/0/*/*"))) == 3 * 4


def test_fingerprint_says_pixels_and_spacing_whoever_wrote_them_and_wherever(tmp_path: Path, rgb: np.ndarray) -> None:
    part = rgb[:900, :700]
    other = part.copy()
    other[5, 5, 1] ^= 1
    (tmp_path / "there").mkdir()
    one = open_store(write_own(tmp_path / "a.ome.zarr", Pixels(part), workers=1)).fingerprint
    assert open_store(write_own(tmp_path / "there/a.ome.zarr", Pixels(part, tile_px=111))).fingerprint == one
    assert open_store(write_own(tmp_path / "c.ome.zarr", Pixels(other))).fingerprint != one
    assert open_store(write_own(tmp_path / "d.ome.zarr", Pixels(part), um_per_px=0.6)).fingerprint != one


def test_a_source_that_fails_leaves_nothing_and_keeps_the_old_store(tmp_path: Path, rgb: np.ndarray) -> None:
    def damaged(x: int, y: int) -> None:
        if (x, y) == (600, 300):
            raise UnreadableSlide("tile")

    path = write_own(tmp_path / "s.ome.zarr", Pixels(rgb[:100, :100]))
    before = open_store(path).fingerprint
    with pytest.raises(UnreadableSlide, match="tile"):
        write_own(path, Pixels(rgb, fault=damaged))
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.ome.zarr"]
    assert open_store(path).fingerprint == before


def test_an_interruption_leaves_nothing(tmp_path: Path, rgb: np.ndarray) -> None:
    def interrupted(x: int, _y: int) -> None:
        if x:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_own(tmp_path / "s.ome.zarr", Pixels(rgb, fault=interrupted))
    assert list(tmp_path.iterdir()) == []


def test_an_old_store_is_replaced(tmp_path: Path, rgb: np.ndarray) -> None:
    write_own(tmp_path / "s.ome.zarr", Pixels(rgb))
    store = open_store(write_own(tmp_path / "s.ome.zarr", Pixels(rgb[:50, :60])))
    assert (store.width_px, store.height_px) == (60, 50)
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.ome.zarr"]


def test_what_reads_back_otherwise_gets_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful:
        """A disk that keeps something else."""

        def __init__(self, array: zarr.Array) -> None:
            self.shape = array.shape
            self._array = array

        def __setitem__(self, place: tuple[slice, ...], block: np.ndarray) -> None:
            self._array[place] = block ^ 1

        def __getitem__(self, place: tuple[slice, ...]) -> object:
            return self._array[place]

    create = pyramid_writer._create_level
    monkeypatch.setattr(pyramid_writer, "_create_level", lambda *of: Forgetful(create(*of)))
    with pytest.raises(OutputError, match="reads back other than it was written"):
        write_own(tmp_path / "s.ome.zarr", Pixels(noise(20, 20)))
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"can't be written .*choose another"):
        write_own(tmp_path / "missing" / "s.ome.zarr", Pixels(noise(20, 20)))


def test_progress_adds_up_to_level_0(tmp_path: Path, rgb: np.ndarray) -> None:
    told: list[int] = []
    facts = StoreFacts("s", Spacing(0.5, SpacingSource.VENDOR), {})
    with Crew(2) as crew:
        write_pyramid(tmp_path / "s.ome.zarr", Pixels(rgb), facts, crew, told.append)
    assert sum(told) == 1301 * 1777
    assert len(told) > 20


class BlankSlide:
    """A slide of 402 MPix, 1.2 GB of pixels, that takes no memory itself."""

    width_px, height_px, tile_px = 24_576, 16_384, 1024

    def read(self, _x: int, _y: int, width: int, height: int) -> np.ndarray:
        return np.full((height, width, 3), 240, dtype=np.uint8)


def write_blank(folder: Path) -> int:
    """Peak memory, in MB, of a process that writes the blank slide."""
    facts = StoreFacts("s", Spacing(0.5, SpacingSource.VENDOR), {})
    with Crew(2) as crew:
        write_pyramid(folder / "s.ome.zarr", BlankSlide(), facts, crew, lambda _: None)
    # Not getrusage: its peak outlives exec, so that it would be that of the process that runs the tests.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def test_memory_stays_below_what_the_pixels_would_take(tmp_path: Path) -> None:
    code = f"from pathlib import Path; import test_pyramid_writer as t; print(t.write_blank(Path({str(tmp_path)!r})))"
    here = Path(__file__).parent
    paths = {"PYTHONPATH": os.pathsep.join(map(str, (here, here.parent)))}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **paths}, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 1000
