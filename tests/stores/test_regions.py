from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import shapely

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.errors import OutputError, ReferenceFileError
from batchscan.domain.geometry import PatchSpec
from batchscan.domain.records import Focus, ModelInfo, ScanSettings
from batchscan.stores.regions import Region, foci_geojson, read_regions, write_regions

Ring = tuple[tuple[float, float], ...]
Rings = tuple[tuple[Ring, ...], ...]

MODEL = ModelInfo("idc-cnn", "1.2", "ab" * 32)
SETTINGS = ScanSettings(PatchSpec(50, 8.0, 1.0), 0.1, 0.01, 0.5, 0.02)
SCAN = "sha256:5c"
SQUARE = ((0.0, 0.0), (50.0, 0.0), (50.0, 50.0), (0.0, 50.0), (0.0, 0.0))
CORNER = ((50.0, 50.0), (100.0, 50.0), (100.0, 100.0), (50.0, 100.0), (50.0, 50.0))
FRAME = ((200.0, 0.0), (401.603206, 0.0), (401.603206, 150.0), (200.0, 150.0), (200.0, 0.0))
HOLE = ((250.0, 50.0), (250.0, 100.0), (300.0, 100.0), (300.0, 50.0), (250.0, 50.0))


def focus(rings_px: Rings, **changes: Any) -> Focus:
    known: dict[str, Any] = {
        "area_mm2": 1.25,
        "greatest_mm": 2.5,
        "perpendicular_mm": 0.75,
        "bbox_px": (0, 0, 100, 100),
        "centroid_px": (50.0, 50.0),
        "mean_p": 0.875,
        "n_patches": 8,
        "touches_edge": True,
    }
    return Focus(**(known | changes), rings_px=rings_px)


FOCI = (focus(((FRAME, HOLE),)), focus(((SQUARE,), (CORNER,)), touches_edge=False))


def test_the_form_is_qupaths() -> None:
    found = foci_geojson("slide-1", FOCI, MODEL, SETTINGS, SCAN)
    assert found["type"] == "FeatureCollection"
    one, two = found["features"]
    assert one["type"] == "Feature"
    assert one["geometry"] == {"type": "Polygon", "coordinates": [[list(p) for p in FRAME], [list(p) for p in HOLE]]}
    assert two["geometry"]["type"] == "MultiPolygon"
    assert two["geometry"]["coordinates"] == [[[list(p) for p in SQUARE]], [[list(p) for p in CORNER]]]
    assert one["properties"] == {
        "objectType": "annotation",
        "name": "IDC focus 1",
        "classification": {"name": "IDC", "color": [213, 94, 0]},
        "measurements": {
            "Tissue area mm^2": 1.25,
            "Greatest diameter mm": 2.5,
            "Perpendicular diameter mm": 0.75,
            "Mean p(IDC)": 0.875,
            "Patches": 8,
            "Touches slide edge": 1,
        },
        "metadata": {
            "slide_id": "slide-1",
            "model": "idc-cnn 1.2",
            "model_sha256": "ab" * 32,
            "threshold": "0.5",
            "stride": "1.0",
            "orientations": "1",
            "neighbours": "0.0",
            "temperature": "1.0",
            "intercept": "0.0",
            "scan_digest": "sha256:5c",
            "pixels": "level 0 of the slide store",
        },
    }
    assert two["properties"]["name"] == "IDC focus 2"
    assert two["properties"]["measurements"]["Touches slide edge"] == 0


def test_ids_are_uuids_that_differ_with_all_that_decides_the_foci() -> None:
    def ids(slide_id: str = "s", model: ModelInfo = MODEL, scan: str = SCAN, **settings: Any) -> list[str]:
        found = foci_geojson(slide_id, FOCI, model, replace(SETTINGS, **settings), scan)
        return [feature["id"] for feature in found["features"]]

    assert ids() == ids()
    others = [
        ids("t"),
        ids(threshold=0.6),
        ids(threshold=0.5000001),
        ids(model=ModelInfo("idc-cnn", "1.3", "cd" * 32)),
        ids(orientations=4),
        ids(patch=PatchSpec(50, 8.0, 0.5)),
        ids(aggregation=Aggregation(sigma=0.8)),
        ids(aggregation=Aggregation(temperature=1.5)),
        ids(aggregation=Aggregation(intercept=-0.1)),
        ids(scan="sha256:5d"),
    ]
    every = [*ids(), *(each for other in others for each in other)]
    assert len(set(every)) == 22
    assert all(str(uuid.UUID(each)) == each for each in every)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_regions(tmp_path / "regions.geojson", "slide-1", FOCI, MODEL, SETTINGS, SCAN)
    one, two = read_regions(tmp_path / "regions.geojson")
    assert (one.name, one.classification) == ("IDC focus 1", "IDC")
    assert one.measurements["Greatest diameter mm"] == 2.5
    assert one.polygon.equals_exact(shapely.Polygon(FRAME, [HOLE]), 0.0)
    assert two.polygon.equals_exact(shapely.MultiPolygon([(SQUARE, []), (CORNER, [])]), 0.0)


