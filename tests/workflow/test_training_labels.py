"""What a training is told to learn from: opened and checked, fingerprinted, then decoded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from command import batchscan
from patch_folders import write_patch_set
from PIL import Image
from store_files import Pixels, noise, write_own

from batchscan.domain.errors import ManifestError, UsageError
from batchscan.stores.annotations import RULE
from batchscan.stores.pyramids import open_store
from batchscan.workflow.training_labels import LabelsJoined, open_labels

DEMO = Path(__file__).parents[2] / "batchscan" / "demo" / "8863.zip"
HEAD = "x_px,y_px,side_px,label"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    write_own(folder / "s.ome.zarr", Pixels(noise(100, 150)), 8.0)
    (folder / "s.csv").write_text(f"{HEAD}\n0,0,50,1\n50,50,50,0\n")
    (folder / "manifest.csv").write_text("slide_id,path,reference\ns,s.ome.zarr,s.csv\n")
    return folder


def fingerprint(patches: Path | None, *corrections: Path, um_per_px: float = 8.0) -> str:
    with open_labels(patches, corrections, um_per_px) as labels:
        return labels.fingerprint()


def test_the_fingerprint_tells_labels_places_and_pixels_apart(archive: Path, tmp_path: Path) -> None:
    known = write_patch_set(tmp_path / "set", "ab")
    seen = [fingerprint(known), fingerprint(known, archive), fingerprint(None, archive)]
    assert fingerprint(None, archive / "manifest.csv") == seen[-1]
    # A hair coarser: other pixels, the same squares.
    seen.append(fingerprint(None, archive, um_per_px=8.05))
    for text in (f"{HEAD}\n0,0,50,0\n50,50,50,0\n", f"{HEAD}\n0,0,50,1\n100,50,50,0\n"):
        (archive / "s.csv").write_text(text)
        seen.append(fingerprint(None, archive))
    write_own(archive / "t.ome.zarr", Pixels(noise(100, 150, seed=9)), 8.0)
    (archive / "manifest.csv").write_text("slide_id,path,reference\ns,t.ome.zarr,s.csv\n")
    seen.append(fingerprint(None, archive))
    assert len(set(seen)) == len(seen) == 7


def test_a_patch_set_alone_is_as_it_was(tmp_path: Path) -> None:
    events: list[object] = []
    with open_labels(write_patch_set(tmp_path / "set", "ab"), (), 8.0) as labels:
        patches, joined = labels.load(tmp_path / "state", events.append)
    assert (len(patches), joined) == (48, None)
    assert not any(isinstance(event, LabelsJoined) for event in events)


def test_what_was_joined_is_told(archive: Path, tmp_path: Path) -> None:
    ring = [[0, 0], [100, 0], [100, 70], [0, 70], [0, 0]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": "IDC"},
    }
    (archive / "t.geojson").write_text(json.dumps([feature]))
    write_own(archive / "t.ome.zarr", Pixels(noise(100, 150, seed=9)), 8.0)
    (archive / "more.csv").write_text("slide_id,path,reference\nt,t.ome.zarr,t.geojson\n")
    events: list[object] = []
    with open_labels(None, (archive, archive / "more.csv"), 8.0) as labels:
        patches, joined = labels.load(tmp_path / "state", events.append)
    told = next(event for event in events if isinstance(event, LabelsJoined))
    assert told == LabelsJoined(2, 3, 1, 2, RULE, "0 labels replaced, 4 added")
    assert str(joined) == told.outcome
    np.testing.assert_array_equal(patches.pixels[1:2], noise(100, 150)[None, 50:100, 50:100])


def test_an_archive_gives_back_the_patches_and_labels_that_it_was_made_of(tmp_path: Path) -> None:
    batchscan("ingest", DEMO, "--archive", tmp_path / "archive")
    with open_labels(DEMO, (tmp_path / "archive",), 8.0) as labels:
        patches, joined = labels.load(tmp_path / "state", lambda _: None)
    assert str(joined) == "979 labels replaced (0 of them changed), 0 added"
    with open_labels(None, (tmp_path / "archive",), 8.0) as labels:
        alone, _ = labels.load(tmp_path / "alone", lambda _: None)
    ours, theirs = (np.lexsort((one.x_px, one.y_px)) for one in (alone, patches))
    np.testing.assert_array_equal(alone.pixels[ours], patches.pixels[theirs])
    np.testing.assert_array_equal(alone.label[ours], patches.label[theirs])


def test_what_was_seen_is_the_named_patients_patches_and_the_slides_that_gave_them(
    archive: Path, tmp_path: Path
) -> None:
    known = write_patch_set(tmp_path / "set", "ab")
    write_own(archive / "t.ome.zarr", Pixels(noise(100, 150, seed=9)), 8.0)
    (archive / "t.csv").write_text(f"{HEAD}\n0,0,50,1\n")
    (archive / "u.csv").write_text(f"slide_id,p_idc,{HEAD}\nu,.5,0,0,50,\n")
    write_own(archive / "u.ome.zarr", Pixels(noise(100, 150, seed=10)), 8.0)
    rows = "s,P,s.ome.zarr,s.csv\nt,Q,t.ome.zarr,t.csv\nu,P,u.ome.zarr,u.csv\n"
    (archive / "manifest.csv").write_text(f"slide_id,patient_id,path,reference\n{rows}")
    with open_labels(known, (archive,), 8.0) as labels:
        patches, _ = labels.load(tmp_path / "state", lambda _: None)
        seen = labels.seen(patches, iter(["a", "P"]))
        assert labels.seen(patches, []).patches.tolist() == []
    # Of P's slides, u has no label that says anything.
    assert seen.slides == (open_store(archive / "s.ome.zarr").fingerprint,)
    assert seen.complete
    pictures = [noise(100, 150)[:50, :50], noise(100, 150)[50:100, 50:100]]
    for file in (known / "a").rglob("*.png"):
        picture = np.full((50, 50, 3), 255, np.uint8)
        with Image.open(file) as image:
            picture[: image.height] = np.asarray(image)
        pictures.append(picture)
    expected = {int.from_bytes(hashlib.blake2b(one.tobytes(), digest_size=8).digest(), "little") for one in pictures}
    assert len(expected) == 26
    assert set(seen.patches.tolist()) == expected


def test_everything_is_checked_before_anything_is_decoded(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to train on"), open_labels(None, (), 8.0):
        pass
    (archive / "manifest.csv").write_text("slide_id,path,reference\ns,s.ome.zarr,s.csv\nt,none.ome.zarr,s.csv\n")
    with pytest.raises(ManifestError, match="line 3"), open_labels(None, (archive,), 8.0):
        pass
    assert not (tmp_path / "state").exists()
