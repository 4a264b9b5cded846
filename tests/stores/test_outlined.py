"""Outlines on a scanned slide become what each cell is, by its tissue; shares are by hand or by brute force."""

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
from batchscan.domain.joined import AMBIGUOUS, IDC, NOT_IDC, UNDECIDED, UNLABELLED
from batchscan.domain.records import BoolArray
from batchscan.stores.outlined import OutlineRule, TissueMask, outlined_cells

# 3 columns and 2 rows of 100 px; the last column is cut to 50 px by the slide's edge.
GRID = PatchGrid.over(250, 200, 4.0, PatchSpec(50, 8.0, 1.0))
SCANNED = np.ones((2, 3), dtype=np.bool_)
PARTIAL = OutlineRule(complete=False)


def feature(name: str, polygon: shapely.Geometry) -> dict[str, Any]:
    geometry = json.loads(shapely.to_geojson(polygon))
    return {"type": "Feature", "geometry": geometry, "properties": {"classification": {"name": name}}}


def outlined(
    folder: Path,
    *features: Any,
    scanned: BoolArray = SCANNED,
    tissue: TissueMask | None = None,
    rule: OutlineRule | None = None,
) -> list[list[int]]:
    path = folder / "o.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    found: list[list[int]] = outlined_cells(path, GRID, scanned, tissue, rule or OutlineRule()).of.tolist()
    return found


def test_what_no_outline_covers_is_not_idc_when_all_idc_is_outlined(tmp_path: Path) -> None:
    # All of (0, 0), 30 % of (0, 1), half of what of (0, 2) is on the slide, 20 % of (1, 0).
    idc = [shapely.box(0, 0, 130, 100), shapely.box(225, 0, 250, 100), shapely.box(0, 100, 20, 200)]
    found = outlined(tmp_path, *(feature("Tumor", polygon) for polygon in idc))
    assert found == [[IDC, AMBIGUOUS, IDC], [NOT_IDC, NOT_IDC, NOT_IDC]]
    assert outlined(tmp_path) == [[NOT_IDC] * 3] * 2


def test_thresholds_are_part_of_the_rule_and_its_words(tmp_path: Path) -> None:
    idc = feature("IDC", shapely.box(0, 0, 130, 100))
    assert outlined(tmp_path, idc, rule=OutlineRule(low=0.3, high=0.6))[0][1] == NOT_IDC
    assert outlined(tmp_path, idc, rule=OutlineRule(low=0.1, high=0.3))[0][1] == IDC
    assert "at least 60% of the tissue is IDC" in OutlineRule(low=0.3, high=0.6).words
    assert "at most 30% is not IDC;" in OutlineRule(low=0.3, high=0.6).words
    assert "if outlines of other tissue cover at least 50%" in PARTIAL.words


def test_without_all_idc_outlined_only_other_tissue_is_not_idc(tmp_path: Path) -> None:
    features = [
        feature("IDC", shapely.box(0, 0, 100, 100)),
        feature("Stroma", shapely.box(100, 0, 250, 40)),
        feature("DCIS", shapely.box(0, 100, 60, 200)),
    ]
    # 40 % of (0, 1) and (0, 2) are stroma, 60 % of (1, 0) DCIS; of (1, 1) and (1, 2) nobody says anything.
    found = outlined(tmp_path, *features, rule=PARTIAL)
    assert found == [[IDC, UNDECIDED, UNDECIDED], [NOT_IDC, UNLABELLED, UNLABELLED]]
    assert outlined(tmp_path, *features) == [[IDC, NOT_IDC, NOT_IDC], [NOT_IDC] * 3]


@pytest.mark.parametrize("rule", [OutlineRule(), PARTIAL])
def test_what_is_to_be_ignored_is_left_out(tmp_path: Path, rule: OutlineRule) -> None:
    idc = feature("IDC", shapely.box(0, 0, 250, 200))
    found = outlined(tmp_path, idc, feature("Ignore*", shapely.box(0, 0, 100, 60)), rule=rule)
    assert found == [[UNDECIDED, IDC, IDC], [IDC] * 3]
    found = outlined(tmp_path, idc, feature("Necrosis", shapely.box(0, 0, 100, 40)), rule=rule)
    assert found == [[IDC] * 3] * 2


