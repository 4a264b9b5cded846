"""What judging a patch with its neighbours and in several orientations costs, in one run: a table on stdout.

    python benchmarks/context_cost.py [MODEL]

Inference runs on patches in memory, one thread, so that nothing but the orientations differs; averaging and calibration
run on a whole mount of 26,400 patches (100 x 74 mm with a third of it tissue has as many).
"""
# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

from batchscan.domain.aggregation import Aggregation, ScoredGrid
from batchscan.scan.engines import open_engine
from batchscan.scan.pipeline import raw_scores
from batchscan.stores.packages import open_package

ROWS, COLS = 165, 160
REPEATS = 5


def least_seconds(work: Callable[[], object]) -> float:
    """The least of several runs, after one that isn't counted."""
    work()
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def main(model: str) -> None:
    """Print the table."""
    package = open_package(model)
    engine = open_engine(package)
    golden = package.golden().patches
    patches = np.resize(golden, (16 * engine.batch, *golden.shape[1:]))
    print(f"{package.info.name} {package.info.version}, {engine.info.name} {engine.info.precision}, one thread")
    alone = 0.0
    for orientations in (1, 2, 4, 8):

        def infer(count: int = orientations) -> object:
            return raw_scores(patches, count, engine)

        seconds = least_seconds(infer)
        alone = alone or seconds
        print(f"orientations {orientations}: {len(patches) / seconds:8.0f} patches/s, x {seconds / alone:.2f}")
    row, col = (place.ravel().astype(np.int32) for place in np.indices((ROWS, COLS)))
    p_raw = np.random.default_rng(0).random(ROWS * COLS).astype(np.float32)
    scored = ScoredGrid(p_raw, row, col, np.ones(len(p_raw), np.bool_), stride=1.0)
    for sigma in (0.0, 0.7, 1.0, 1.4):

        def average(way: Aggregation = Aggregation(sigma, 0.5, -1.0)) -> object:  # noqa: B008 - a frozen value
            return scored.p_idc(way)

        seconds = least_seconds(average)
        share = seconds / (len(p_raw) * alone / len(patches))
        print(
            f"sigma {sigma:g}: {seconds * 1000:6.1f} ms a slide of {len(p_raw)} patches, {share:.2%} of its inference"
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "published-cnn")
