"""Decoded patches are read by number from a file that is written once, whole or not at all."""

from __future__ import annotations

import gc
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchscan.domain.errors import OutputError
from batchscan.training.pixels import ABOUT_FILE, PIXELS_FILE, PixelFile, part_of, stored_pixels

COUNT, SIDE = 9, 4
PATCHES = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)


def blocks() -> Iterator[Any]:
    yield PATCHES[:4]
    yield PATCHES[4:]


def never() -> Iterator[Any]:
    pytest.fail("the patches were decoded again")


def broken() -> Iterator[Any]:
    yield PATCHES[:4]
    raise ValueError("the fifth can't be read")


def stored(folder: Path | None, digest: str = "one", source: Any = blocks) -> PixelFile:
    return stored_pixels(folder, digest, COUNT, SIDE, source)


@pytest.fixture(scope="module")
def file(tmp_path_factory: Any) -> PixelFile:
    return stored(tmp_path_factory.mktemp("state"))


@pytest.mark.parametrize(
    "rows",
    [
        slice(None),
        slice(2, 5),
        slice(7, 100),
        slice(None, None, -2),
        np.array([8, 0, 1, 2, 2, 7]),
        np.arange(9) % 2 == 0,
    ],
)
def test_rows_are_those_of_an_array(file: PixelFile, rows: Any) -> None:
    assert len(file) == COUNT
    assert np.array_equal(file[rows], PATCHES[rows])


def test_no_rows_are_an_empty_array(file: PixelFile) -> None:
    assert file[np.array([], dtype=int)].shape == (0, SIDE, SIDE, 3)


def test_a_row_that_is_not_there_is_refused(file: PixelFile) -> None:
    with pytest.raises(IndexError):
        file[np.array([COUNT])]


@given(st.lists(st.lists(st.integers(0, 2**16), max_size=12), min_size=1, max_size=3))
@settings(max_examples=50, deadline=None)
def test_a_part_of_a_part_is_what_indexing_twice_gives(choices: list[list[int]]) -> None:
    part: Any = PATCHES
    expected = PATCHES
    for choice in choices:
        rows = np.array([number % len(expected) for number in choice] if len(expected) else [], dtype=np.int64)
        part, expected = part_of(part, rows), expected[rows]
    assert len(part) == len(expected)
    assert np.array_equal(part[:], expected)


def test_the_same_patches_are_decoded_once(tmp_path: Path) -> None:
    stored(tmp_path / "new" / "state")
    assert np.array_equal(stored(tmp_path / "new" / "state", source=never)[:], PATCHES)
    assert {path.name for path in (tmp_path / "new" / "state").iterdir()} == {PIXELS_FILE, ABOUT_FILE}


def test_other_patches_replace_them(tmp_path: Path) -> None:
    stored(tmp_path)
    other = stored_pixels(tmp_path, "two", 2, SIDE, lambda: [PATCHES[5:7]])
    assert np.array_equal(other[:], PATCHES[5:7])
    assert (tmp_path / PIXELS_FILE).stat().st_size == 2 * SIDE * SIDE * 3


@pytest.mark.parametrize("damage", ["cut", "no account", "unreadable account"])
def test_a_file_that_is_not_whole_is_written_again(damage: str, tmp_path: Path) -> None:
    stored(tmp_path)
    if damage == "cut":
        os.truncate(tmp_path / PIXELS_FILE, 100)
    elif damage == "no account":
        (tmp_path / ABOUT_FILE).unlink()
    else:
        (tmp_path / ABOUT_FILE).write_text("{")
    assert np.array_equal(stored(tmp_path)[:], PATCHES)


def test_nothing_half_written_remains(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the fifth"):
        stored(tmp_path, source=broken)
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_is_given_back(tmp_path: Path) -> None:
    (tmp_path / f".{PIXELS_FILE}.abc123.tmp").write_bytes(b"half")
    stored(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {PIXELS_FILE, ABOUT_FILE}


def test_a_failed_replacement_does_not_pass_for_the_old_patches(tmp_path: Path) -> None:
    stored(tmp_path)
    with pytest.raises(ValueError, match="the fifth"):
        stored(tmp_path, "two", source=broken)
    assert np.array_equal(stored(tmp_path)[:], PATCHES)


def test_without_a_folder_nothing_is_left(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    open_files = Path("/proc/self/fd")
    before = len(list(open_files.iterdir()))
    file = stored(None)
    assert list(tmp_path.iterdir()) == []
    assert np.array_equal(file[:], PATCHES)
    del file
    gc.collect()
    assert len(list(open_files.iterdir())) == before


@pytest.mark.parametrize("kept", [True, False])
def test_too_little_room_is_said_before_anything_is_decoded(kept: bool, tmp_path: Path, monkeypatch: Any) -> None:  # noqa: FBT001
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 3_000_000))
    with pytest.raises(OutputError, match="the decoded patches need 2,081 MB, but 3 MB are free"):
        stored_pixels(tmp_path if kept else None, "one", 277_524, 50, never)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_is_named_with_what_is_needed(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OutputError, match="the decoded patches need 3 MB, but writing ended with: File too large"):
            stored_pixels(tmp_path, "one", 400, 50, lambda: (np.zeros((1, 50, 50, 3), np.uint8) for _ in range(400)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(OutputError, match=r"state: can't be written"):
        stored(tmp_path / "state")


def test_a_file_that_is_cut_while_it_is_in_use_is_named(tmp_path: Path) -> None:
    file = stored(tmp_path)
    os.truncate(tmp_path / PIXELS_FILE, 100)
    with pytest.raises(OutputError, match="ends early"):
        file[:]


@pytest.mark.parametrize("given", [[PATCHES[:4]], [PATCHES.astype(np.float32)], [PATCHES[:, :2]]])
def test_what_is_given_must_be_what_was_said(given: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected"):
        stored(tmp_path, source=lambda: given)
    assert list(tmp_path.iterdir()) == []