def test_a_cell_that_wasnt_scanned_is_idc_or_without_a_label(tmp_path: Path) -> None:
    features = [
        feature("IDC", shapely.box(0, 0, 140, 100)),
        feature("Stroma", shapely.box(0, 100, 100, 200)),
        feature("Necrosis", shapely.box(100, 100, 200, 200)),
    ]
    scanned = np.zeros((2, 3), dtype=np.bool_)
    for rule in (OutlineRule(), PARTIAL):
        found = outlined(tmp_path, *features, scanned=scanned, rule=rule)
        assert found == [[IDC, UNLABELLED, UNLABELLED], [UNLABELLED] * 3]


def test_shares_are_of_the_tissue_where_there_is_any(tmp_path: Path) -> None:
    # Pixels of 50 px: two a cell and way, one in the last column.
    mask = np.array([[1, 0, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 0, 0, 0, 0]], dtype=np.bool_)
    tissue = TissueMask(mask, 50.0)
    # A quarter of (0, 0), all of its tissue; 60 % of (1, 0), which has none; a third of the area of (1, 1), which has
    # tissue in its upper half.
    idc = [shapely.box(0, 0, 50, 50), shapely.box(0, 100, 100, 160), shapely.box(100, 167, 200, 200)]
    features = [feature("IDC", polygon) for polygon in idc]
    assert outlined(tmp_path, *features, tissue=tissue) == [[IDC, NOT_IDC, NOT_IDC], [IDC, NOT_IDC, NOT_IDC]]
    assert outlined(tmp_path, *features) == [[NOT_IDC, NOT_IDC, NOT_IDC], [IDC, AMBIGUOUS, NOT_IDC]]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    pixel_px=st.sampled_from([7.0, 33.0, 100.0, 400.0 / 3]),
    radius=st.floats(20, 120),
    x=st.floats(0, 250),
    y=st.floats(0, 200),
)
def test_shares_are_those_of_many_points(
    tmp_path_factory: pytest.TempPathFactory, seed: int, pixel_px: float, radius: float, x: float, y: float
) -> None:
    """A point on every 2 px: is it tissue, is it in the outline."""
    shape = (max(1, round(200 / pixel_px)), max(1, round(250 / pixel_px)))
    mask = np.random.default_rng(seed).random(shape) < 0.5
    disk = shapely.Point(x, y).buffer(radius).intersection(shapely.box(0, 0, 250, 200))
    rows, cols = np.meshgrid(np.arange(1, 200, 2.0), np.arange(1, 250, 2.0), indexing="ij")
    inside = np.asarray(shapely.contains_xy(disk, cols, rows), dtype=np.bool_)
    of_row = np.minimum(rows // pixel_px, shape[0] - 1).astype(int)
    weight = mask[of_row, np.minimum(cols // pixel_px, shape[1] - 1).astype(int)]
    found = outlined(
        tmp_path_factory.mktemp("o"),
        feature("IDC", disk),
        tissue=TissueMask(mask, pixel_px),
        rule=OutlineRule(low=0.5, high=0.5),
    )
    for row in range(2):
        for col in range(3):
            cell = (rows // 100 == row) & (cols // 100 == col)
            tissue = weight[cell] if weight[cell].any() else np.ones(cell.sum(), dtype=np.bool_)
            share = inside[cell][tissue].mean()
            if abs(share - 0.5) > 0.1:
                assert found[row][col] == (IDC if share > 0.5 else NOT_IDC)


def test_two_things_said_of_a_cell_are_refused(tmp_path: Path) -> None:
    features = [feature("IDC", shapely.box(0, 0, 100, 100)), feature("Stroma", shapely.box(0, 0, 90, 100))]
    with pytest.raises(ReferenceFileError, match=r"cells at \(0, 0\): subtract"):
        outlined(tmp_path, *features)
    with pytest.raises(ReferenceFileError, match="classes that are not known: 'tumour bed'"):
        outlined(tmp_path, feature("tumour bed", shapely.box(0, 0, 100, 100)))


def test_a_finer_frame_is_shrunk_and_then_has_to_be_on_the_slide(tmp_path: Path) -> None:
    path = tmp_path / "o.geojson"
    path.write_text(json.dumps([feature("IDC", shapely.box(400, 0, 800, 400))]))
    found = outlined_cells(path, GRID, SCANNED, None, OutlineRule(), downsample=4.0)
    assert np.argwhere(found.idc).tolist() == [[0, 1]]
    with pytest.raises(ReferenceFileError, match="reach beyond the slide's 250 x 200 px"):
        outlined_cells(path, GRID, SCANNED, None, OutlineRule())
