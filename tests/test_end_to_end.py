"""The whole job on the bundled slide, as a user starts it: real processes, real pixels, the shipped model."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from command import Ran, batchscan
from dask_processes import scheduler, worker
from PIL import Image
from pypdf import PdfReader
from scipy import ndimage
from scipy.special import expit, logit

import batchscan as batchscan_package
from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.evaluation.leakage import SlideFacts, seen_by
from batchscan.stores.packages import open_package
from batchscan.stores.results import RunFolder, read_result
from batchscan.stores.seen import SeenSet


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, batchscan("demo", "--out", folder)


def _scan(folder: Path, run: Path, *words: object, code: int = 0) -> Ran:
    """One worker: a second one takes longer to start than it saves on one slide, and no number depends on how many."""
    return batchscan("scan", folder / "archive", "--out", run, "--workers", 1, *words, code=code)


def _result(folder: Path) -> dict[str, Any]:
    data = json.loads((folder / "run/slides/8863/result.json").read_text())
    assert isinstance(data, dict)
    return data


def test_the_demo_prints_where_its_report_is(demo: tuple[Path, Ran]) -> None:
    folder, ran = demo
    report = folder.resolve() / "run/slides/8863/report.pdf"
    assert str(report) in ran.out
    assert report.stat().st_size < 2_000_000
    with Image.open(report.with_name("thumbnail.jpg")) as thumbnail:
        assert max(thumbnail.size) == 96


def test_the_archive_is_ome_zarr_with_its_reference_labels(demo: tuple[Path, Ran]) -> None:
    archive = demo[0] / "archive"
    store = zarr.open_group(archive / "8863.ome.zarr", mode="r")
    image = store.attrs["ome"]["multiscales"][0]
    assert [axis["name"] for axis in image["axes"]] == ["c", "y", "x"]
    assert image["datasets"][0]["coordinateTransformations"][0]["scale"][1:] == [8.0, 8.0]
    with (archive / "8863.reference.csv").open() as stream:
        labels = list(csv.DictReader(stream))
    assert len(labels) == 979
    assert sum(row["label"] == "1" for row in labels) == 207


def test_the_numbers_follow_from_the_patch_table(demo: tuple[Path, Ran]) -> None:
    """Areas and foci by a second route: from patches.parquet alone."""
    folder, _ = demo
    result = _result(folder)
    table = pq.read_table(folder / "run/slides/8863/patches.parquet").to_pydict()
    tissue = np.array(table["tissue_fraction"])
    positive = np.array(table["p_idc"]) >= result["threshold"]
    extent, cell_mm2 = result["extent"], 0.4 * 0.4
    assert result["counts"]["tissue"] == len(tissue)
    assert result["counts"]["positive"] == positive.sum() > 0
    assert math.isclose(extent["tissue_mm2"], tissue.sum() * cell_mm2, rel_tol=1e-5)
    assert math.isclose(extent["idc_mm2"], tissue[positive].sum() * cell_mm2, rel_tol=1e-5)
    assert math.isclose(extent["idc_fraction"], extent["idc_mm2"] / extent["tissue_mm2"], rel_tol=1e-9)
    cells = np.zeros((max(table["row"]) + 1, max(table["col"]) + 1), np.bool_)
    cells[np.array(table["row"])[positive], np.array(table["col"])[positive]] = True
    assert extent["n_foci"] == ndimage.label(cells, np.ones((3, 3)))[1] == len(extent["foci"])
    regions = json.loads((folder / "run/slides/8863/regions.geojson").read_text())
    assert len(regions["features"]) == extent["n_foci"]


def test_the_demos_slide_is_new_to_its_model(demo: tuple[Path, Ran]) -> None:
    folder = RunFolder(demo[0] / "run")
    result = read_result(folder.slide("8863"))
    sha256, hashes = result.model.sha256, result.table.pixel_hash
    assert hashes is not None
    assert len(np.unique(hashes)) == len(result.table) > 900
    facts = SlideFacts("8863", "8863", result.slide.fingerprint, hashes)
    card, seen = folder.read_card(sha256), folder.read_seen(sha256)
    assert seen is not None
    assert seen_by(card, seen, facts) == ()
    # A single patch more in the model's list would be found.
    (found,) = seen_by(card, seen.joined(SeenSet.of(hashes[:1], [])), facts)
    assert (found.kind, found.n) == ("patches", 1)


def test_page_one_says_the_results_numbers(demo: tuple[Path, Ran]) -> None:
    folder, _ = demo
    extent = _result(folder)["extent"]
    reader = PdfReader(folder / "run/slides/8863/report.pdf")
    text = " ".join(reader.pages[0].extract_text().split())
    for number in (f"{extent['idc_mm2']:.1f}", f"{extent['tissue_mm2']:.0f}", f"{extent['largest_focus_mm']:.1f}"):
        assert number in text
    assert all("research use only" in page.extract_text().lower() for page in reader.pages)


def test_the_scan_knows_this_slide_better_than_chance_would(demo: tuple[Path, Ran]) -> None:
    """Against ground truth that the model never saw; far below what it reaches, far above what a broken scan could."""
    assert "979 labelled patches, 207 IDC" in demo[1].out
    auroc = float(demo[1].out.split("AUROC ")[1].split(",")[0])
    assert auroc > 0.85


def test_a_second_time_nothing_is_done_again(demo: tuple[Path, Ran]) -> None:
    folder, _ = demo
    files = sorted(file for file in (folder / "run/slides/8863").rglob("*") if file.is_file())
    before = [(file.stat().st_mtime_ns, file.read_bytes()) for file in files]
    _scan(folder, folder / "run")
    assert [(file.stat().st_mtime_ns, file.read_bytes()) for file in files] == before
    assert _scanned_patches(folder) == 0


def test_another_threshold_redoes_the_numbers_and_not_the_scan(demo: tuple[Path, Ran]) -> None:
    folder, _ = demo
    slide = folder / "run/slides/8863"
    before, table = _result(folder), pq.read_table(slide / "patches.parquet")
    ran = _scan(folder, folder / "run", "--threshold", "0.9")
    own = open_package(DEFAULT_MODEL).card.threshold.value
    assert f"threshold was {own:g} in this run folder and is 0.9 now" in ran.err
    after = _result(folder)
    assert _scanned_patches(folder) == 0
    assert pq.read_table(slide / "patches.parquet").equals(table)
    assert after["threshold"] == 0.9
    assert after["counts"]["positive"] < before["counts"]["positive"]
    assert after["scan_digest"] == before["scan_digest"]
    assert after["digest"] != before["digest"]
    _scan(folder, folder / "run")
    same = _result(folder)
    assert same["digest"] == before["digest"]
    assert {k: v for k, v in same.items() if k != "seconds"} == {k: v for k, v in before.items() if k != "seconds"}


def test_other_neighbours_redo_the_numbers_and_not_the_scan(demo: tuple[Path, Ran]) -> None:
    folder, _ = demo
    slide = folder / "run/slides/8863"
    before, own = _result(folder), pq.read_table(slide / "patches.parquet")
    by = before["aggregation"]
    np.testing.assert_allclose(own["p_idc"].to_numpy(), _judged(own, **by), rtol=0, atol=1e-6)
    ran = _scan(folder, folder / "run", "--neighbours", "0.8")
    assert f"neighbours was {by['sigma']} in this run folder and is 0.8 now" in ran.err
    assert "Set for this run: neighbours with sigma 0.8 patch sides" in ran.err
    assert _scanned_patches(folder) == 0
    table, after = pq.read_table(slide / "patches.parquet"), _result(folder)
    assert table["p_raw"].equals(own["p_raw"])
    np.testing.assert_allclose(table["p_idc"].to_numpy(), _judged(own, **by | {"sigma": 0.8}), rtol=0, atol=1e-6)
    assert np.abs(table["p_idc"].to_numpy() - own["p_idc"].to_numpy()).max() > 0.1
    assert after["aggregation"]["sigma"] == json.loads((folder / "run/run.json").read_text())["aggregation"]["sigma"]
    assert after["aggregation"]["sigma"] == 0.8
    assert after["scan_digest"] == before["scan_digest"]
    assert after["counts"]["positive"] == (table["p_idc"].to_numpy() >= np.float32(after["threshold"])).sum()
    text = " ".join(" ".join(page.extract_text() for page in PdfReader(slide / "report.pdf").pages).split())
    assert "320 µm = 0.8 patch sides" in text
    assert "picture not stored" not in text
    _scan(folder, folder / "run")
    assert _result(folder)["digest"] == before["digest"]
    assert pq.read_table(slide / "patches.parquet").equals(own)


def test_another_calibration_of_the_same_weights_redoes_the_numbers_and_not_the_scan(
    demo: tuple[Path, Ran], tmp_path: Path
) -> None:
    folder, _ = demo
    slide = folder / "run/slides/8863"
    before, own = _result(folder), pq.read_table(slide / "patches.parquet")
    package = tmp_path / "published-cnn"
    shutil.copytree(Path(batchscan_package.__file__).parent / "models/published-cnn", package)
    card = json.loads((package / "card.json").read_text())
    card["calibration"] |= {"method": "temperature", "temperature": 2.0, "intercept": -0.5}
    (package / "card.json").write_text(json.dumps(card))
    _scan(folder, folder / "run", "--model", package)
    assert _scanned_patches(folder) == 0
    expected = _judged(own, before["aggregation"]["sigma"], 2.0, -0.5)
    np.testing.assert_allclose(
        pq.read_table(slide / "patches.parquet")["p_idc"].to_numpy(), expected, rtol=0, atol=1e-6
    )
    assert _result(folder)["scan_digest"] == before["scan_digest"]
    _scan(folder, folder / "run")
    assert _result(folder)["digest"] == before["digest"]


def _judged(
    table: pa.Table, sigma: float, temperature: float, intercept: float
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """p_idc of p_raw by a second route: all pairs at once, over the distances between patches."""
    row, col = (table[name].to_numpy().astype(np.float64) for name in ("row", "col"))
    dy, dx = (np.abs(np.subtract.outer(place, place)) for place in (row, col))
    weights = np.where(np.maximum(dy, dx) <= 3 * sigma, np.exp(-(dx**2 + dy**2) / (2 * sigma**2)), 0.0)
    return np.asarray(expit(weights @ _logits(table) / weights.sum(axis=1) / temperature + intercept))


def _logits(table: pa.Table) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Of p_raw, kept within .0001 and .9999 as the report's method page says."""
    return np.asarray(logit(np.clip(table["p_raw"].to_numpy().astype(np.float64), 0.0001, 0.9999)))


