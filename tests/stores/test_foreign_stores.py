from __future__ import annotations

import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_files import edit_json, noise, scale_of, write_attributes, write_foreign

from batchscan.domain.errors import (
    ImplausibleSpacing,
    MissingSpacing,
    SlideError,
    UnopenableSlide,
    UnreadableSlide,
    UnsuitableColour,
)
from batchscan.domain.geometry import Box, Spacing, SpacingSource
from batchscan.stores.pyramids import open_store

OPTION = Spacing(0.7, SpacingSource.OPTION)
SMALL = noise(120, 200, seed=7)
CYX = SMALL.transpose(2, 0, 1)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    ("letters", "array"),
    [
        ("cyx", CYX),
        ("yxc", SMALL),
        ("tczyx", CYX[None, :, None]),
        ("zcyx", CYX[None]),
        ("cxy", SMALL.transpose(2, 1, 0)),
    ],
)
def test_axes_may_stand_in_any_order(tmp_path: Path, version: str, letters: str, array: np.ndarray) -> None:
    store = open_store(write_foreign(tmp_path / "f.zarr", [array], letters, version=version))
    assert np.array_equal(store.read_box(Box(0, 0, 200, 120), 0.5), SMALL)
    assert store.spacing == Spacing(0.5, SpacingSource.OME_ZARR)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_foreign_levels_are_used(tmp_path: Path, version: str) -> None:
    coarse = np.full((3, 60, 100), 77, dtype=np.uint8)
    store = open_store(write_foreign(tmp_path / "f.zarr", [CYX, coarse], version=version))
    assert (store.read_box(Box(0, 0, 200, 120), 1.0) == 77).all()


def test_a_level_whose_size_contradicts_its_scale_is_not_used(tmp_path: Path) -> None:
    wrong = np.full((3, 40, 66), 77, dtype=np.uint8)
    store = open_store(write_foreign(tmp_path / "f.zarr", [CYX, wrong]))
    assert len(store.levels) == 1


@pytest.mark.parametrize(
    ("unit", "scale", "um"),
    [("micrometer", 0.25, 0.25), ("nanometer", 250.0, 0.25), ("millimeter", 0.002, 2.0), ("meter", 1e-6, 1.0)],
)
def test_units_are_converted(tmp_path: Path, unit: str, scale: float, um: float) -> None:
    store = open_store(write_foreign(tmp_path / "f.zarr", [CYX], unit=unit, um=(scale,)))
    assert store.spacing.um_per_px == pytest.approx(um)


@pytest.mark.parametrize(
    ("unit", "scale", "error", "said"),
    [
        (None, 1.0, MissingSpacing, "has no unit"),
        (None, 0.25, MissingSpacing, "has no unit"),
        ("second", 0.25, MissingSpacing, "is in 'second'"),
        ("micrometer", 352.8, ImplausibleSpacing, "352.8 um/px"),
        ("meter", 1.0, ImplausibleSpacing, "1e+06 um/px"),
    ],
)
def test_spacing_is_never_guessed(
    tmp_path: Path, unit: str | None, scale: float, error: type[SlideError], said: str
) -> None:
    path = write_foreign(tmp_path / "f.zarr", [CYX], unit=unit, um=(scale,))
    with pytest.raises(error) as caught:
        open_store(path)
    assert said in str(caught.value)
    assert "--um-per-px" in str(caught.value)
    assert open_store(path, OPTION).spacing == OPTION


def test_pixels_that_are_not_square_are_refused(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "f.zarr", [CYX])
    for um_y, fine in ((0.505, True), (0.52, False)):
        scale = [1.0, um_y, 0.5]
        datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}]
        edit_json(path / "zarr.json", lambda d, sets=datasets: multiscale_of(d).update(datasets=sets))
        if fine:
            assert open_store(path).spacing.um_per_px == pytest.approx(0.5025)
        else:
            with pytest.raises(ImplausibleSpacing, match=r"0.5 um/px along x and 0.52 along y"):
                open_store(path)


def test_a_scale_of_the_whole_image_counts_too(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "f.zarr", [CYX])
    common = [{"type": "scale", "scale": scale_of("cyx", 2.0)}]
    edit_json(path / "zarr.json", lambda d: multiscale_of(d).update(coordinateTransformations=common))
    assert open_store(path).spacing.um_per_px == pytest.approx(1.0)


