"""A slide file is ingested, and read by OpenSlide alone: MPix/s of both in turns, their ratio, and the ingest's memory.

    python benchmarks/ingest_rate.py SLIDE [--side 24576] [--finest 1.0] [--threads 2] [--pairs 5]

No scanner's file is as large as one likes: tissue is taken from the middle of the finest level of SLIDE, which
OpenSlide has to read, mirrored until it fills a square of `--side` pixels at 0.5 um, and written as a tiled JPEG
pyramid in Aperio's form and usual quality. `--side 0` takes SLIDE as it is. OpenSlide reads what the ingest has to
read of the file, in the same tiles on as many threads, and throws it away. The ingest is the whole command, its start
included; its memory is the most that its processes had together (RSS, what they share counted for each). Where others
are at work on the machine, the ratio of processor time says more than that of the clock.
"""
# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import argparse
import io
import itertools
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openslide
import psutil
from PIL import Image

from batchscan.domain.records import Uint8Array
from batchscan.stores.slides import ShrunkSlide, VendorSlide, shrunk_to

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from slide_files import TILE_PX, write_tiles

MADE_UM_PER_PX = 0.5
JPEG_QUALITY = 70
PIECE_PX = 2048
COARSER = 4


def mirrored(slide: Path) -> Uint8Array:
    """(4096, 4096, 3): the middle of a slide's finest level, mirrored to the right and below, so that it can go on."""
    with openslide.OpenSlide(slide) as handle:
        x, y = ((side - PIECE_PX) // 2 for side in handle.dimensions)
        piece = np.asarray(handle.read_region((x, y), 0, (PIECE_PX, PIECE_PX)).convert("RGB"))
    wide = np.concatenate([piece, piece[:, ::-1]], axis=1)
    return np.concatenate([wide, wide[::-1]])


def write_slide(path: Path, period: Uint8Array, side_px: int) -> None:
    """A pyramid of `side_px` x `side_px` and levels four times as coarse, of a square that repeats itself."""
    sizes, tiles = [], []
    while len(period) >= TILE_PX:
        n_made = len(period) // TILE_PX
        squares = period.reshape(n_made, TILE_PX, n_made, TILE_PX, 3).swapaxes(1, 2)
        made = [[jpeg_tile(squares[row, col]) for col in range(n_made)] for row in range(n_made)]
        n = -(-side_px // TILE_PX)
        sizes.append((side_px, side_px))
        tiles.append([made[row % n_made][col % n_made] for row, col in itertools.product(range(n), repeat=2)])
        period, side_px = np.asarray(Image.fromarray(period).reduce(COARSER)), side_px // COARSER
    write_tiles(path, sizes, tiles, f"|AppMag = 20|MPP = {MADE_UM_PER_PX}")


def jpeg_tile(pixels: Uint8Array) -> bytes:
    """A tile as a scanner compresses it."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return stream.getvalue()


def kept(path: Path, finest_um_per_px: float) -> ShrunkSlide:
    """What an ingest keeps of a file."""
    with VendorSlide(path) as slide:
        return shrunk_to(slide, slide.spacing().um_per_px, finest_um_per_px)


def read_all(path: Path, shrunk: ShrunkSlide, n_threads: int) -> tuple[float, float]:
    """(wall, processor) seconds in which OpenSlide alone reads the level that an ingest reads, in its tiles."""
    level, factor = shrunk.source, round(shrunk.downsample / shrunk.source.downsample)
    side = shrunk.tile_px * factor
    corners = itertools.product(range(0, level.height_px, side), range(0, level.width_px, side))
    with openslide.OpenSlide(path) as handle, ThreadPoolExecutor(n_threads) as threads:

        def read(corner: tuple[int, int]) -> None:
            y, x = corner
            size = min(side, level.width_px - x), min(side, level.height_px - y)
            handle.read_region((round(x * level.downsample), round(y * level.downsample)), shrunk.level, size)

        clock, processor = time.perf_counter(), time.process_time()
        for _ in threads.map(read, corners):
            pass
        return time.perf_counter() - clock, time.process_time() - processor


def ingest(path: Path, finest_um_per_px: float, n_threads: int) -> tuple[float, float, int]:
    """(wall, processor) seconds of the command, and bytes of memory."""
    words = ["-m", "batchscan", "ingest", str(path), "--finest", str(finest_um_per_px), "--workers", str(n_threads)]
    with tempfile.TemporaryDirectory(dir=path.parent) as archive:
        clock, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        words += ["--archive", archive]
        process = psutil.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        most = 0
        while process.poll() is None:
            most = max(most, memory_bytes(process))
            time.sleep(0.05)
        seconds, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"the ingest ended with {process.returncode}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, most


def memory_bytes(process: psutil.Process) -> int:
    """Of a process and all below it."""
    total = 0
    try:
        for each in (process, *process.children(recursive=True)):
            total += each.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def compare(path: Path, finest_um_per_px: float, n_threads: int, n_pairs: int) -> None:
    """Read and ingest in turns; print a line a pair and the medians."""
    shrunk = kept(path, finest_um_per_px)
    level = shrunk.source
    mpix = level.width_px * level.height_px / 1e6
    print(f"level {shrunk.level}: {level.width_px} x {level.height_px} px, kept {shrunk.width_px} x {shrunk.height_px}")
    read_all(path, shrunk, n_threads)
    rows = []
    line = "OpenSlide {:.1f} MPix/s, ingest {:.1f} MPix/s, ratio {:.3f}, of processor time {:.3f}, {:.0f} MiB"
    for _ in range(n_pairs):
        alone, alone_busy = read_all(path, shrunk, n_threads)
        seconds, busy, memory = ingest(path, finest_um_per_px, n_threads)
        rows.append((mpix / alone, mpix / seconds, alone / seconds, alone_busy / busy, memory / 2**20))
        print(line.format(*rows[-1]), flush=True)
    print("medians:", line.format(*map(statistics.median, zip(*rows, strict=True))))


def main() -> None:
    """Make the file, if asked to, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--side", type=int, default=24_576, help="pixels; 0 takes the slide as it is")
    parser.add_argument("--finest", type=float, default=1.0, help="um a pixel of the store's level 0")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        path = given.slide
        if given.side:
            path = folder / "made.svs"
            write_slide(path, mirrored(given.slide), given.side)
        compare(path, given.finest, given.threads, given.pairs)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