def _scanned_patches(folder: Path) -> int:
    with sqlite3.connect(folder / "run/ledger.sqlite") as ledger:
        return int(ledger.execute("SELECT sum(n_scanned) FROM slides").fetchone()[0])


def test_a_result_that_lost_a_file_is_scanned_again(demo: tuple[Path, Ran], tmp_path: Path) -> None:
    folder, _ = demo
    run = tmp_path / "run"
    shutil.copytree(folder / "run", run)
    slide = run / "slides/8863"
    table = pq.read_table(slide / "patches.parquet")
    (slide / "patches.parquet").unlink()
    _scan(folder, run)
    assert pq.read_table(slide / "patches.parquet").equals(table)


def test_a_run_of_an_older_version_is_named_and_scanned_again(demo: tuple[Path, Ran], tmp_path: Path) -> None:
    folder, run = demo[0], tmp_path / "run"
    shutil.copytree(folder / "run", run)
    for file in (run / "run.json", run / "slides/8863/result.json"):
        data = {key: value for key, value in json.loads(file.read_text()).items() if key != "aggregation"}
        file.write_text(json.dumps({**data, "schema_version": 1}))
    said = batchscan("report", run, code=3).err
    assert "has schema version 1, this batchscan reads 4" in said
    assert "scan the slide again" in said
    ran = _scan(folder, run, "--no-report")
    assert "another version of batchscan made this run folder: its results are replaced" in ran.err
    again = json.loads((run / "slides/8863/result.json").read_text())
    assert (again["schema_version"], again["digest"]) == (4, _result(folder)["digest"])