def test_no_foci_are_an_empty_collection(tmp_path: Path) -> None:
    write_regions(tmp_path / "regions.geojson", "slide-1", (), MODEL, SETTINGS, SCAN)
    assert json.loads((tmp_path / "regions.geojson").read_text()) == {"type": "FeatureCollection", "features": []}
    assert read_regions(tmp_path / "regions.geojson") == ()


def test_a_number_that_json_has_no_word_for_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_regions(
            tmp_path / "regions.geojson", "s", (focus(((SQUARE,),), mean_p=float("nan")),), MODEL, SETTINGS, SCAN
        )
    assert list(tmp_path.iterdir()) == []


def test_writing_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_regions(tmp_path / "no such folder" / "regions.geojson", "s", FOCI, MODEL, SETTINGS, SCAN)


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def polygon(*rings: Ring) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[list(point) for point in ring] for ring in rings]}


def read(tmp_path: Path, found: Any) -> tuple[Region, ...]:
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(found))
    return read_regions(path)


def test_older_and_other_forms_are_read(tmp_path: Path) -> None:
    # A plain list with measurements as {name, value}: QuPath up to 0.3. A lone Feature, a derived class, no properties.
    old = feature(
        polygon(SQUARE), classification={"name": "Tumor", "colorRGB": -1}, measurements=[{"name": "a", "value": 2}]
    )
    (region,) = read(tmp_path, [old])
    assert (region.classification, region.measurements) == ("Tumor", {"a": 2.0})
    (region,) = read(tmp_path, feature(polygon(SQUARE), classification={"names": ["Tumor", "Positive"]}, name="n"))
    assert (region.name, region.classification) == ("n", "Tumor: Positive")
    (region,) = read(
        tmp_path, {"type": "FeatureCollection", "features": [{"geometry": polygon(SQUARE), "properties": None}]}
    )
    assert (region.name, region.classification, region.polygon.area) == ("", "", 2500.0)


@pytest.mark.parametrize(
    ("geometry", "named"),
    [
        (None, "without a geometry"),
        ({"type": "Point", "coordinates": [1, 2]}, "is Point"),
        (polygon(((0, 0), (9, 0), (5, 0), (0, 0))), "encloses no area"),
        (polygon(((0, 0), (1, 1))), "make no polygon"),
        ({"type": "Polygon", "coordinates": "no"}, "make no polygon"),
        ({"type": "Polygon"}, "make no polygon"),
        ({"type": "Polygon", "coordinates": []}, "is empty"),
        (polygon(((0, 0), (9, 0), (float("inf"), 9), (0, 0))), "aren't finite"),
        (polygon(((0, 0), (9, 0), (float("nan"), 9), (0, 9), (0, 0))), "aren't finite"),
        (polygon(((0, 0), (9, 0), (10**400, 9), (0, 0))), "make no polygon"),
    ],
)
def test_a_region_that_is_no_polygon_is_named(tmp_path: Path, geometry: Any, named: str) -> None:
    with pytest.raises(ReferenceFileError, match=named) as caught:
        read(tmp_path, [feature(polygon(SQUARE)), feature(geometry)])
    assert "1 of its regions can't be used: feature 2" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ("x", "has properties that aren't a GeoJSON object"),
        ([1], "has properties that aren't a GeoJSON object"),
        ({"measurements": {"cells": 10**400}}, "has a measurement that is too large"),
    ],
)
def test_a_region_with_other_properties_is_named(tmp_path: Path, properties: Any, named: str) -> None:
    wrong = {**feature(polygon(SQUARE)), "properties": properties}
    with pytest.raises(ReferenceFileError, match=named) as caught:
        read(tmp_path, [feature(polygon(SQUARE)), wrong])
    assert "1 of its regions can't be used: feature 2" in str(caught.value)


def test_an_outline_that_crosses_itself_is_the_area_it_encloses(tmp_path: Path) -> None:
    # Two triangles of base 10 and height 5 that meet in a point.
    bow_tie = polygon(((0, 0), (10, 10), (10, 0), (0, 10), (0, 0)))
    # A square with a spike: the spike has no area.
    spiked = polygon(((0, 0), (10, 0), (10, 10), (20, 20), (10, 10), (0, 10), (0, 0)))
    # A square with a hole of 10 x 3 of which half sticks out.
    hole = ((5, 5), (15, 5), (15, 8), (5, 8), (5, 5))
    pierced = polygon(((0, 0), (10, 0), (10, 10), (0, 10), (0, 0)), hole)
    found = read(tmp_path, [feature(bow_tie), feature(spiked), feature(pierced)])
    assert [region.polygon.area for region in found] == [50.0, 100.0, 85.0]
    assert all(region.polygon.is_valid for region in found)


def test_a_file_of_more_than_64_mib_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.geojson").open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(ReferenceFileError, match="more than 64 MiB"):
        read_regions(tmp_path / "a.geojson")


@pytest.mark.parametrize(
    "text",
    ["", "not json", '{"type": "Topology"}', '{"type": "FeatureCollection"}', "3", "[" * 100_000, "1" * 5000],
    ids=range(7),
)
def test_a_file_that_is_no_geojson_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.geojson").write_text(text)
    with pytest.raises(ReferenceFileError, match=r"a\.geojson"):
        read_regions(tmp_path / "a.geojson")
    with pytest.raises(ReferenceFileError, match="can't be read"):
        read_regions(tmp_path / "none.geojson")
