"""Reviewed labels of slide stores go into a patch set: replaced where it has the patch, added where it doesn't."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from store_files import Pixels, noise, write_own

from batchscan.domain.errors import PatchSetError
from batchscan.domain.geometry import PatchSpec
from batchscan.stores.labelled_slides import LabelledSlide
from batchscan.stores.pyramids import open_store
from batchscan.stores.references import Reference
from batchscan.training.corrections import JoinedPixels, corrected, cut_patches
from batchscan.training.dataset import LabelledPatches
from batchscan.training.pixels import PixelFile

PATCH = PatchSpec(50, 8.0, 1.0)
MOUNT = noise(200, 150, seed=1)
OTHER = noise(200, 150, seed=2)
Label = tuple[float, float, int]


def slide(
    folder: Path, name: str, patient: str, pixels: NDArray[np.uint8], *labels: Label, um_per_px: float = 8.0
) -> LabelledSlide:
    path = folder / f"{name}.ome.zarr"
    if not path.exists():
        write_own(path, Pixels(pixels), um_per_px)
    x, y, label = np.array(labels, dtype=np.float64).reshape(-1, 3).T
    reference = Reference(x, y, np.full(len(labels), 400.0 / um_per_px), label == 1)
    return LabelledSlide(name, patient, open_store(path), PATCH, reference, outlined=False, n_left_out=0)


def patch_set(patient: str, pixels: NDArray[np.uint8], *labels: Label) -> LabelledPatches:
    x, y, label = np.array(labels, dtype=np.float64).T
    cut = np.stack([pixels[int(b) : int(b) + 50, int(a) : int(a) + 50] for a, b in zip(x, y, strict=True)])
    return LabelledPatches(cut, label.astype(np.int64), np.full(len(x), patient), x, y)


def rows(patches: LabelledPatches) -> list[tuple[str, float, float, int]]:
    columns = (patches.patient, patches.x_px, patches.y_px, patches.label)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_a_label_of_the_same_place_replaces_and_another_is_added(tmp_path: Path) -> None:
    known = patch_set("P", MOUNT, (0, 0, 0), (50, 0, 0), (0, 50, 1))
    review = slide(tmp_path, "P", "P", MOUNT, (50, 0, 1), (0, 50, 1), (100, 150, 0))
    found = corrected(known, cut_patches([review], known))
    assert (found.n_replaced, found.n_changed, found.n_added) == (2, 1, 1)
    assert str(found) == "2 labels replaced (1 of them changed), 1 added"
    assert rows(found.patches) == [("P", 0, 0, 0), ("P", 50, 0, 1), ("P", 0, 50, 1), ("P", 100, 150, 0)]
    np.testing.assert_array_equal(found.patches.pixels[3], MOUNT[None, 150:200, 100:150])
    np.testing.assert_array_equal(found.patches.pixels[:3], known.pixels[:])
    assert known.label.tolist() == [0, 0, 1]


def test_another_slide_of_the_patient_replaces_nothing_and_lies_beside(tmp_path: Path) -> None:
    known = patch_set("P", MOUNT, (0, 0, 0), (50, 0, 0))
    other = slide(tmp_path, "second", "P", OTHER, (50, 0, 1), (0, 0, 1))
    third = slide(tmp_path, "third", "P", noise(200, 150, seed=5), (0, 0, 0))
    found = corrected(known, cut_patches([other, third], known))
    assert (found.n_replaced, found.n_added) == (0, 3)
    # The set reaches to 100; 16 sides of 50 further on the next slide begins, and so on.
    assert rows(found.patches)[2:] == [("P", 950, 0, 1), ("P", 900, 0, 1), ("P", 1800, 0, 0)]


def test_the_same_mount_is_known_by_its_pictures_whatever_it_is_called(tmp_path: Path) -> None:
    known = patch_set("P", MOUNT, (0, 0, 0), (50, 0, 0))
    twice_as_fine = np.repeat(np.repeat(MOUNT, 2, axis=0), 2, axis=1)
    review = slide(tmp_path, "scan-17", "P", twice_as_fine, (100, 0, 1), (200, 300, 1), um_per_px=4.0)
    other = slide(tmp_path, "second", "P", OTHER, (0, 0, 1))
    # The other is named first, and still has to make room.
    found = corrected(known, cut_patches([other, review], known))
    assert (found.n_replaced, found.n_changed, found.n_added) == (1, 1, 2)
    assert rows(found.patches)[2:] == [("P", 150 + 16 * 50, 0, 1), ("P", 100, 150, 1)]


def pale(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Glass and fat: nothing to tell one place from another by."""
    return np.random.default_rng(seed).integers(232, 238, (height, width, 3), dtype=np.uint8)


