"""A whole bench of a tiny slide through the command, and what it measures with; no figure is asked to be high."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench_records import RECORD, SCAN
from click.testing import CliRunner, Result

from batchscan.cli.bench import _page
from batchscan.cli.main import commands
from batchscan.domain.errors import ModelError, OutputError
from batchscan.domain.job import Job, RunSection, SlidesSection
from batchscan.domain.records import EngineInfo, SlideOutcome, SlideStatus
from batchscan.domain.speed import RUNS, Pace, Unknown, WorkerSpeeds
from batchscan.scan.slide_events import BlockScanned, SlideSurveyed
from batchscan.stores.packages import open_package
from batchscan.stores.synthetic_slides import SyntheticSlide
from batchscan.workflow import bench as benching
from batchscan.workflow import bench_runs, bench_starts, bench_tasks, bench_workers
from batchscan.workflow.bench import check_folder
from batchscan.workflow.bench_memory import TreeMemory, tree_rss_mib

SLIDE = SyntheticSlide(2.0, 0.5, 0)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """With one engine of three, and every second kind of run: the others take their time."""
    folder = tmp_path_factory.mktemp("bench") / "kept"
    words = ["--json", "--mm", "2", "--um-per-px", "1", "--workers", "1", "--seconds", "0.1", "--out", str(folder)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_workers, "available_engines", lambda: {"openvino": "here", "other": "missing: not there"})
        patch.setattr(bench_workers, "_PRECISIONS", ("f32",))
        patch.setattr(bench_starts, "_TIMES", 1)
        patch.setattr(benching, "RUNS", {name: RUNS[name] for name in ("scan", "from_file")})
        done = CliRunner().invoke(commands, ["bench", *words])
    assert done.exit_code == 0, done.output
    return done, folder


@pytest.fixture(scope="module")
def found(ran: tuple[Result, Path]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ran[0].stdout)
    return document


def test_the_shares_are_the_rates_over_the_ceilings(found: dict[str, Any]) -> None:
    assert found["engines"][1] == {
        "name": "other",
        "precision": "f32",
        "patches_per_s": None,
        "why": "missing: not there",
    }
    rates = {(each["name"], each["precision"]): each["patches_per_s"] for each in found["engines"]}
    for name, run in found["runs"].items():
        engine = run["engine"]["name"], run["engine"]["precision"]
        assert run["ceiling_patches_per_s"] == rates[engine] > 0, name
        assert run["steady"]["per_s"] == pytest.approx(run["steady"]["n"] / run["steady"]["seconds"])
        assert run["ratio_to_ceiling"] == pytest.approx(run["steady"]["per_s"] / rates[engine])
        assert 0 < run["steady"]["seconds"] < run["whole"]["seconds"] < found["seconds"]
    ingest = found["ingest"]
    assert ingest["ratio_to_openslide"] == pytest.approx(ingest["mpx_per_s"] / ingest["openslide_mpx_per_s"])
    assert ingest["mpx_per_s"] * ingest["seconds"] == pytest.approx(2000 * 2000 / 1e6)


def test_every_run_scanned_every_patch_of_every_slide(found: dict[str, Any]) -> None:
    n_patches, runs = found["slide"]["n_patches"], found["runs"]
    # 25 cells on the glass, corners of which are bare.
    assert 15 < n_patches <= 25
    assert set(runs) == {"scan", "from_file"}
    assert runs["scan"]["n_slides"] >= 4
    assert runs["scan"]["steady"]["n"] == n_patches * runs["scan"]["n_slides"]
    assert (runs["from_file"]["n_slides"], runs["from_file"]["steady"]["n"]) == (1, n_patches)


def test_it_says_where_and_with_what(found: dict[str, Any]) -> None:
    assert found["machine"]["cores"] >= 1
    assert found["versions"]["batchscan"]
    assert found["workers"] == 1
    assert found["slide"] | {"n_bytes": 0, "n_patches": 0} == {
        "side_mm": 2.0,
        "um_per_px": 1.0,
        "seed": 0,
        "width_px": 2000,
        "height_px": 2000,
        "n_bytes": 0,
        "n_patches": 0,
    }
    assert {"making", "ingest", "workers", "pdf", *found["runs"]} == set(found["peak_mib"])
    assert found["pdf"]["first_s"] > 0
    assert found["start_up"]["help_s"] > 0


def test_what_it_was_made_of_is_kept_where_asked(ran: tuple[Result, Path], found: dict[str, Any]) -> None:
    folder = ran[1]
    assert (folder / "bench.tiff").stat().st_size == found["slide"]["n_bytes"]
    assert (folder / "archive" / "bench.ome.zarr").is_dir()
    assert "a real run" in ran[0].stderr


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(OutputError, match="isn't empty"):
        check_folder(tmp_path, SLIDE, 1)


def test_a_disk_without_room_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch: Any) -> None:
    check_folder(tmp_path, SLIDE, 1)
    monkeypatch.setattr(benching.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10_000_000}))
    with pytest.raises(OutputError, match="no room"):
        check_folder(tmp_path, SLIDE, 1)


def test_steps_are_taken_until_the_time_is_up(monkeypatch: Any) -> None:
    ticks = itertools.count(0, 2)
    monkeypatch.setattr(bench_tasks.time, "perf_counter", lambda: next(ticks))
    numbers: list[int] = []
    # Two seconds a step: after the third one, five are over.
    assert bench_tasks.paced(lambda index: numbers.append(index) or 10, 5.0) == Pace(30, 6)
    assert numbers == [0, 1, 2]


def test_an_engine_that_can_not_be_opened_says_why(monkeypatch: Any) -> None:
    def refused(*_: object, **__: object) -> None:
        raise ModelError("no such processor")

    monkeypatch.setattr(bench_tasks, "open_engine", refused)
    work: Any = type("Work", (), {"package": "published-cnn"})
    assert bench_tasks.try_engine(work, EngineInfo("openvino", "bf16")) == "no such processor"


def test_memory_of_a_child_is_seen_and_of_a_stranger_is_not() -> None:
    code = "import sys; held = bytearray(120 << 20); print('there', flush=True); sys.stdin.read()"
    with TreeMemory() as memory:
        with memory.stage("before"):
            pass
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        with memory.stage("with"):
            pass
        own = tree_rss_mib(child.pid)
        child.communicate()
    before, after = memory.peaks_mib["before"], memory.peaks_mib["with"]
    assert before is not None
    assert after is not None
    assert own is not None
    assert 100 < after - before < 200
    assert 120 < own < 200


def runs_of(folder: Path, speeds: WorkerSpeeds) -> dict[str, Job]:
    return dict(benching._jobs(benching._Places(folder), open_package("published-cnn"), speeds, 4.0))


def slides_of(job: Job) -> int:
    (manifest,) = job.slides.sources
    assert isinstance(manifest, Path)
    return len(manifest.read_text().splitlines()) - 1


def test_a_run_with_the_fastest_engine_follows_only_if_that_is_another(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, RECORD.together)
    assert list(runs) == ["scan", "scan_one", "from_file", "from_file_coarse"]
    slower = replace(RECORD.together, chosen=EngineInfo("keras", "f32"))
    runs = runs_of(tmp_path, slower)
    assert list(runs) == list(RUNS)
    assert (runs["scan"].model.engine, runs["scan"].model.precision) == ("auto", "auto")
    assert (runs["scan_fastest"].model.engine, runs["scan_fastest"].model.precision) == ("openvino", "f32")
    # Three times 4 s at 500 and at 1,000 patches a second, of slides with 1,000.
    assert (slides_of(runs["scan"]), slides_of(runs["scan_fastest"])) == (6, 12)
    # One a worker; the model's spacing is 8 um/px.
    assert slides_of(runs["from_file"]) == slides_of(runs["from_file_coarse"]) == 2
    assert (runs["from_file"].slides.finest_um_per_px, runs["from_file_coarse"].slides.finest_um_per_px) == (1.0, 8.0)


def test_without_any_engine_runs_are_tried_all_the_same(tmp_path: Path) -> None:
    none = replace(RECORD.together, engines=(), chosen=None, workers=8)
    runs = runs_of(tmp_path, none)
    assert list(runs) == ["scan", "scan_one", "from_file", "from_file_coarse"]
    assert slides_of(runs["scan"]) == 16


def test_the_page_says_what_was_found_and_why_something_was_not() -> None:
    page = list(_page(RECORD))
    lines = {" ".join(line.split()) for line in page}
    assert "engine keras f32, from memory 500 patches/s" in lines
    assert "engine keras bf16, from memory - no GPU" in lines
    assert f"run {RUNS['scan']} 800 patches/s 0.80 of openvino f32 alone" in lines
    assert "once as many slides have ended as there are workers 882 patches/s 0.88 of openvino f32 alone" in lines
    assert "with start and end, 4 slides, 8.0 s 500 patches/s 0.50 of openvino f32 alone" in lines
    assert f"run {RUNS['from_file']} - a slide failed" in lines
    assert "ingest level 0 to a store 40.0 MPix/s 0.80 of OpenSlide alone" in lines
    assert page[0] == "machine  a CPU, 2 cores, 16 GiB; avx2"
    assert "CAUTION" not in "".join(page)


def test_a_machine_that_was_busy_is_told_of() -> None:
    busy = replace(RECORD, place=replace(RECORD.place, load=3.5))
    assert busy.as_json()["busy"] is True
    assert any("CAUTION  3.5 other processes" in line for line in _page(busy))


def a_job(tmp_path: Path) -> Job:
    return Job(slides=SlidesSection(sources=(tmp_path,)), run=RunSection(out=tmp_path / "run"))


def test_a_run_that_fails_is_told_and_no_figure_is_made_of_it(tmp_path: Path, monkeypatch: Any) -> None:
    def fails(_: Job) -> Any:
        raise ModelError("no engine can run it")
        yield

    monkeypatch.setattr(bench_runs, "run_job", fails)
    assert bench_runs.timed_run(a_job(tmp_path)) == Unknown("no engine can run it")


def test_a_slide_that_fails_leaves_no_figure(tmp_path: Path, monkeypatch: Any) -> None:
    failed = SlideOutcome("a", SlideStatus.FAILED, "unreadable", "a: can't be read")
    events = [bench_runs.RunReady(1, "m", EngineInfo("e", "f32")), bench_runs.SlideEnded(failed, reused=False)]
    monkeypatch.setattr(bench_runs, "run_job", lambda _: iter(events))
    assert bench_runs.timed_run(a_job(tmp_path)) == Unknown("a: can't be read")


@pytest.mark.parametrize(("n_slides", "onward"), [(8, Pace(600, 12.0)), (7, None)])
def test_a_long_run_is_also_timed_from_each_workers_first_slide_on(
    monkeypatch: pytest.MonkeyPatch, n_slides: int, onward: Pace | None
) -> None:
    """Each slide ends 2 s after the one before."""
    seconds = itertools.count(0.0, 1.0)
    monkeypatch.setattr(bench_runs.time, "monotonic", lambda: next(seconds))
    watched = bench_runs._Watched()
    watched.see(bench_runs.RunReady(2, "m", EngineInfo("e", "f32")))
    done = SlideOutcome("a", SlideStatus.DONE, "", "")
    for _ in range(n_slides):
        watched.see(BlockScanned("a", 100))
        watched.see(bench_runs.SlideEnded(done, reused=False))
    assert watched._onward() == onward


@pytest.mark.parametrize(("n_slides", "blocks"), [(1, Pace(200, 2.0)), (2, None)])
def test_a_slide_alone_is_also_timed_from_its_blocks_being_known_to_the_last(
    monkeypatch: pytest.MonkeyPatch, n_slides: int, blocks: Pace | None
) -> None:
    seconds = itertools.count(0.0, 1.0)
    monkeypatch.setattr(bench_runs.time, "monotonic", lambda: next(seconds))
    watched = bench_runs._Watched()
    for slide_id in "ab"[:n_slides]:
        watched.see(SlideSurveyed(slide_id, 200))
        watched.see(BlockScanned(slide_id, 150))
        watched.see(BlockScanned(slide_id, 50))
        watched.see(bench_runs.SlideEnded(SlideOutcome(slide_id, SlideStatus.DONE, "", ""), reused=False))
    assert watched._blocks() == blocks


def test_each_pace_that_there_is_has_its_line() -> None:
    alone = replace(SCAN, n_slides=1, onward=None, blocks=Pace(4000, 4.0))
    lines = list(_page(replace(RECORD, runs={"scan": SCAN, "scan_one": alone})))
    assert sum("as there are workers" in line for line in lines) == 1
    (line,) = (line for line in lines if "from its blocks being known" in line)
    assert "1,000 patches/s" in line
