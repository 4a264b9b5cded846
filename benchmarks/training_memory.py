"""Synthetic patch sets of several sizes -> the memory and time that indexing, decoding and training them takes.

    python benchmarks/training_memory.py [--patches 7000,70000,277524] [--steps 200] [--network compact] [--folder DIR]

Each size is a process of its own; the peaks are the kernel's (VmHWM). The training is `train_model`'s own, stopped
after an epoch (or --steps); indexing includes checking the order, importing Keras and decoding the first 512 patches.
The largest needs 5 GB in the folder, which are given back.
"""
# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

N_PATIENTS = 279
COLUMNS = 32
SHARE_IDC = 0.28
HEADER = ("patches", "index s", "MB", "decode s", "MB", "training s", "steps", "MB, peak of all")


class EnoughStepsError(Exception):
    """Ends a training where its memory has settled."""


def write_set(path: Path, n_patches: int) -> None:
    """A zip in the public layout: noise, which compresses as badly as tissue."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(n_patches):
            patient, place = 10_000 + number % N_PATIENTS, number // N_PATIENTS
            label = int(place * SHARE_IDC % 1.0 < SHARE_IDC)
            x, y = 1 + 50 * (place % COLUMNS), 1 + 50 * (place // COLUMNS)
            stream = io.BytesIO()
            pixels = rng.integers(90 + 60 * (1 - label), 256, (50, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
            archive.writestr(f"{patient}/{label}/{patient}_idx5_x{x}_y{y}_class{label}.png", stream.getvalue())


def peak_mb() -> float:
    """The most memory that this process ever held."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(path: Path, network: str, steps: int, folder: Path) -> dict[str, Any]:
    """Index, decode and train in this process, by what `batchscan train` calls."""
    from batchscan.training.dataset import PatchesRead  # noqa: PLC0415 - its memory is what is measured
    from batchscan.training.events import EpochDone, StepsDone  # noqa: PLC0415
    from batchscan.training.recipe import Recipe  # noqa: PLC0415
    from batchscan.workflow.train_model import Order, train_model  # noqa: PLC0415
    from batchscan.workflow.training_events import Planned  # noqa: PLC0415

    found: dict[str, Any] = {"steps": 0}
    began = time.monotonic()

    def stage(name: str) -> None:
        nonlocal began
        found[name] = [time.monotonic() - began, peak_mb()]
        began = time.monotonic()

    def follow(event: object) -> None:
        if isinstance(event, PatchesRead) and "index" not in found:
            stage("index")
        if isinstance(event, Planned):
            stage("decode")
        found["steps"] += isinstance(event, StepsDone)
        if 0 < steps == found["steps"] or isinstance(event, EpochDone):
            raise EnoughStepsError

    order = Order(path, folder / "model", Recipe(network=network, epochs=1))
    with contextlib.suppress(EnoughStepsError):
        train_model(order, follow)
    stage("training")
    return found


def row(n_patches: int, arguments: argparse.Namespace) -> list[str]:
    """One line of the table, measured in a process of its own."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "patches.zip"
        write_set(path, n_patches)
        words = ["--measure", path, "--network", arguments.network, "--steps", arguments.steps]
        done = subprocess.run([sys.executable, __file__, *map(str, words)], stdout=subprocess.PIPE, check=True)  # noqa: S603
    found = json.loads(done.stdout)
    (index_s, index_mb), (decode_s, decode_mb), (training_s, training_mb) = (
        found[name] for name in ("index", "decode", "training")
    )
    numbers = (n_patches, index_s, index_mb, decode_s, decode_mb, training_s, found["steps"], training_mb)
    return [f"{number:,.0f}" for number in numbers]


def main() -> None:
    """Print a table, a size a line; with --measure, one size's figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", default="7000,70000,277524", metavar="N,N")
    parser.add_argument("--steps", type=int, default=0, help="of a training, then it is stopped [default: an epoch]")
    parser.add_argument("--network", default="compact")
    parser.add_argument("--folder", type=Path, help="with room for the patches [default: TMPDIR]")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.network, arguments.steps, arguments.measure.parent)))
        return
    print(" | ".join(HEADER))
    for size in arguments.patches.split(","):
        print(" | ".join(row(int(size), arguments)), flush=True)


if __name__ == "__main__":
    main()
