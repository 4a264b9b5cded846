"""Synthetic scanned and labelled cohorts of several sizes -> the memory and time that evaluating them takes.

    python benchmarks/evaluation_memory.py [--patches 100000,1000000,10000000] [--replicates 2000] [--folder DIR]

Slides have 10,000 patches each, whose foci, labels and errors are smooth random fields; there are 160 patients, or
fewer where there are fewer slides. Each size is a process of its own, that runs what `batchscan evaluate` runs, pages
included; the peaks are the kernel's (VmHWM). The largest needs 2 GB in the folder, which are given back.
"""
# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from batchscan.domain.geometry import PatchGrid, PatchSpec, Spacing, SpacingSource
from batchscan.domain.job import EvaluationSection
from batchscan.domain.records import (
    EngineInfo,
    Float64Array,
    ModelInfo,
    PatchTable,
    Pictures,
    ScanSettings,
    SlideInfo,
    SlideOutcome,
    SlideRequest,
    SlideResult,
    SlideStatus,
)
from batchscan.evaluation.extent import count_patches, measure_extent
from batchscan.stores.ledger import Ledger
from batchscan.stores.packages import open_package
from batchscan.stores.results import RunFolder, write_pictures, write_result
from batchscan.workflow.evaluate import EvaluationEnded, EvaluationPlanned, FiguresBegun, evaluate_runs
from batchscan.workflow.judged_cohort import SlideJoined

SIDE = 100
N_PATIENTS = 160
PATCH = PatchSpec(50, 8.0, 1.0)
SPACING = Spacing(4.0, SpacingSource.VENDOR)
STEP_PX = 100
HEADER = ("patches", "slides", "patients", "join s", "MB", "figures and pages s", "MB, peak of all", "AUROC")


def field(rng: np.random.Generator, sigma: float) -> Float64Array:
    """(SIDE, SIDE) smooth noise of variance 1."""
    smooth = gaussian_filter(rng.normal(size=(SIDE, SIDE)), sigma)
    return np.asarray(smooth / smooth.std(), dtype=np.float64)


def scanned(rng: np.random.Generator, slide: SlideInfo, model: ModelInfo, logit: Float64Array) -> SlideResult:
    """The result of a slide that is all tissue."""
    row, col = (place.ravel().astype(np.int32) for place in np.indices((SIDE, SIDE)))
    p = (1 / (1 + np.exp(-logit))).ravel().astype(np.float32)
    grid = PatchGrid.over(slide.width_px, slide.height_px, SPACING.um_per_px, PATCH)
    everywhere = np.ones(SIDE * SIDE, dtype=np.bool_)
    hashes = rng.integers(1, 2**63, SIDE * SIDE, dtype=np.uint64)
    table = PatchTable(grid, row, col, everywhere.astype(np.float32), p, p, everywhere, hashes)
    settings = ScanSettings(PATCH, 0.1, 0.5, 0.5, 0.02)
    return SlideResult(
        slide=slide,
        model=model,
        engine=EngineInfo("keras", "f32"),
        settings=settings,
        counts=count_patches(table, settings),
        extent=measure_extent(table, SPACING, settings.threshold),
        qc={},
        seconds=dict.fromkeys(("read", "tissue", "infer", "write", "total"), 0.1),
        scan_digest="sha256:" + "1" * 64,
        digest="sha256:" + "2" * 64,
        table=table,
    )


def write_cohort(folder: Path, n_slides: int) -> None:
    """A finished run, and a manifest with the labels of all its patches and a column of three values."""
    rng = np.random.default_rng(0)
    package = open_package("published-cnn")
    model = ModelInfo(package.card.name, package.card.version, package.card.weights_sha256)
    run = RunFolder(folder / "run")
    run.create()
    run.keep_card(package.card)
    n_patients = min(n_slides, N_PATIENTS)
    shift = rng.normal(0.0, 0.5, n_patients)
    x_px, y_px = (place.ravel() * STEP_PX for place in np.indices((SIDE, SIDE))[::-1])
    lines, asked = ["slide_id,path,patient_id,scanner,reference"], []
    for number in range(n_slides):
        slide_id, patient = f"S{number:04d}", number % n_patients
        truth = 2.0 * (field(rng, 4.0) - 0.9)
        logit = 2.0 * truth + shift[patient] + 1.5 * field(rng, 1.5)
        slide = SlideInfo(
            slide_id, f"P{patient:03d}", SIDE * STEP_PX, SIDE * STEP_PX, SPACING, f"sha256:{number:064x}", 1.0
        )
        write_pictures(
            run.slide(slide_id),
            Pictures(np.zeros((SIDE, SIDE, 3), np.uint8), 400.0, np.ones((SIDE, SIDE), np.bool_), {}),
        )
        write_result(run.slide(slide_id), scanned(rng, slide, model, logit))
        labels = np.column_stack([x_px, y_px, np.full(len(x_px), STEP_PX), truth.ravel() > 0])
        name = f"{slide_id}.csv"
        np.savetxt(folder / name, labels, "%d", ",", header="x_px,y_px,side_px,label", comments="")
        lines.append(f"{slide_id},{slide_id}.ome.zarr,{slide.patient_id},{'ABC'[number % 3]},{name}")
        asked.append(SlideRequest(slide_id, slide.patient_id, folder))
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    with Ledger.hold(run.ledger) as ledger:
        ledger.begin(asked, {})
        for each in asked:
            ledger.slide_started(each.slide_id)
            ledger.slide_ended(SlideOutcome(each.slide_id, SlideStatus.DONE), {}, "", None)


def peak_mb() -> float:
    """The most memory that this process ever held."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(folder: Path, replicates: int) -> list[float]:
    """Evaluate in this process: seconds and peak after joining and in all, and the AUROC."""
    section = EvaluationSection(manifest=folder / "manifest.csv", out=folder / "evaluation", replicates=replicates)
    began = time.monotonic()
    found: list[float] = []
    for event in evaluate_runs([folder / "run"], section, (), created=datetime.now(UTC), command="batchscan evaluate"):
        match event:
            case FiguresBegun():
                found += [event.n_patients, time.monotonic() - began, peak_mb()]
                began = time.monotonic()
            case EvaluationEnded():
                level = event.evaluation.levels.patch
                auroc = level.metrics["auroc"].value if level else None
                found += [time.monotonic() - began, peak_mb(), auroc or 0.0]
            case EvaluationPlanned() | SlideJoined():
                pass
    return found


def row(n_patches: int, arguments: argparse.Namespace) -> list[str]:
    """One line of the table, measured in a process of its own."""
    n_slides = max(n_patches // SIDE**2, 1)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        write_cohort(Path(folder), n_slides)
        words = ["--measure", folder, "--replicates", str(arguments.replicates)]
        done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, check=True)  # noqa: S603
    *numbers, auroc = json.loads(done.stdout)
    return [f"{number:,.0f}" for number in (n_slides * SIDE**2, n_slides, *numbers)] + [f"{auroc:.4f}"]


def main() -> None:
    """Print a table, a size a line; with --measure, one cohort's figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", default="100000,1000000,10000000", metavar="N,N")
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="with room for the cohorts [default: TMPDIR]")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.replicates)))
        return
    print(" | ".join(HEADER))
    for size in arguments.patches.split(","):
        print(" | ".join(row(int(size), arguments)), flush=True)


if __name__ == "__main__":
    main()
