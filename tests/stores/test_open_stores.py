"""Stores that are opened once: how often is counted, and every way that one changes must be seen."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from store_files import Pixels, noise, write_own

from batchscan.domain.errors import SourceVanished
from batchscan.domain.geometry import Box, Spacing, SpacingSource
from batchscan.stores import open_stores
from batchscan.stores.open_stores import OpenStores
from batchscan.stores.pyramids import open_store

WHOLE = Box(0, 0, 120, 90)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was really opened, in this order."""
    seen: list[Path] = []

    def noted(path: Path, override: Spacing | None = None) -> object:
        seen.append(path)
        return open_store(path, override)

    monkeypatch.setattr(open_stores, "open_store", noted)
    # Stores of a test are younger than any that a run finds.
    monkeypatch.setattr(open_stores, "_UNSETTLED_NS", 0)
    return seen


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_own(tmp_path / "s.ome.zarr", Pixels(noise(90, 120)))


def test_a_store_that_stays_as_it_is_is_opened_once(store: Path, opened: list[Path]) -> None:
    stores = OpenStores()
    first = stores.get(store)
    assert all(stores.get(store) is first for _ in range(5))
    assert opened == [store]


def test_another_spacing_is_another_store(store: Path, opened: list[Path]) -> None:
    stores, given = OpenStores(), Spacing(0.25, SpacingSource.OPTION)
    assert stores.get(store).spacing.um_per_px == 0.5
    assert stores.get(store, given).spacing == given
    assert stores.get(store).spacing.um_per_px == 0.5
    assert opened == [store] * 2


def replaced(store: Path) -> None:
    shutil.rmtree(store)
    write_own(store, Pixels(noise(90, 120, seed=8)))


def shrunk(store: Path) -> None:
    shutil.rmtree(store)
    write_own(store, Pixels(noise(60, 70)))


def copied_over(store: Path) -> None:
    """Names, sizes and times of all files stay as they were; only the files are others."""
    other = write_own(store.parent / "other" / "s.ome.zarr", Pixels(noise(90, 120)))
    for file in other.rglob("zarr.json"):
        found = (store / file.relative_to(other)).stat()
        os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    store.rename(store.parent / "old.ome.zarr")
    other.rename(store)


def written_to(store: Path) -> None:
    """A level's document, in place."""
    document = store / "0" / "zarr.json"
    document.write_text(json.dumps(json.loads(document.read_text())))


@pytest.mark.parametrize("change", [replaced, shrunk, copied_over, written_to])
def test_one_that_changed_is_opened_again(store: Path, opened: list[Path], change: Callable[[Path], None]) -> None:
    (store.parent / "other").mkdir()
    stores = OpenStores()
    before = stores.get(store)
    change(store)
    after = stores.get(store)
    assert after is not before
    assert opened == [store] * 2
    expected = open_store(store)
    assert (after.width_px, after.height_px) == (expected.width_px, expected.height_px)
    np.testing.assert_array_equal(after.read_box(WHOLE, 0.5), expected.read_box(WHOLE, 0.5))
    assert stores.get(store) is after


def test_pixels_are_those_on_the_disk_whenever_they_are_read(store: Path, opened: list[Path]) -> None:
    """A chunk's file that changes alone is read as it is now."""
    stores = OpenStores()
    before = stores.get(store).read_box(WHOLE, 0.5)
    other = write_own(store.parent / "t.ome.zarr", Pixels(noise(90, 120, seed=9)))
    chunk = next(file.relative_to(other) for file in (other / "0").rglob("*") if file.is_file() and file.suffix == "")
    shutil.copy(other / chunk, store / chunk)
    after = stores.get(store).read_box(WHOLE, 0.5)
    assert opened == [store]
    np.testing.assert_array_equal(after, noise(90, 120, seed=9))
    assert (before != after).any()


def test_one_that_is_gone_is_said_to_be(store: Path, opened: list[Path]) -> None:
    stores = OpenStores()
    stores.get(store)
    shutil.rmtree(store)
    with pytest.raises(SourceVanished):
        stores.get(store)
    assert opened == [store] * 2


def test_one_that_was_just_written_is_not_trusted_to_stay(
    store: Path, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two changes within a tick of the clock have the same time."""
    monkeypatch.setattr(open_stores, "_UNSETTLED_NS", time.time_ns())
    stores = OpenStores()
    assert stores.get(store) is not stores.get(store)
    assert opened == [store] * 2


def test_few_are_kept(tmp_path: Path, opened: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_stores, "_MOST", 2)
    paths = [write_own(tmp_path / f"s{i}.ome.zarr", Pixels(noise(30, 30))) for i in range(3)]
    stores = OpenStores()
    for path in (*paths, paths[2], paths[1], paths[0]):
        stores.get(path)
    assert opened == [*paths, paths[0]]


def test_several_threads_may_ask_at_once(store: Path) -> None:
    stores, found = OpenStores(), list[np.ndarray]()
    threads = [threading.Thread(target=lambda: found.append(stores.get(store).read_box(WHOLE, 0.5))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all((one == found[0]).all() for one in found)
