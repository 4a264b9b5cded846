from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.errors import DamagedResult, OutputError
from batchscan.domain.geometry import PatchGrid, PatchSpec, Spacing, SpacingSource
from batchscan.domain.quality import Limits, Measured, QualitySettings, judged
from batchscan.domain.records import (
    Counts,
    EngineInfo,
    Extent,
    Focus,
    ModelInfo,
    PatchTable,
    Pictures,
    ScanSettings,
    SlideInfo,
    SlideResult,
)
from batchscan.stores.packages import open_package
from batchscan.stores.pictures import read_pictures, write_pictures
from batchscan.stores.regions import write_regions
from batchscan.stores.results import RunFolder, read_result, write_result

PATCH = PatchSpec(50, 8.0, 1.0)
CONTRACT = set("schema_version status slide model engine threshold patch counts extent qc seconds digest".split())
SLIDE = set("slide_id patient_id width_px height_px um_per_px um_per_px_source fingerprint source_downsample".split())
TABLE = ("row", "col", "tissue_fraction", "p_raw", "p_idc", "readable", "pixel_hash", "sharpness")
LIMITS = QualitySettings(limits={"sharpness": Limits(review_below=0.4, refuse_below=0.2)})
RING = ((0.0, 0.0), (50.0, 0.0), (50.0, 50.0), (0.0, 50.0), (0.0, 0.0))


def _result() -> SlideResult:
    grid = PatchGrid.over(120, 60, 8.0, PATCH)
    table = PatchTable(
        grid=grid,
        row=np.array([0, 0, 1], np.int32),
        col=np.array([0, 2, 1], np.int32),
        tissue_fraction=np.array([1.0, 0.25, 0.5], np.float32),
        p_raw=np.array([0.8, np.nan, 0.2], np.float32),
        p_idc=np.array([0.9, np.nan, 0.1], np.float32),
        readable=np.array([True, False, True]),
        pixel_hash=np.array([2**64 - 1, 0, 7], np.uint64),
        sharpness=np.array([0.25, np.nan, 0.5], np.float32),
    )
    focus = Focus(0.16, 0.57, 0.56, (0, 0, 50, 50), (25.0, 25.0), 0.9, 1, touches_edge=True, rings_px=((RING,),))
    extent = Extent(
        tissue_mm2=0.28,
        unreadable_mm2=0.04,
        idc_mm2=0.16,
        idc_fraction=0.16 / 0.24,
        n_foci=1,
        largest_focus_mm=0.57,
        perpendicular_mm=0.56,
        field_extent_mm=None,
        touches_edge=True,
        foci=(focus,),
        undefined={"field_extent_mm": "a test"},
    )
    return SlideResult(
        slide=SlideInfo("S", "P", 120, 60, Spacing(8.0, SpacingSource.OPTION), "sha256:ab"),
        model=ModelInfo("m", "1", "cd"),
        engine=EngineInfo("keras", "f32"),
        settings=ScanSettings(PATCH, 0.05, 0.01, 0.5, 1e-4, 4, Aggregation(0.8, 1.5, -0.25), LIMITS),
        counts=Counts(6, 3, 1, 0, 1),
        extent=extent,
        qc={"tissue_share": 0.4, "background_rgb": [255, 255, 255], "focus": None},
        seconds={"read": 0.1, "tissue": 0.1, "infer": 0.1, "write": 0.1, "total": 0.4},
        scan_digest="sha256:1",
        digest="sha256:2",
        table=table,
        quality=judged([Measured("sharpness", 0.3), Measured("pen_share", None, "a test")], LIMITS),
        profile={"p_raw": (1, 0, 1)},
    )


def _written(folder: Path) -> SlideResult:
    result = _result()
    write_result(folder, result)
    write_regions(
        folder / "regions.geojson", "S", result.extent.foci, result.model, result.settings, result.scan_digest
    )
    return result


def test_a_result_is_read_back_as_it_was(tmp_path: Path) -> None:
    result = _written(tmp_path)
    again = read_result(tmp_path)
    np.testing.assert_equal(
        [getattr(again.table, name) for name in TABLE],
        [getattr(result.table, name) for name in TABLE],
    )
    assert again.table.grid == result.table.grid
    assert replace(again, table=result.table) == result