def test_an_unreadable_result_keeps_no_other_from_being_printed(demo: tuple[Path, Ran], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(demo[0] / "run", run)
    shutil.copytree(run / "slides/8863", run / "slides/0000")
    (run / "slides/0000/result.json").write_text("{")
    for left in (run / "slides/8863/report.pdf", run / "slides/0000/report.pdf", run / "index.html"):
        left.unlink()
    ran = batchscan("report", run, code=3)
    assert ran.out.split() == [str(run / "slides/8863/report.pdf")]
    assert ran.err.startswith("not printed: ")
    assert "slides/0000" in ran.err
    assert (run / "slides/8863/report.pdf").is_file()
    assert (run / "index.html").is_file()


def test_a_corrected_card_makes_the_pages_anew_and_not_the_scan(demo: tuple[Path, Ran], tmp_path: Path) -> None:
    folder, _ = demo
    before = _result(folder)
    package = tmp_path / "published-cnn"
    shutil.copytree(Path(batchscan_package.__file__).parent / "models/published-cnn", package)
    card = json.loads((package / "card.json").read_text())
    (package / "card.json").write_text(json.dumps(card | {"limits": [*card["limits"], "A limit found out later."]}))
    _scan(folder, folder / "run", "--model", package)
    assert _scanned_patches(folder) == 0
    pages = PdfReader(folder / "run/slides/8863/report.pdf").pages
    assert "A limit found out later." in " ".join(" ".join(page.extract_text() for page in pages).split())
    assert _result(folder)["extent"] == before["extent"]
    _scan(folder, folder / "run")
    assert _result(folder)["digest"] == before["digest"]


def test_a_spacing_that_contradicts_the_stores_own_is_refused(demo: tuple[Path, Ran], tmp_path: Path) -> None:
    ran = _scan(demo[0], tmp_path / "run", "--um-per-px", "4", code=3)
    assert "8863: excluded (spacing_conflict)" in ran.err


def test_numbers_do_not_depend_on_the_number_of_workers(demo: tuple[Path, Ran], tmp_path: Path) -> None:
    store = demo[0] / "archive" / "8863.ome.zarr"
    context = ("--orientations", "2", "--neighbours", "0.8")
    for n in (1, 2):
        batchscan("scan", store, "--out", tmp_path / f"{n}", "--workers", n, "--no-report", *context)
    one, two = (pq.read_table(tmp_path / f"{n}/slides/8863/patches.parquet") for n in (1, 2))
    assert one.equals(two)
    assert not one["p_idc"].equals(one["p_raw"])
    assert not (tmp_path / "1/slides/8863/report.pdf").exists()


def test_workers_of_an_existing_scheduler_come_to_the_same_though_one_is_killed(
    demo: tuple[Path, Ran], tmp_path: Path
) -> None:
    folder, _ = demo
    command = [sys.executable, "-m", "batchscan", "scan", folder / "archive", "--out", tmp_path / "run", "--scheduler"]
    with (
        scheduler() as (address, _),
        worker(address) as first,
        subprocess.Popen([*command, address], stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr
        assert any(line.startswith("workers: 1") for line in process.stderr)
        with worker(address):
            first.kill()
            said = process.stderr.read()
            assert process.wait() == 0, said
    theirs, ours = (pq.read_table(run / "slides/8863/patches.parquet") for run in (tmp_path / "run", folder / "run"))
    assert theirs.equals(ours)


def test_a_job_file_runs_the_same(demo: tuple[Path, Ran], tmp_path: Path) -> None:
    folder, _ = demo
    job = (Path(__file__).parents[1] / "jobs" / "overnight.toml").read_text()
    (tmp_path / "job.toml").write_text(job.replace('"archive"', f'"{folder / "archive"}"'))
    ran = batchscan("run", tmp_path / "job.toml")
    assert ran.out.strip() == str(tmp_path.resolve() / "run/index.html")
    again = json.loads((tmp_path / "run/slides/8863/result.json").read_text())
    assert again["digest"] == _result(folder)["digest"]


N_INTERRUPTED = 5


def test_an_interrupted_run_keeps_its_state_and_goes_on(demo: tuple[Path, Ran], tmp_path: Path) -> None:
    # More slides than have begun by the time that the signal comes, however late: those finish, the others are left.
    store = next((demo[0] / "archive").glob("*.ome.zarr"))
    rows = "".join(f"s{number},archive/{store.name}\n" for number in range(N_INTERRUPTED))
    manifest = demo[0] / "interrupted.csv"
    manifest.write_text(f"slide_id,path\n{rows}")
    words = ["scan", manifest, "--out", tmp_path / "run", "--no-report", "--workers", 1]
    command = [sys.executable, "-m", "batchscan", *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        # The workers are there: slides are under way.
        next(line for line in process.stderr if line.startswith("workers: "))
        os.killpg(process.pid, signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in said
    state = json.loads(batchscan("status", tmp_path / "run", "--json").out)
    assert state["state"] == "interrupted"
    assert state["remaining"] >= 1
    assert state["done"] + state["remaining"] == N_INTERRUPTED
    batchscan(*words)
    assert json.loads(batchscan("status", tmp_path / "run", "--json").out)["done"] == N_INTERRUPTED


def test_status_and_summary_account_for_every_slide(demo: tuple[Path, Ran]) -> None:
    folder, _ = demo
    state = json.loads(batchscan("status", folder / "run", "--json").out)
    assert (state["state"], state["asked"], state["done"], state["remaining"]) == ("finished", 1, 1, 0)
    with (folder / "run/summary.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert (row["slide_id"], row["status"]) == ("8863", "done")
    assert float(row["idc_mm2"]) == _result(folder)["extent"]["idc_mm2"]
    run = json.loads((folder / "run/run.json").read_text())
    assert run["counts"] == {"done": 1, "failed": 0, "excluded": 0, "remaining": 0, "asked": 1}
    assert "slides/8863/report.pdf" in (folder / "run/slides-001.html").read_text()
    assert '<a href="slides-001.html">All slides</a>' in (folder / "run/index.html").read_text()
    (sheet,) = PdfReader(folder / "run/digest.pdf").pages
    assert "1 slide asked for: 1 done, 0 failed, 0 excluded" in sheet.extract_text()


def test_what_the_run_printed_is_what_its_files_come_to_printed_again(demo: tuple[Path, Ran]) -> None:
    """Close-ups lose something when they are stored: the run, too, must print those that are stored."""
    report = demo[0] / "run/slides/8863/report.pdf"
    assert "agrees       printed again: the same bytes" in batchscan("verify", report, "--print-again").out


def test_a_report_is_printed_again_without_slide_or_model(demo: tuple[Path, Ran]) -> None:
    folder, _ = demo
    report = folder / "run/slides/8863/report.pdf"
    report.unlink()
    archive = folder / "archive"
    archive.rename(folder / "elsewhere")
    # As in a run from before there were such files.
    slide = report.parent
    shutil.rmtree(slide / "heatmap.ome.zarr")
    for name in ("foci.csv", "qupath.geojson"):
        (slide / name).unlink()
    try:
        said = batchscan("report", folder / "run", "--slide", "8863").out
    finally:
        (folder / "elsewhere").rename(archive)
    assert (slide / "heatmap.ome.zarr/zarr.json").is_file()
    table, found = (slide / "foci.csv").read_text(), json.loads((slide / "qupath.geojson").read_text())["features"]
    assert found
    assert [line.split(",")[2] for line in table.splitlines()[1:]] == [feature["id"] for feature in found]
    assert said.strip().endswith("report.pdf")
    assert len(PdfReader(report).pages) >= 2
    assert "no result of slide nobody" in batchscan("report", folder / "run", "--slide", "nobody", code=2).err
