"""How long a slide's report takes to print, how large it gets, and whether memory stays bounded over many.

    python benchmarks/report_scale.py RUN [REPORTS]

Prints reports of a finished run's slides in turn, in one process, into a folder that is thrown away: seconds of a
processor each, the largest file, and the resident memory after every tenth of them. Each result is read anew, as a run
and `batchscan report` do.
"""

# ruff: noqa: INP001, PLR2004, T201 - a script, which prints

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

from batchscan.report.render import render_slide_report
from batchscan.stores.pictures import read_pictures
from batchscan.stores.results import REPORT, RunFolder, read_result

WHEN = datetime(2025, 11, 23, 6, 30, tzinfo=UTC)


def resident_mb() -> float:
    """What the process holds now (Linux)."""
    fields = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(field.split()[1]) for field in fields if field.startswith("VmRSS")) / 1024


def print_one(run: RunFolder, slide_id: str, out: Path) -> int:
    """The size of the report of one slide."""
    folder = run.slide(slide_id)
    result = read_result(folder)
    render_slide_report(result, run.read_card(result.model.sha256), read_pictures(folder), out, WHEN)
    return out.stat().st_size


def main(run: RunFolder, n_reports: int) -> None:
    """Print so many and say what it took."""
    slides = run.results()
    largest = 0
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / REPORT
        print_one(run, slides[0], out)  # what is loaded once
        print(f"{len(slides)} slides; resident after the first report: {resident_mb():.0f} MB")
        began = time.process_time()
        for number, slide_id in enumerate(islice(cycle(slides), n_reports), start=1):
            largest = max(largest, print_one(run, slide_id, out))
            if number % max(1, n_reports // 10) == 0:
                each = (time.process_time() - began) / number
                print(f"{number:6,d} reports: {each:.2f} CPU s each, {resident_mb():.0f} MB resident", flush=True)
    print(f"largest report: {largest / 1e6:.2f} MB")


if __name__ == "__main__":
    main(RunFolder(Path(sys.argv[1])), int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
