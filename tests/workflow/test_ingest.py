from __future__ import annotations

import csv
import math
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import openslide
import pytest
from ingest_runs import ended, names, reasons, run, slide
from slide_files import tissue_like, write_aperio

from batchscan.domain.errors import (
    BatchscanError,
    ManifestError,
    OutputError,
    PatchSetError,
    UnreadableSlide,
    UsageError,
)
from batchscan.domain.geometry import Box, Spacing, SpacingSource
from batchscan.domain.records import SlideRequest, SlideStatus
from batchscan.stores.manifest import read_manifest
from batchscan.stores.pyramids import open_store
from batchscan.workflow.ingest import (
    IngestOptions,
    IngestPlanned,
    IngestProgress,
    SlideIngested,
    ingest,
    ingest_slide,
)


def test_a_slide_becomes_a_store_at_the_finest_spacing_asked_for(tmp_path: Path) -> None:
    source = slide(tmp_path / "in" / "my slide.svs")
    events = run(tmp_path / "archive", source)
    assert names(tmp_path / "archive") == ["ingest.csv", "manifest.csv", "my_slide.ome.zarr"]
    store = open_store(tmp_path / "archive" / "my_slide.ome.zarr")
    assert store.spacing == Spacing(1.0, SpacingSource.VENDOR)
    assert (store.width_px, store.height_px) == (400, 350)
    # The second route: OpenSlide, Pillow's own box filter.
    whole = openslide.OpenSlide(source).read_region((0, 0), 0, (800, 700)).convert("RGB")
    assert np.abs(store.read_box(Box(0, 0, 400, 350), 1.0).astype(int) - np.asarray(whole.reduce(2))).max() <= 1
    assert isinstance(events[0], IngestPlanned)
    assert events[0] == IngestPlanned(n_slides=1, n_to_do=1, n_px=400 * 350)
    assert sum(event.n_px for event in events if isinstance(event, IngestProgress)) == 400 * 350
    (row,) = read_manifest(tmp_path / "archive" / "manifest.csv")
    assert (row.slide_id, row.spacing) == ("my_slide", None)


def test_finest_is_the_callers(tmp_path: Path) -> None:
    source = slide(tmp_path / "a.svs")
    for finest, um in ((0.25, 0.5), (2.0, 2.0), (1.7, 1.5)):
        run(tmp_path / "archive", source, finest_um_per_px=finest)
        store = open_store(tmp_path / "archive/a.ome.zarr")
        assert store.spacing.um_per_px == um
        assert store.record["source"]["level0_um_per_px"] == 0.5
        assert store.record["source"]["downsample"] == um / 0.5


def test_the_store_keeps_no_more_of_the_file_than_is_promised(tmp_path: Path) -> None:
    secret = "|MPP = 0.5|Date = 12/29/09|Title = Jane Doe|ImageID = 4711"
    run(tmp_path / "archive", slide(tmp_path / "a.svs", description=secret))
    kept = b"".join(path.read_bytes() for path in (tmp_path / "archive").rglob("*.json"))
    assert not [word for word in (b"Jane", b"12/29", b"4711", b"Title") if word in kept]


def test_slides_that_can_not_be_used_are_named_and_do_not_stop_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    fine = slide(folder / "fine.svs")
    (folder / "text.svs").write_text("not a slide")
    (folder / "notes.txt").write_text("not a slide either, and doesn't say so")
    (folder / "cut.svs").write_bytes(fine.read_bytes()[:-5000])
    slide(folder / "nospacing.svs", description="|AppMag = 20", side=100)
    slide(folder / "dpi.svs", description="|MPP = 352.8", side=100)
    events = run(tmp_path / "archive", folder)
    assert reasons(events) == {
        "fine": ("done", ""),
        "text": ("excluded", "unopenable"),
        "cut": ("excluded", "unopenable"),  # OpenSlide hashes the only level's tiles when it opens
        "nospacing": ("excluded", "no_spacing"),
        "dpi": ("excluded", "implausible_spacing"),
    }
    assert names(tmp_path / "archive") == ["fine.ome.zarr", "ingest.csv", "manifest.csv"]
    with (tmp_path / "archive/ingest.csv").open(newline="") as stream:
        rows = {row["slide_id"]: row for row in csv.DictReader(stream)}
    assert rows["text"]["source"] == "text.svs"
    assert (rows["text"]["status"], rows["text"]["reason"]) == ("excluded", "unopenable")
    assert rows["text"]["sentence"].startswith("text: can't be opened")
    assert "it may be cut off" in rows["cut"]["sentence"]
    # Folders may be called after patients; the event's sentence gets printed.
    assert str(folder) not in (tmp_path / "archive/ingest.csv").read_text()
    assert not [event for event in ended(events).values() if str(folder) in event.outcome.sentence]
    assert rows["fine"]["status"] == "done"


