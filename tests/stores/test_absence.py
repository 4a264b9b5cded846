"""A slide's place that goes away, against a slide that is damaged: one is waited for, the other is not."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from store_files import Pixels, noise, write_foreign, write_own

from batchscan.domain.errors import SlideGone, SourceVanished, UnreadableSlide
from batchscan.domain.geometry import Box
from batchscan.stores.fingerprints import tree_fingerprint
from batchscan.stores.pyramids import SlideStore, open_store
from batchscan.stores.store_files import BoundedStore, LocalTree

EVERYTHING = Box(0, 0, 300, 200)


@pytest.fixture
def rgb() -> np.ndarray:
    return noise(200, 300)


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    folder = tmp_path / "mount"
    folder.mkdir()
    return folder


@pytest.fixture
def own(mount: Path, rgb: np.ndarray) -> Path:
    return write_own(mount / "s.ome.zarr", Pixels(rgb))


def test_a_store_that_goes_away_is_never_read_as_white(mount: Path, own: Path, rgb: np.ndarray) -> None:
    store = open_store(own)
    away = mount.rename(mount.parent / "away")
    with pytest.raises(SourceVanished, match=f"^{own}: can't be reached \\(No such file or directory\\): reconnect"):
        store.read_box(EVERYTHING, 0.5)
    with pytest.raises(SourceVanished):
        _ = store.fingerprint
    with pytest.raises(SourceVanished):
        open_store(own)
    away.rename(mount)
    assert np.array_equal(store.read_box(EVERYTHING, 0.5), rgb)


def test_a_slide_that_is_gone_alone_is_told_from_a_mount_that_is(mount: Path, own: Path) -> None:
    own.rename(mount.parent / "moved")
    # An empty folder is what stays of a mount.
    with pytest.raises(SourceVanished, match="can't be reached"):
        open_store(own)
    (mount / "another.ome.zarr").mkdir()
    with pytest.raises(SlideGone, match="it was moved or deleted"):
        open_store(own)


def test_a_shard_that_goes_while_the_store_stays_is_damage(own: Path) -> None:
    store = open_store(own)
    (own / "0/c/0/0/0").unlink()
    with pytest.raises(UnreadableSlide, match="level 0 can't be decoded within x 0, y 0, 300 x 200 px"):
        store.read_box(EVERYTHING, 0.5)


def test_a_foreign_chunk_that_was_never_written_is_fill_value_only_while_the_store_is_there(mount: Path) -> None:
    planes = noise(200, 300).transpose(2, 0, 1)
    path = write_foreign(mount / "f.ome.zarr", [planes], fill_value=9)
    (path / "0/c/0/0/0").unlink()
    store = open_store(path)
    assert (store.read_box(Box(0, 0, 64, 64), 0.5)[..., 0] == 9).all()
    mount.rename(mount.parent / "away")
    with pytest.raises(SourceVanished):
        store.read_box(Box(0, 0, 64, 64), 0.5)


def opened(own: Path, route: str, error: OSError, monkeypatch: pytest.MonkeyPatch) -> SlideStore:
    """A store, read directly or by zarr, of which nothing can be read any more."""
    store = open_store(own)

    async def get(*_: object, **__: object) -> None:
        raise error

    def no_file(*_: object, **__: object) -> None:
        raise error

    if route == "zarr":
        store._direct = (None,) * len(store.levels)
        monkeypatch.setattr(BoundedStore, "get", get)
    else:
        monkeypatch.setattr("batchscan.stores.shard_reading.os.open", no_file)
    return store


@pytest.mark.parametrize("route", ["direct", "zarr"])
@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ESTALE, SourceVanished), (errno.EIO, SourceVanished), (errno.ENOTCONN, SourceVanished),
     (errno.EACCES, UnreadableSlide)],
)  # fmt: skip
def test_what_the_system_says_of_the_way_there_counts(
    own: Path, route: str, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    store = opened(own, route, OSError(number, os.strerror(number)), monkeypatch)
    with pytest.raises(error, match=os.strerror(number)):
        store.read_box(EVERYTHING, 0.5)


@pytest.mark.parametrize("route", ["direct", "zarr"])
def test_a_shard_that_is_there_again_was_not_damaged(own: Path, route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(own / "0/c/0/0/0"))
    store = opened(own, route, missing, monkeypatch)
    with pytest.raises(SourceVanished, match="a file of it was missing and is there again"):
        store.read_box(EVERYTHING, 0.5)


def test_a_folder_that_cannot_be_listed_has_no_fingerprint(own: Path) -> None:
    shutil.rmtree(own)
    with pytest.raises(FileNotFoundError):
        tree_fingerprint(LocalTree(own))
