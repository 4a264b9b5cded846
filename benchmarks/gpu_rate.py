"""What a GPU scores a second: from memory, and in a real scan of slide stores with 1, 2, 4 ... workers that share it.

    KERAS_BACKEND=jax python benchmarks/gpu_rate.py FOLDER [--precisions f32,bf16] [--batches 256,1024]
        [--workers 1,2] [--slides 200] [--mm 16] [--seconds 4]

A slide is made in FOLDER (new) and ingested as `batchscan bench` does it; the scan is of that store under many names,
without reports, and so with everything in the system's file cache. Engines are measured in a process each, by
engine_rate.py. A row says how fast patches came from the first worker on to the last slide's end, what that is of
the same engine alone, and which part of that time the network was at work, one GPU taken together.
"""
# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.job import Job, ModelSection, ReportSection, RunSection, SlidesSection
from batchscan.domain.speed import RunSpeed, Unknown
from batchscan.scan.gpus import find_gpus
from batchscan.stores.ledger import Ledger
from batchscan.stores.results import RunFolder
from batchscan.stores.synthetic_slides import SyntheticSlide, write_slide
from batchscan.workflow.bench_ingest import ingest_speed
from batchscan.workflow.bench_machine import n_cores
from batchscan.workflow.bench_runs import timed_run, write_many
from batchscan.workflow.demo import demo_patches
from batchscan.workflow.ingest_steps import store_path

_RATES = Path(__file__).with_name("engine_rate.py")
# What a worker of a GPU has (scan/seats.py).
_AS_A_WORKER = {
    "NVIDIA_TF32_OVERRIDE": "0",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


def from_memory(store: Path, device: str, precision: str, batches: str, seconds: float) -> float:
    """Patches a second of the engine alone, with the batch that it takes by itself; all that was said is printed."""
    words = [str(store), "--engine", "keras", "--precision", precision, "--seconds", str(seconds), "--batches", batches]
    environment = {**os.environ, **_AS_A_WORKER, "CUDA_VISIBLE_DEVICES": device}
    command = [sys.executable, str(_RATES), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our script
    print(done.stdout, done.stderr[-2000:] if done.returncode else "", sep="", flush=True)
    for line in done.stdout.splitlines():
        if line.startswith("from memory: "):
            return float(line.split()[2].replace(",", ""))
    return float("nan")


def scanned(folder: Path, store: Path, precision: str, workers: int, n_slides: int) -> Scanned | Unknown:
    """A run, or why there is none."""
    name = f"{precision}-{workers}-{n_slides}"
    manifest, out = folder / f"{name}.csv", folder / f"run-{name}"
    write_many(manifest, store, n_slides)
    job = Job(
        slides=SlidesSection(sources=(manifest,)),
        model=ModelSection.model_validate({"engine": "keras", "precision": precision}),
        run=RunSection(out=out, workers=workers),
        report=ReportSection(per_slide=False),
    )
    clock = time.process_time()
    speed = timed_run(job)
    if not isinstance(speed, RunSpeed):
        return speed
    runner_s = time.process_time() - clock
    with Ledger.read(RunFolder(out).ledger) as ledger:
        spent = [attempt.end.seconds for attempt in ledger.attempts()]
    return Scanned(speed, {stage: sum(each.get(stage, 0.0) for each in spent) for stage in spent[0]}, runner_s)


@dataclass(frozen=True, slots=True)
class Scanned:
    """A run's speed, the seconds of all its slides by stage, and the processor seconds of its runner."""

    speed: RunSpeed
    stages: Mapping[str, float]
    runner_s: float

    def line(self, alone: float) -> str:
        """What it came to, beside an engine alone."""
        pace, onward, n_slides = self.speed.steady, self.speed.onward, self.speed.n_slides
        later = f", {onward.per_s:,.0f} once as many slides have ended as there are workers" if onward else ""
        stages = ", ".join(f"{name} {1000 * seconds / n_slides:.0f}" for name, seconds in self.stages.items())
        return (
            f"{pace.per_s:,.0f} patches/s, {pace.per_s / alone:.2f} of {alone:,.0f} alone{later}; network at work "
            f"{self.stages['infer'] / pace.seconds:.2f} of the time; {n_slides} slides, {pace.seconds:.1f} s, "
            f"{self.speed.whole.seconds:.1f} with start and end, runner {self.runner_s:.1f} s of CPU; "
            f"ms a slide: {stages}"
        )


def rows(asked: argparse.Namespace, store: Path, device: str) -> Iterator[str]:
    """A line of the table for each precision and number of workers."""
    for precision in asked.precisions.split(","):
        alone = from_memory(store, device, precision, asked.batches, asked.seconds)
        for workers in map(int, asked.workers.split(",")):
            made = scanned(asked.folder, store, precision, workers, asked.slides)
            said = made.line(alone) if isinstance(made, Scanned) else made.why
            yield f"{precision}, {workers} workers: {said}"


def main() -> None:
    """Make the slide, print the rates."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--precisions", default="f32,bf16")
    parser.add_argument("--batches", default="256,1024")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--slides", type=int, default=200)
    parser.add_argument("--mm", type=float, default=16.0)
    parser.add_argument("--seconds", type=float, default=4.0)
    asked = parser.parse_args()
    gpus = find_gpus()
    print(f"{', '.join(gpus.names) or 'no GPU'} ({gpus.source}), {n_cores()} cores, {DEFAULT_MODEL}", flush=True)
    asked.folder.mkdir(parents=True)
    began, slide = time.monotonic(), asked.folder / "bench.tiff"
    with demo_patches() as patches:
        write_slide(slide, patches, SyntheticSlide(asked.mm, 0.5, 0), n_cores())
    ingest_speed(slide, asked.folder / "archive", n_cores())
    print(f"slide made and ingested in {time.monotonic() - began:.1f} s", flush=True)
    store = store_path(asked.folder / "archive", "bench")
    for row in rows(asked, store, gpus.devices[0] if gpus.devices else "-1"):
        print(row, flush=True)


if __name__ == "__main__":
    main()
