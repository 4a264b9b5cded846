"""What a network was made with: written and read back, refused when it was changed, and true of what ships."""

from __future__ import annotations

import hashlib
import importlib.resources
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.pixel_hash import pixel_hashes
from batchscan.stores.packages import open_package
from batchscan.stores.seen import SeenSet, read_seen, write_seen

ONE, TWO = "sha256:" + "0f" * 32, "sha256:" + "a1" * 32
SEEN = SeenSet.of(np.array([7, 2**64 - 1, 0, 7, 3], np.uint64), [TWO, ONE, TWO])


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def written(path: Path, seen: SeenSet = SEEN) -> Path:
    with path.open("wb") as stream:
        write_seen(stream, seen)
    return path


def assert_same(one: SeenSet, other: SeenSet) -> None:
    assert one.patches.tolist() == other.patches.tolist()
    assert (one.slides, one.complete) == (other.slides, other.complete)


def test_everything_once_in_order_and_nothing_that_is_no_hash() -> None:
    assert SEEN.patches.dtype == np.uint64
    assert SEEN.patches.tolist() == [3, 7, 2**64 - 1]
    assert SEEN.slides == (ONE, TWO)
    assert SEEN.complete


def test_patches_are_counted_as_often_as_they_are_there_and_blank_ones_never() -> None:
    assert SEEN.count(np.array([0, 7, 7, 8, 2**64 - 1, 2**64 - 2, 0], np.uint64)) == 3
    assert SEEN.count(np.empty(0, np.uint64)) == 0
    assert SeenSet.of(np.empty(0, np.uint64), []).count(np.array([0, 5], np.uint64)) == 0


def test_two_together_have_seen_what_either_has() -> None:
    both = SEEN.joined(SeenSet.of(np.array([5, 7], np.uint64), [ONE], complete=False))
    assert both.patches.tolist() == [3, 5, 7, 2**64 - 1]
    assert (both.slides, both.complete) == ((ONE, TWO), False)


@pytest.mark.parametrize("seen", [SEEN, SeenSet.of(np.empty(0, np.uint64), [], complete=False)], ids=["full", "empty"])
def test_it_is_read_back_as_it_was(seen: SeenSet, tmp_path: Path) -> None:
    path = written(tmp_path / "seen.npz", seen)
    assert_same(read_seen(path, sha256(path)), seen)
    # So that the same training gives the same package.
    assert written(tmp_path / "again.npz", seen).read_bytes() == path.read_bytes()


def test_a_changed_or_missing_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "seen.npz")
    with pytest.raises(ValueError, match="isn't what its card says"):
        read_seen(path, "0" * 64)
    path.unlink()
    with pytest.raises(ValueError, match="isn't there"):
        read_seen(path, "0" * 64)


PLAIN: dict[str, Any] = {
    "patches": np.array([3, 7], np.uint64), "slides": np.zeros((1, 32), np.uint8), "complete": np.array([True])
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"patches": np.array([7, 3], np.uint64)}, "expected rising"),
        ({"patches": np.array([3, 3], np.uint64)}, "expected rising"),
        ({"patches": np.array([0, 3], np.uint64)}, "expected rising"),
        ({"patches": np.array([3, 7], np.int64)}, "int64"),
        ({"patches": np.array([[3, 7]], np.uint64)}, r"\(1, 2\)"),
        ({"slides": np.zeros((1, 31), np.uint8)}, r"\(1, 31\)"),
        ({"slides": np.zeros((1, 32), np.int8)}, "int8"),
        ({"complete": np.array([1])}, "int64"),
        ({"complete": np.array([True, False])}, r"\(2,\)"),
        ({"patches": np.array(["x"], dtype=object)}, "pickled"),
        ({"more": np.array([1])}, "exactly the arrays"),
    ],
)
def test_what_is_no_such_list_is_refused(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "seen.npz"
    np.savez(path, **{**PLAIN, **changed})
    with pytest.raises(ValueError, match=said):
        read_seen(path, sha256(path))


def test_plain_arrays_are_one(tmp_path: Path) -> None:
    path = tmp_path / "seen.npz"
    np.savez(path, **PLAIN)
    assert_same(read_seen(path, sha256(path)), SeenSet.of(np.array([3, 7], np.uint64), ["sha256:" + "00" * 32]))


def demo_hashes() -> np.ndarray:
    """Of the bundled slide's patches, those that its edge cuts padded with white."""
    patches = []
    source = importlib.resources.files("batchscan.demo") / "8863.zip"
    with zipfile.ZipFile(io.BytesIO(source.read_bytes())) as archive:
        for name in archive.namelist():
            if name.endswith(".png"):
                patch = np.full((50, 50, 3), 255, np.uint8)
                with Image.open(io.BytesIO(archive.read(name))) as image:
                    patch[: image.height, : image.width] = np.asarray(image.convert("RGB"))
                patches.append(patch)
    return pixel_hashes(np.stack(patches))


def test_the_shipped_models_list_has_its_own_patches_and_none_of_the_demos() -> None:
    package = open_package(DEFAULT_MODEL)
    seen, card = package.seen(), package.card
    assert seen is not None
    assert seen.complete
    assert f"{len(seen.patches)} patches" in card.training_data
    # The golden patches are training patients'; the examples are of left-out slides, of which only 8863 stayed out.
    assert seen.count(pixel_hashes(package.golden().patches)) == len(package.golden().patches)
    known = [seen.count(one[np.newaxis]) == 1 for one in pixel_hashes(package.examples())]
    assert known == [one.patient_id != "8863" for one in card.examples]
    assert 0 < sum(known) < len(known)
    demo = demo_hashes()
    assert len(demo) == 979
    assert seen.count(demo) == 0
    assert (demo != 0).all()
