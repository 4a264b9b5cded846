"""A night with unusable slides among usable ones: each is accounted for in one line, and the others are done."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import Ran, batchscan
from slide_files import Rgb, write_aperio

from batchscan.stores.patchsets import read_patch_set

DEMO = Path(__file__).parents[1] / "batchscan" / "demo" / "8863.zip"
EXPECTED = {
    "good": ("done", ""),
    "blank": ("done", "no_tissue"),
    "grey": ("excluded", "not_rgb"),
    "text": ("excluded", "unopenable"),
    "no_spacing": ("excluded", "no_spacing"),
    "tag_of_72_dpi": ("excluded", "implausible_spacing"),
    "truncated": ("excluded", "unopenable"),
}
REAL = {
    "boxes": ("excluded", "implausible_spacing"),
    "boxes_0": ("done", "no_tissue"),
    "broken": ("excluded", "unopenable"),
    "cmu-1-small-region": ("done", "not_analysable"),
    "sm_image": ("done", "no_tissue"),
    "small": ("done", "no_tissue"),
    "tcga-cr-7395-01a-01-ts1": ("excluded", "no_spacing"),
    "unopenable": ("excluded", "unopenable"),
    "unreadable": ("failed", "unreadable"),
}


def _tissue() -> Rgb:
    """A piece of the demo slide at 4 um/px."""
    with read_patch_set(DEMO) as patches:
        pixels = patches.mount("8863").read(800, 800, 800, 800)
    return np.repeat(np.repeat(pixels, 2, axis=0), 2, axis=1)


@pytest.fixture(scope="module")
def slides_with_bad_ones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slides")
    tissue = _tissue()
    write_aperio(folder / "good.svs", [tissue], "|MPP = 4.0")
    write_aperio(folder / "no_spacing.svs", [tissue], "|AppMag = 20")
    write_aperio(folder / "tag_of_72_dpi.svs", [tissue], "|MPP = 352.8")
    write_aperio(folder / "blank.svs", [np.full_like(tissue, 245)], "|MPP = 4.0")
    grey = tissue.mean(axis=2, keepdims=True).astype(np.uint8)
    write_aperio(folder / "grey.svs", [np.repeat(grey, 3, axis=2)], "|MPP = 4.0")
    (folder / "text.svs").write_text("this is no slide\n")
    whole = (folder / "good.svs").read_bytes()
    (folder / "truncated.svs").write_bytes(whole[: len(whole) * 2 // 3])
    return folder


@pytest.fixture(scope="module")
def night(slides_with_bad_ones: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    run = tmp_path_factory.mktemp("night") / "run"
    return run, batchscan("scan", slides_with_bad_ones, "--out", run, code=3)


def _summary(run: Path) -> dict[str, dict[str, str]]:
    with (run / "summary.csv").open() as stream:
        return {row["slide_id"]: row for row in csv.DictReader(stream)}


def _ends(run: Path) -> dict[str, tuple[str, str]]:
    return {slide_id: (row["status"], row["reason"]) for slide_id, row in _summary(run).items()}


def test_every_slide_is_accounted_for(night: tuple[Path, Ran]) -> None:
    run, ran = night
    assert _ends(run) == EXPECTED
    for slide_id, (_, reason) in EXPECTED.items():
        lines = [line for line in ran.err.splitlines() if line.startswith(f"{slide_id}: ")]
        assert len(lines) == (1 if reason else 0)
    assert "7 asked, 2 done, 0 failed, 5 excluded" in ran.err


def test_sentences_give_the_remedy_and_no_path(night: tuple[Path, Ran], slides_with_bad_ones: Path) -> None:
    rows = _summary(night[0])
    for page in ("summary.csv", "index.html"):
        assert str(slides_with_bad_ones) not in (night[0] / page).read_text()
    assert "--um-per-px" in rows["no_spacing"]["sentence"]
    assert "352.8" in rows["tag_of_72_dpi"]["sentence"]
    assert "--um-per-px" in rows["tag_of_72_dpi"]["sentence"]


def test_only_done_slides_have_results_and_nothing_half_written_is_left(night: tuple[Path, Ran]) -> None:
    run, _ = night
    results = sorted(path.name for path in (run / "slides").iterdir() if not path.name.startswith("."))
    assert results == ["blank", "good"]
    assert not (run / "slides" / ".staging").exists()
    stores = sorted(path.name for path in (run / "stores").glob("*.ome.zarr"))
    assert "truncated.ome.zarr" not in stores
    assert not [path for path in run.rglob("*") if path.suffix in {".partial", ".tmp"}]


def test_a_slide_without_tissue_is_a_result_whose_extent_is_not_defined(night: tuple[Path, Ran]) -> None:
    result = json.loads((night[0] / "slides/blank/result.json").read_text())
    assert result["counts"]["tissue"] == 0
    assert result["extent"]["tissue_mm2"] == 0.0
    for name in ("idc_mm2", "idc_fraction", "largest_focus_mm", "n_foci"):
        assert result["extent"][name] is None
        assert result["extent"]["undefined"][name]
    assert _summary(night[0])["blank"]["idc_mm2"] == ""


def test_a_spacing_from_the_command_line_is_used_and_said(slides_with_bad_ones: Path, tmp_path: Path) -> None:
    slide = slides_with_bad_ones / "no_spacing.svs"
    batchscan("scan", slide, "--out", tmp_path / "run", "--um-per-px", "4.0", "--no-report", "--workers", 1)
    result = json.loads((tmp_path / "run/slides/no_spacing/result.json").read_text())
    assert (result["slide"]["um_per_px"], result["slide"]["um_per_px_source"]) == (4.0, "option")


def test_a_damaged_store_fails_or_counts_what_it_lost(night: tuple[Path, Ran], tmp_path: Path) -> None:
    store = tmp_path / "damaged.ome.zarr"
    shutil.copytree(night[0] / "stores" / "good.ome.zarr", store)
    shutil.copytree(store, tmp_path / "incomplete.ome.zarr")
    level = json.loads((store / "zarr.json").read_text())["attributes"]["ome"]["multiscales"][0]["datasets"][1]["path"]
    for shard in (path for path in (store / level).rglob("*") if path.is_file() and path.name != "zarr.json"):
        content = bytearray(shard.read_bytes())
        content[1000:1100] = bytes(255 - byte for byte in content[1000:1100])
        shard.write_bytes(content)
    shards = [p for p in (tmp_path / "incomplete.ome.zarr").rglob("*") if p.is_file() and p.name != "zarr.json"]
    shards[0].unlink()
    batchscan("scan", store, tmp_path / "incomplete.ome.zarr", "--out", tmp_path / "run", "--workers", 1, code=3)
    assert _ends(tmp_path / "run") == {"damaged": ("failed", "unreadable"), "incomplete": ("failed", "unreadable")}


def test_the_archive_of_the_same_slides_names_the_same_ones(slides_with_bad_ones: Path, tmp_path: Path) -> None:
    batchscan("ingest", slides_with_bad_ones, "--archive", tmp_path / "archive", code=3)
    with (tmp_path / "archive/ingest.csv").open() as stream:
        ends = {row["slide_id"]: (row["status"], row["reason"]) for row in csv.DictReader(stream)}
    # What is on a slide is looked at by the scan.
    assert ends == EXPECTED | {"blank": ("done", ""), "grey": ("done", "")}
    stores = sorted(path.name.split(".")[0] for path in (tmp_path / "archive").iterdir() if path.is_dir())
    assert stores == ["blank", "good", "grey"]
    # Whoever scans the archive asked for these too.
    batchscan("scan", tmp_path / "archive", "--out", tmp_path / "run", "--no-report", "--workers", 1, code=3)
    assert _ends(tmp_path / "run") == EXPECTED


def test_an_output_folder_that_cannot_be_written_is_one_line(slides_with_bad_ones: Path) -> None:
    for words in (["scan", slides_with_bad_ones, "--out"], ["ingest", slides_with_bad_ones, "--archive"]):
        # /proc lets nobody make folders, not even root.
        ran = batchscan(*words, "/proc/none", code=1)
        assert ran.err.startswith("error: ")
        assert ran.err.count("\n") == 1
        assert "can't be written" in ran.err


def test_a_manifest_that_is_wrong_stops_before_any_work(slides_with_bad_ones: Path, tmp_path: Path) -> None:
    manifest = slides_with_bad_ones / "manifest-to-be.csv"
    for text, said in (
        ("slide_id\ngood\n", "column path is missing"),
        ("slide_id,path\na,good.svs\na,blank.svs\n", "is also on line 2"),
        ("slide_id,path\na,../../etc/passwd\n", "leads out of the manifest's folder"),
    ):
        manifest.write_text(text)
        ran = batchscan("scan", manifest, "--out", tmp_path / "run", code=1)
        assert said in ran.err
        assert ran.err.count("\n") == 1
    manifest.unlink()
    assert not (tmp_path / "run").exists()


def test_real_scanner_files(slides: Path, tmp_path: Path) -> None:
    files = [path for path in sorted(slides.iterdir()) if path.is_file()]
    batchscan("scan", *files, "--out", tmp_path / "run", "--no-report", code=3)
    assert _ends(tmp_path / "run") == REAL
