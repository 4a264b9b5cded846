"""How much memory and time an evaluation takes as labelled patches grow: tables, tallies, all patch figures, read back.

    python benchmarks/evaluation_memory.py [PATCHES_A_SLIDE [SLIDES]]

Slides are made up, two a patient, and streamed as `batchscan evaluate` streams them: joined patches go to
patches.parquet and patches.csv, tallies stay. Each size runs in a process of its own; peak is its resident memory.
"""

# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from batchscan.domain.joined import JoinedSlide
from batchscan.evaluation.failures import FailureCollector
from batchscan.evaluation.intervals import Bootstrap
from batchscan.evaluation.patch_level import patch_level
from batchscan.evaluation.tallies import PatientTallies
from batchscan.stores.evaluations import EvaluationFolder, PatchTables

SIZES = ((10_000, 10), (10_000, 100), (100_000, 100))
THRESHOLD = 0.5
PREVALENCE = 0.1


def slides(n_patches: int, n_slides: int) -> Iterator[JoinedSlide]:
    """A tenth of the patches are IDC; patients differ in how well they are told."""
    random = np.random.default_rng(0)
    for i in range(n_slides):
        label = random.random(n_patches) < PREVALENCE
        logit = random.normal(np.where(label, 2.0, -2.0), 1.5) + random.normal(0, 0.7)
        p = (1 / (1 + np.exp(-logit))).astype(np.float32)
        row, col = (place.astype(np.int32) for place in np.divmod(np.arange(n_patches), 400))
        everywhere = np.ones(n_patches, dtype=np.bool_)
        yield JoinedSlide(
            slide_id=f"S{i:05d}",
            patient_id=f"P{i // 2:05d}",
            row=row,
            col=col,
            x_px=col * 50.0,
            y_px=row * 50.0,
            label=label,
            p_raw=p,
            p_idc=p,
            positive=p >= np.float32(THRESHOLD),
            scanned=everywhere,
            readable=everywhere,
            tissue_mm2=np.full(n_patches, 0.16),
            side_px=50.0,
            threshold=THRESHOLD,
        )


def measure(n_patches: int, n_slides: int) -> None:
    """Evaluate once, in this process, and print a row."""
    tallies, failures = PatientTallies(), FailureCollector(12)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        with PatchTables.writing(Path(folder)) as tables:
            for slide in slides(n_patches, n_slides):
                tables.add(slide)
                tallies.add(slide)
                failures.add(slide)
        joined = time.perf_counter()
        level = patch_level(tallies, Bootstrap(len(tallies.patients)), (0.1,))
        figured = time.perf_counter()
        n = sum(len(slide) for slide in EvaluationFolder(Path(folder)).patches())
        read = time.perf_counter()
        csv_mb = (Path(folder) / "patches.csv").stat().st_size / 1e6
    assert level is not None
    assert n == level.n == n_patches * n_slides
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    seconds = joined - began, figured - joined, read - figured
    print(f"| {n:,} | {n_slides} | {peak_mb:,.0f} | " + " | ".join(f"{s:.1f}" for s in seconds) + f" | {csv_mb:,.0f} |")


def main(arguments: list[str]) -> None:
    """Each size in a process of its own, or the one that is asked for in this."""
    if arguments:
        measure(int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 1)
        return
    print("| patches | slides | peak MB | s joined and written | s figures | s read back | patches.csv MB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for size in SIZES:
        subprocess.run([sys.executable, __file__, *map(str, size)], check=True)  # noqa: S603 - itself


if __name__ == "__main__":
    main(sys.argv[1:])
