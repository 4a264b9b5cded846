from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batchscan.domain.errors import OutputError
from batchscan.domain.geometry import PatchGrid
from batchscan.domain.joined import JoinedSlide
from batchscan.stores.annotations import annotated_cells
from batchscan.stores.discordant import discordant_geojson, write_discordant
from batchscan.stores.regions import read_regions

# 3 x 4 cells of 50 px; the last column has 20 px, the last row 5 px on the slide.
GRID = PatchGrid(170, 105, 50, 50)
LABEL = np.array([[1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0]], dtype=np.bool_)
P_IDC = np.array([[0.9, 0.1, 0.2, 0.7], [0.9999, 0.0, 0.1, np.nan], [0.4999, 0.3, 0.1, 0.2]], dtype=np.float32)


def slide_over(grid: PatchGrid, label: Any = LABEL, p_idc: Any = P_IDC, slide_id: str = "S-1") -> JoinedSlide:
    row, col = (each.astype(np.int32) for each in np.nonzero(np.ones(label.shape)))
    p, n = p_idc.ravel().astype(np.float32), label.size
    scanned = np.ones(n, dtype=np.bool_)
    scanned[(row == 1) & (col == 1)] = False
    readable = ~np.isnan(p)
    return JoinedSlide(
        slide_id=slide_id,
        patient_id="P-1",
        row=row,
        col=col,
        x_px=np.asarray(col * grid.step_px, dtype=np.float64),
        y_px=np.asarray(row * grid.step_px, dtype=np.float64),
        label=label.ravel(),
        p_raw=p,
        p_idc=p,
        positive=np.asarray(np.nan_to_num(p) >= 0.5, dtype=np.bool_),
        scanned=scanned,
        readable=readable,
        tissue_mm2=np.full(n, 0.16),
        side_px=grid.side_px,
        threshold=0.5,
    )


def test_the_surest_mistakes_come_first_and_say_what_they_are() -> None:
    features = discordant_geojson(slide_over(GRID), GRID)["features"]
    # The patch that couldn't be read (row 1, col 3) isn't among them.
    assert [
        (feature["properties"]["name"], feature["properties"]["classification"]["name"]) for feature in features
    ] == [
        ("FN: not scanned, no tissue found", "IDC"),
        ("FP: called IDC, p 0.999", "not IDC"),
        ("FN: called not IDC, p 0.100", "IDC"),
        ("FP: called IDC, p 0.700", "not IDC"),
        ("FN: called not IDC, p 0.499", "IDC"),
    ]
    assert features[1]["geometry"]["coordinates"] == [[[0, 50], [50, 50], [50, 100], [0, 100], [0, 50]]]
    # Clipped to the slide.
    assert features[3]["geometry"]["coordinates"] == [[[150, 0], [170, 0], [170, 50], [150, 50], [150, 0]]]
    assert features[3]["properties"]["measurements"] == {"p(IDC)": pytest.approx(0.7), "Threshold": 0.5}
    assert features[3]["properties"]["metadata"] == {"slide_id": "S-1", "row": "0", "col": "3"}


def test_ids_are_those_of_slide_and_place() -> None:
    def ids(slide: JoinedSlide) -> list[str]:
        return [feature["id"] for feature in discordant_geojson(slide, GRID)["features"]]

    slide = slide_over(GRID)
    every = ids(slide) + ids(replace(slide, slide_id="S-2"))
    assert len(set(every)) == 10
    assert all(str(uuid.UUID(each)) == each for each in every)
    assert ids(replace(slide, threshold=0.6)) == ids(slide)


@pytest.mark.parametrize("stride", [1.0, 0.5, 0.25])
def test_read_back_unchanged_it_labels_the_same_cells_the_same(tmp_path: Path, stride: float) -> None:
    grid = PatchGrid(170, 105, 50 * stride, 50)
    random = np.random.default_rng(1)
    label = random.random((grid.n_rows, grid.n_cols)) < 0.5
    slide = slide_over(grid, label, random.random(label.shape))
    path = write_discordant(tmp_path, slide, grid)
    assert path == tmp_path / "S-1.geojson"
    reference = annotated_cells(path, grid).reference
    wrong = slide.positive != slide.label
    on_slide = np.array(
        [
            grid.cell_box(int(r), int(c)).width > 0 < grid.cell_box(int(r), int(c)).height
            for r, c in zip(slide.row, slide.col, strict=True)
        ]
    )
    kept = wrong & on_slide
    assert kept.sum() > 3
    found = set(zip(reference.x_px, reference.y_px, reference.label, strict=True))
    assert found == set(zip(slide.x_px[kept], slide.y_px[kept], slide.label[kept], strict=True))


def test_nothing_discordant_is_no_file(tmp_path: Path) -> None:
    slide = slide_over(GRID, np.zeros((3, 4), dtype=np.bool_), np.zeros((3, 4)))
    assert write_discordant(tmp_path, slide, GRID) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../S", "a/b", "..\\S", "S\0", "/etc/S", "a/.."])
def test_a_hostile_name_leads_nowhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(OutputError, match="can't give a file its name"):
        write_discordant(tmp_path / "in", slide_over(GRID, slide_id=name), GRID)
    assert [path.name for path in tmp_path.rglob("*")] == ["in"]


def test_a_name_that_looks_like_code_stays_text(tmp_path: Path) -> None:
    name = '"},{"=cmd()<b>'
    path = write_discordant(tmp_path, slide_over(GRID, slide_id=name), GRID)
    assert path is not None
    assert len(read_regions(path)) == 5
    features = json.loads(path.read_text())["features"]
    assert {feature["properties"]["metadata"]["slide_id"] for feature in features} == {name}


def test_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"S-1\.geojson"):
        write_discordant(tmp_path / "none", slide_over(GRID), GRID)
