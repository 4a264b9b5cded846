"""Workers, slide area and number of slides, each made larger -> how time and memory of ingest and scan grow.

    python benchmarks/scaling.py LAYOUT_CSV [--workers 1,2,4] [--sides 6,12,24] [--archives 10,100,1000] [--folder DIR]

Slides are those of `batchscan bench`, at 1 um/px; the small ones of an archive are those of archive_scale.py, which
says what LAYOUT_CSV is. Scans are without reports. CPU seconds are of all cores, and depend least on what else the
machine is doing. Memory is resident: of all processes together, where shared pages count for each, of the runner with
its scheduler, and of the largest worker. Leave the machine alone meanwhile.
"""

# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import argparse
import contextlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from archive_scale import make_archive

from batchscan.stores.synthetic_slides import SyntheticSlide, write_slide
from batchscan.workflow.bench_runs import write_many
from batchscan.workflow.demo import demo_patches

_MB = 1 << 20
_EVERY_S = 0.2
_UM_PER_PX = 1.0
# So many slides share the workers where their number is what grows, and so many are scanned of each area.
_SLIDES = 8
_SLIDES_OF_AN_AREA = 4


@dataclass(frozen=True)
class Watched:
    """Seconds of a command, by the clock and of all cores, and the most resident MiB of its processes: see the top."""

    seconds: float
    cpu_s: float
    tree_mb: float
    first_mb: float
    largest_mb: float

    def __str__(self) -> str:
        memory = " | ".join(f"{each:,.0f}" for each in (self.tree_mb, self.first_mb, self.largest_mb))
        return f"{self.seconds:.1f} | {self.cpu_s:.1f} | {memory}"


def watched(*words: object) -> Watched:
    """Run the command to its end."""
    began = time.monotonic()
    cpu_s = _cpu_s()
    command = [sys.executable, "-m", "batchscan", *map(str, words)]
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    tree = first = largest = 0.0
    while process.poll() is None:
        time.sleep(_EVERY_S)
        with contextlib.suppress(psutil.Error):
            own = process.memory_info().rss / _MB
            children = [child.memory_info().rss / _MB for child in process.children(recursive=True)]
            tree, first = max(tree, own + sum(children)), max(first, own)
            largest = max([largest, *children])
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}: {process.stderr.read().decode()[-500:]}")
    return Watched(time.monotonic() - began, _cpu_s() - cpu_s, tree, first, largest)


def _cpu_s() -> float:
    """Of all processes below this one that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make_slide(folder: Path, side_mm: float) -> Path:
    """A slide file of an area."""
    path = folder / f"mm{side_mm:g}.tiff"
    with demo_patches() as patches:
        write_slide(path, patches, SyntheticSlide(side_mm, _UM_PER_PX, seed=0), psutil.cpu_count() or 1)
    return path


def scanned(folder: Path, sources: Path, workers: int) -> Watched:
    """A scan of a manifest or an archive, whose results are thrown away."""
    run = folder / "run"
    found = watched("scan", sources, "--out", run, "--no-report", "--workers", workers)
    shutil.rmtree(run)
    return found


def areas(folder: Path, sides_mm: list[float], workers: int) -> Path:
    """Ingest and scan slides of growing area; returns the store of the middle one."""
    print("\nside, mm | what | s | CPU s | all, MiB | runner, MiB | largest worker, MiB")
    stores = []
    for side_mm in sides_mm:
        slide, archive = make_slide(folder, side_mm), folder / f"archive{side_mm:g}"
        print(f"{side_mm:g} | ingest | {watched('ingest', slide, '--archive', archive, '--workers', workers)}")
        slide.unlink()
        stores.append(archive / f"{slide.stem}.ome.zarr")
        manifest = folder / "area.csv"
        write_many(manifest, stores[-1], _SLIDES_OF_AN_AREA)
        print(f"{side_mm:g} | scan of {_SLIDES_OF_AN_AREA} | {scanned(folder, manifest, workers)}", flush=True)
    return stores[len(stores) // 2]


def processes(folder: Path, store: Path, numbers: list[int]) -> None:
    """Scan the same slides with more and more workers."""
    print("\nworkers | s | CPU s | all, MiB | runner, MiB | largest worker, MiB")
    manifest = folder / "many.csv"
    write_many(manifest, store, _SLIDES)
    for workers in numbers:
        print(f"{workers} | {scanned(folder, manifest, workers)}", flush=True)


def archives(folder: Path, layout: Path, sizes: list[int], workers: int) -> None:
    """Scan archives of more and more small slides."""
    print("\nslides | s | CPU s | all, MiB | runner, MiB | largest worker, MiB")
    for n_slides in sizes:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            archive = make_archive(Path(place), layout, n_slides)
            print(f"{n_slides} | {scanned(Path(place), archive, workers)}", flush=True)


def main() -> None:
    """Print three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layout", type=Path)
    parser.add_argument("--workers", default="1,2,4", metavar="N,N")
    parser.add_argument("--sides", default="6,12,24", metavar="MM,MM")
    parser.add_argument("--archives", default="10,100,1000", metavar="N,N")
    parser.add_argument("--folder", type=Path, help="with room for the slides [default: TMPDIR]")
    asked = parser.parse_args()
    workers, sizes = ([int(word) for word in words.split(",")] for words in (asked.workers, asked.archives))
    usual = psutil.cpu_count() or 1
    with tempfile.TemporaryDirectory(dir=asked.folder) as place:
        folder = Path(place)
        store = areas(folder, [float(word) for word in asked.sides.split(",")], usual)
        processes(folder, store, workers)
        archives(folder, asked.layout, sizes, usual)


if __name__ == "__main__":
    main()
