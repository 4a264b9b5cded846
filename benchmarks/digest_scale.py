"""How long the morning digest of a run takes, how large its pages get, and how fast they open.

    python benchmarks/digest_scale.py [SLIDES [FOLDER]]

The ledger's rows and attempts are made up: every status and reason, hostile names, retries, drift. Each size runs in a
process of its own; making is in seconds of a processor, memory is what the resident peak grows by meanwhile, the rows
(which the ledger hands out all at once) not counted. Where a `chromium` is installed pages are opened in its headless
mode, until they are laid out and painted; an empty page is opened beside them for what the browser itself takes.
"""

# ruff: noqa: INP001, T201, S311, S603 - a script, which prints, makes up slides and runs a browser

from __future__ import annotations

import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from batchscan.domain.attempts import Attempt, AttemptEnd
from batchscan.domain.profile import PROFILE_EDGES, Profile, histogram, summed
from batchscan.domain.records import SlideStatus
from batchscan.report.morning import DIGEST, render_digest, render_slides
from batchscan.report.night import run_figures
from batchscan.report.remedies import REMEDIES
from batchscan.stores.ledger_view import LedgerRow
from batchscan.stores.results import INDEX

SIZES = (100, 1_000, 10_000)
STARTED = datetime(2025, 11, 23, 18, 0, tzinfo=UTC)
WORKERS = 8
FAILED = ("unreadable", "worker_died", "hung", "quarantined", "unexpected")
EXCLUDED = ("no_spacing", "implausible_spacing", "unopenable", "not_rgb", "duplicate", "too_coarse")
OPENINGS = 5
STAGES = {"read": 1.6, "tissue": 0.4, "infer": 4.0, "write": 0.9}


def made_profile(chance: np.random.Generator, n: int, shift: float) -> Profile:
    """Of a slide of so many patches whose stain lies `shift` off."""
    values = {
        "haematoxylin_od": chance.normal(0.34 + shift, 0.11, 20 * n),
        "eosin_od": chance.normal(0.28 + shift / 2, 0.09, 20 * n),
        "tissue_fraction": chance.beta(6, 1.2, n),
        "p_raw": chance.beta(0.4, 2.6, n),
    }
    return {name: histogram(name, values[name]) for name in PROFILE_EDGES}


def made_training() -> Profile:
    """Of the slides that the model was made with."""
    chance = np.random.default_rng(7)
    return summed(made_profile(chance, 1500, chance.normal(0, 0.02)) for _ in range(19))


def made_rows(n_slides: int) -> Iterator[LedgerRow]:
    """Nine of ten are done; the names of some are hostile."""
    dice, chance = random.Random(1), np.random.default_rng(2)
    for i in range(n_slides):
        slide_id = f"S{i:05d}" if i % 50 else f"S{i:05d}<script>alert('{i}')</script>\"&{'x' * 200}"
        n = dice.randint(300, 2600)
        numbers: dict[str, Any] = {}
        profile: Profile = {}
        status, reason = SlideStatus.DONE, ""
        if i % 23 == 11:  # noqa: PLR2004 - some
            status, reason = SlideStatus.FAILED, dice.choice(FAILED)
        elif i % 17 == 5:  # noqa: PLR2004 - some more
            status, reason = SlideStatus.EXCLUDED, dice.choice(EXCLUDED)
        else:
            numbers, profile = made_numbers(dice, n), made_profile(chance, n, float(chance.normal(0.03, 0.03)))
        sentence = f"{slide_id}: {REMEDIES[reason]}" if reason else ""
        scanned = n if status is SlideStatus.DONE else 0
        yield LedgerRow(slide_id, f"P{i // 2:05d}", status, reason, sentence, n, scanned, numbers, profile)


