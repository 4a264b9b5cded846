"""How fast the table of a run's index is in a browser: its weight, the first paint, a sort, a search, a scroll.

    python benchmarks/index_table.py [SLIDES...]

Needs batchscan[dev] and a Chromium, which opens the page from a file, headless; the slides are those that
`benchmarks/digest_scale.py` makes up. Milliseconds of a wall clock, the median of five openings; making is in seconds
of a processor, index alone.
"""

# ruff: noqa: E402, INP001, T201 - a script, which prints and says first where its parts are

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tests")]

from browser import Browser, browser
from digest_scale import SIZES, made_attempts, made_facts, made_rows

from batchscan.report.morning import render_digest
from batchscan.report.night import run_figures
from batchscan.stores.results import INDEX

OPENINGS = 5
PAINTED = "performance.getEntriesByName('first-contentful-paint').length"
MOMENTS = (
    "performance.getEntriesByName('first-contentful-paint')[0].startTime",
    "performance.getEntriesByType('navigation')[0].loadEventEnd",
)
# What is timed ends when everything is laid out.
TIMED = (
    "(() => {{ const began = performance.now(); {}; document.body.offsetHeight; return performance.now() - began; }})()"
)
DEEDS = (
    "document.querySelector('th[data-key=idc_mm2] button').click()",
    "document.querySelector('th[data-key=slide_id] button').click()",
    "const q = document.forms[0].q; q.value = 's01'; q.dispatchEvent(new Event('input', {bubbles: true}))",
)
SCROLLED = (
    "(async () => { const box = document.querySelector('.box'); const began = performance.now();"
    " box.scrollTop = box.scrollHeight / 2; await new Promise(requestAnimationFrame);"
    " await new Promise(requestAnimationFrame); return performance.now() - began; })()"
)


def opened(page: Browser, index: Path) -> list[float]:
    """Milliseconds until painted and loaded, and of each deed."""
    page.open(index)
    page.wait_for(PAINTED)
    found = [page.value(moment) for moment in MOMENTS]
    return [*found, *(page.value(TIMED.format(deed)) for deed in DEEDS), page.value(SCROLLED)]


def main(sizes: list[int]) -> None:
    """A row of the table for each number of slides."""
    print(
        "| slides | s making | kB | ms first paint | ms loaded | ms sort by area | ms by name | ms search | ms scroll |"
    )
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as temporary, browser(Path(temporary) / "profile") as page:
        for n_slides in sizes:
            rows = list(made_rows(n_slides))
            figures = run_figures(made_facts(rows), rows, made_attempts(rows), None)
            began = time.process_time()
            render_digest(figures, Path(temporary), pdf=False)
            making, index = time.process_time() - began, Path(temporary) / INDEX
            times = [
                statistics.median(each) for each in zip(*(opened(page, index) for _ in range(OPENINGS)), strict=True)
            ]
            cells = [
                f"{n_slides:,}",
                f"{making:.2f}",
                f"{index.stat().st_size / 1e3:,.0f}",
                *(f"{ms:.0f}" for ms in times),
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or list(SIZES))