def test_result_json_has_what_the_contract_promises(tmp_path: Path) -> None:
    _written(tmp_path)
    data = json.loads((tmp_path / "result.json").read_text())
    assert set(data) >= CONTRACT
    assert set(data["slide"]) == SLIDE
    assert data["orientations"] == 4
    assert data["aggregation"] == {"sigma": 0.8, "temperature": 1.5, "intercept": -0.25}
    assert data["patch"] == {"patch_px": 50, "um_per_px": 8.0, "stride": 1.0, "side_px": 50.0}
    assert set(data["counts"]) == {"grid", "tissue", "positive", "borderline", "unreadable"}
    assert data["extent"]["field_extent_mm"] is None
    assert data["extent"]["undefined"] == {"field_extent_mm": "a test"}
    assert data["extent"]["foci"][0]["bbox_px"] == [0, 0, 50, 50]
    assert "rings_px" not in data["extent"]["foci"][0]


def test_result_json_says_how_good_the_slide_is(tmp_path: Path) -> None:
    _written(tmp_path)
    data = json.loads((tmp_path / "result.json").read_text())
    limits = {"review_below": 0.4, "review_above": None, "refuse_below": 0.2, "refuse_above": None}
    none = dict.fromkeys(limits)
    assert data["schema_version"] == 4
    assert data["quality"] == {"enabled": True, "limits": {"sharpness": limits}}
    assert data["qc"]["tissue_share"] == 0.4
    assert data["qc"]["grade"] == "review"
    assert data["qc"]["measures"] == [
        {"name": "sharpness", "value": 0.3, "unit": "", "limits": limits, "grade": "review", "undefined": ""},
        {"name": "pen_share", "value": None, "unit": "share", "limits": none, "grade": None, "undefined": "a test"},
    ]
    assert data["profile"] == {"p_raw": [1, 0, 1]}


def test_the_patch_table_is_a_row_a_patch_with_null_where_unreadable(tmp_path: Path) -> None:
    _written(tmp_path)
    table = pq.read_table(tmp_path / "patches.parquet")
    columns = "x_px y_px row col tissue_fraction p_raw p_idc readable pixels sharpness"
    assert table.column_names == columns.split()
    assert table["pixels"].to_pylist() == [2**64 - 1, 0, 7]
    assert table["sharpness"].to_pylist() == [0.25, None, 0.5]
    assert table["x_px"].to_pylist() == [0.0, 100.0, 50.0]
    assert table["p_raw"].to_pylist() == [pytest.approx(0.8), None, pytest.approx(0.2)]
    assert table["p_idc"].to_pylist() == [pytest.approx(0.9), None, pytest.approx(0.1)]
    assert float(table.schema.metadata[b"side_px"]) == 50.0
    assert float(table.schema.metadata[b"um_per_px"]) == 8.0


def test_nan_never_reaches_json(tmp_path: Path) -> None:
    result = _result()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_result(tmp_path, replace(result, extent=replace(result.extent, idc_mm2=float("nan"))))
    assert list(tmp_path.iterdir()) == []


def test_pictures_come_back(tmp_path: Path) -> None:
    overview = np.full((20, 30, 3), 200, np.uint8)
    tissue = np.zeros((20, 30), np.bool_)
    tissue[3:9, 4:20] = True
    write_pictures(tmp_path, Pictures(overview, 16.0, tissue, {(3, 12): np.full((50, 50, 3), 90, np.uint8)}))
    again = read_pictures(tmp_path)
    assert again.overview_um_per_px == 16.0
    assert again.overview.shape == (20, 30, 3)
    assert (again.tissue == tissue).all()
    assert abs(int(again.patches[3, 12].mean()) - 90) <= 1


