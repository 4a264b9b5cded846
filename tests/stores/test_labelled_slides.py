"""A manifest of small slide stores with labels becomes labelled patches; every wrong row is named before any is cut."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from store_files import Pixels, noise, write_own

from batchscan.domain.errors import ManifestError, UnreadableSlide
from batchscan.domain.geometry import PatchSpec
from batchscan.stores.labelled_slides import read_labelled_slides

PATCH = PatchSpec(50, 8.0, 1.0)
HEAD = "x_px,y_px,side_px,label"


@pytest.fixture
def stores(tmp_path: Path) -> Path:
    """`fine`, 4 um/px: a patch is 100 px. `same`, 8 um/px: 50 px. `coarse`, 16 um/px: too coarse."""
    for name, um_per_px, shape in (("fine", 4.0, (300, 250)), ("same", 8.0, (120, 100)), ("coarse", 16.0, (60, 60))):
        write_own(tmp_path / f"{name}.ome.zarr", Pixels(noise(*shape)), um_per_px)
    (tmp_path / "fine.csv").write_text(f"{HEAD}\n0,0,100,1\n100,200,100,0\n200,100,100,1\n")
    (tmp_path / "same.csv").write_text(f"{HEAD}\n50,50,50,0\n")
    return tmp_path


def manifest(folder: Path, *rows: str, columns: str = "slide_id,path,patient_id,reference") -> Path:
    path = folder / "manifest.csv"
    path.write_text("\n".join((columns, *rows)) + "\n")
    return path


def test_each_labelled_square_is_cut_at_the_models_spacing(stores: Path) -> None:
    path = manifest(stores, "f,fine.ome.zarr,P1,fine.csv", "s,same.ome.zarr,,same.csv", "none,coarse.ome.zarr,,")
    fine, same = read_labelled_slides(path, PATCH)
    assert (fine.slide_id, fine.patient_id, len(fine), fine.side_px) == ("f", "P1", 3, 100.0)
    assert (same.slide_id, same.patient_id, same.reference.label.tolist()) == ("s", "s", [False])
    (patch,) = same.pixels()
    np.testing.assert_array_equal(patch, noise(120, 100)[50:100, 50:100])
    whole = noise(300, 250).astype(float)
    patches = list(fine.pixels())
    assert {(one.shape, one.dtype.name) for one in patches} == {((50, 50, 3), "uint8")}
    # Half the spacing: each pixel is the mean of 2 x 2; a rounding of the stored level may lie between.
    expected = whole[:100, :100].reshape(50, 2, 50, 2, 3).mean(axis=(1, 3))
    assert np.abs(patches[0] - expected).max() <= 1
    # Over the right edge the slide is white.
    assert (patches[2][:, 25:] == 255).all()
    assert not (patches[2][:, :25] == 255).all()


def test_one_review_serves_several_slides(stores: Path) -> None:
    (stores / "review.csv").write_text(
        "slide_id,x_px,y_px,side_px,p_idc,label\nf,0,0,100,.9,1\ns,0,0,50,.1,\nf,100,0,100,.3,0\nother,0,0,70,.5,1\n"
    )
    path = manifest(stores, "f,fine.ome.zarr,P1,review.csv", "s,same.ome.zarr,P2,review.csv")
    fine, same = read_labelled_slides(path, PATCH)
    assert list(zip(fine.reference.x_px, fine.reference.label, strict=True)) == [(0.0, True), (100.0, False)]
    assert (len(same), list(same.pixels())) == (0, [])


@pytest.mark.parametrize("name", ["one.csv", "one.geojson"])
def test_labels_that_name_no_slide_serve_one(stores: Path, name: str) -> None:
    # In pixels they would fit both slides.
    write_own(stores / "twin.ome.zarr", Pixels(noise(300, 250, seed=7)), 4.0)
    (stores / "one.csv").write_text((stores / "fine.csv").read_text())
    (stores / "one.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    rows = (f"f,fine.ome.zarr,,{name}", "s,same.ome.zarr,,same.csv", f"t,twin.ome.zarr,,{name}")
    with pytest.raises(ManifestError, match="2 wrong rows") as caught:
        read_labelled_slides(manifest(stores, *rows), PATCH)
    for line, other in ((2, 4), (4, 2)):
        assert f"line {line}: {name} is also the reference on line {other}, but doesn't say which" in str(caught.value)
    assert ("a column slide_id" in str(caught.value)) is (name == "one.csv")


def test_a_review_must_say_of_every_row_which_slide_it_is_of(stores: Path) -> None:
    (stores / "review.csv").write_text(f"slide_id,{HEAD}\nf,0,0,100,1\n ,100,0,100,0\n")
    with pytest.raises(ManifestError, match="line 3: has no slide_id"):
        read_labelled_slides(manifest(stores, "f,fine.ome.zarr,P1,review.csv"), PATCH)


def test_outlines_are_labels_of_the_models_grid(stores: Path) -> None:
    square = [[0, 0], [200, 0], [200, 130], [0, 130], [0, 0]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [square]},
        "properties": {"classification": {"name": "Tumor"}},
    }
    (stores / "fine.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    (fine,) = read_labelled_slides(manifest(stores, "f,fine.ome.zarr,,fine.geojson"), PATCH)
    assert (fine.reference.x_px.tolist(), fine.reference.label.tolist()) == ([0.0, 100.0], [True, True])
    assert (fine.reference.side_px == 100.0).all()
    assert fine.n_left_out == 2
    assert len(list(fine.pixels())) == 2


def test_every_row_that_cannot_serve_is_named_with_its_line(stores: Path) -> None:
    (stores / "wrong.csv").write_text(f"{HEAD}\n0,0,100,2\n")
    (stores / "far.csv").write_text(f"{HEAD}\n0,0,50,1\n100,0,50,1\n")
    (stores / "review.csv").write_text(f"slide_id,{HEAD}\nA,0,0,50,1\n")
    (stores / "vendor.svs").touch()
    for name in ("of-fine.csv", "fine-too.csv"):
        (stores / name).write_text((stores / "fine.csv").read_text())
    (stores / "labels.txt").touch()
    path = manifest(
        stores,
        "ok,fine.ome.zarr,,fine.csv",
        "off,same.ome.zarr,,of-fine.csv",
        "coarse,coarse.ome.zarr,,same.csv",
        "vendor,vendor.svs,,same.csv",
        "again,fine.ome.zarr,,fine-too.csv",
    )
    with pytest.raises(ManifestError, match="4 wrong rows") as caught:
        read_labelled_slides(path, PATCH)
    text = str(caught.value)
    for said in (
        "line 3: of-fine.csv: 3 of 3 labels aren't of the model's patches: the first, at (0, 0), has a side of 100 px",
        ", +50 px off the 50 px that a patch has",
        "line 4: ",
        "coarser than the 8 um/px asked for",
        "line 5: ",
        "batchscan ingest vendor.svs --archive DIR",
        "line 6: ",
        "fine.ome.zarr is also on line 2",
    ):
        assert said in text
    for reference, said in (
        ("wrong.csv", "line 2: .*label 2 is neither 0 nor 1"),
        ("far.csv", r"1 of 2 labels lie beyond the slide's 100 x 120 px, the first at \(100, 0\)"),
        ("review.csv", "review.csv has no row of slide 's'; it has A"),
        ("labels.txt", "neither .csv"),
    ):
        with pytest.raises(ManifestError, match=f"line 2: .*{said}" if "line" not in said else said):
            read_labelled_slides(manifest(stores, f"s,same.ome.zarr,,{reference}"), PATCH)


def test_a_spacing_that_contradicts_the_store_is_named(stores: Path) -> None:
    columns = "slide_id,path,um_per_px,reference"
    rows = ("f,fine.ome.zarr,8.0,same.csv",)
    with pytest.raises(ManifestError, match="was made at 4 um/px, but the manifest says 8"):
        read_labelled_slides(manifest(stores, *rows, columns=columns), PATCH)
    rows = ("f,fine.ome.zarr,4.0,fine.csv",)
    assert len(read_labelled_slides(manifest(stores, *rows, columns=columns), PATCH)) == 1


def test_labels_may_be_rounded_to_whole_pixels(stores: Path) -> None:
    # 50 px of 7 um are 87.5 px of 4 um.
    (stores / "rounded.csv").write_text(f"{HEAD}\n0,0,88,1\n87,0,87.5,0\n")
    (fine,) = read_labelled_slides(manifest(stores, "f,fine.ome.zarr,,rounded.csv"), PatchSpec(50, 7.0, 1.0))
    assert fine.side_px == 87.5
    assert [patch.shape for patch in fine.pixels()] == [(50, 50, 3)] * 2


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (("f,fine.ome.zarr,,",), "no row has a reference"),
        (("f,fine.ome.zarr,,empty.geojson",), "none of its references has a label"),
        (("f,fine.ome.zarr,,unreviewed.csv",), "none of its references has a label"),
    ],
)
def test_labels_for_nothing_are_refused(stores: Path, rows: tuple[str, ...], said: str) -> None:
    (stores / "empty.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    (stores / "unreviewed.csv").write_text(f"slide_id,{HEAD}\nf,0,0,100,\n")
    with pytest.raises(ManifestError, match=said):
        read_labelled_slides(manifest(stores, *rows), PATCH)


def test_damage_is_found_when_it_is_cut_and_not_before(stores: Path) -> None:
    for shard in (p for p in (stores / "same.ome.zarr").rglob("*") if p.is_file() and p.name != "zarr.json"):
        shard.write_bytes(bytes(255 - byte for byte in shard.read_bytes()))
    (same,) = read_labelled_slides(manifest(stores, "s,same.ome.zarr,,same.csv"), PATCH)
    with pytest.raises(UnreadableSlide):
        list(same.pixels())
