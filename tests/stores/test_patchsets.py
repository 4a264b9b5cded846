from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from batchscan.domain.errors import PatchSetError
from batchscan.stores.patchfiles import LARGEST_FILE_BYTES
from batchscan.stores.patchsets import PatchSet, looks_like_patch_set, read_patch_set

DEMO = Path(__file__).parents[2] / "batchscan" / "demo" / "8863.zip"
Files = dict[str, bytes]


def png(width: int = 50, height: int = 50, colour: tuple[int, int, int] = (200, 100, 150), mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), colour).convert(mode).save(stream, "PNG")
    return stream.getvalue()


def name(patient: str, x: int, y: int, label: int) -> str:
    return f"{patient}/{label}/{patient}_idx5_x{x}_y{y}_class{label}.png"


def folder_of(path: Path, files: Files) -> Path:
    for file, content in files.items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_bytes(content)
    return path


def zip_of(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for file, content in files.items():
            packed.writestr(file, content)
    return path


def assembled(patches: PatchSet, patient: str) -> NDArray[np.uint8]:
    mount = patches.mount(patient)
    return mount.read(0, 0, mount.width_px, mount.height_px)


@pytest.fixture
def small() -> Files:
    """Two columns, two rows, the lower right one missing; the right and lower ones cut by the slide's edge."""
    return {
        name("11", 1, 1, 0): png(colour=(10, 20, 30)),
        name("11", 51, 1, 1): png(width=30, colour=(40, 50, 60)),
        name("11", 1, 51, 0): png(height=12, colour=(70, 80, 90)),
    }


@pytest.fixture(params=["folder", "zip"])
def small_set(request: pytest.FixtureRequest, tmp_path: Path, small: Files) -> PatchSet:
    path = folder_of(tmp_path / "set", small) if request.param == "folder" else zip_of(tmp_path / "set.zip", small)
    return read_patch_set(path)


def test_corners_become_level_0_pixels(small_set: PatchSet) -> None:
    found = [(r.patient_id, r.x_px, r.y_px, r.width_px, r.height_px, r.label) for r in small_set.refs]
    assert found == [("11", 0, 0, 50, 50, 0), ("11", 50, 0, 30, 50, 1), ("11", 0, 50, 50, 12, 0)]
    assert small_set.patients == ("11",)


def test_a_mount_is_put_together_with_white_gaps(small_set: PatchSet) -> None:
    mount = assembled(small_set, "11")
    assert mount.shape == (62, 80, 3)
    assert (mount[:50, :50] == (10, 20, 30)).all()
    assert (mount[:50, 50:] == (40, 50, 60)).all()
    assert (mount[50:, :50] == (70, 80, 90)).all()
    assert (mount[50:, 50:] == 255).all()


def test_any_part_of_a_mount_is_that_part_of_the_whole(small_set: PatchSet) -> None:
    whole, mount = assembled(small_set, "11"), small_set.mount("11")
    for x, y, width, height in ((0, 0, 1, 1), (49, 49, 2, 2), (13, 7, 60, 55), (60, 55, 20, 7)):
        assert np.array_equal(mount.read(x, y, width, height), whole[y : y + height, x : x + width])


def test_the_reference_has_full_sides_where_the_edge_cut_a_patch(small_set: PatchSet) -> None:
    reference = small_set.reference("11")
    assert reference.x_px.tolist() == [0, 50, 0]
    assert reference.y_px.tolist() == [0, 0, 50]
    assert reference.side_px.tolist() == [50, 50, 50]
    assert reference.label.tolist() == [False, True, False]


def test_folder_and_zip_have_one_fingerprint_and_another_pixel_another(tmp_path: Path, small: Files) -> None:
    one = read_patch_set(folder_of(tmp_path / "a", small)).fingerprint("11")
    assert (
        read_patch_set(zip_of(tmp_path / "b.zip", {f"top/{n}": c for n, c in small.items()})).fingerprint("11") == one
    )
    small[name("11", 1, 1, 0)] = png(colour=(10, 20, 31))
    assert read_patch_set(folder_of(tmp_path / "a", small)).fingerprint("11") != one


def test_top_folders_litter_and_the_public_doubled_tree_are_taken_in_stride(tmp_path: Path, small: Files) -> None:
    files = {
        **{f"archive/{n}": c for n, c in small.items()},
        **{f"archive/IDC_regular_ps50_idx5/{n}": c for n, c in small.items()},
        "archive/readme.txt": b"x",
        "__MACOSX/11/0/._11_idx5_x1_y1_class0.png": b"x",
        "archive/.DS_Store": b"x",
    }
    assert len(read_patch_set(zip_of(tmp_path / "set.zip", files)).refs) == 3


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("11/1/11_idx5_x101_y1_class0.png", png(), "says patient 11, class 0, but lies in 11/1"),
        ("12/0/11_idx5_x101_y1_class0.png", png(), "lies in 12/0"),
        ("11_idx5_x101_y1_class0.png", png(), "lies in set"),
        ("11/0/picture.png", png(), "not named as in the public layout (set/11/0/picture.png)"),
        ("11/0/11_idx5_x102_y1_class0.png", png(), "isn't on the grid"),
        ("11/0/11_idx5_x999951_y1_class0.png", png(), "isn't on the grid"),
        ("11/0/11_idx5_x0_y1_class0.png", png(), "isn't on the grid"),
        ("11/1/11_idx5_x1_y1_class1.png", png(), "have the same corner (x 1, y 1 of patient 11)"),
        ("11/0/11_idx5_x101_y1_class0.png", b"", "is not a PNG file or is cut off"),
        ("11/0/11_idx5_x101_y1_class0.png", b"hello" * 30, "is not a PNG file"),
        ("11/0/11_idx5_x101_y1_class0.png", png(mode="L"), "isn't 8-bit RGB"),
        ("11/0/11_idx5_x101_y1_class0.png", png(mode="RGBA"), "isn't 8-bit RGB"),
        ("11/0/11_idx5_x101_y1_class0.png", png(width=51), "is 51 x 50 px"),
        ("11/0/11_idx5_x101_y1_class0.png", png(), "30 x 50 px but doesn't lie at the slide's edge (150 x 62 px)"),
    ],
)
def test_wrong_sets_are_refused_by_name(tmp_path: Path, small: Files, file: str, content: bytes, said: str) -> None:
    files = {f"set/{n}": c for n, c in {**small, file: content}.items()}
    for path in (folder_of(tmp_path / "folder", files), zip_of(tmp_path / "set.zip", files)):
        with pytest.raises(PatchSetError) as caught:
            read_patch_set(path)
        assert said in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_neither_folder_nor_zip(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no zip")
    (tmp_path / "cut.zip").write_bytes(DEMO.read_bytes()[:100_000])
    for path, said in (
        (tmp_path / "empty", "holds no patches"),
        (tmp_path / "text.zip", "can't be read as a patch set"),
        (tmp_path / "cut.zip", "can't be read as a patch set"),
        (tmp_path / "missing.zip", "can't be read as a patch set"),
    ):
        with pytest.raises(PatchSetError, match=said):
            read_patch_set(path)


def test_all_damaged_heads_are_named_at_once(tmp_path: Path, small: Files) -> None:
    wrong = [b"", b"hello" * 30, png(mode="L"), png(width=51), b"\0" * (LARGEST_FILE_BYTES + 1)]
    damaged = {f"11/0/11_idx5_x{1 + 50 * (number + 3)}_y1_class0.png": wrong[number % 5] for number in range(25)}
    with pytest.raises(PatchSetError, match="25 PNG files can't be used: ") as caught:
        read_patch_set(folder_of(tmp_path / "set", {**small, **damaged}))
    text = str(caught.value)
    assert text.count("_class0.png") == 20
    assert text.endswith("; and 5 more")
    assert text.count(str(tmp_path)) == 1
    for said in ("is cut off", "isn't 8-bit RGB", "is 51 x 50 px", f"bytes, more than the {LARGEST_FILE_BYTES}"):
        assert said in text


def test_a_damaged_png_is_named_when_it_is_read(tmp_path: Path, small: Files) -> None:
    damaged = name("11", 1, 1, 0)
    small[damaged] = small[damaged][:-30]
    patches = read_patch_set(folder_of(tmp_path / "set", small))
    with pytest.raises(PatchSetError, match=r"11_idx5_x1_y1_class0.png can't be read .*: replace the file"):
        assembled(patches, "11")


def test_a_flipped_bit_in_a_zip_is_an_error(tmp_path: Path, small: Files) -> None:
    path = zip_of(tmp_path / "set.zip", small)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 8] ^= 1
    path.write_bytes(content)
    with pytest.raises(PatchSetError, match="CRC"), read_patch_set(path) as patches:
        assembled(patches, "11")


