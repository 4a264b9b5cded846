"""A small night: an archive cut from the bundled slide, the command as a process of its own, and what it must leave."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

_DEMO = Path(__file__).parents[2] / "batchscan" / "demo" / "8863.zip"
_NAME = re.compile(r"8863/(\d)/8863_idx5_x(\d+)_y(\d+)_class\d\.png")
_BAND_PX = 250
_PATIENCE_S = 240
NO_PAPER = {"PYTHONPATH": str(Path(__file__).parent / "no_paper")}
"""For runs that nobody kills at random and whose digest nobody reads: to print one takes as long as to scan a slide."""


def cut_archive(folder: Path, n_slides: int) -> Path:
    """The demo's patches in bands of five rows, each a slide of its own, ingested by the command."""
    patches = folder / "bands.zip"
    with zipfile.ZipFile(_DEMO) as whole, zipfile.ZipFile(patches, "w") as bands:
        for member in whole.namelist():
            found = _NAME.fullmatch(member)
            if not found:
                continue
            label, x, y = (int(part) for part in found.groups())
            band = (y - 1) // _BAND_PX % n_slides
            row = (y - 1) // _BAND_PX // n_slides * _BAND_PX + (y - 1) % _BAND_PX
            slide = f"N{band}"
            bands.writestr(f"{slide}/{label}/{slide}_idx5_x{x}_y{row + 1}_class{label}.png", whole.read(member))
    archive = folder / "archive"
    subprocess.run(
        [sys.executable, "-m", "batchscan", "ingest", str(patches), "--archive", str(archive)],
        check=True,
        capture_output=True,
    )
    return archive


class Night:
    """A run of the command that may be killed.

    Parameters
    ----------
    words
        Of the command, after `batchscan`.
    environment
        Besides this process's own.
    """

    def __init__(self, *words: object, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "batchscan", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        self.began = time.monotonic()

    def ends(self) -> tuple[int, str]:
        """Exit code and all that was printed."""
        try:
            text, _ = self.process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return self.process.returncode, text

    def family(self) -> list[psutil.Process]:
        """Processes that the runner has started, and theirs."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def workers(self) -> list[psutil.Process]:
        """Its worker processes."""
        return [child for child in self.family() if "spawn_main" in " ".join(_words(child))]

    def kill(self) -> None:
        """SIGKILL to the runner alone; what it has started must end by itself."""
        family = self.family()
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        _, alive = psutil.wait_procs(family, timeout=60)
        assert not alive, f"orphans: {[_words(process) for process in alive]}"

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """To the whole foreground group, as a terminal does it."""
        os.killpg(self.process.pid, number)

    def wait_until(self, condition: Callable[[], object]) -> bool:
        """False if the command ends before the condition holds."""
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            if condition():
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.01)
        raise TimeoutError

    def lives_for(self, seconds: float) -> bool:
        """Let it run; False if it ends before."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.poll() is None


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def tables(run: Path) -> dict[str, Any]:
    """What a finished run has found, without times: file by file."""
    found: dict[str, Any] = {"summary.csv": _summary(run)}
    for folder in sorted((run / "slides").iterdir()):
        if folder.name.startswith("."):
            continue
        for name in ("patches.parquet", "regions.geojson", "heatmap.png"):
            found[f"{folder.name}/{name}"] = (folder / name).read_bytes()
        result = json.loads((folder / "result.json").read_text())
        del result["seconds"]
        found[f"{folder.name}/result.json"] = result
        found[f"{folder.name}/files"] = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return found


def _summary(run: Path) -> list[dict[str, str]]:
    with (run / "summary.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return [{key: value for key, value in row.items() if not key.startswith("seconds")} for row in rows]


def left_over(run: Path) -> list[str]:
    """Files that nobody asked for: of attempts, of replaced results, temporary ones."""
    return [
        path.relative_to(run).as_posix()
        for path in run.rglob("*")
        if path.is_file() and (".staging" in path.parts or path.suffix in {".partial", ".tmp"})
    ]


def status(run: Path) -> dict[str, Any]:
    """What `batchscan status --json` says."""
    done = subprocess.run(
        [sys.executable, "-m", "batchscan", "status", str(run), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.load(io.StringIO(done.stdout))
    assert found["done"] + found["failed"] + found["excluded"] + found["remaining"] == found["asked"]
    return dict(found)


def moments(seed: int, count: int, longest_s: float) -> Iterator[float]:
    """Random moments within a run of so many seconds; the seed is printed when a test fails, as its parameter."""
    dice = random.Random(seed)
    for _ in range(count):
        yield dice.uniform(0.0, longest_s)
