"""A run over thousands of small slides -> memory of scheduler and runner along the way, and overhead a slide.

    python benchmarks/archive_scale.py LAYOUT_CSV [--slides 2000] [--workers 2]

LAYOUT_CSV has columns patient, x, y: the places of the public set's patches. A slide of the benchmark has the extent of
one of its slides, shrunk eight times in each direction, with real pixels of the bundled slide; each is a store of its
own.
"""

# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

_DEMO = Path(__file__).parents[1] / "batchscan" / "demo" / "8863.zip"
_SHRUNK = 8
_PATCH_PX = 50
_MB = 1 << 20


def layouts(table: Path) -> list[list[tuple[int, int]]]:
    """(col, row) of the patches of each slide, shrunk; without those that hardly have any."""
    places: dict[str, set[tuple[int, int]]] = defaultdict(set)
    with table.open() as stream:
        for row in csv.DictReader(stream):
            x, y = (int(row[axis]) // (_PATCH_PX * _SHRUNK) for axis in ("x", "y"))
            places[row["patient"]].add((x, y))
    return [sorted(found) for found in places.values() if len(found) > 5]  # noqa: PLR2004 - something to scan


def make_archive(folder: Path, table: Path, n_slides: int) -> Path:
    """Ingest one slide a layout, then copies of them under names of their own."""
    dice, found = np.random.default_rng(0), layouts(table)
    with zipfile.ZipFile(_DEMO) as demo:
        patches = [demo.read(name) for name in demo.namelist() if name.endswith("_class0.png")]
    patches = [patch for patch in patches if Image.open(io.BytesIO(patch)).size == (_PATCH_PX, _PATCH_PX)]
    with zipfile.ZipFile(folder / "patches.zip", "w") as packed:
        for index, cells in enumerate(found[:n_slides]):
            slide = f"L{index:03d}"
            for col, row in cells:
                x, y = 1 + _PATCH_PX * col, 1 + _PATCH_PX * row
                name = f"{slide}/0/{slide}_idx5_x{x}_y{y}_class0.png"
                packed.writestr(name, patches[dice.integers(len(patches))])
    base = folder / "base"
    words = ["-m", "batchscan", "ingest", str(folder / "patches.zip"), "--archive", str(base)]
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    stores = sorted(base.glob("*.ome.zarr"))
    archive = folder / "archive"
    archive.mkdir()
    with (archive / "manifest.csv").open("w") as stream:
        stream.write("slide_id,path\n")
        for index in range(n_slides):
            name = f"S{index:05d}"
            shutil.copytree(stores[index % len(stores)], archive / f"{name}.ome.zarr")
            stream.write(f"{name},{name}.ome.zarr\n")
    return archive


def followed(run: Path, words: list[str]) -> Iterator[tuple[int, float, float]]:
    """Run the command; yield (slides ended, MiB of the runner with its scheduler, MiB of its largest worker)."""
    process = psutil.Popen([sys.executable, "-m", "batchscan", *words])
    while process.poll() is None:
        time.sleep(0.5)
        try:
            runner = process.memory_info().rss / _MB
            workers = [
                child.memory_info().rss / _MB
                for child in process.children(recursive=True)
                if "spawn_main" in " ".join(child.cmdline())
            ]
        except psutil.Error:
            continue
        yield _ended(run), runner, max(workers, default=0.0)
    if process.returncode != 0:
        raise SystemExit(f"the run ended with {process.returncode}")


def _ended(run: Path) -> int:
    ledger = run / "ledger.sqlite"
    if not ledger.exists():
        return 0
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
        try:
            return int(database.execute("SELECT count(*) FROM slides WHERE status = 'done'").fetchone()[0])
        except sqlite3.Error:
            return 0


def overhead_s(run: Path, workers: int) -> tuple[float, float, float]:
    """Seconds a slide: wall between the first slide's start and the last one's end, own work, and the rest.

    Own work is how long its steps took on the workers; the rest is all other time of theirs.
    """
    with sqlite3.connect(run / "ledger.sqlite") as database:
        rows = database.execute("SELECT started, ended, seconds FROM attempts").fetchall()
    first, last = (f(row[i] for row in rows) for f, i in ((min, 0), (max, 1)))
    wall = time.mktime(time.strptime(last[:19], "%Y-%m-%dT%H:%M:%S")) - time.mktime(
        time.strptime(first[:19], "%Y-%m-%dT%H:%M:%S")
    )
    own = sum(json.loads(row[2])["busy"] for row in rows)
    return wall / len(rows), own / len(rows), (wall * workers - own) / len(rows)


def main() -> None:
    """Print a line every hundred slides, and the figures at the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("layout", type=Path)
    parser.add_argument("--slides", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive = make_archive(Path(folder), asked.layout, asked.slides)
        run = Path(folder) / "run"
        words = ["scan", str(archive), "--out", str(run), "--no-report", "--workers", str(asked.workers)]
        at: dict[int, tuple[float, float]] = {}
        for ended, runner, worker in followed(run, words):
            if ended and (ended // 100) not in at:
                at[ended // 100] = runner, worker
                print(f"{ended} slides: runner and scheduler {runner:.0f} MiB, largest worker {worker:.0f} MiB")
        wall, own, rest = overhead_s(run, asked.workers)
        print(f"a slide: {wall:.3f} s of wall, {own:.3f} s of own work, {rest * 1000:.0f} ms of anything else")


if __name__ == "__main__":
    main()