def test_rgba_is_laid_on_white(tmp_path: Path) -> None:
    alpha = np.array([[0, 255, 51]], dtype=np.uint8)
    rgba = np.stack([*np.full((3, 1, 3), 100, dtype=np.uint8), alpha])
    store = open_store(write_foreign(tmp_path / "f.zarr", [rgba]))
    # A fifth of 100 and four fifths of 255.
    assert store.read_box(Box(0, 0, 3, 1), 0.5)[0, :, 0].tolist() == [255, 100, 224]


@pytest.mark.parametrize(
    ("array", "letters", "error", "said"),
    [
        (CYX[:1], "cyx", UnsuitableColour, "has 1 channels, expected RGB"),
        (CYX[0], "yx", UnsuitableColour, "a greyscale image"),
        (np.zeros((5, 8, 8), np.uint8), "cyx", UnsuitableColour, "has 5 channels"),
        (CYX.astype(np.uint16), "cyx", UnopenableSlide, "expected uint8"),
        (np.stack([CYX, CYX]), "zcyx", UnopenableSlide, "several planes {'z': 2}"),
        (CYX, "cya", UnopenableSlide, "axes are c, y, a"),
    ],
)
def test_what_is_no_rgb_plane_is_refused(
    tmp_path: Path, array: np.ndarray, letters: str, error: type[SlideError], said: str
) -> None:
    with pytest.raises(error) as caught:
        open_store(write_foreign(tmp_path / "f.zarr", [array], letters), OPTION)
    assert said in str(caught.value)


def multiscale_of(document: Any) -> Any:
    return document["attributes"]["ome"]["multiscales"][0]


@pytest.mark.parametrize("path", ["../other/0", "/etc", "0/../../other/0", "s3://bucket/0", "..\\other", "\0"])
def test_a_dataset_outside_the_store_is_refused(tmp_path: Path, path: str) -> None:
    write_foreign(tmp_path / "other", [CYX])
    store = write_foreign(tmp_path / "f.zarr", [CYX])
    edit_json(store / "zarr.json", lambda d: multiscale_of(d)["datasets"][0].update(path=path))
    with pytest.raises(UnopenableSlide, match="leads out of the store"):
        open_store(store)


@pytest.mark.parametrize("where", ["compressor", "filters"])
def test_codecs_that_could_run_code_are_refused(tmp_path: Path, where: str) -> None:
    store = write_foreign(tmp_path / "f.zarr", [CYX], version="0.4")
    codec = {"id": "pickle", "protocol": 5}
    edit_json(store / "0/.zarray", lambda d: d.update({where: codec if where == "compressor" else [codec]}))
    with pytest.raises(UnopenableSlide, match="codec pickle is not one"):
        open_store(store)


def test_codecs_inside_a_shard_are_looked_at_too(tmp_path: Path) -> None:
    store = write_foreign(tmp_path / "f.zarr", [CYX], shards=(3, 128, 256))
    assert np.array_equal(open_store(store).read_box(Box(0, 0, 200, 120), 0.5), SMALL)
    strange = {"name": "numcodecs.pickle", "configuration": {}}
    edit_json(store / "0/zarr.json", lambda d: d["codecs"][0]["configuration"]["codecs"].append(strange))
    with pytest.raises(UnopenableSlide, match=r"codec numcodecs\.pickle is not one"):
        open_store(store)


def test_a_groups_own_copy_of_array_documents_is_not_believed(tmp_path: Path) -> None:
    store = write_foreign(tmp_path / "f.zarr", [CYX])
    copied = {"kind": "inline", "must_understand": False, "metadata": {"0": {"node_type": "array", "shape": [1]}}}
    edit_json(store / "zarr.json", lambda d: d.update(consolidated_metadata=copied))
    assert np.array_equal(open_store(store).read_box(Box(0, 0, 200, 120), 0.5), SMALL)


