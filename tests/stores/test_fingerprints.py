from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchscan.stores.fingerprints import N_SAMPLES, SAMPLE_BYTES, file_fingerprint, tree_fingerprint
from batchscan.stores.store_files import LocalTree

LARGE = 3 * N_SAMPLES * SAMPLE_BYTES


def test_neither_name_nor_time_counts(tmp_path: Path) -> None:
    for name, when in (("a", 1), ("b", 2_000_000_000)):
        (tmp_path / name).write_bytes(b"slide")
        os.utime(tmp_path / name, (when, when))
    assert file_fingerprint(tmp_path / "a") == file_fingerprint(tmp_path / "b")


@pytest.mark.parametrize("place", [0, LARGE - 1, (LARGE - SAMPLE_BYTES) * 7 // (N_SAMPLES - 1) + 5])
def test_samples_reach_from_head_to_tail(tmp_path: Path, place: int) -> None:
    content = bytearray(LARGE)
    (tmp_path / "a").write_bytes(content)
    content[place] = 1
    (tmp_path / "b").write_bytes(content)
    assert file_fingerprint(tmp_path / "a") != file_fingerprint(tmp_path / "b")


def test_a_small_file_counts_byte_for_byte_and_size_counts(tmp_path: Path) -> None:
    found = set()
    for content in (b"", b"\0", bytes(100), bytes(50) + b"1" + bytes(49), bytes(LARGE), bytes(LARGE + 1)):
        (tmp_path / "a").write_bytes(content)
        found.add(file_fingerprint(tmp_path / "a"))
    assert len(found) == 6


def test_a_tree_counts_names_and_contents(tmp_path: Path) -> None:
    found = set()
    tree = tmp_path / "t"
    (tree / "0").mkdir(parents=True)
    (tree / "0" / "x").write_bytes(b"1")
    found.add(tree_fingerprint(LocalTree(tree)))
    (tree / "0" / "x").rename(tree / "0" / "y")
    found.add(tree_fingerprint(LocalTree(tree)))
    (tree / "0" / "y").write_bytes(b"2")
    found.add(tree_fingerprint(LocalTree(tree)))
    (tree / "z").touch()
    found.add(tree_fingerprint(LocalTree(tree)))
    # Metadata count as a whole, also in the middle.
    document = bytearray(5 * SAMPLE_BYTES)
    for place in (0, len(document) // 2):
        document[place] = 1
        (tree / "zarr.json").write_bytes(document)
        found.add(tree_fingerprint(LocalTree(tree)))
    assert len(found) == 6
    assert tree_fingerprint(LocalTree(tree.rename(tmp_path / "u"))) in found
