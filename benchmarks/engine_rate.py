"""What a network scores a second on this machine's CPU or GPU: from memory, and from a slide store.

    python benchmarks/engine_rate.py [STORE] [--engine keras] [--precision f32] [--batches 32,256] [--seconds 5]

For a GPU: CUDA_VISIBLE_DEVICES=0, and KERAS_BACKEND=jax or torch where TensorFlow isn't installed. From memory: patches
of noise, one call after the other, for each size of a batch. From the store (.ome.zarr): all its blocks one after the
other as a worker scans them, and with the next block read on a second thread meanwhile. Seconds are medians of 3.
"""
# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from batchscan.domain.geometry import PatchSpec
from batchscan.domain.records import ScanSettings, SlideInfo, Uint8Array
from batchscan.scan.engines import Engine, open_engine
from batchscan.scan.grid import Block
from batchscan.scan.pipeline import Survey, raw_scores, read_patches, survey_slide
from batchscan.stores.packages import ModelPackage, open_package
from batchscan.stores.pyramids import SlideStore, open_store

N_RUNS = 3
MIN_TISSUE = 0.1


def rate(patches: Uint8Array, engine: Engine, seconds: float) -> float:
    """Patches a second from memory."""
    engine.predict(patches)
    began, n_scored = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        engine.predict(patches)
        n_scored += len(patches)
    return n_scored / (time.perf_counter() - began)


def surveyed(store: SlideStore, package: ModelPackage) -> tuple[Survey, ScanSettings]:
    """What a scan of the store would look at."""
    card = package.card
    patch = PatchSpec(card.patch_px, card.scale.um_per_px, 1.0)
    settings = ScanSettings(patch, MIN_TISSUE, 0.01, card.threshold.value, card.engine_tolerance)
    info = SlideInfo("S", "S", store.width_px, store.height_px, store.spacing, store.fingerprint)
    return survey_slide(store, info, settings)[0], settings


def one_by_one(read: Callable[[Block], Uint8Array], blocks: Sequence[Block]) -> Iterator[Uint8Array]:
    """The blocks' patches, read when they are wanted."""
    yield from map(read, blocks)


def ahead(read: Callable[[Block], Uint8Array], blocks: Sequence[Block]) -> Iterator[Uint8Array]:
    """The same, each read while the one before is scored."""
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(read, blocks[0])
        for block in blocks[1:]:
            patches, waiting = waiting.result(), reader.submit(read, block)
            yield patches
        yield waiting.result()


def from_store(store: SlideStore, package: ModelPackage, engine: Engine) -> None:
    """Print patches a second of reading alone, of scoring alone, and of both, in turn and at once."""
    survey, settings = surveyed(store, package)

    def read(block: Block) -> Uint8Array:
        return read_patches(store, survey.grid, block, settings.patch)[0]

    def timed(work: Callable[[], object]) -> float:
        took = []
        for _ in range(N_RUNS):
            began = time.perf_counter()
            work()
            took.append(time.perf_counter() - began)
        return len(survey.row) / statistics.median(took)

    kept = [read(block) for block in survey.blocks]
    ways: dict[str, Callable[[], object]] = {
        "read and cut alone": lambda: [read(block) for block in survey.blocks],
        "scored alone": lambda: [raw_scores(patches, 1, engine) for patches in kept],
        "one after the other": lambda: [raw_scores(p, 1, engine) for p in one_by_one(read, survey.blocks)],
        "read ahead": lambda: [raw_scores(p, 1, engine) for p in ahead(read, survey.blocks)],
    }
    print(f"{len(survey.row)} patches in {len(survey.blocks)} blocks of {store.path.name}")
    for name, work in ways.items():
        print(f"{name}: {timed(work):,.0f} patches/s", flush=True)


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser()
    parser.add_argument("store", type=Path, nargs="?")
    parser.add_argument("--model", default="published-cnn")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", default="")
    parser.add_argument("--seconds", type=float, default=5.0)
    asked = parser.parse_args()
    package = open_package(asked.model)
    began = time.perf_counter()
    engine = open_engine(package, asked.engine, asked.threads, asked.precision)
    apart = float(np.abs(engine.predict(package.golden().patches) - package.golden().p_idc).max())
    print(
        f"engine {engine.info.name} {engine.info.precision}, {engine.batch} at once as it stands, "
        f"{apart:.2g} off the golden patches, opened in {time.perf_counter() - began:.1f} s"
    )
    side = package.card.patch_px
    noise = np.random.default_rng(0).integers(0, 256, (4 * engine.batch, side, side, 3), dtype=np.uint8)
    print(f"from memory: {rate(noise, engine, asked.seconds):,.0f} patches/s", flush=True)
    as_it_stood = engine.batch
    for batch in map(int, filter(None, asked.batches.split(","))):
        # Only Keras takes any size; OpenVINO's is compiled in.
        engine.batch = batch  # type: ignore[misc]
        noise = np.random.default_rng(0).integers(0, 256, (4 * batch, side, side, 3), dtype=np.uint8)
        print(f"from memory, {batch} at once: {rate(noise, engine, asked.seconds):,.0f} patches/s", flush=True)
    engine.batch = as_it_stood  # type: ignore[misc]
    if asked.store:
        from_store(open_store(asked.store), package, engine)


if __name__ == "__main__":
    main()
