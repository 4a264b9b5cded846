"""Manifests and zips with hostile text: kept as it was where it may be kept, refused in one plain line where not."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from bombs import png
from command import batchscan
from store_files import write_foreign

from batchscan.stores.manifest import read_manifest

TEXTS = {
    "site": '=HYPERLINK("https://example.org";"x")',
    "scanner": "<script>alert('x')</script>",
    "=cmd|' /C calc'!A0": "+1-1",
    "note": "two\nlines, \"quoted\", 'single'",
    "@who": "\u202e顕微鏡 Ａ 😀 e\u0301",  # noqa: RUF001 - a wide letter and a mark of direction
    "<b>long</b>": "-" + "x" * 300,
    "apostrophe": "'=1",
    "number": "-5.5",
}


def test_attributes_come_back_as_they_were_and_no_cell_of_them_runs(tmp_path: Path) -> None:
    write_foreign(tmp_path / "in" / "a.zarr", [np.zeros((3, 64, 64), np.uint8)])
    with (tmp_path / "in/manifest.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["slide_id", "path", *TEXTS])
        writer.writerow(["a", "a.zarr", *TEXTS.values()])
    # As a spreadsheet would have it, an apostrophe before a formula is no part of the text.
    expected = {**TEXTS, "apostrophe": "=1"}
    for source in ("in/manifest.csv", "archive"):
        batchscan("ingest", tmp_path / source, "--archive", tmp_path / "archive")
        (row,) = read_manifest(tmp_path / "archive/manifest.csv")
        assert row.attributes == expected
    with (tmp_path / "archive/manifest.csv").open(encoding="utf-8", newline="") as stream:
        cells = [cell for line in csv.reader(stream) for cell in line]
    assert [cell for cell in cells if cell[:1] in tuple("=+-@")] == ["-5.5"]


@pytest.mark.parametrize(
    ("slide_id", "why"),
    [
        ("..", "starts with a dot"),
        ("-rf", "starts with '-'"),
        ("CON", "device"),
        ("a b", "characters"),
        ("é", "characters"),
    ],
)
def test_ids_that_are_none_are_named_with_their_line(tmp_path: Path, slide_id: str, why: str) -> None:
    write_foreign(tmp_path / "a.zarr", [np.zeros((3, 64, 64), np.uint8)])
    (tmp_path / "m.csv").write_text(f"slide_id,path\n{slide_id},a.zarr\n", encoding="utf-8")
    with pytest.raises(Exception, match=f"line 2: slide_id .*{why}"):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../../{p}/0/{p}_idx5_x1_y1_class0.png", "holds no patches"),
        ("/abs/{p}/0/{p}_idx5_x1_y1_class0.png", ""),
        ("{p}/0/<script>\x1b[2J\n.png", "<script>\\x1b[2J .png"),
        ("-rf/0/-rf_idx5_x1_y1_class0.png", "starts with '-'"),
        ("NUL/0/NUL_idx5_x1_y1_class0.png", "device on Windows"),
    ],
)
def test_names_in_a_zip_lead_nowhere_and_are_said_in_one_plain_line(tmp_path: Path, name: str, said: str) -> None:
    packed = tmp_path / "in" / "set.zip"
    packed.parent.mkdir()
    with zipfile.ZipFile(packed, "w") as stream:
        stream.writestr(name.format(p="7"), png())
    ran = batchscan("ingest", packed, "--archive", tmp_path / "archive", code=1 if said else 0)
    assert all(line.isprintable() for line in ran.err.split("\n"))
    assert said in ran.err
    outside = {path.name for path in tmp_path.iterdir()}
    assert outside == ({"in"} if said else {"in", "archive"})
    if not said:
        assert (tmp_path / "archive/7.ome.zarr").is_dir()