def made_numbers(dice: random.Random, n: int) -> dict[str, Any]:
    """The columns of summary.csv."""
    positive = dice.choice((0, dice.randint(1, n // 4)))
    return {
        "tissue_mm2": n * 0.15,
        "idc_mm2": positive * 0.15,
        "idc_fraction": positive / n,
        "n_foci": 0 if not positive else dice.randint(1, 9),
        "largest_focus_mm": 7.4 if positive else None,
        "perpendicular_mm": 5.3 if positive else None,
        "field_extent_mm": 21.4 if positive else None,
        "touches_edge": bool(positive) and dice.random() < 0.1,  # noqa: PLR2004 - one of ten
        "n_patches": n,
        "n_positive": positive,
        "n_borderline": dice.choice((0,) * 40 + (2, 12)),
        "n_unreadable": dice.choice((0,) * 30 + (3,)),
        "qc_grade": dice.choice(("good",) * 40 + ("review", "not_analysable")),
        "qc_findings": "blur",
        "seconds_total": 7.1,
    }


def made_attempts(rows: list[LedgerRow]) -> Iterator[Attempt]:
    """One a slide, and some that had to be repeated."""
    dice = random.Random(3)
    at = STARTED
    for i, row in enumerate(rows):
        at += timedelta(seconds=1)
        end = (at + timedelta(seconds=9)).isoformat(timespec="seconds")
        if i % 97 == 4:  # noqa: PLR2004 - some
            died = AttemptEnd(f"w{i % WORKERS}", "KilledWorker", {}, None)
            yield Attempt(row.slide_id, at.isoformat(), end, "retried", "worker_died", None, died)
        size = (row.n_patches or 0) / 1400
        seconds = {stage: usual * size * dice.uniform(0.8, 1.3) for stage, usual in STAGES.items()}
        done = AttemptEnd(f"w{i % WORKERS}", None, seconds, dice.uniform(600, 1100))
        yield Attempt(row.slide_id, at.isoformat(), end, row.status.value, row.reason, None, done)


def made_facts(rows: list[LedgerRow]) -> dict[str, Any]:
    """What run.json says."""
    counts = {status.value: sum(row.status is status for row in rows) for status in SlideStatus}
    return {
        "name": "overnight",
        "started": STARTED.isoformat(),
        "finished": (STARTED + timedelta(seconds=len(rows) + 60)).isoformat(),
        "model": {"name": "published-cnn", "version": "2", "sha256": "5e" * 32},
        "engine": {"name": "openvino", "precision": "bf16"},
        "threshold": 0.29,
        "workers": {"most": WORKERS, "seconds": WORKERS * (len(rows) + 20)},
        "orientations": 4,
        "aggregation": {"sigma": 0.8},
        "counts": {name: counts[name] for name in ("done", "failed", "excluded")} | {"asked": len(rows)},
    }


def peak_mb() -> float:
    """Resident peak of this process, million bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def opened_s(browser: str, page: Path | str) -> float:
    """Seconds until a page is painted, the median of some openings."""
    taken = []
    with tempfile.TemporaryDirectory() as profile:
        address = page if isinstance(page, str) else page.resolve().as_uri()
        words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--window-size=1400,1000"]
        for _ in range(OPENINGS):
            began = time.perf_counter()
            command = [browser, *words, f"--screenshot={profile}/page.png", address]
            subprocess.run(command, check=True, capture_output=True)
            taken.append(time.perf_counter() - began)
    return sorted(taken)[OPENINGS // 2]


def measure(n_slides: int, folder: Path) -> None:
    """Make the pages once, in this process, and print a row."""
    rows, training = list(made_rows(n_slides)), made_training()
    facts, before = made_facts(rows), peak_mb()
    began = time.process_time()
    figures = run_figures(facts, rows, made_attempts(rows), training)
    summed_up = time.process_time()
    render_slides(facts["name"], rows, n_slides, folder, reports=True)
    listed = time.process_time()
    render_digest(figures, folder, pdf=True)
    printed = time.process_time()
    pages = sorted(folder.glob("slides-*.html"))
    sizes = [f"{path.stat().st_size / 1e3:,.0f}" for path in (folder / INDEX, pages[0], folder / DIGEST)]
    seconds = [f"{end - start:.2f}" for start, end in ((began, summed_up), (summed_up, listed), (listed, printed))]
    browser = shutil.which("chromium")
    opened = ["not measured"] * 3
    if browser:
        opened = [f"{opened_s(browser, page):.2f}" for page in ("about:blank", folder / INDEX, pages[0])]
    cells = [f"{n_slides:,}", *seconds, f"{peak_mb() - before:.0f}", str(len(pages)), *sizes, *opened]
    print(f"| {' | '.join(cells)} |", flush=True)


def main(arguments: list[str]) -> None:
    """Each size in a process of its own, or the one that is asked for in this."""
    if arguments:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(arguments[1]) if len(arguments) > 1 else Path(temporary)
            folder.mkdir(exist_ok=True)
            measure(int(arguments[0]), folder)
        return
    print(
        "| slides | s figures | s list | s digest, both | MB more | list pages | kB index | kB list page | kB PDF "
        "| s empty page | s index | s list page |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for size in SIZES:
        subprocess.run([sys.executable, __file__, str(size)], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
