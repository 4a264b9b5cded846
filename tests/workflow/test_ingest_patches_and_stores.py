from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from ingest_runs import ended, names, patches, reasons, run
from store_files import edit_json, noise, write_foreign

from batchscan.domain.geometry import Box, Spacing, SpacingSource
from batchscan.stores.manifest import read_manifest
from batchscan.stores.patchsets import read_patch_set
from batchscan.stores.pyramids import open_store
from batchscan.stores.references import read_reference

SECRETS = {"writer": "Jane Doe", "note": "Jane", "source": {"kind": "Jane Doe", "name": "Jane", "downsample": 2.0}}
DEMO = Path(__file__).parents[2] / "batchscan" / "demo" / "8863.zip"


def add_names(store: Path, version: str) -> None:
    """A patient's name wherever a store may have one: attributes, names of levels, files beside."""

    def in_group(found: dict[str, Any]) -> None:
        attributes = found.get("attributes", found)
        attributes.update(patient="Jane Doe", batchscan=SECRETS)
        (image,) = attributes.get("ome", attributes)["multiscales"]
        image.update(name="Jane Doe", metadata={"who": "Jane"})
        image["datasets"][0].update(path="jane")

    edit_json(store / ("zarr.json" if version == "0.5" else ".zattrs"), in_group)
    (store / "0").rename(store / "jane")
    array = store / "jane" / ("zarr.json" if version == "0.5" else ".zattrs")
    edit_json(array, lambda found: found.get("attributes", found).update(who="Jane Doe"))
    for name in ("jane/notes.txt", "notes.txt", "OME/METADATA.ome.xml"):
        (store / name).parent.mkdir(exist_ok=True)
        (store / name).write_text("Jane Doe")


def test_a_patch_set_becomes_mounts_with_reference_labels(tmp_path: Path) -> None:
    source = patches(tmp_path / "set.zip", {"11": (200, 0, 0), "12": (0, 200, 0)})
    run(tmp_path / "archive", source)
    rows = read_manifest(tmp_path / "archive/manifest.csv")
    assert [(row.slide_id, row.patient_id) for row in rows] == [("11", "11"), ("12", "12")]
    store = open_store(rows[0].path)
    assert store.spacing == Spacing(8.0, SpacingSource.OPTION)
    assert (store.width_px, store.height_px) == (150, 100)
    pixels = store.read_box(Box(0, 0, 150, 100), 8.0)
    assert (pixels[50:, :50] == (200, 0, 0)).all()
    assert (pixels[:50] == 255).all()
    assert (pixels[:, 50:100] == 255).all()
    assert rows[0].reference is not None
    reference = read_reference(rows[0].reference)
    assert (reference.x_px.tolist(), reference.y_px.tolist()) == ([0, 100], [50, 50])
    assert reference.label.tolist() == [False, True]
    assert (tmp_path / "archive/11.reference.csv").read_text().startswith("x_px,y_px,side_px,label\n0,50,50,0\n")