def test_pale_patches_at_the_same_corners_say_nothing(tmp_path: Path) -> None:
    corners = [(0, 0), (50, 0), (100, 0), (0, 50)]
    known = patch_set("P", pale(200, 150, 3), *((x, y, 0) for x, y in corners))
    other = slide(tmp_path, "second", "P", pale(200, 150, 4), *((x, y, 1) for x, y in corners))
    found = corrected(known, cut_patches([other], known))
    # Within 8 grey levels of one another, and still not the same.
    assert (found.n_replaced, found.n_added) == (0, 4)


def test_patches_with_texture_decide_among_pale_ones(tmp_path: Path) -> None:
    corners = [(0, 0), (50, 0), (100, 0), (0, 50), (50, 50), (100, 50), (0, 100)]
    mount = pale(200, 150, 3)
    mount[50:150] = np.kron(noise(20, 30, 6), np.ones((5, 5, 1), np.uint8))
    known = patch_set("P", mount, *((x, y, 0) for x, y in corners))
    rng = np.random.default_rng(0)
    scanned = {
        "rendered": np.clip(mount * 0.95 + 6 + rng.normal(0, 6, mount.shape), 0, 255).astype(np.uint8),
        "next": np.where(mount < 232, mount[::-1, ::-1], pale(200, 150, 5)),
    }
    replaced = {}
    for name, pixels in scanned.items():
        one = slide(tmp_path, name, "P", pixels, *((x, y, 1) for x, y in corners))
        replaced[name] = corrected(known, cut_patches([one], known)).n_replaced
    assert replaced == {"rendered": 7, "next": 0}


@pytest.mark.parametrize(("n", "replaced"), [(2, 0), (3, 3)])
def test_few_patches_that_look_alike_are_not_enough(tmp_path: Path, n: int, replaced: int) -> None:
    labels = [(0, 0, 1), (50, 0, 1), (100, 0, 1)][:n]
    known = patch_set("P", MOUNT, *((x, y, 0) for x, y, _ in labels))
    brighter = np.clip(MOUNT * 0.9 + 20, 0, 255).astype(np.uint8)
    found = corrected(known, cut_patches([slide(tmp_path, "P-rescan", "P", brighter, *labels)], known))
    assert (found.n_replaced, found.n_added) == (replaced, n - replaced)


@pytest.mark.parametrize(("name", "replaced"), [("P", 1), ("second", 0)])
def test_the_very_same_pale_patch_is_the_same_where_the_name_says_so(tmp_path: Path, name: str, replaced: int) -> None:
    mount = pale(200, 150, 3)
    known = patch_set("P", mount, (0, 0, 0))
    found = corrected(known, cut_patches([slide(tmp_path, name, "P", mount, (0, 0, 0))], known))
    assert (found.n_replaced, found.n_added) == (replaced, 1 - replaced)


def test_a_picture_of_two_patients_is_refused(tmp_path: Path) -> None:
    known = patch_set("P", MOUNT, (0, 0, 0), (50, 0, 1))
    copy = slide(tmp_path, "copy", "Q", MOUNT, (50, 0, 1), (100, 0, 1))
    text = (
        r"the same pixels are of two patients: P at \(50, 0\), class 1 \(--patches\) = "
        r"Q at \(50, 0\), class 1 \(--corrections\) \(px .*give the slide one patient_id"
    )
    with pytest.raises(PatchSetError, match=text):
        corrected(known, cut_patches([copy], known))
    alone = [slide(tmp_path, "one", "Q", MOUNT, (0, 0, 1)), slide(tmp_path, "two", "R", MOUNT, (0, 0, 1))]
    with pytest.raises(PatchSetError, match=r"two patients: Q at .* = R at "):
        corrected(None, cut_patches(alone))


def test_a_picture_of_both_classes_is_refused(tmp_path: Path) -> None:
    # The slide shows at (50, 0) what the set has at (0, 0): shifted, so that it is no replacement.
    known = patch_set("P", MOUNT, (0, 0, 0))
    shifted = np.roll(MOUNT, 50, axis=1)
    with pytest.raises(PatchSetError, match=r"class 0 and in class 1: P at \(0, 0\), class 0 .*correct the label"):
        corrected(known, cut_patches([slide(tmp_path, "P", "P", shifted, (50, 0, 1))], known))
    found = corrected(known, cut_patches([slide(tmp_path, "P", "P", shifted, (50, 0, 0))], known))
    assert (found.n_replaced, found.n_added) == (0, 1)