def test_a_chunk_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    store = write_foreign(tmp_path / "f.zarr", [CYX])

    def enlarge(document: Any) -> None:
        document["shape"] = [3, 100_000, 100_000]
        document["chunk_grid"]["configuration"]["chunk_shape"] = [3, 100_000, 100_000]

    edit_json(store / "0/zarr.json", enlarge)
    with pytest.raises(UnopenableSlide, match="at most 256 MiB"):
        open_store(store)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["attributes"]["ome"].update(version="0.6"), "is OME-Zarr 0.6, expected 0.4 or 0.5"),
        (lambda d: d["attributes"]["ome"].update(multiscales=[]), "no OME-Zarr image"),
        (lambda d: d.update(attributes=[]), "no JSON object"),
        (lambda d: d["attributes"].update(ome=3), "no OME-Zarr image"),
        (lambda d: multiscale_of(d).update(datasets=[]), "multiscales.datasets"),
        (lambda d: multiscale_of(d)["datasets"][0].pop("coordinateTransformations"), "multiscales.datasets.0"),
        (lambda d: multiscale_of(d)["datasets"][0].update(coordinateTransformations=[]), "has no scale"),
        (
            lambda d: multiscale_of(d)["datasets"][0]["coordinateTransformations"][0].update(scale=[1, 0, 0]),
            "multiscales.datasets.0.coordinateTransformations.0.scale.1",
        ),
        (
            lambda d: multiscale_of(d)["datasets"][0]["coordinateTransformations"][0].update(scale=[1, 1]),
            "expected one scale with a number for each of c, y, x",
        ),
        (lambda d: multiscale_of(d)["datasets"][0].update(path="7"), "no zarr array is there"),
    ],
)
def test_broken_metadata_are_named(tmp_path: Path, change: Any, said: str) -> None:
    store = write_foreign(tmp_path / "f.zarr", [CYX])
    edit_json(store / "zarr.json", change)
    with pytest.raises(UnopenableSlide) as caught:
        open_store(store)
    assert said in str(caught.value)
    assert str(store) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_documents_that_are_no_json_are_named(tmp_path: Path) -> None:
    write_attributes(tmp_path / "f.zarr", {})
    for text in ("{", "[1]", "\x00"):
        (tmp_path / "f.zarr/zarr.json").write_text(text)
        with pytest.raises(UnopenableSlide, match=r"zarr\.json"):
            open_store(tmp_path / "f.zarr")


@pytest.mark.parametrize("said", [[], {}, ["vendor"], 7, None, "somebody"])
def test_what_is_no_source_of_a_spacing_is_not_believed(tmp_path: Path, said: Any) -> None:
    store = write_foreign(tmp_path / "f.zarr", [CYX])
    edit_json(store / "zarr.json", lambda d: d["attributes"].update(batchscan={"um_per_px_source": said}))
    assert open_store(store).spacing == Spacing(0.5, SpacingSource.OME_ZARR)


def test_a_foreign_fingerprint_goes_with_the_content(tmp_path: Path) -> None:
    one = write_foreign(tmp_path / "a.zarr", [CYX])
    before = open_store(one).fingerprint
    moved = one.rename(tmp_path / "b.zarr")
    (moved / "zarr.json").touch()
    assert open_store(moved).fingerprint == before
    chunk = next(path for path in (moved / "0/c").rglob("*") if path.is_file())
    content = bytearray(chunk.read_bytes())
    content[10] ^= 1
    chunk.write_bytes(content)
    assert open_store(moved).fingerprint != before


def fifo(path: Path, _: Path) -> None:
    os.mkfifo(path)


def link(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (fifo, "is neither a file nor a folder"),
        (link, "is a link"),
        (lambda path, _: path.symlink_to("/dev/zero"), "is a link"),
        (lambda path, _: path.symlink_to("nowhere"), "is a link"),
    ],
)
@pytest.mark.parametrize("place", ["0/c/0/1/1", "0/note", "extra", "0/c/0/0"])
def test_what_is_no_regular_file_is_refused_before_it_is_read(
    tmp_path: Path, make: Callable[[Path, Path], None], said: str, place: str
) -> None:
    store = write_foreign(tmp_path / "f.zarr", [CYX])
    (tmp_path / "outside").mkdir()
    where = store / place
    if where.is_dir():
        shutil.rmtree(where)
    where.unlink(missing_ok=True)
    make(where, tmp_path / "outside")
    with pytest.raises(UnopenableSlide) as caught:
        open_store(store)
    assert f"{place} in it {said}" in str(caught.value)


def test_what_changes_after_opening_is_not_followed_either(tmp_path: Path) -> None:
    store = open_store(write_foreign(tmp_path / "f.zarr", [CYX]))
    chunk = tmp_path / "f.zarr/0/c/0/1/1"
    for make in (fifo, lambda path, _: path.symlink_to("/dev/zero")):
        chunk.unlink()
        make(chunk, tmp_path)
        with pytest.raises(UnreadableSlide, match="no regular file"):
            store.read_box(Box(0, 0, 200, 120), 0.5)


def test_a_chunks_file_is_not_read_beyond_any_chunks_size(tmp_path: Path) -> None:
    store = open_store(write_foreign(tmp_path / "f.zarr", [CYX]))
    # A hole in the file: it takes no room on the disk, and would in memory.
    os.truncate(tmp_path / "f.zarr/0/c/0/1/1", 1 << 40)
    with pytest.raises(UnreadableSlide, match="1099511627776 bytes to be read at once"):
        store.read_box(Box(0, 0, 200, 120), 0.5)
    assert np.array_equal(store.read_box(Box(0, 0, 64, 64), 0.5), SMALL[:64, :64])


