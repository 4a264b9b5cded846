"""Outlines drawn in QuPath become labels of grid cells; expected ones are counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from batchscan.domain.errors import ReferenceFileError
from batchscan.domain.geometry import PatchGrid, PatchSpec
from batchscan.domain.records import Focus, ModelInfo, ScanSettings
from batchscan.evaluation.outlines import CellLines, label_cells, outline_sets, rings
from batchscan.stores.annotations import AnnotatedCells, annotated_cells
from batchscan.stores.regions import write_regions

Points = list[tuple[float, float]]
# 4 columns and 3 rows of 100 px; the last column is cut to 50 px by the slide's edge.
GRID = PatchGrid.over(350, 300, 4.0, PatchSpec(50, 8.0, 1.0))
SETTINGS = ScanSettings(PatchSpec(50, 8.0, 1.0), 0.1, 0.01, 0.5, 0.02)


def ring(left: float, top: float, right: float, bottom: float) -> Points:
    return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]


def outline(classification: Any, *rings: Points, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": rings},
        "properties": {"objectType": "annotation", "classification": classification, **properties},
    }


def labelled(tmp_path: Path, *features: Any, grid: PatchGrid = GRID) -> AnnotatedCells:
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return annotated_cells(path, grid)


def cells(found: AnnotatedCells, side: float = 100.0) -> dict[tuple[int, int], bool]:
    """(row, col) -> label."""
    reference = found.reference
    assert (reference.side_px == side).all()
    places = zip(reference.y_px / side, reference.x_px / side, reference.label.tolist(), strict=True)
    return {(int(row), int(col)): label for row, col, label in places}


def test_a_cell_that_is_half_covered_has_the_outlines_class(tmp_path: Path) -> None:
    found = labelled(
        tmp_path,
        # All of (0, 0), half of (0, 1), a bit of (1, 0) and (1, 1).
        outline({"name": "IDC", "color": [1, 2, 3]}, ring(0, 0, 150, 110)),
        # Most of (2, 2), the part on the slide of (2, 3).
        outline({"name": "Stroma"}, ring(210, 205, 350, 300)),
    )
    assert cells(found) == {(0, 0): True, (0, 1): True, (2, 2): False, (2, 3): False}
    assert found.n_left_out == 2


def test_a_hole_is_not_covered_and_two_outlines_over_one_another_count_once(tmp_path: Path) -> None:
    ring_and_hole = outline("Tumor", ring(0, 0, 300, 300), ring(100, 100, 200, 200))
    twice = [outline("tumour", ring(300, 0, 350, 40)), outline("TUMOUR", ring(300, 0, 350, 40))]
    found = labelled(tmp_path, ring_and_hole, *twice)
    assert cells(found) == {(row, col): True for row in range(3) for col in range(3) if (row, col) != (1, 1)}
    assert found.n_left_out == 1  # (0, 3), of which 40 % is covered, not 80 %


def test_several_pieces_and_the_halves_of_two_outlines_make_one_cell(tmp_path: Path) -> None:
    pieces = outline("IDC")
    pieces["geometry"] = {
        "type": "MultiPolygon",
        "coordinates": [[ring(0, 0, 100, 30)], [ring(0, 70, 100, 100)], [ring(200, 200, 300, 300)]],
    }
    assert cells(labelled(tmp_path, pieces)) == {(0, 0): True, (2, 2): True}
    halves = [outline("IDC", ring(0, 0, 30, 100)), outline("Invasive carcinoma", ring(70, 0, 100, 100))]
    assert cells(labelled(tmp_path, *halves)) == {(0, 0): True}


@pytest.mark.parametrize(
    ("properties", "label"),
    [
        ({"classification": {"name": "IDC", "colorRGB": -3670016}}, True),
        ({"classification": "invasive ductal carcinoma"}, True),
        ({"classification": {"names": ["Tumor"], "color": [200, 0, 0]}}, True),
        ({"name": "Tumor"}, True),
        ({"classification": {"name": "not IDC"}, "name": "IDC focus 3"}, False),
        ({"classification": {"name": " NORMAL "}}, False),
        ({"classification": {"name": "Other"}}, False),
    ],
)
def test_the_class_is_found_wherever_a_version_of_qupath_writes_it(
    tmp_path: Path,
    properties: dict[str, Any],
    label: bool,  # noqa: FBT001 - a value to compare with
) -> None:
    feature = {**outline(None, ring(0, 0, 100, 100)), "properties": properties}
    path = tmp_path / "a.geojson"
    for document in (feature, [feature], {"type": "FeatureCollection", "features": [feature]}):
        path.write_text(json.dumps(document))
        assert cells(annotated_cells(path, GRID)) == {(0, 0): label}


def test_what_is_to_be_ignored_is_left_out_whatever_else_covers_it(tmp_path: Path) -> None:
    found = labelled(
        tmp_path,
        outline("IDC", ring(0, 0, 300, 100)),
        outline("Ignore*", ring(100, 0, 200, 100)),
        outline("Necrosis", ring(200, 0, 240, 100)),
    )
    assert cells(found) == {(0, 0): True, (0, 2): True}
    assert found.n_left_out == 1


def test_our_own_regions_serve_after_a_focus_was_called_wrong(tmp_path: Path) -> None:
    square = tuple((float(x), float(y)) for x, y in ring(0, 0, 200, 100))
    other = tuple((float(x), float(y)) for x, y in ring(0, 200, 100, 300))
    foci = [
        Focus(1.0, 1.0, 1.0, (0, 0, 200, 100), (0.0, 0.0), 0.9, 2, touches_edge=True, rings_px=((one,),))
        for one in (square, other)
    ]
    path = tmp_path / "regions.geojson"
    write_regions(path, "s", foci, ModelInfo("m", "1", "ab" * 32), SETTINGS, "sha256:5c")
    assert cells(annotated_cells(path, GRID)) == {(0, 0): True, (0, 1): True, (2, 0): True}
    edited = json.loads(path.read_text())
    edited["features"][1]["properties"]["classification"] = {"name": "Negative", "color": [112, 112, 225]}
    path.write_text(json.dumps(edited))
    assert cells(annotated_cells(path, GRID)) == {(0, 0): True, (0, 1): True, (2, 0): False}


@pytest.mark.parametrize("seed", range(5))
def test_the_outlines_of_called_cells_are_those_cells_again(tmp_path: Path, seed: int) -> None:
    """Second route: foci are outlined by evaluation/outlines.py, on a grid whose step is no whole number of pixels."""
    grid = PatchGrid.over(9010, 7777, 0.499, PatchSpec(50, 8.0, 1.0))
    called = np.random.default_rng(seed).random((grid.n_rows, grid.n_cols)) < 0.4
    row, col = (place.astype(np.int32) for place in np.nonzero(called))
    foci = [
        Focus(1.0, 1.0, 1.0, (0, 0, 1, 1), (0.0, 0.0), 0.9, 1, touches_edge=True, rings_px=rings(one))
        for one in outline_sets(CellLines.of(grid), row, col, label_cells(grid, row, col))
    ]
    write_regions(tmp_path / "regions.geojson", "s", foci, ModelInfo("m", "1", "ab" * 32), SETTINGS, "sha256:5c")
    found = annotated_cells(tmp_path / "regions.geojson", grid)
    assert found.n_left_out == 0
    assert found.reference.label.all()
    np.testing.assert_array_equal(found.reference.x_px, col * grid.step_px)
    np.testing.assert_array_equal(found.reference.y_px, row * grid.step_px)


def test_no_outlines_are_no_labels(tmp_path: Path) -> None:
    found = labelled(tmp_path)
    assert (len(found.reference), found.n_left_out) == (0, 0)


def test_outlines_of_both_kinds_over_one_another_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReferenceFileError, match="subtract one") as caught:
        labelled(tmp_path, outline("IDC", ring(0, 0, 200, 100)), outline("Normal", ring(40, 0, 350, 300)))
    assert "at (0, 0), (100, 0): " in str(caught.value)
    # Side by side in the middle of a cell they say nothing of it, and contradict nothing.
    found = labelled(tmp_path, outline("IDC", ring(0, 0, 150, 100)), outline("Normal", ring(150, 0, 300, 100)))
    assert cells(found) == {(0, 0): True, (0, 2): False}


def test_all_unknown_classes_are_named_with_the_known_ones(tmp_path: Path) -> None:
    square = ring(0, 0, 100, 100)
    with pytest.raises(ReferenceFileError, match="not known") as caught:
        labelled(
            tmp_path,
            outline("Tumor: Positive", square),
            outline("IDC", square),
            outline("Gland", square),
            outline(None, square),
            outline("Gland", square),
        )
    text = str(caught.value)
    assert "'Tumor: Positive' (feature 1), 'Gland' (feature 3, 5), '' (feature 4)" in text
    assert "Tumour" in text
    assert "Ignore*" in text
    assert "\n" not in text


def test_an_outline_beyond_the_slide_is_named(tmp_path: Path) -> None:
    inside = outline("IDC", ring(-40, 0, 340, 100))
    assert len(labelled(tmp_path, inside).reference) == 4
    for beyond in (ring(0, 0, 100, 351), ring(401, 0, 500, 100), ring(-51, 0, 10, 10), ring(1e300, 0, 2e300, 1)):
        with pytest.raises(ReferenceFileError, match=r"feature 2 \(IDC: x .*source_downsample"):
            labelled(tmp_path, inside, outline("IDC", beyond))


@pytest.mark.parametrize("kind", ["Point", "LineString", "GeometryCollection"])
def test_what_is_no_area_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ReferenceFileError, match=f"feature 1 is {kind}, not a Polygon"):
        labelled(tmp_path, {"type": "Feature", "geometry": {"type": kind, "coordinates": [[0, 0]]}, "properties": {}})


def test_a_freehand_outline_that_crosses_itself_is_used(tmp_path: Path) -> None:
    bow_tie = [(0.0, 0.0), (200.0, 100.0), (200.0, 0.0), (0.0, 100.0), (0.0, 0.0)]
    assert cells(labelled(tmp_path, outline("IDC", bow_tie))) == {(0, 0): True, (0, 1): True}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 340), st.floats(0, 290), st.floats(1, 200), st.floats(1, 200), st.booleans()),
        min_size=1,
        max_size=4,
    )
)
def test_halving_down_to_cells_is_the_same_as_cutting_out_each_cell(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[float, float, float, float, bool]]
) -> None:
    """Second route: every cell is cut with every outline on its own."""
    folder = tmp_path_factory.mktemp("drawn")
    shapes = [
        shapely.Point(x, y).buffer(width) if round_one else shapely.box(x, y, min(x + width, 350), min(y + height, 300))
        for x, y, width, height, round_one in drawn
    ]
    shapes = [shapely.intersection(shape, shapely.box(0, 0, 350, 300)) for shape in shapes]
    features = [outline("IDC", [tuple(p) for p in shapely.get_coordinates(s.exterior)]) for s in shapes]
    found = labelled(folder, *features)
    together = shapely.union_all(shapes)
    expected, near = {}, set()
    for row, col in np.ndindex(3, 4):
        cell = shapely.box(col * 100, row * 100, min(col * 100 + 100, 350), row * 100 + 100)
        share = together.intersection(cell).area / cell.area
        if abs(share - 0.5) < 1e-6:
            near.add((row, col))
        elif share > 0.5:
            expected[row, col] = True
    assert {place: label for place, label in cells(found).items() if place not in near} == expected
