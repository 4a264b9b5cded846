"""Stores on a real S3 server against the same ones on disk: pixels, fingerprints, damage, and a server that goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from s3_server import BUCKET, S3Server
from store_files import Pixels, noise, write_foreign, write_own

from batchscan.domain.errors import SourceVanished, UnopenableSlide, UnreadableSlide
from batchscan.domain.geometry import Box, PatchGrid, PatchSpec
from batchscan.domain.places import Address
from batchscan.scan.grid import blocks
from batchscan.scan.pipeline import read_patches
from batchscan.stores import remote_files, remote_trees
from batchscan.stores.pyramids import open_store

EVERYTHING = Box(0, 0, 1301, 1100)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_own(tmp_path_factory.mktemp("own") / "s1.ome.zarr", Pixels(noise(1100, 1301)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3") / "log") as running, running.used():
        yield running


def there(server: S3Server, folder: Path, prefix: str) -> Address:
    server.upload(folder, prefix)
    return Address("s3", f"{BUCKET}/{prefix}")


def test_a_store_is_the_same_there_and_here(server: S3Server, own: Path) -> None:
    ours, theirs = open_store(own), open_store(there(server, own, "study/s1.ome.zarr"))
    assert theirs.fingerprint == ours.fingerprint
    assert (theirs.width_px, theirs.height_px, theirs.spacing) == (1301, 1100, ours.spacing)
    for box, um in ((EVERYTHING, 0.5), (Box(3.3, 1020.7, 90, 120), 0.83), (Box(-20, 500, 400, 40), 8.0)):
        assert np.array_equal(theirs.read_box(box, um), ours.read_box(box, um))


@pytest.mark.parametrize(("version", "letters"), [("0.5", "yxc"), ("0.4", "cyx")])
def test_so_is_another_programs_store(server: S3Server, tmp_path: Path, version: str, letters: str) -> None:
    axes = ["yxc".index(letter) for letter in letters]
    planes = [noise(200, 300).transpose(axes), noise(100, 150).transpose(axes)]
    path = write_foreign(tmp_path / "f.ome.zarr", planes, letters=letters, version=version, fill_value=9)
    (chunk, *_) = sorted(file for file in (path / "0").rglob("*") if file.is_file() and file.name[0] not in ".z")
    chunk.unlink()
    ours, theirs = open_store(path), open_store(there(server, path, f"foreign/{version}.ome.zarr"))
    assert theirs.fingerprint == ours.fingerprint
    found = theirs.read_box(Box(0, 0, 300, 200), 0.5)
    # What was never written is fill value, there too.
    assert (found == 9).any()
    assert np.array_equal(found, ours.read_box(Box(0, 0, 300, 200), 0.5))


def test_changed_pixels_change_the_fingerprint(server: S3Server, own: Path) -> None:
    place = there(server, own, "changed/s1.ome.zarr")
    before = open_store(place).fingerprint
    shard = bytearray((own / "0/c/0/0/0").read_bytes())
    # The checksum of the first of its chunks; the index at its end says where that lies.
    n_chunks = 64
    index = np.frombuffer(shard[-16 * n_chunks - 4 : -4], "<u8").reshape(-1, 2)
    offset, length = index[0].tolist()
    assert 1 << 16 < offset + length < len(shard) - (1 << 16)
    shard[offset + length - 1] ^= 1
    server.client.put_object(Bucket=BUCKET, Key="changed/s1.ome.zarr/0/c/0/0/0", Body=bytes(shard))
    assert open_store(place).fingerprint != before
    with pytest.raises(UnreadableSlide):
        open_store(place).read_box(EVERYTHING, 0.5)


def test_a_store_is_asked_for_in_few_requests(server: S3Server, own: Path) -> None:
    place = there(server, own, "counted/s1.ome.zarr")
    before = len(server.requests())
    store = open_store(place)
    # One list, the group's document, and each level's.
    assert len(server.requests()) - before == 2 + len(store.levels)
    _ = store.fingerprint
    chunks = sum(-(-level.height_px // 512) * -(-level.width_px // 512) for level in store.levels)
    assert len(server.requests()) - before <= 2 + 2 * (2 + len(store.levels)) + 2 * len(store.levels) + chunks


def test_a_missing_shard_is_damage_before_and_after_opening(server: S3Server, own: Path) -> None:
    place = there(server, own, "damaged/s1.ome.zarr")
    store = open_store(place)
    server.client.delete_object(Bucket=BUCKET, Key="damaged/s1.ome.zarr/0/c/0/0/0")
    with pytest.raises(UnreadableSlide, match="level 0 can't be decoded"):
        store.read_box(EVERYTHING, 0.5)
    with pytest.raises(UnreadableSlide, match=r"shard 0/c/0/0/0 is missing"):
        open_store(place)


def test_a_store_that_is_no_longer_there_has_vanished(server: S3Server, own: Path) -> None:
    place = there(server, own, "moved/s1.ome.zarr")
    store = open_store(place)
    for key in server.objects():
        if key.startswith("moved/"):
            server.client.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(SourceVanished, match=r"^s3://lab-slides/moved/s1.ome.zarr: can't be reached"):
        store.read_box(EVERYTHING, 0.5)
    with pytest.raises(SourceVanished):
        open_store(place)


def test_a_file_that_is_no_store_is_refused(server: S3Server, tmp_path: Path) -> None:
    (tmp_path / "slide.svs").write_bytes(b"II*\0")
    place = there(server, tmp_path, "vendor") / "slide.svs"
    with pytest.raises(UnopenableSlide, match="no zarr group is there"):
        open_store(place)


def test_no_more_is_read_at_once_than_a_chunk_may_have(
    server: S3Server, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_trees, "LARGEST_READ_BYTES", 1000)
    with pytest.raises(UnreadableSlide, match="bytes to be read at once, more than any chunk"):
        open_store(there(server, own, "large/s1.ome.zarr")).read_box(EVERYTHING, 0.5)


def test_a_document_that_lies_elsewhere_is_not_believed(server: S3Server, own: Path) -> None:
    place = there(server, own, "leads/out.ome.zarr")
    document = json.loads((own / "zarr.json").read_text())
    document["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = "../../study/s1.ome.zarr/0"
    server.client.put_object(Bucket=BUCKET, Key="leads/out.ome.zarr/zarr.json", Body=json.dumps(document).encode())
    with pytest.raises(UnopenableSlide, match="leads out of the store"):
        open_store(place)


@pytest.mark.parametrize("hangs", [True, False])
def test_a_server_that_is_gone_is_no_damage(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch, *, hangs: bool
) -> None:
    monkeypatch.setitem(remote_files._OPTIONS["config_kwargs"], "read_timeout", 0.2 if hangs else 20)
    with S3Server(tmp_path / "log") as server, server.used():
        store = open_store(there(server, own, "s1.ome.zarr"))
        grid = PatchGrid.over(store.width_px, store.height_px, 0.5, PatchSpec(50, 8.0, 1.0))
        row, col = (place.astype(np.int32) for place in np.nonzero(np.ones((grid.n_rows, grid.n_cols))))
        (block, *_) = blocks(row, col, PatchSpec(50, 8.0, 1.0))
        assert read_patches(store, grid, block, PatchSpec(50, 8.0, 1.0))[1].all()
        if hangs:
            server.pause(paused=True)
        else:
            server.kill()
        with pytest.raises(SourceVanished, match=r"can't be reached \((ReadTimeout|EndpointConnection)Error\)"):
            read_patches(store, grid, block, PatchSpec(50, 8.0, 1.0))
        if not hangs:
            with pytest.raises(SourceVanished):
                _ = store.fingerprint
            with pytest.raises(SourceVanished):
                open_store(store.path)


def test_without_credentials_the_remedy_is_said_and_no_address_of_the_server(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(remote_files, "_filesystem", remote_files._filesystem.__wrapped__)
    with pytest.raises(SourceVanished, match=r"NoCredentialsError\): give credentials that may list and read it"):
        open_store(Address("s3", f"{BUCKET}/s1.ome.zarr"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://me:hidden@127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with pytest.raises(SourceVanished) as caught:
        open_store(Address("s3", f"{BUCKET}/s1.ome.zarr"))
    assert "hidden" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    assert server.port