def test_patch_sets_are_done_again_when_changed(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    source = patches(tmp_path / "set.zip", {"11": (200, 0, 0), "12": (0, 200, 0)})
    run(archive, source)
    assert all(event.was_there for event in ended(run(archive, source)).values())
    (archive / "12.reference.csv").unlink()
    patches(tmp_path / "set.zip", {"11": (200, 0, 1), "12": (0, 200, 0)})
    assert [event.was_there for event in ended(run(archive, source)).values()] == [False, False]
    patches(tmp_path / "set.zip", {"11": (200, 0, 2), "12": (0, 200, 0)})
    found = ended(run(archive, source))
    assert (found["11"].was_there, found["12"].was_there) == (False, True)
    run(archive, source, um_per_px=4.0)
    assert open_store(archive / "11.ome.zarr").spacing.um_per_px == 4.0


def test_a_damaged_patch_fails_its_patient_only(tmp_path: Path) -> None:
    packed = patches(tmp_path / "set.zip", {"11": (200, 0, 0), "12": (0, 200, 0)})
    shutil.unpack_archive(packed, tmp_path / "set")
    damaged = tmp_path / "set/11/1/11_idx5_x101_y51_class1.png"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    events = run(tmp_path / "archive", tmp_path / "set")
    assert reasons(events) == {"11": ("failed", "patch_set"), "12": ("done", "")}
    assert damaged.name in ended(events)["11"].outcome.sentence
    assert not [name for name in names(tmp_path / "archive") if name.startswith("11")]


def test_the_demo_slide_is_stored_as_its_patches_are(tmp_path: Path) -> None:
    run(tmp_path / "archive", DEMO)
    with read_patch_set(DEMO) as patch_set:
        mount = patch_set.mount("8863").read(0, 0, 2791, 2335)
    store = open_store(tmp_path / "archive/8863.ome.zarr")
    assert np.array_equal(store.read_box(Box(0, 0, 2791, 2335), 8.0), mount)
    assert len(store.levels) == 3


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_chunks_of_ome_zarr_are_copied_byte_for_byte_and_only_those(tmp_path: Path, version: str) -> None:
    levels = [noise(90, 80).transpose(2, 0, 1), noise(45, 40).transpose(2, 0, 1)]
    source = write_foreign(tmp_path / "f.zarr", levels, version=version)
    add_names(source, version)
    assert reasons(run(tmp_path / "archive", source)) == {"f": ("done", "")}
    copied = tmp_path / "archive/f.ome.zarr"
    contents = {str(p.relative_to(copied)): p.read_bytes() for p in copied.rglob("*") if p.is_file()}
    chunks = {
        f"{ours}/{path.relative_to(source / theirs)}": path.read_bytes()
        for ours, theirs in (("0", "jane"), ("1", "1"))
        for path in (source / theirs).rglob("*")
        if path.is_file() and path.name[-1].isdigit()
    }
    documents = {"zarr.json", "0/zarr.json", "1/zarr.json"}
    if version == "0.4":
        documents = {".zgroup", ".zattrs", "0/.zarray", "1/.zarray"}
    assert contents.keys() == chunks.keys() | documents
    assert len(chunks) > 3
    assert {name: contents[name] for name in chunks} == chunks
    assert not [name for name, content in contents.items() if b"jane" in content.lower()]
    store = open_store(copied)
    assert store.spacing == Spacing(0.5, SpacingSource.OME_ZARR)
    assert np.array_equal(store.read_box(Box(0, 0, 80, 90), 0.5), levels[0].transpose(1, 2, 0))
    assert ended(run(tmp_path / "archive", source))["f"].was_there
    # One that lies in the archive already stays.
    inode = copied.stat().st_ino
    assert ended(run(tmp_path / "archive", copied))["f"].was_there
    assert copied.stat().st_ino == inode


def test_a_copied_store_keeps_its_override_in_the_manifest(tmp_path: Path) -> None:
    source = write_foreign(tmp_path / "f.zarr", [noise(90, 80).transpose(2, 0, 1)], unit=None)
    assert reasons(run(tmp_path / "archive", source)) == {"f": ("excluded", "no_spacing")}
    run(tmp_path / "archive", source, um_per_px=0.7)
    (row,) = read_manifest(tmp_path / "archive/manifest.csv")
    assert row.spacing == Spacing(0.7, SpacingSource.MANIFEST)
    assert ended(run(tmp_path / "archive", source, um_per_px=0.7))["f"].was_there


def test_a_store_with_a_damaged_chunk_does_not_enter_the_archive(tmp_path: Path) -> None:
    crc = zarr.codecs.Crc32cCodec()
    levels = [noise(90, 80).transpose(2, 0, 1)]
    source = write_foreign(tmp_path / "f.zarr", levels, compressors=(zarr.codecs.ZstdCodec(level=1), crc))
    chunk = source / "0/c/0/1/0"
    content = bytearray(chunk.read_bytes())
    content[50] ^= 1
    chunk.write_bytes(content)
    events = run(tmp_path / "archive", source)
    assert reasons(events) == {"f": ("failed", "unreadable")}
    assert ended(events)["f"].outcome.sentence.startswith("f: level 0 can't be decoded")
    assert ".partial" not in ended(events)["f"].outcome.sentence
    assert names(tmp_path / "archive") == ["ingest.csv"]


def test_a_store_with_links_is_refused(tmp_path: Path) -> None:
    source = write_foreign(tmp_path / "f.zarr", [noise(90, 80).transpose(2, 0, 1)])
    (tmp_path / "secret").write_text("x")
    (source / "0" / "note").symlink_to(tmp_path / "secret")
    assert reasons(run(tmp_path / "archive", source)) == {"f": ("excluded", "unopenable")}
    assert names(tmp_path / "archive") == ["ingest.csv"]


def test_grey_stores_are_excluded(tmp_path: Path) -> None:
    source = write_foreign(tmp_path / "f.zarr", [noise(90, 80).transpose(2, 0, 1)[:1]])
    assert reasons(run(tmp_path / "archive", source)) == {"f": ("excluded", "not_rgb")}
