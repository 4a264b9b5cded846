from __future__ import annotations

from pathlib import Path

import pytest
from ingest_runs import ended, patches, reasons, run, slide
from store_files import noise, write_foreign

from batchscan.domain.errors import ManifestError
from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.stores.manifest import read_manifest
from batchscan.stores.pyramids import open_store


def manifest(folder: Path, text: str) -> Path:
    (folder / "slides.csv").write_text(text)
    return folder / "slides.csv"


def test_a_manifest_says_more_of_the_sources(tmp_path: Path) -> None:
    slide(tmp_path / "a.svs")
    slide(tmp_path / "b.svs", description="|AppMag = 20")
    said = manifest(tmp_path, "slide_id,path,patient_id,um_per_px,site\nS1,a.svs,P1,,north\nS2,b.svs,P1,0.4,south\n")
    run(tmp_path / "archive", tmp_path / "a.svs", tmp_path / "b.svs", manifest=said)
    rows = read_manifest(tmp_path / "archive/manifest.csv")
    assert [(row.slide_id, row.patient_id, row.attributes) for row in rows] == [
        ("S1", "P1", {"site": "north"}),
        ("S2", "P1", {"site": "south"}),
    ]
    assert open_store(rows[1].path).spacing == Spacing(0.8, SpacingSource.MANIFEST)
    # What was said once stays known.
    said.unlink()
    (tmp_path / "a.svs").rename(tmp_path / "S1.svs")
    run(tmp_path / "archive", tmp_path / "S1.svs")
    (row, _) = read_manifest(tmp_path / "archive/manifest.csv")
    assert (row.patient_id, row.attributes) == ("P1", {"site": "north"})


def test_references_are_brought_into_the_stores_frame(tmp_path: Path) -> None:
    slide(tmp_path / "a.svs")
    slide(tmp_path / "b.svs", seed=1)
    (tmp_path / "a.csv").write_text("x_px,y_px,side_px,label\n100,50,80,1\n")
    (tmp_path / "b.geojson").write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"name": "n"}, "geometry": '
        '{"type": "Polygon", "coordinates": [[[0, 0], [100, 0], [100, 50], [0, 0]]]}}]}'
    )
    said = manifest(tmp_path, "slide_id,path,reference\na,a.svs,a.csv\nb,b.svs,b.geojson\n")
    run(tmp_path / "archive", tmp_path / "a.svs", tmp_path / "b.svs", manifest=said)
    rows = read_manifest(tmp_path / "archive/manifest.csv")
    assert (tmp_path / "archive/a.reference.csv").read_text().splitlines()[1] == "50,25,40,1"
    assert "[[[0.0, 0.0], [50.0, 0.0], [50.0, 25.0], [0.0, 0.0]]]" in rows[1].reference.read_text()  # type: ignore[union-attr]
    # A run without the manifest leaves them; a store in another frame has lost them.
    run(tmp_path / "archive", tmp_path / "a.svs")
    assert read_manifest(tmp_path / "archive/manifest.csv")[0].reference == rows[0].reference
    run(tmp_path / "archive", tmp_path / "a.svs", finest_um_per_px=2.0)
    assert read_manifest(tmp_path / "archive/manifest.csv")[0].reference is None


def test_every_readers_labels_and_the_slides_own_come_along(tmp_path: Path) -> None:
    slide(tmp_path / "a.svs")
    (tmp_path / "a.csv").write_text("x_px,y_px,side_px,label\n100,50,80,1\n")
    (tmp_path / "b.csv").write_text("x_px,y_px,side_px,label\n100,50,80,0\n")
    said = manifest(tmp_path, "slide_id,path,reference,reference_ann,slide_label\na,a.svs,a.csv,b.csv,1\n")
    archive = tmp_path / "archive"
    run(archive, tmp_path / "a.svs", manifest=said)
    (row,) = read_manifest(archive / "manifest.csv")
    assert row.references == {"": archive / "a.reference.csv", "ann": archive / "a.reference_ann.csv"}
    assert (archive / "a.reference_ann.csv").read_text().splitlines()[1] == "50,25,40,0"
    assert (row.slide_label, row.attributes) == (True, {})
    # A run without the manifest leaves them; a store in another frame has lost the labels of patches.
    run(archive, tmp_path / "a.svs")
    assert read_manifest(archive / "manifest.csv") == (row,)
    run(archive, tmp_path / "a.svs", finest_um_per_px=2.0)
    (row,) = read_manifest(archive / "manifest.csv")
    assert (row.references, row.slide_label) == ({}, True)


def test_a_broken_reference_fails_its_slide_only(tmp_path: Path) -> None:
    slide(tmp_path / "a.svs")
    slide(tmp_path / "b.svs")
    (tmp_path / "a.csv").write_text("x,y\n1,1\n")
    said = manifest(tmp_path, "slide_id,path,reference\na,a.svs,a.csv\nb,b.svs,\n")
    events = run(tmp_path / "archive", tmp_path / "a.svs", tmp_path / "b.svs", manifest=said)
    assert reasons(events) == {"a": ("failed", "reference"), "b": ("done", "")}


def archived(archive: Path) -> dict[str, tuple[str, dict[str, str]]]:
    return {row.slide_id: (row.patient_id, dict(row.attributes)) for row in read_manifest(archive / "manifest.csv")}


