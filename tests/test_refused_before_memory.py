"""Files that would take gigabytes are refused by what they say, in a process that has half of one."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import bombs
import numpy as np
import pytest
from store_files import edit_json, write_foreign

from batchscan.domain.errors import PatchSetError
from batchscan.stores.patchsets import read_patch_set

CENTRAL, END = b"PK\x01\x02", b"PK\x05\x06"
EXPECTED = {
    "wide.tif": "UnopenableSlide: can't be opened as a slide (Invalid TIFF",
    "tile.tif": "UnopenableSlide: its tiles have 65520 x 65520 px",
    "zstd.zarr": "UnreadableSlide: zstd chunk unpacks to 8589934592 bytes",
    "zstd-silent.zarr": "UnreadableSlide: zstd chunk unpacks to",
    "blosc.zarr": "UnreadableSlide: blosc chunk unpacks to 2147483631 bytes",
    "gzip.zarr": "UnreadableSlide: gzip chunk unpacks to more than",
    "zstd-v2.zarr": "UnreadableSlide: zstd chunk unpacks to 8589934592 bytes",
    "gzip-v2.zarr": "UnreadableSlide: gzip chunk unpacks to more than",
    "lz4-v2.zarr": "UnreadableSlide: lz4 chunk unpacks to 2147483647 bytes",
    "wide.zarr": "UnopenableSlide: says that it has 900000 x 900000 px, but only",
    "levels.zarr": "UnopenableSlide: says that it has 70 levels",
    "ratio.zip": "PatchSetError: bytes unpack to",
    "lies.zip": "PatchSetError: bytes unpack to 4294967294",
    "bz2.zip": "PatchSetError: is packed in a way other than stored or deflated",
    "within.zip": "PatchSetError: lies within another member",
    "directory.zip": "PatchSetError: its directory has 4000000000 bytes",
    "heads.zip": "PatchSetError: it is 9000 x 9000 px, its header says otherwise",
    "nested.zip": "PatchSetError: holds no patches",
}


def make(folder: Path) -> list[Path]:
    stores = {
        "zstd": bombs.zstd_bomb(),
        "zstd-silent": bombs.zstd_bomb(says_size=False),
        "blosc": bombs.blosc_bomb(),
        "gzip": bombs.gzip_bomb(),
    }
    made = [
        bombs.tiff_that_says(folder / "wide.tif", ImageWidth=4_000_000, ImageLength=4_000_000),
        bombs.tiff_that_says(folder / "tile.tif", TileWidth=65_520, TileLength=65_520),
        *(bombs.store_with_chunk(folder / f"{name}.zarr", chunk, name.split("-")[0]) for name, chunk in stores.items()),
        bombs.store_with_chunk(folder / "lz4-v2.zarr", bombs.lz4_bomb(), "lz4", version="0.4"),
        *(bombs.store_with_chunk(folder / f"{n}-v2.zarr", stores[n], n, version="0.4") for n in ("zstd", "gzip")),
    ]
    return [*made, *make_stores(folder), *make_zips(folder)]


def make_stores(folder: Path) -> list[Path]:
    wide, levels = (
        write_foreign(folder / f"{name}.zarr", [np.zeros((3, 64, 64), "u1")]) for name in ("wide", "levels")
    )
    edit_json(wide / "0/zarr.json", lambda document: document.update(shape=[3, 900_000, 900_000]))

    def many(document: dict) -> None:  # type: ignore[type-arg]
        (image,) = document["attributes"]["ome"]["multiscales"]
        image["datasets"] *= 70

    edit_json(levels / "zarr.json", many)
    return [wide, levels]


def make_zips(folder: Path) -> list[Path]:
    good = bombs.png()
    made = [
        bombs.zip_of(folder / "ratio.zip", (bombs.PATCH, good + bytes(1 << 19))),
        bombs.zip_of(folder / "bz2.zip", (bombs.PATCH, good), method=zipfile.ZIP_BZIP2),
        bombs.zip_of(folder / "heads.zip", (bombs.PATCH, bombs.png_with_two_heads())),
        bombs.zip_of(folder / "nested.zip", ("inner.zip", bombs.zip_of(folder / "inner", ("x", b"x")).read_bytes())),
    ]
    pair = (bombs.PATCH, good), (bombs.PATCH.replace("x1", "x51"), good)
    whole = bombs.zip_of(folder / "whole", *pair).read_bytes()
    second = whole.rindex(CENTRAL)
    return [
        *made,
        edited(folder / "lies.zip", whole, second + 24, 0xFFFFFFFE),
        edited(folder / "within.zip", whole, second + 42, 0),
        edited(folder / "directory.zip", whole, whole.index(END) + 12, 4_000_000_000),
    ]


def edited(path: Path, content: bytes, place: int, value: int) -> Path:
    path.write_bytes(content[:place] + struct.pack("<I", value) + content[place + 4 :])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bombs")


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, str]:
    return bombs.with_little_memory(bombs.read, make(folder))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_it_is_refused_by_what_it_says(found: dict[str, str], name: str) -> None:
    kind, words = EXPECTED[name].split(": ")
    assert found[name].startswith(kind)
    assert words in found[name]


def test_without_the_check_they_would_take_the_memory(found: dict[str, str], folder: Path) -> None:
    assert found
    (folder / "frame").write_bytes(bombs.zstd_bomb())
    assert "MemoryError" in bombs.with_little_memory(bombs.unguarded_zstd, [folder / "frame"])["ended"]
    # The library ends the whole process.
    assert "ended" in bombs.with_little_memory(bombs.unguarded_slide, [folder / "tile.tif"])


def test_a_dicom_file_with_huge_frames_is_refused(slides: Path, tmp_path: Path) -> None:
    huge = bombs.dicom_that_says(tmp_path / "huge.dcm", slides / "boxes_0.dcm", 65_535)
    assert "UnopenableSlide" in bombs.with_little_memory(bombs.read, [huge])["huge.dcm"]


def test_a_million_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchscan.stores.patchfiles.MOST_MEMBERS", 3)
    packed = bombs.zip_of(tmp_path / "many.zip", *((f"{number}.txt", b"x") for number in range(4)))
    with pytest.raises(PatchSetError, match="it has 4 members, expected at most 3"):
        read_patch_set(packed)


def test_what_is_as_it_says_is_read(tmp_path: Path) -> None:
    fine = [
        bombs.tiff_that_says(tmp_path / "fine.tif"),
        write_foreign(tmp_path / "fine.zarr", [np.zeros((3, 64, 64), "u1")]),
        bombs.zip_of(tmp_path / "fine.zip", (bombs.PATCH, bombs.png())),
    ]
    assert set(bombs.with_little_memory(bombs.read, fine).values()) == {"read"}