def test_a_cut_slide_that_still_opens_is_no_half_store(tmp_path: Path) -> None:
    whole = tmp_path / "whole.svs"
    write_aperio(whole, [tissue_like(1200, 1600), tissue_like(300, 400)])
    (tmp_path / "cut.svs").write_bytes(whole.read_bytes()[:-50_000])
    events = run(tmp_path / "archive", tmp_path / "cut.svs")
    assert reasons(events) == {"cut": ("failed", "unreadable")}
    assert names(tmp_path / "archive") == ["ingest.csv"]
    with pytest.raises(UnreadableSlide, match=r"cut\.svs"):
        ingest_slide(SlideRequest("cut", "cut", tmp_path / "cut.svs"), tmp_path / "archive", 1.0)
    assert names(tmp_path / "archive") == ["ingest.csv"]


def test_an_option_gives_the_spacing_that_a_slide_lacks(tmp_path: Path) -> None:
    source = slide(tmp_path / "a.svs", description="|AppMag = 20")
    run(tmp_path / "archive", source, um_per_px=0.4)
    assert open_store(tmp_path / "archive/a.ome.zarr").spacing == Spacing(0.8, SpacingSource.OPTION)
    # It is in the store; given once more it would be applied to other pixels.
    assert read_manifest(tmp_path / "archive/manifest.csv")[0].spacing is None


def test_only_what_is_missing_or_changed_is_done_again(tmp_path: Path) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "in"
    slide(folder / "a.svs", seed=1)
    slide(folder / "b.svs", seed=2)
    run(archive, folder)
    before = {name: open_store(archive / f"{name}.ome.zarr").fingerprint for name in "ab"}
    again = run(archive, folder)
    assert again[0] == IngestPlanned(n_slides=2, n_to_do=0, n_px=0)
    assert all(event.was_there for event in ended(again).values())
    slide(folder / "b.svs", seed=3)
    changed = ended(run(archive, folder))
    assert [changed[name].was_there for name in "ab"] == [True, False]
    assert open_store(archive / "a.ome.zarr").fingerprint == before["a"]
    assert open_store(archive / "b.ome.zarr").fingerprint != before["b"]
    shutil.rmtree(archive / "a.ome.zarr")
    (archive / "b.ome.zarr/0/c/0/0/0").unlink()
    redone = ended(run(archive, folder))
    assert [redone[name].was_there for name in "ab"] == [False, False]
    assert [row.slide_id for row in read_manifest(archive / "manifest.csv")] == ["a", "b"]