def test_a_manifests_row_replaces_all_of_an_earlier_one(tmp_path: Path) -> None:
    archive, source = tmp_path / "archive", slide(tmp_path / "a.svs", side=60)
    (tmp_path / "a.csv").write_text("x_px,y_px,side_px,label\n0,0,8,1\n")
    run(archive, source, manifest=manifest(tmp_path, "slide_id,path,patient_id,reference,site\na,a.svs,P9,a.csv,x\n"))
    assert archived(archive) == {"a": ("P9", {"site": "x"})}
    # Corrected back to what it is without a manifest: its own id, no site, no reference.
    run(archive, source, manifest=manifest(tmp_path, "slide_id,path,stain\na,a.svs,HE\n"))
    assert archived(archive) == {"a": ("a", {"stain": "HE"})}
    assert read_manifest(archive / "manifest.csv")[0].reference is None
    run(archive, source)
    assert archived(archive) == {"a": ("a", {"stain": "HE"})}


def test_an_override_stays_known_without_a_manifest(tmp_path: Path) -> None:
    source = write_foreign(tmp_path / "f.zarr", [noise(90, 80).transpose(2, 0, 1)])
    run(tmp_path / "archive", source, um_per_px=0.7)
    run(tmp_path / "archive", source)
    assert read_manifest(tmp_path / "archive/manifest.csv")[0].spacing == Spacing(0.7, SpacingSource.MANIFEST)


@pytest.mark.parametrize("asked", ["first", "first/S1.ome.zarr"])
def test_stores_bring_what_their_archive_knows_of_them(tmp_path: Path, asked: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    source = slide(tmp_path / "a.svs")
    (tmp_path / "a.csv").write_text("x_px,y_px,side_px,label\n100,50,80,1\n")
    said = manifest(tmp_path, "slide_id,path,patient_id,reference,site\nS1,a.svs,P1,a.csv,north\n")
    run(first, source, manifest=said)
    run(second, tmp_path / asked)
    (row,) = read_manifest(second / "manifest.csv")
    assert (row.slide_id, row.patient_id, row.attributes) == ("S1", "P1", {"site": "north"})
    assert row.reference == second / "S1.reference.csv"
    assert row.reference.read_text() == (first / "S1.reference.csv").read_text()
    # What is given wins.
    (first / "said.csv").write_text("slide_id,path,patient_id\nS2,S1.ome.zarr,P2\n")
    run(tmp_path / "third", first, manifest=first / "said.csv")
    assert archived(tmp_path / "third") == {"S2": ("P2", {})}


def test_another_programs_manifest_is_left_alone_and_a_wrong_one_of_ours_is_named(tmp_path: Path) -> None:
    slide(tmp_path / "in/a.svs", side=60)
    (tmp_path / "in/manifest.csv").write_text("id,filename,md5\n1,a.svs,0\n")
    assert reasons(run(tmp_path / "archive", tmp_path / "in")) == {"a": ("done", "")}
    (tmp_path / "in/manifest.csv").write_text("slide_id,path\n?,a.svs\n")
    with pytest.raises(ManifestError, match="1 wrong row: line 2"):
        run(tmp_path / "other", tmp_path / "in")
    assert not (tmp_path / "other").exists()


def test_a_manifest_as_source_is_what_it_lists(tmp_path: Path) -> None:
    for name in "abc":
        slide(tmp_path / f"{name}.svs", seed=ord(name))
    packed = patches(tmp_path / "set.zip", {"11": (200, 0, 0), "12": (0, 200, 0)})
    said = manifest(
        tmp_path,
        f"slide_id,path,patient_id,um_per_px,site\nS1,a.svs,P1,,north\nS2,b.svs,P2,0.4,\n12,{packed.name},P3,,\n"
        "S3,a.svs,P4,,twice\n",
    )
    run(tmp_path / "archive", said)
    assert archived(tmp_path / "archive") == {
        "S1": ("P1", {"site": "north"}),
        "S2": ("P2", {"site": ""}),
        "12": ("P3", {"site": ""}),
        "S3": ("P4", {"site": "twice"}),
    }
    assert open_store(tmp_path / "archive/S2.ome.zarr").spacing == Spacing(0.8, SpacingSource.MANIFEST)
    # --um-per-px counts for these too, and the folder's other slides are as ever.
    events = run(tmp_path / "more", said, tmp_path / "c.svs", tmp_path / "b.svs", um_per_px=0.3)
    assert sorted(ended(events)) == ["12", "S1", "S2", "S3", "c"]
    spacing = open_store(tmp_path / "more/S2.ome.zarr").spacing
    assert (spacing.um_per_px, spacing.source) == (pytest.approx(0.9), SpacingSource.OPTION)


@pytest.mark.parametrize("row", ["x,set.zip", "x,folder"])
def test_a_row_that_lists_several_slides_is_refused(tmp_path: Path, row: str) -> None:
    patches(tmp_path / "set.zip", {"11": (200, 0, 0), "12": (0, 200, 0)})
    for name in "ab":
        slide(tmp_path / "folder" / f"{name}.svs", side=60)
    with pytest.raises(ManifestError, match="is neither one slide nor a patch set with a patient of that name"):
        run(tmp_path / "archive", manifest(tmp_path, f"slide_id,path\n{row}\n"))
