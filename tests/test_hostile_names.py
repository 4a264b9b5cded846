"""A folder with hostile names and a patient's name, scanned and ingested: nothing of it runs, escapes or gets out."""

from __future__ import annotations

import csv
import html.parser
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr
from command import Ran, batchscan
from hostile_slides import LABEL_RGB, NAMES, SECRETS, write_hostile_folder
from PIL import Image
from pypdf import PdfReader

from batchscan.stores.cells import from_cell

GOOD = {"secret", "foreign"}
IDS = {*NAMES.values(), *GOOD}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("there")
    write_hostile_folder(folder / "in")
    return folder


@pytest.fixture(scope="module")
def ingested(there: Path) -> Ran:
    return batchscan("ingest", there / "in", "--archive", there / "archive", code=3)


@pytest.fixture(scope="module")
def scanned(there: Path, ingested: Ran) -> Ran:
    """Of the archive, and once more of the files themselves, whose names the scan then sees."""
    assert ingested
    batchscan("scan", there / "archive", "--out", there / "of-archive", "--no-report", "--workers", 1, code=3)
    return batchscan("scan", there / "in", "--out", there / "run", code=3)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def written(there: Path) -> list[Path]:
    return [path for name in ("archive", "of-archive", "run") for path in (there / name).rglob("*") if path.is_file()]


def test_every_name_has_its_line_and_its_id(there: Path, scanned: Ran) -> None:
    assert scanned
    assert {row["slide_id"] for row in table(there / "archive/ingest.csv")} == IDS
    for run in ("run", "of-archive"):
        rows = {row["slide_id"]: row["status"] for row in table(there / run / "summary.csv")}
        assert rows == {name: "done" if name in GOOD else "excluded" for name in IDS}


def test_names_of_files_are_plain_and_lie_where_they_should(there: Path, scanned: Ran) -> None:
    assert scanned
    assert sorted(path.name for path in there.iterdir()) == ["archive", "in", "of-archive", "run"]
    for path in written(there):
        assert re.fullmatch(r"[A-Za-z0-9._/-]+", path.relative_to(there).as_posix())
    assert {path.name for path in (there / "run/slides").iterdir()} == GOOD


def test_the_terminal_gets_plain_lines(ingested: Ran, scanned: Ran) -> None:
    for ran in (ingested, scanned):
        assert all(line.isprintable() for line in (ran.out + ran.err).split("\n"))
    assert "\\x1b[2Jclear d.svs: its slide_id is __2Jclear_d" in ingested.err


def test_no_cell_runs_and_names_come_back(there: Path, scanned: Ran) -> None:
    assert scanned
    tables = [path for path in written(there) if path.suffix == ".csv"]
    assert len(tables) >= 4
    for path in tables:
        with path.open(newline="", encoding="utf-8") as stream:
            cells = [cell for row in csv.reader(stream) for cell in row]
        assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r＝")]  # noqa: RUF001
    sources = {row["slide_id"]: row["source"] for row in table(there / "archive/ingest.csv")}
    assert sources["_cmd____A0__e"] == "'=cmd|' !A0' e.svs"
    assert from_cell(sources["_cmd____A0__e"]) == "=cmd|' !A0' e.svs"


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += [tag] if tag in {"script", "iframe", "object", "embed"} else []
        self.handlers += [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]


def test_pages_have_no_script_but_the_tables_own_and_reports_say_ids(there: Path, scanned: Ran) -> None:
    assert scanned
    pages = [path for path in written(there) if path.suffix == ".html"]
    assert pages
    for page in pages:
        tags = Tags()
        tags.feed(page.read_text("utf-8"))
        own = ["script", "script"] if page.name == "index.html" else []
        assert (tags.scripts, tags.handlers) == (own, [])
        assert "alert(1)" not in page.read_text("utf-8")
    for slide_id in GOOD:
        text = "".join(page.extract_text() for page in PdfReader(there / f"run/slides/{slide_id}/report.pdf").pages)
        assert slide_id in text
        assert "alert(1)" not in text


def test_no_word_of_the_patient_is_in_any_byte_that_was_written(there: Path, ingested: Ran, scanned: Ran) -> None:
    words = [secret.encode(coding) for secret in SECRETS for coding in ("utf-8", "utf-16-le")]
    for path in written(there):
        for part in unpacked(path):
            assert not [word for word in words if word in part], path
    for ran in (ingested, scanned):
        assert not [secret for secret in SECRETS if secret in ran.out + ran.err]
        assert str(there / "in") not in ran.out + ran.err


STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)


def unpacked(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what is packed in it; packed bytes of half a megabyte have every three letters by chance."""
    content = path.read_bytes()
    packed = STREAM.findall(content) if path.suffix == ".pdf" else []
    yield STREAM.sub(b"", content) if packed else content
    for stream in packed:
        try:
            yield zlib.decompressobj().decompress(stream)
        except zlib.error:
            yield stream
    if path.suffix == ".pdf":
        yield "".join(page.extract_text() for page in PdfReader(path).pages).encode()
    elif path.suffix == ".parquet":
        table = pq.read_table(path)
        yield json.dumps([table.to_pylist(), str(table.schema.metadata)], default=str).encode()


def test_the_label_is_in_no_picture(there: Path, scanned: Ran) -> None:
    assert scanned
    n_pictures = 0
    for path in written(there):
        if path.suffix == ".png":
            assert not has_label(np.asarray(Image.open(path).convert("RGB")))
            n_pictures += 1
        elif path.suffix == ".pdf":
            for page in PdfReader(path).pages:
                for image in page.images:
                    assert image.image is not None
                    assert not has_label(np.asarray(image.image.convert("RGB")))
                    n_pictures += 1
    for store in [*(there / "archive").glob("*.zarr"), *(there / "run/stores").glob("*.zarr")]:
        for level in (path for path in store.iterdir() if path.is_dir()):
            assert not has_label(np.asarray(zarr.open_array(level, mode="r")[...]).transpose(1, 2, 0))
            n_pictures += 1
    assert n_pictures > 6


def has_label(pixels: np.ndarray) -> bool:
    return bool((np.abs(pixels.astype(int) - LABEL_RGB).max(axis=-1) < 30).any())