def test_pictures_that_are_there_are_copied_and_not_compressed_again(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    overview = dice.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    tissue, dark = dice.random((2, 40, 60)) < 0.5
    first = Pictures(overview, 16.0, tissue, {(3, 12): overview[:20, :20]}, dark=dark)
    write_pictures(tmp_path / "a", first)
    decoded = read_pictures(tmp_path / "a")
    more = replace(decoded, patches={**decoded.patches, (0, 7): overview[10:30, 10:30]}, pen=tissue)
    write_pictures(tmp_path / "b", more, kept=tmp_path / "a")
    names = ("overview.jpg", "tissue.png", "dark.png", "patches/r3_c12.jpg")
    for name in names:
        assert (tmp_path / "b/pictures" / name).read_bytes() == (tmp_path / "a/pictures" / name).read_bytes(), name
    found = read_pictures(tmp_path / "b")
    assert set(found.patches) == {(3, 12), (0, 7)}
    assert found.pen is not None
    assert (found.pen == tissue).all()
    # Written anew, the overview would not be what it was.
    write_pictures(tmp_path / "c", more)
    assert (read_pictures(tmp_path / "c").overview != decoded.overview).any()


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    _written(tmp_path)
    (tmp_path / "patches.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedResult, match="scan the slide again"):
        read_result(tmp_path)
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(DamagedResult, match="scan the slide again"):
        read_result(tmp_path)


def test_a_result_of_an_older_version_is_named_as_such(tmp_path: Path) -> None:
    _written(tmp_path)
    data = json.loads((tmp_path / "result.json").read_text())
    del data["orientations"], data["aggregation"]
    (tmp_path / "result.json").write_text(json.dumps({**data, "schema_version": 1}))
    with pytest.raises(
        DamagedResult, match=r"schema version 1, this batchscan reads 4: an older .* scan the slide again"
    ):
        read_result(tmp_path)


def test_patches_that_nobody_hashed_have_none(tmp_path: Path) -> None:
    result = _result()
    write_result(tmp_path, replace(result, table=replace(result.table, pixel_hash=None)))
    assert pq.read_table(tmp_path / "patches.parquet")["pixels"].to_pylist() == [0, 0, 0]


@pytest.mark.parametrize("column", ["p_raw", "pixels"])
def test_a_patch_table_without_a_column_is_damaged(column: str, tmp_path: Path) -> None:
    _written(tmp_path)
    table = pq.read_table(tmp_path / "patches.parquet")
    pq.write_table(table.drop_columns([column]), tmp_path / "patches.parquet")
    with pytest.raises(DamagedResult, match=rf"{column}.*scan the slide again"):
        read_result(tmp_path)


def test_committing_replaces_the_older_result_as_a_whole(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.create()
    for text in ("old", "new"):
        staged = run.staging / "S"
        run.clear_staging()
        (staged / "pictures").mkdir(parents=True)
        (staged / text).write_text(text)
        final = run.commit(staged, "S")
    assert sorted(file.name for file in final.iterdir()) == ["new", "pictures"]
    assert not staged.exists()


def test_each_models_card_is_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    shipped = open_package("published-cnn").card
    other = shipped.model_copy(update={"weights_sha256": "ab" * 32})
    run.keep_card(shipped)
    run.keep_card(other)
    assert run.read_card(shipped.weights_sha256) == shipped
    assert run.read_card("ab" * 32) == other
    with pytest.raises(DamagedResult, match="no readable card"):
        run.read_card("cd" * 32)


def test_what_a_model_was_made_with_is_kept_beside_its_card(tmp_path: Path) -> None:
    run, package = RunFolder(tmp_path), open_package("published-cnn")
    sha256 = package.info.sha256
    run.keep_card(package.card, package.seen_path)
    kept, own = run.read_seen(sha256), package.seen()
    assert kept is not None
    assert own is not None
    assert np.array_equal(kept.patches, own.patches)
    run.seen(sha256).write_bytes(b"")
    with pytest.raises(DamagedResult, match=r"seen\.npz can't be read .*changed.*run the job again"):
        run.read_seen(sha256)
    # A package without a list takes the place of one that had it.
    run.keep_card(package.card.model_copy(update={"seen_sha256": None}))
    assert run.read_seen(sha256) is None


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.create()
    (tmp_path / "slides" / ".S.0123.partial").mkdir()
    (tmp_path / ".run.json.x.tmp").touch()
    (run.slide("S")).mkdir()
    run.clear_staging()
    assert [path.name for path in tmp_path.rglob("*")] == ["slides", "S"]


def test_a_result_that_no_longer_holds_is_out_of_sight_but_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.create()
    run.slide("S").mkdir()
    (run.slide("S") / "result.json").write_text("{}")
    run.set_aside("S")
    assert not run.slide("S").exists()
    assert len(list(tmp_path.rglob("result.json"))) == 1


def test_a_read_only_folder_is_named() -> None:
    # /proc lets nobody make folders, not even root.
    with pytest.raises(OutputError, match="can't be written"):
        RunFolder(Path("/proc/run")).create()


def test_a_file_in_the_place_of_the_run_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(OutputError, match=r"run.* can't be written"):
        RunFolder(tmp_path / "run").create()
