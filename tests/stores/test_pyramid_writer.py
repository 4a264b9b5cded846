from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from numcodecs.zstd import Zstd
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from store_files import Pixels, noise, write_own

from batchscan.domain.errors import OutputError, UnreadableSlide
from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.stores import pyramid_writer, shards
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


def smaller_shards(monkeypatch: pytest.MonkeyPatch, chunk_px: int = 128) -> None:
    monkeypatch.setattr(pyramid_writer, "SHARD_PX", 4 * chunk_px)
    monkeypatch.setattr(pyramid_writer, "SHARD", (3, 4 * chunk_px, 4 * chunk_px))
    monkeypatch.setattr(pyramid_writer, "CHUNK", (3, chunk_px, chunk_px))


def test_several_shards_meet_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rgb: np.ndarray) -> None:
    smaller_shards(monkeypatch)
    small = open_store(write_own(tmp_path / "small.ome.zarr", Pixels(rgb)))
    monkeypatch.undo()
    large = open_store(write_own(tmp_path / "large.ome.zarr", Pixels(rgb)))
    for one, other in zip(small.levels, large.levels, strict=True):
        size = (0, 0, one.width_px, one.height_px)
        assert np.array_equal(small.read_planes(one, *size), large.read_planes(other, *size))
    assert len(list((tmp_path / "small.ome.zarr/0").rglob("c/0/*/*"))) == 3 * 4


def by_halves(rgb: np.ndarray) -> Iterator[np.ndarray]:
    """Every level from the one before, as a whole: averages of 2 x 2, white beyond the edge."""
    while True:
        yield rgb
        rows, cols = (-(-side // 2) for side in rgb.shape[:2])
        white = np.full((2 * rows, 2 * cols, 3), 255.0)
        white[: rgb.shape[0], : rgb.shape[1]] = rgb
        rgb = np.rint(white.reshape(rows, 2, cols, 2, 3).mean(axis=(1, 3))).astype(np.uint8)


@pytest.mark.parametrize("size", [(1301, 1777), (513, 2049), (1, 700), (512, 512)])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_level_is_made_of_the_one_before_whatever_shards_and_threads(
    size: tuple[int, int], workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smaller_shards(monkeypatch, 32)
    monkeypatch.setattr(pyramid_writer, "COARSEST_BELOW_PX", 16)
    rgb = noise(*size)
    path = write_own(tmp_path / "s.ome.zarr", Pixels(rgb, tile_px=100), workers=workers)
    n_levels = len(open_store(path).levels)
    assert n_levels >= 7
    for level, expected in zip(range(n_levels), by_halves(rgb), strict=False):
        found = zarr.open_array(path / str(level), mode="r")[...]
        assert np.array_equal(np.asarray(found).transpose(1, 2, 0), expected), level


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


@pytest.mark.parametrize(("level", "n_before"), [(0, 0), (1, 3)])
def test_what_reads_back_otherwise_gets_no_name(
    level: int, n_before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that keeps something else, once: 12 shards, then 4, then 1 (level 2)."""
    files: list[Path] = []
    sync = os.fsync

    def spoil(handle: int) -> None:
        sync(handle)
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if f"/{level}/c/0/" in str(path):
            files.append(path)
            if len(files) == n_before + 1:
                with path.open("r+b") as stream:
                    stream.write(b"\0")

    smaller_shards(monkeypatch)
    monkeypatch.setattr(os, "fsync", spoil)
    with pytest.raises(OutputError, match=f"of level {level} reads back other than it was written: disk or memory is"):
        write_own(tmp_path / "s.ome.zarr", Pixels(noise(1301, 1777)))
    assert list(tmp_path.iterdir()) == []


def test_what_packs_otherwise_gets_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(Zstd):
        def encode(self, buf: np.ndarray) -> bytes:
            return bytes(super().encode(buf ^ 1))

    monkeypatch.setattr(shards, "_ZSTD", Forgetful(level=1))
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
