"""What QuPath, pandas and napari open of a result."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import shapely
from stored_results import stored_result

from batchscan.domain.records import SlideResult
from batchscan.stores.foci_tables import COLUMNS
from batchscan.stores.open_files import renew_open_files, write_open_files
from batchscan.stores.regions import read_regions, write_regions


def written(folder: Path, result: SlideResult) -> Path:
    folder.mkdir()
    decided_by = (result.model, result.settings, result.scan_digest)
    write_regions(folder / "regions.geojson", result.slide.slide_id, result.extent.foci, *decided_by)
    write_open_files(folder, result)
    return folder


@pytest.mark.parametrize("downsample", [1.0, 4.0, 3.9999])
def test_qupaths_file_is_in_the_pixels_of_the_slides_own_file(tmp_path: Path, downsample: float) -> None:
    folder = written(tmp_path / "S1", stored_result(350, 270, 8.0, downsample=downsample))
    ours, theirs = (read_regions(folder / name) for name in ("regions.geojson", "qupath.geojson"))
    assert len(ours) == len(theirs) > 1
    for own, other in zip(ours, theirs, strict=True):
        assert own.id == other.id
        assert other.polygon.bounds == pytest.approx([corner * downsample for corner in own.polygon.bounds], abs=1e-3)
        assert own.metadata["pixels"] == "level 0 of the slide store"
        assert other.metadata["pixels"] == "level 0 of the slide's file"
    if downsample == 1.0:
        assert [own.polygon for own in ours] == [other.polygon for other in theirs]


def test_the_table_has_the_foci_of_the_result_under_their_ids(tmp_path: Path) -> None:
    result = stored_result(700, 500, 8.0)
    folder = written(tmp_path / "S1", result)
    with (folder / "foci.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    features = json.loads((folder / "regions.geojson").read_text())["features"]
    assert [row["focus_id"] for row in rows] == [feature["id"] for feature in features]
    for number, (row, feature) in enumerate(zip(rows, features, strict=True), start=1):
        focus = result.extent.foci[number - 1]
        assert (row["slide_id"], row["number"]) == ("S1", str(number))
        outline = shapely.from_geojson(json.dumps(feature["geometry"]))
        left, top, right, bottom = (round(corner) for corner in outline.bounds)
        box = [int(row[f"bbox_{name}_px"]) for name in ("x", "y", "width", "height")]
        assert box == [left, top, right - left, bottom - top]
        assert float(row["area_mm2"]) == focus.area_mm2
        assert float(row["greatest_mm"]) == focus.greatest_mm
        assert (float(row["centroid_x_px"]), float(row["centroid_y_px"])) == focus.centroid_px
        assert row["touches_edge"] == ("true" if focus.touches_edge else "false")


def test_a_slide_without_foci_has_a_header_and_an_empty_collection(tmp_path: Path) -> None:
    folder = written(tmp_path / "S1", stored_result(350, 270, 8.0, threshold=1.01))
    assert (folder / "foci.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert read_regions(folder / "qupath.geojson") == ()


def test_a_committed_result_gets_them_anew_and_nothing_else_stays(tmp_path: Path) -> None:
    old, new = stored_result(350, 270, 8.0), stored_result(350, 270, 8.0, seed=6)
    folder = written(tmp_path / "S1", old)
    (folder / "heatmap.ome.zarr" / "left over").touch()
    renew_open_files(folder, new)
    expected = written(tmp_path / "expected", new)
    files = {path.relative_to(expected) for path in expected.rglob("*") if path.is_file()}
    assert {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} == files
    for name in files - {Path("regions.geojson")}:
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["S1", "expected"]
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in folder.rglob("*"))