def test_an_archive_grows(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    run(archive, slide(tmp_path / "a.svs"))
    (tmp_path / "text.svs").write_text("x")
    run(archive, tmp_path / "text.svs")
    run(archive, slide(tmp_path / "b.svs"))
    assert [row.slide_id for row in read_manifest(archive / "manifest.csv")] == ["a", "b"]
    assert [line.split(",")[1] for line in (archive / "ingest.csv").read_text().splitlines()[1:]] == ["a", "b", "text"]


def test_workers_do_not_change_the_result(tmp_path: Path) -> None:
    for seed in range(4):
        slide(tmp_path / "in" / f"s{seed}.svs", seed)
    found = []
    for workers in (1, 5):
        run(tmp_path / f"archive{workers}", tmp_path / "in", workers=workers)
        stores = sorted((tmp_path / f"archive{workers}").glob("*.ome.zarr"))
        found.append([open_store(store).fingerprint for store in stores])
    assert found[0] == found[1]
    assert len(set(found[0])) == 4


def test_one_slide_for_the_runner(tmp_path: Path) -> None:
    request = SlideRequest("x1", "p1", slide(tmp_path / "a.svs"), Spacing(0.3, SpacingSource.MANIFEST))
    (tmp_path / "stores").mkdir()
    path = ingest_slide(request, tmp_path / "stores", 1.0)
    assert path == tmp_path / "stores" / "x1.ome.zarr"
    assert open_store(path).spacing == Spacing(0.3 * 3, SpacingSource.MANIFEST)
    inode = path.stat().st_ino
    assert ingest_slide(request, tmp_path / "stores", 1.0) == path
    assert path.stat().st_ino == inode
    assert names(tmp_path / "stores") == ["x1.ome.zarr"]


def test_two_sources_with_one_id_are_both_named(tmp_path: Path) -> None:
    one, other = slide(tmp_path / "in/A.svs"), slide(tmp_path / "there/a.svs")
    with pytest.raises(ManifestError) as caught:
        run(tmp_path / "archive", one, other)
    assert str(one) in str(caught.value)
    assert str(other) in str(caught.value)
    assert not (tmp_path / "archive").exists()


def test_pipes_and_broken_links_are_named_and_nobody_waits_for_them(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    slide(folder / "fine.svs", side=60)
    os.mkfifo(folder / "pipe.svs")
    os.mkfifo(folder / "notes")
    (folder / "gone.svs").symlink_to("nowhere")
    events = run(tmp_path / "archive", folder)
    assert reasons(events) == {
        "fine": ("done", ""),
        "pipe": ("excluded", "unopenable"),
        "gone": ("failed", "source_vanished"),
    }
    assert "found a pipe or device" in ended(events)["pipe"].outcome.sentence


def test_a_name_that_can_not_be_an_id_is_said_to_be_changed(tmp_path: Path) -> None:
    long = "x" * 120
    sources = [slide(tmp_path / f"{name}.svs", side=60) for name in ("Müller 12 HE (1)", "plain-1.a_b", long)]
    found = ended(run(tmp_path / "archive", *sources))
    assert {name: event.renamed for name, event in found.items()} == {
        "M_ller_12_HE__1_": True,
        "plain-1.a_b": False,
        "x" * 100: True,
    }
    again = ended(run(tmp_path / "archive", *sources))
    assert again["M_ller_12_HE__1_"].renamed
    assert again["M_ller_12_HE__1_"].was_there


def test_the_same_source_twice_is_one(tmp_path: Path) -> None:
    source = slide(tmp_path / "in/a.svs")
    assert list(ended(run(tmp_path / "archive", source, source, source.parent))) == ["a"]


def test_an_archive_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file")
    with pytest.raises(OutputError, match="archive can't be written"):
        run(tmp_path / "archive", slide(tmp_path / "a.svs"))


def test_an_empty_folder_or_one_without_slides(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("nothing", "notes.txt"):
        if name != "nothing":
            (tmp_path / "in" / name).write_text("x")
        with pytest.raises(PatchSetError, match="holds no slides"):
            run(tmp_path / "archive", tmp_path / "in")
        assert not (tmp_path / "archive").exists()


def test_a_zip_without_patches(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.writestr("a.txt", "x")
    with pytest.raises(PatchSetError, match="holds no patches"):
        run(tmp_path / "archive", tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"workers": 0}, UsageError),
        ({"finest_um_per_px": 0.0}, UsageError),
        ({"finest_um_per_px": math.inf}, UsageError),
        ({"finest_um_per_px": math.nan}, UsageError),
        ({"finest_um_per_px": 1e300}, UsageError),
        ({"um_per_px": 352.8}, BatchscanError),
        ({"stall_s": 0.0}, UsageError),
        ({"stall_s": math.inf}, UsageError),
    ],
)
def test_impossible_options(tmp_path: Path, options: dict[str, object], error: type[BatchscanError]) -> None:
    with pytest.raises(error):
        run(tmp_path / "archive", slide(tmp_path / "a.svs", side=60), **options)


def test_an_archive_whose_manifest_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive/manifest.csv").write_text("slide_id\na\n")
    with pytest.raises(ManifestError, match=r"archive/manifest\.csv: column path is missing"):
        run(tmp_path / "archive", slide(tmp_path / "a.svs", side=60))
    assert names(tmp_path / "archive") == ["manifest.csv"]


def test_an_interruption_keeps_what_is_whole_and_nothing_else(tmp_path: Path) -> None:
    for seed in range(6):
        slide(tmp_path / "in" / f"s{seed}.svs", seed)
    archive = tmp_path / "archive"
    events = ingest([tmp_path / "in"], archive, IngestOptions(workers=1))
    first = next(event for event in events if isinstance(event, SlideIngested))
    events.close()  # type: ignore[attr-defined]
    assert first.outcome.status is SlideStatus.DONE
    assert not [name for name in names(archive) if name.startswith(".")]
    assert first.outcome.slide_id in [row.slide_id for row in read_manifest(archive / "manifest.csv")]
    assert len(list(archive.glob("*.ome.zarr"))) < 6
    assert len(ended(run(archive, tmp_path / "in"))) == 6


def test_a_real_folder_of_good_and_bad_slides(tmp_path: Path, slides: Path) -> None:
    events = run(tmp_path / "archive", slides)
    assert reasons(events) == {
        "boxes": ("excluded", "implausible_spacing"),
        "boxes_0": ("done", ""),
        "broken": ("excluded", "unopenable"),
        "cmu-1-small-region": ("done", ""),
        "sm_image": ("done", ""),
        "small": ("done", ""),
        "tcga-cr-7395-01a-01-ts1": ("excluded", "no_spacing"),
        "unopenable": ("excluded", "unopenable"),
        "unreadable": ("failed", "unreadable"),
    }
    assert all("\n" not in event.outcome.sentence for event in ended(events).values())
    store = open_store(tmp_path / "archive/cmu-1-small-region.ome.zarr")
    assert store.spacing.um_per_px == pytest.approx(0.998)
    region = openslide.OpenSlide(slides / "cmu-1-small-region.svs").read_region((0, 0), 0, (2220, 2968))
    level = np.asarray(region)[:2967, :, :3].astype(float)
    white = np.concatenate([level, np.full((1, 2220, 3), 255.0)])
    expected = np.rint(white.reshape(1484, 2, 1110, 2, 3).mean(axis=(1, 3)))
    assert np.array_equal(store.read_box(Box(0, 0, 1110, 1484), store.spacing.um_per_px), expected)


def test_a_real_slide_that_is_cut(tmp_path: Path, slides: Path) -> None:
    content = (slides / "cmu-1-small-region.svs").read_bytes()
    (tmp_path / "cut.svs").write_bytes(content[: len(content) // 2])
    assert reasons(run(tmp_path / "archive", tmp_path / "cut.svs")) == {"cut": ("excluded", "unopenable")}
    assert names(tmp_path / "archive") == ["ingest.csv"]
