"""A stored result -> the same made again from its patch table, and whether the two agree.

The functions are those that made it: what they are is not checked here, but that nobody has changed a number since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from batchscan.domain.card import ModelCard
from batchscan.domain.digest import result_digest, scan_digest
from batchscan.domain.errors import DamagedResult
from batchscan.domain.records import SlideResult
from batchscan.domain.slide_ids import id_fault
from batchscan.domain.verified import Finding, same
from batchscan.report import numbers
from batchscan.stores.extents import extent_json
from batchscan.stores.quality import quality_json
from batchscan.workflow.slide_quality import judged_slide

# Steps of float32 near one.
_FLOAT32 = 1e-6
_MOST_CELLS = 200_000_000
_EXTENT: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("tissue_mm2", "tissue area", numbers.area),
    ("unreadable_mm2", "unreadable area", numbers.area),
    ("idc_mm2", "IDC-positive area", numbers.area),
    ("idc_fraction", "share of tissue", numbers.percent),
    ("n_foci", "foci", lambda value: numbers.not_defined() if value is None else numbers.count(value)),
    ("largest_focus_mm", "largest focus, greatest", numbers.length),
    ("perpendicular_mm", "largest focus, perpendicular", numbers.length),
    ("field_extent_mm", "field extent", numbers.length),
    ("touches_edge", "reaches the slide's edge", lambda value: numbers.not_defined() if value is None else str(value)),
)


def recomputed(result: SlideResult, card: ModelCard) -> SlideResult:
    """Counts, extent, quality and digests made anew; slide, model, settings and raw scores are as stored.

    Raises
    ------
    DamagedResult
        If the patch table has places that the slide's grid hasn't, or the slide an id that none may have.
    """
    _check(result)
    slide, settings = result.slide, result.settings
    table = result.table.judged(settings)
    made = judged_slide(slide, table, settings, result)
    scan = scan_digest(slide, result.model, result.engine, settings)
    return replace(
        result,
        table=table,
        counts=made.counts,
        extent=made.extent,
        quality=made.quality,
        profile=made.profile,
        scan_digest=scan,
        digest=result_digest(scan, slide, result.model, settings, card),
    )


def _check(result: SlideResult) -> None:
    table, grid, slide = result.table, result.table.grid, result.slide
    faults = [fault for text in (slide.slide_id, slide.patient_id) if (fault := id_fault(str(text)))]
    if not grid.n_rows * grid.n_cols <= _MOST_CELLS:
        faults.append(f"its grid of {grid.n_rows} x {grid.n_cols} patches is no slide's")
    elif not (_within(table.row, grid.n_rows) and _within(table.col, grid.n_cols)):
        faults.append("its patch table has places outside the slide")
    elif len(np.unique(table.row.astype(np.int64) * grid.n_cols + table.col)) != len(table):
        faults.append("its patch table has a place twice")
    if faults:
        raise DamagedResult(f"the result can't be what batchscan wrote: {'; '.join(faults)}; scan the slide again")


def _within(places: Any, n: int) -> bool:
    return not len(places) or bool(places.min() >= 0 and places.max() < n)


def compared(stored: SlideResult, made: SlideResult) -> Iterator[Finding]:
    """Whether what is stored is what was made anew, a line a number."""
    n_scored = int(stored.table.readable.sum())
    yield Finding.of(
        "p(IDC) of each patch",
        f"{numbers.count(n_scored, 'patch', 'patches')}, from the scores of the network",
        agrees=np.allclose(stored.table.p_idc, made.table.p_idc, rtol=0, atol=_FLOAT32, equal_nan=True),
    )
    both = (stored, made)
    yield _finding("counts of patches", [asdict(each.counts) for each in both], _counted)
    for name, label, words in _EXTENT:
        yield _finding(label, [getattr(each.extent, name) for each in both], words)
    foci = [extent_json(each.extent)["foci"] for each in both]
    yield _finding("each focus", foci, lambda found: f"{len(found)} with area, dimensions, place and mean p(IDC)")
    undefined = [dict(each.extent.undefined) for each in both]
    yield _finding("reasons for what is not defined", undefined, lambda found: f"{len(found)}")
    quality = [quality_json(each.quality) for each in both]
    yield _finding("quality", quality, lambda found: f"grade {found['grade'] or 'not judged'}")
    for what, name in (("digest of the scan", "scan_digest"), ("digest of the result", "digest")):
        yield _finding(what, [getattr(each, name) for each in both], str)


def _counted(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {'not defined' if n is None else n}" for name, n in counts.items())


def _finding(what: str, both: Sequence[Any], words: Callable[[Any], str]) -> Finding:
    """How what is stored and what was made anew compare, in words that `words` makes of either."""
    stored, made = both
    if same(stored, made):
        return Finding.of(what, words(made), agrees=True)
    said, found = (words(value) for value in (stored, made))
    if said == found:
        said, found = (f"{value!r}"[:200] for value in (stored, made))
    return Finding.of(what, f"the result says {said}, its patch table comes to {found}", agrees=False)
