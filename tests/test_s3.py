"""An archive on a real S3 server, scanned as a user does it, against the same archive on disk."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from command import batchscan
from s3_server import ACCESS_KEY, BUCKET, PASSWORD, Gate, S3Server, wait_until
from store_files import Pixels, noise, write_own

import batchscan as batchscan_package
from batchscan.cli.main import commands
from batchscan.domain.errors import ManifestError, UsageError
from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.domain.places import Address, place_of
from batchscan.domain.records import SlideRequest
from batchscan.stores.folders import file_mark
from batchscan.workflow.sources import find_slides
from batchscan.workflow.turns import in_turn

DEMO = Path(batchscan_package.__file__).parent / "demo" / "8863.zip"
SIZES = {"small": (20, 30), "large": (200, 300), "middle": (100, 90)}
STUDY = Address("s3", f"{BUCKET}/study/archive")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "archive"
    batchscan("ingest", DEMO, "--archive", folder)
    with (folder / "ingest.csv").open("a") as table:
        table.write("broken.svs,gone,failed,unreadable,it can't be read\n")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3") / "log") as running, running.used():
        running.upload(archive, "study/archive")
        yield running


def summary(run: Path) -> list[dict[str, str]]:
    with (run / "summary.csv").open() as table:
        return [{name: cell for name, cell in row.items() if "seconds" not in name} for row in csv.DictReader(table)]


def result(run: Path) -> dict[str, Any]:
    return {**json.loads((run / "slides/8863/result.json").read_text()), "seconds": None}


def disturbed(server: S3Server, job: Path, run: Path) -> str:
    """Run a job that can't reach its server from when the slides are known until one was tried; what it said."""
    gate = Gate(server.port)
    gate.open()
    command = [sys.executable, "-m", "batchscan", "run", str(job)]
    through = {**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{gate.port}"}
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=through, **streams) as process:
        said = next(line for line in process.stdout or () if "starting workers" in line)
        gate.shut()
        wait_until(lambda: vanished(run) > 0, process)
        gate.open()
        said += process.communicate()[0]
    gate.shut()
    # The ingest left one slide out: that is said of an archive there too.
    assert process.returncode == 3, said
    return said


def vanished(run: Path) -> int:
    with sqlite3.connect(f"file:{run / 'ledger.sqlite'}?mode=ro", uri=True) as ledger:
        return int(ledger.execute("SELECT count(*) FROM attempts WHERE reason = 'source_vanished'").fetchone()[0])


def test_a_scan_there_is_a_scan_here_also_when_the_server_was_away_and_leaves_no_trace(
    server: S3Server, archive: Path, tmp_path: Path
) -> None:
    job, here, there = tmp_path / "job.toml", tmp_path / "here", tmp_path / "there"
    job.write_text(f'[slides]\nsources = ["{STUDY}"]\n[run]\nout = "there"\nworkers = 1\n[report]\nper_slide = false\n')
    before, n_before = server.objects(), len(server.requests())
    said = disturbed(server, job, there)
    scan_here = ("scan", archive, "--no-report", "--workers", 1, "--out")
    batchscan(*scan_here, here, code=3)
    assert "2 asked, 1 done, 1 failed, 0 excluded" in said
    assert "gone: failed (unreadable): it can't be read" in said
    assert "(source_vanished): 8863" in said
    # Neither where the slide is, nor on which server: its id stands for it.
    assert not any(word in said for word in (str(STUDY), BUCKET, "127.0.0.1"))
    for name in ("patches.parquet", "regions.geojson", "heatmap.png"):
        assert (there / "slides/8863" / name).read_bytes() == (here / "slides/8863" / name).read_bytes()
    assert summary(there) == summary(here)
    assert result(there) == result(here)
    assert json.loads((there / "run.json").read_text())["job"]["slides"]["sources"] == [str(STUDY)]

    assert server.objects() == before
    asked = server.requests()[n_before:]
    assert f"GET /{BUCKET}/study/archive/8863.ome.zarr/0/c/0/0/0" in asked
    assert {request.split()[0] for request in asked} <= {"GET", "HEAD"}

    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    for secret in (PASSWORD, ACCESS_KEY):
        assert not any(secret.encode() in text for text in (*written, said.encode()))

    # Once the archive is copied to a disk, what was computed from there counts.
    moved = batchscan(*scan_here, there, code=3)
    assert "for 1 nothing had to be done again" in moved.err


