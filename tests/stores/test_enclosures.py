"""What a report encloses is what `sha256sum` says it is."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from batchscan.stores.enclosures import ENCLOSED, SUMS, Enclosures

FILES = {"result.json": b"{}\n", "card.json": b"card", "regions.geojson": b"", "patches.parquet": bytes(range(256))}


def test_the_list_of_hashes_is_one_that_sha256sum_takes(tmp_path: Path) -> None:
    if not shutil.which("sha256sum"):
        pytest.skip("no sha256sum here")
    for name, content in Enclosures(FILES).all.items():
        (tmp_path / name).write_bytes(content)
    checked = subprocess.run(["sha256sum", "-c", SUMS], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert checked.stdout.count(": OK") == len(FILES)
    listed = subprocess.run(["sha256sum", SUMS], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert listed.stdout.split()[0] == Enclosures(FILES).digest


def test_every_file_counts_and_none_is_left_out() -> None:
    assert set(Enclosures(FILES).all) == set(ENCLOSED)
    assert list(ENCLOSED) == sorted(ENCLOSED)
    assert Enclosures(FILES).digest == hashlib.sha256(Enclosures(FILES).sums).hexdigest()
    digests = {Enclosures({**FILES, name: content + b"x"}).digest for name, content in FILES.items()}
    assert len(digests | {Enclosures(FILES).digest}) == len(FILES) + 1