def test_shards_of_endlessly_many_chunks_are_refused(tmp_path: Path) -> None:
    store = write_foreign(tmp_path / "f.zarr", [CYX], shards=(3, 128, 256))
    edit_json(store / "0/zarr.json", lambda d: d["chunk_grid"]["configuration"].update(chunk_shape=[3, 2**40, 256]))
    with pytest.raises(UnopenableSlide, match="shards of"):
        open_store(store)


@pytest.mark.parametrize(
    ("width", "error", "said"),
    [
        (
            1_000_001,
            ImplausibleSpacing,
            "1000001 x 120 px at 0.5 um/px (from ome-zarr) are 500 mm, expected at most 500",
        ),
        (2**31 + 1, UnopenableSlide, "says that it has 2147483649 x 120 px, expected at most 2^31"),
        (10**18, UnopenableSlide, "expected at most 2^31"),
    ],
)
def test_a_slide_larger_than_any_glass_is_refused(
    tmp_path: Path, width: int, error: type[SlideError], said: str
) -> None:
    store = write_foreign(tmp_path / "f.zarr", [CYX])
    edit_json(store / "0/zarr.json", lambda d: d.update(shape=[3, 120, width]))
    with pytest.raises(error) as caught:
        open_store(store)
    assert said in str(caught.value)
    edit_json(store / "0/zarr.json", lambda d: d.update(shape=[3, 120, 999_999]))
    assert open_store(store).width_px == 999_999


def test_a_wide_overview_needs_little_memory_besides_itself(tmp_path: Path) -> None:
    """One level of 1 GB in chunks of 12 MiB; what is missing reads as the fill value, so the disk has next to none."""
    store = write_foreign(tmp_path / "f.zarr", [CYX])

    def enlarge(document: Any) -> None:
        document.update(shape=[3, 2048, 160_000])
        document["chunk_grid"]["configuration"]["chunk_shape"] = [3, 2048, 2048]

    shutil.rmtree(store / "0/c")
    edit_json(store / "0/zarr.json", enlarge)
    opened = open_store(store)
    tracemalloc.start()
    try:
        pixels = opened.read_box(Box(0, 0, 160_000, 2048), 16.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pixels.shape == (64, 5000, 3)
    assert peak < 256 << 20


def test_rgba_is_laid_on_white_row_by_row(tmp_path: Path) -> None:
    rgba = noise(600, 90, seed=5)
    rgba = np.concatenate([rgba, noise(600, 90, seed=6)[..., :1]], axis=-1)
    store = open_store(write_foreign(tmp_path / "f.zarr", [rgba.transpose(2, 0, 1)]))
    alpha = rgba[..., 3:].astype(float) / 255
    expected = rgba[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(store.read_box(Box(0, 0, 90, 600), 0.5) - expected).max() <= 0.5 + 1e-3


def test_a_foreign_store_with_our_fingerprint_is_not_believed(tmp_path: Path) -> None:
    store = write_foreign(tmp_path / "f.zarr", [CYX])
    claim = {"fingerprint": "sha256:" + "0" * 64}
    edit_json(store / "zarr.json", lambda d: d["attributes"].update(batchscan=claim))
    (store / "0/c/0").mkdir(exist_ok=True)
    found = {open_store(store).fingerprint}
    chunk = store / "0/c/0/1/1"
    chunk.write_bytes(chunk.read_bytes() + b"x")
    found.add(open_store(store).fingerprint)
    assert len(found) == 2
    assert claim["fingerprint"] not in found


def test_a_shard_whose_index_asks_for_more_than_there_is_can_not_be_read(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "f.zarr", [CYX], shards=(3, 128, 128))
    shard = next(path.glob("0/c/0/0/0"))
    content = bytearray(shard.read_bytes())
    # The index lies at the end: (offset, length) of each chunk, and a checksum that is made to fit again.
    document = path / "0/zarr.json"
    edit_json(document, lambda d: d["codecs"][0]["configuration"]["index_codecs"].pop())
    content[-4:] = b""
    content[-8:] = (1 << 60).to_bytes(8, "little")
    shard.write_bytes(content)
    store = open_store(path)
    with pytest.raises(UnreadableSlide, match="ends before what is to be read of it"):
        store.read_box(Box(70, 70, 40, 40), store.spacing.um_per_px)