def test_archives_stores_and_manifests_are_found_there(server: S3Server) -> None:
    (request,) = find_slides([STUDY], None).requests
    assert (request.slide_id, request.path) == ("8863", STUDY / "8863.ome.zarr")
    # Who needs labels has them on a disk.
    assert not request.references
    assert find_slides([STUDY / "manifest.csv"], None).requests == (request,)
    spacing = Spacing(8.0, SpacingSource.OPTION)
    (alone,) = find_slides([STUDY / "8863.ome.zarr"], spacing).requests
    assert (alone.slide_id, alone.path, alone.spacing) == ("8863", STUDY / "8863.ome.zarr", spacing)
    with pytest.raises(UsageError, match="'8863' is asked for twice"):
        find_slides([STUDY, STUDY / "8863.ome.zarr"], None)
    assert server.port


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (f"s3://{BUCKET}/nowhere", "doesn't exist there: check bucket, folder"),
        ("s3://no-such-bucket/study", "doesn't exist there: check bucket, folder"),
        (f"s3://{BUCKET}/study/archive/nothing.csv", "doesn't exist there: check bucket, folder"),
        (f"s3://{BUCKET}/study", "holds neither manifest.csv nor zarr.json"),
    ],
)
def test_what_is_not_there_is_named(server: S3Server, address: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_slides([place_of(address)], None)
    assert str(caught.value).startswith(f"{address}: ")
    assert said in str(caught.value)
    assert server.port


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("../other/x.ome.zarr", "leads out of the manifest's folder"),
        ("/lab-slides/other/x.ome.zarr", "leads out of the manifest's folder"),
        ("s3://other/hidden.ome.zarr", "path is an address: manifests name what lies in their own folder"),
        ("file://etc/hidden", "path is an address"),
        ("https://me:hidden@host/x", "path is an address"),
        ("not-there.ome.zarr", "does not exist below the manifest's folder"),
    ],
)
def test_a_manifest_names_only_what_lies_below_it(server: S3Server, tmp_path: Path, path: str, said: str) -> None:
    text = f"slide_id,path,reference\na,{path},\nb,8863.ome.zarr,{path}\n"
    server.client.put_object(Bucket=BUCKET, Key="study/archive/wrong.csv", Body=text.encode())
    (tmp_path / "8863.ome.zarr").mkdir()
    (tmp_path / "wrong.csv").write_text(text)
    for manifest in (STUDY / "wrong.csv", tmp_path / "wrong.csv"):
        with pytest.raises(ManifestError) as caught:
            find_slides([manifest], None)
        assert "2 wrong rows: line 2: path" in str(caught.value)
        assert "line 3: reference" in str(caught.value)
        assert said in str(caught.value)
        assert "hidden" not in str(caught.value)


def test_a_replaced_file_has_another_mark(server: S3Server) -> None:
    place = Address("s3", f"{BUCKET}/marked/zarr.json")
    assert file_mark(place) is None
    marks = set()
    for content in (b"a", b"b", b"a"):
        server.client.put_object(Bucket=BUCKET, Key="marked/zarr.json", Body=content)
        marks.add(file_mark(place))
    assert len(marks - {None}) == 2


def test_larger_slides_there_go_first_too(server: S3Server, tmp_path: Path) -> None:
    places = {name: write_own(tmp_path / f"{name}.ome.zarr", Pixels(noise(*size))) for name, size in SIZES.items()}
    for name, path in places.items():
        server.upload(path, f"sizes/{name}.ome.zarr")
    requests = [SlideRequest(name, name, Address("s3", f"{BUCKET}/sizes/{name}.ome.zarr")) for name in places]
    there = in_turn([*requests, SlideRequest("none", "none", Address("s3", f"{BUCKET}/none"))], ())
    here = in_turn([SlideRequest(name, name, path) for name, path in places.items()], ())
    assert [request.slide_id for request, _ in there] == ["large", "middle", "small", "none"]
    assert [seconds for _, seconds in there] == [*(seconds for _, seconds in here), 0.0]


def test_a_manifest_of_many_slides_is_checked_in_few_requests(server: S3Server) -> None:
    for number in range(30):
        server.client.put_object(Bucket=BUCKET, Key=f"many/{number}.ome.zarr/zarr.json", Body=b"{}")
    rows = "".join(f"{number},{number}.ome.zarr\n" for number in range(30))
    server.client.put_object(Bucket=BUCKET, Key="many/manifest.csv", Body=f"slide_id,path\r\n{rows}".encode())
    n_before = len(server.requests())
    assert len(find_slides([Address("s3", f"{BUCKET}/many")], None)) == 30
    assert len(server.requests()) - n_before < 10


def test_a_server_that_cannot_be_reached_is_said_in_one_line(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://me:hidden@127.0.0.1:9")
    ran = batchscan("scan", STUDY, "--out", tmp_path / "run", code=1)
    assert ran.err.strip().startswith(f"error: {STUDY}: can't be reached (")
    assert len(ran.err.strip().splitlines()) == 1
    assert "hidden" not in ran.err
    assert not (tmp_path / "run").exists()
    assert server.port


def test_without_s3fs_what_to_install_is_said(tmp_path: Path) -> None:
    words = ["batchscan", "scan", str(STUDY), "--out", str(tmp_path / "run")]
    code = f"import sys; sys.modules['s3fs'] = None; sys.argv = {words!r}; from batchscan.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "s3:// can't be read without one more package: python -m pip install 'batchscan[s3]'" in ran.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("ingest", "s3://me:hidden@lab/x", "--archive", "a"),
        ("evaluate", "r", "--manifest", "s3://me:hidden@lab/m", "--out", "e"),
    ],
)
def test_commands_that_read_disks_only_say_so(words: tuple[str, ...]) -> None:
    ran = CliRunner().invoke(commands, words)
    assert ran.exit_code == 2
    assert "is an address, and this reads disks only" in ran.output
    assert "hidden" not in ran.output
