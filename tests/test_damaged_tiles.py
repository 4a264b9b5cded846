"""Slide files in which single tiles can't be decoded, by the real commands: they cost the patches on them, no more."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from command import Ran, batchscan
from slide_files import Rgb, write_spoilt

from batchscan.domain.records import SlideRequest
from batchscan.stores.patchsets import read_patch_set
from batchscan.stores.pyramids import SlideStore, open_store
from batchscan.workflow.ingest import ingest_slide

DEMO = Path(__file__).parents[1] / "batchscan" / "demo" / "8863.zip"
# 11 x 13 tiles at 2 um/px; those of the last column have 40 columns of pixels, those of the last row 28 rows.
WIDTH, HEIGHT = 2600, 3100
# (column, row): on glass, at the right edge, in the lower right corner. 0.95 % of the slide.
SPOILT = ((1, 5), (10, 2), (10, 12))
# A tile covers 512 um, a patch 400: tile 1 lies from 512 to 1024 um, on patches 1 and 2, and so on. (row, column):
ON_GLASS = {(6, 1), (6, 2), (7, 1), (7, 2)}
UNREADABLE = ON_GLASS | {(2, 12), (3, 12), (15, 12)}
# The same tiles in a store of 4 um/px.
BOXES = [[1280, 256, 20, 128], [128, 640, 128, 128], [1280, 1536, 20, 14]]
JOB = """
[slides]
sources = ["archive", "file.svs"]
finest_um_per_px = 4.0
[patches]
max_unreadable = 0.05
[run]
out = "run"
workers = 1
[report]
per_slide = false
"""


@pytest.fixture(scope="module")
def tissue() -> Rgb:
    """A piece of the demo slide that is nearly all tissue."""
    with read_patch_set(DEMO) as patches:
        pixels = patches.mount("8863").read(800, 800, WIDTH // 4, HEIGHT // 4)
    return np.repeat(np.repeat(pixels, 4, axis=0), 4, axis=1)


@pytest.fixture(scope="module")
def night(tissue: Rgb, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran, Ran]:
    folder = tmp_path_factory.mktemp("night")
    (folder / "in").mkdir()
    spoilt = {"in/intact": (), "in/spoilt": SPOILT, "in/lost": (*SPOILT, (0, 12)), "file": SPOILT}
    for name, places in spoilt.items():
        write_spoilt(folder / f"{name}.svs", [tissue], places, "|AppMag = 5|MPP = 2.0")
    ingested = batchscan("ingest", folder / "in", "--archive", folder / "archive", "--finest", 4, code=3)
    (folder / "job.toml").write_text(JOB)
    return folder, ingested, batchscan("run", folder / "job.toml", code=3)


def result(folder: Path, slide_id: str) -> dict[str, Any]:
    return dict(json.loads((folder / f"run/slides/{slide_id}/result.json").read_text()))


def rows(folder: Path, slide_id: str) -> dict[tuple[int, int], dict[str, Any]]:
    table = pq.read_table(folder / f"run/slides/{slide_id}/patches.parquet").to_pylist()
    return {(row["row"], row["col"]): row for row in table}


def test_the_ingest_says_what_it_could_not_decode_and_what_was_too_much(night: tuple[Path, Ran, Ran]) -> None:
    folder, ingested, _ = night
    assert "2 done, 1 failed, 0 excluded" in ingested.err
    assert "spoilt.svs: done (damaged): spoilt: 3 squares of it (0.95 % of its area) can't be decoded" in ingested.err
    with (folder / "archive/ingest.csv").open(newline="") as stream:
        found = {row["slide_id"]: (row["status"], row["reason"], row["sentence"]) for row in csv.DictReader(stream)}
    assert found["intact"] == ("done", "", "")
    assert found["spoilt"][:2] == ("done", "damaged")
    assert "copy the file again from the scanner" in found["spoilt"][2]
    # 7,168 px more would make 1.04 %.
    assert found["lost"][:2] == ("failed", "unreadable")
    assert "such squares were found until it was given up, more than may be missing (1 % of the" in found["lost"][2]
    stores = sorted(path.name for path in (folder / "archive").iterdir())
    assert stores == ["ingest.csv", "intact.ome.zarr", "manifest.csv", "spoilt.ome.zarr"]


def test_the_store_knows_its_damage_and_is_black_there(night: tuple[Path, Ran, Ran]) -> None:
    intact, spoilt = (open_store(night[0] / f"archive/{name}.ome.zarr") for name in ("intact", "spoilt"))
    assert (spoilt.width_px, spoilt.height_px) == (1300, 1550)
    assert spoilt.record["damaged_px"] == BOXES
    assert "damaged_px" not in intact.record
    assert spoilt.record["fingerprint"] != intact.record["fingerprint"]
    expected = intact.read_planes(intact.levels[0], 0, 0, 1300, 1550)
    for x, y, width, height in BOXES:
        expected[:, y : y + height, x : x + width] = 0
    assert np.array_equal(spoilt.read_planes(spoilt.levels[0], 0, 0, 1300, 1550), expected)


@pytest.mark.parametrize("name", ["spoilt", "file"])
def test_the_patches_on_the_tiles_are_unreadable_and_the_others_have_the_same_score(
    name: str, night: tuple[Path, Ran, Ran]
) -> None:
    folder = night[0]
    whole, found = rows(folder, "intact"), rows(folder, name)
    assert len(whole) > 150
    assert not any(row["p_raw"] is None for row in whole.values())
    assert {place for place, row in found.items() if not row["readable"]} == UNREADABLE
    # Nobody knows that there was only glass.
    assert found.keys() - whole.keys() == ON_GLASS
    assert whole.keys() <= found.keys()
    for place in whole.keys() - UNREADABLE:
        assert (found[place]["p_raw"], found[place]["pixels"]) == (whole[place]["p_raw"], whole[place]["pixels"])
    assert {found[place]["p_raw"] for place in UNREADABLE} == {None}
    counts = result(folder, name)["counts"]
    assert (counts["tissue"], counts["unreadable"]) == (len(whole) + 4, 7)
    assert result(folder, name)["qc"]["unreadable_share"] == 7 / (len(whole) + 4)
    assert result(folder, name)["qc"]["pen_share"] == 0


def test_the_night_says_it_and_who_it_left_out(night: tuple[Path, Ran, Ran]) -> None:
    folder, _, ran = night
    assert "4 asked, 3 done, 1 failed, 0 excluded" in ran.err
    with (folder / "run/summary.csv").open(newline="") as stream:
        found = {row["slide_id"]: (row["status"], row["n_unreadable"]) for row in csv.DictReader(stream)}
    assert found == {
        "intact": ("done", "0"), "spoilt": ("done", "7"), "file": ("done", "7"), "lost": ("failed", ""),
    }  # fmt: skip


def test_the_same_damage_is_left_alone_and_a_mended_file_made_anew(tissue: Rgb, tmp_path: Path) -> None:
    # OpenSlide's own hash is of the coarsest level.
    levels = [tissue, np.ascontiguousarray(tissue[::4, ::4])]

    def made(*spoilt: tuple[int, int]) -> tuple[SlideStore, int]:
        path = write_spoilt(tmp_path / "a.svs", levels, spoilt, "|AppMag = 5|MPP = 2.0")
        px: list[int] = []
        return open_store(ingest_slide(SlideRequest("a", "a", path), tmp_path, 4.0, px.append)), sum(px)

    whole_px = 1300 * 1550
    store, n_px = made((2, 4))
    assert (len(store.damage), n_px) == (1, whole_px)
    again, n_px = made((2, 4))
    assert (again.fingerprint, n_px) == (store.fingerprint, 0)
    mended, n_px = made()
    # The samples that a file's fingerprint is of don't lie on the tile.
    assert mended.record["source"] == store.record["source"]
    assert (len(mended.damage), n_px) == (0, whole_px)
    assert mended.fingerprint != store.fingerprint