def test_a_replaced_label_contradicts_a_copy_that_keeps_its_own(tmp_path: Path) -> None:
    double = np.concatenate([MOUNT[:, :50], MOUNT[:, :50]], axis=1)
    known = patch_set("P", double, (0, 0, 0), (50, 0, 0))
    with pytest.raises(PatchSetError, match=r"P at \(0, 0\), class 1 \(--patches\) = P at \(50, 0\), class 0"):
        corrected(known, cut_patches([slide(tmp_path, "P", "P", double, (0, 0, 1))], known))
    both = slide(tmp_path, "P", "P", double, (0, 0, 1), (50, 0, 1))
    assert corrected(known, cut_patches([both], known)).n_changed == 2


def test_bare_glass_is_nobodys(tmp_path: Path) -> None:
    white = np.full((100, 100, 3), 255, dtype=np.uint8)
    known = patch_set("P", white, (0, 0, 0))
    found = corrected(known, cut_patches([slide(tmp_path, "Q", "Q", white, (0, 0, 1), (50, 0, 1))], known))
    assert found.n_added == 2


def test_without_a_patch_in_common_the_name_says_whether_it_is_the_mount(tmp_path: Path) -> None:
    known = patch_set("P", MOUNT, (0, 0, 0))
    for name, x in (("P", 100.0), ("Q", 50 + 800 + 100.0)):
        found = cut_patches([slide(tmp_path, name, "P", MOUNT, (100, 0, 1))], known)
        assert rows(found) == [("P", x, 0, 1)]


def test_a_patient_that_the_set_lacks_is_added(tmp_path: Path) -> None:
    known = patch_set("P", MOUNT, (0, 0, 0))
    found = corrected(known, cut_patches([slide(tmp_path, "Q", "Q", OTHER, (0, 0, 1))], known))
    assert (found.n_replaced, found.n_added) == (0, 1)
    assert rows(found.patches) == [("P", 0, 0, 0), ("Q", 0, 0, 1)]


def test_slides_can_stand_alone(tmp_path: Path) -> None:
    empty = slide(tmp_path, "R", "R", OTHER)
    found = corrected(None, cut_patches([slide(tmp_path, "Q", "Q", OTHER, (0, 0, 1)), empty]))
    assert (found.n_replaced, found.n_added, rows(found.patches)) == (0, 1, [("Q", 0, 0, 1)])
    assert str(found) == "0 labels replaced, 1 added"


def test_corners_in_whole_pixels_are_put_back_on_the_grid(tmp_path: Path) -> None:
    # 50 px of 8 um are 57.142857 px of 7 um; the third label isn't on the grid and stays where it is.
    fine = slide(tmp_path, "Q", "Q", OTHER, (57, 0, 1), (114, 57, 0), (30, 0, 0), um_per_px=7.0)
    found = cut_patches([fine])
    np.testing.assert_allclose(found.x_px, [50, 100, 30 / (400 / 7) * 50], rtol=0, atol=1e-12)
    assert found.x_px[:2].tolist() == [50, 100]
    assert found.y_px.tolist() == [0, 50, 0]


def test_one_place_labelled_twice_is_named(tmp_path: Path) -> None:
    known = patch_set("P", MOUNT, (0, 0, 0))
    one, two = (slide(tmp_path, name, "P", MOUNT, (0, 0, 1), (50, 0, 1)) for name in ("one", "two"))
    with pytest.raises(PatchSetError, match=r"labelled twice: one and two at \(0, 0\) of P; one and two at \(50, 0\)"):
        cut_patches([one, two], known)


def test_pixels_are_kept_in_the_state_until_they_are_of_others(tmp_path: Path) -> None:
    state = tmp_path / "state"
    events: list[object] = []
    for _ in range(2):
        cut_patches([slide(tmp_path, "Q", "Q", OTHER, (0, 0, 1))], None, state, events.append)
    assert len(events) == 1
    assert isinstance(cut_patches([slide(tmp_path, "Q", "Q", OTHER, (0, 0, 0))], None, state).pixels, PixelFile)
    found = cut_patches([slide(tmp_path, "Q", "Q", OTHER, (50, 0, 1))], None, state, events.append)
    assert len(events) == 2
    np.testing.assert_array_equal(found.pixels[0], OTHER[None, :50, 50:100])


def test_joined_pixels_are_read_in_any_order() -> None:
    first, second = noise(3 * 50, 50, 1).reshape(3, 50, 50, 3), noise(2 * 50, 50, 2).reshape(2, 50, 50, 3)
    joined, whole = JoinedPixels(first, second), np.concatenate([first, second])
    assert len(joined) == 5
    orders = [np.array(numbers, dtype=np.intp) for numbers in ([4, 0, 3, 3, 1], [2, 0], [4, 3], [])]
    for chosen in (*orders, slice(1, 4), np.array([True, False, False, True, True])):
        np.testing.assert_array_equal(joined[chosen], whole[chosen])