def test_patch_sets_are_told_from_other_things(tmp_path: Path, small: Files) -> None:
    assert looks_like_patch_set(folder_of(tmp_path / "a", small))
    assert looks_like_patch_set(folder_of(tmp_path / "b" / "top", small).parent)
    assert looks_like_patch_set(zip_of(tmp_path / "c.zip", small))
    assert not looks_like_patch_set(folder_of(tmp_path / "d", {"x.svs": b"", "p/0/q.png": b""}))
    assert not looks_like_patch_set(tmp_path / "d" / "x.svs")


def test_the_demo_slide_is_whole() -> None:
    with read_patch_set(DEMO) as patches:
        labels = [ref.label for ref in patches.of("8863")]
        mount = patches.mount("8863")
        assert (labels.count(0), labels.count(1)) == (772, 207)
        assert (mount.width_px, mount.height_px) == (2791, 2335)


def test_every_real_patch_is_where_its_name_says(patches_zip: Path) -> None:
    with read_patch_set(patches_zip) as patches, zipfile.ZipFile(patches_zip) as packed:
        mount: NDArray[np.uint8] = assembled(patches, "8863")
        left = np.full(mount.shape[:2], fill_value=True)
        for file in packed.namelist():
            if not file.startswith("8863/"):
                continue
            x, y = (int(part[1:]) - 1 for part in file.split("_")[2:4])
            with packed.open(file) as stream:
                pixels = np.asarray(Image.open(stream))
            part = np.s_[y : y + pixels.shape[0], x : x + pixels.shape[1]]
            assert np.array_equal(mount[part], pixels)
            left[part] = False
        assert (mount[left] == 255).all()


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("nowhere"),
    ],
)
def test_what_is_no_regular_file_is_refused_and_not_waited_for(
    tmp_path: Path, small: Files, make: Callable[[Path], None]
) -> None:
    folder = folder_of(tmp_path / "set", small)
    make(folder / name("11", 51, 51, 0))
    with pytest.raises(PatchSetError, match=r"11_idx5_x51_y51_class0\.png is a link, pipe or device"):
        read_patch_set(folder)
