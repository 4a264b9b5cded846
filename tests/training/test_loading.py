"""A patch set becomes labelled patches, or every fault in it is named before anything is trained."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from batchscan.domain.errors import PatchSetError
from batchscan.stores.patchsets import PatchSet, read_patch_set
from batchscan.training.dataset import LabelledPatches, PatchesRead, load_patches


def loaded(path: Path, **more: Any) -> LabelledPatches:
    with read_patch_set(path) as patch_set:
        return load_patches(patch_set, **more)


def place(root: Path, patient: str, label: int, x: int, pixels: Any = None, *, level: int = 6) -> Path:
    file = root / patient / str(label) / f"{patient}_idx5_x{x}_y1_class{label}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    if pixels is None:
        pixels = np.random.default_rng(x).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, compress_level=level)
    return file


def test_patches_are_what_lies_in_the_set(patch_set: Path) -> None:
    found = loaded(patch_set)
    assert len(found) == 72
    for patient, label, x, y, pixels in zip(
        found.patient, found.label, found.x_px, found.y_px, found.pixels[:], strict=True
    ):
        name = f"{patient}_idx5_x{x + 1:.0f}_y{y + 1:.0f}_class{label}.png"
        with Image.open(patch_set / patient / str(label) / name) as image:
            assert np.array_equal(pixels[: image.height], np.asarray(image))
            assert (pixels[image.height :] == 255).all()
    assert found.side_px == 50
    assert (found.pixels[:][:, 30:] == 255).all(axis=(1, 2, 3)).sum() == 12


def test_how_far_it_is_is_told(patch_set: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("batchscan.training.dataset.PATCHES_AT_ONCE", 32)
    events: list[PatchesRead] = []
    loaded(patch_set, report=events.append)
    assert events == [PatchesRead(32, 72), PatchesRead(64, 72), PatchesRead(72, 72)]


def test_what_was_decoded_is_kept_for_the_same_set_only(patch_set: Path, tmp_path: Path, monkeypatch: Any) -> None:
    first = loaded(patch_set, state=tmp_path / "state")
    decoded: list[str] = []
    load = PatchSet.load_pixels
    monkeypatch.setattr(PatchSet, "load_pixels", lambda self, ref: decoded.append(ref.name) or load(self, ref))
    assert loaded(patch_set, state=tmp_path / "state").digest() == first.digest()
    assert decoded == []
    changed = tmp_path / "changed"
    shutil.copytree(patch_set, changed)
    place(changed, "a", 0, 1)
    assert loaded(changed, state=tmp_path / "state").digest() != first.digest()
    assert len(decoded) == 72


def test_every_unreadable_png_is_named(tmp_path: Path) -> None:
    files = [place(tmp_path / "set", "a", number % 2, 1 + 50 * number) for number in range(5)]
    for file in files[1:4]:
        file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(PatchSetError, match=r"^3 PNG files can't be read: ") as caught:
        loaded(tmp_path / "set", state=tmp_path / "state")
    assert [file.name in str(caught.value) for file in files] == [False, True, True, True, False]
    assert list((tmp_path / "state").iterdir()) == []


def test_of_many_unreadable_ones_the_first_are_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("batchscan.training.dataset.NAMED_AT_MOST", 2)
    for number in range(5):
        file = place(tmp_path, "a", 0, 1 + 50 * number)
        file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(PatchSetError, match=r"^5 PNG .*_x1_.*_x51_.*; and 3 more$") as caught:
        loaded(tmp_path)
    assert "_x101_" not in str(caught.value)


@pytest.mark.parametrize("other", ["a", "b"])
def test_the_same_patch_in_both_classes_is_named_with_both_places(other: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    for x in (51, 101):
        place(tmp_path, "a", 0, x)
    first = place(tmp_path, "a", 0, 1, pixels)
    second = place(tmp_path, other, 1, 201, pixels, level=1)  # another file, the same picture
    assert first.read_bytes() != second.read_bytes()
    with pytest.raises(PatchSetError, match=f"same pixels .*{first.name} = .*{second.name}.*: a patch has one class"):
        loaded(tmp_path)


def test_the_same_corner_in_both_classes_is_named(tmp_path: Path) -> None:
    first, second = (place(tmp_path, "a", label, 1) for label in (0, 1))
    with pytest.raises(PatchSetError, match=f"{first.name} and .*{second.name} have the same corner"):
        loaded(tmp_path)


def test_copies_within_a_class_and_bare_glass_contradict_nothing(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    for x in (1, 51):
        place(tmp_path, "a", 0, x, pixels)
    for label in (0, 1):
        place(tmp_path, "b", label, 1 + 50 * label, np.full((50, 50, 3), 255, dtype=np.uint8))
    assert len(loaded(tmp_path)) == 4
