"""A slide's dimensions become a flag where one patch more or less would carry them over a limit of tumour size."""

from __future__ import annotations

import math
from collections.abc import Iterator

from batchscan.domain.records import SlideResult
from batchscan.report import numbers
from batchscan.report.language import say

SIZE_LIMITS_MM = (1.0, 5.0, 10.0, 20.0, 50.0)
"""Between the size categories of breast cancer: T1mi, T1a, T1b, T1c, T2, T3 (TNM, 8th edition)."""

# A sum of micrometres that is a hair beside a limit lies on it.
_HAIR_MM = 1e-9
_DIMENSIONS = {
    "largest_focus_mm": "boundary-greatest",
    "perpendicular_mm": "boundary-perpendicular",
    "field_extent_mm": "boundary-field",
}


def straddled(dimension_mm: float, patch_mm: float) -> tuple[float, ...]:
    """The size limits, mm, that lie from one patch side below a dimension to one above it, both ends included."""
    reach_mm = patch_mm + _HAIR_MM
    return tuple(limit for limit in SIZE_LIMITS_MM if abs(dimension_mm - limit) <= reach_mm)


def boundary_flags(result: SlideResult) -> Iterator[str]:
    """One sentence for each size limit that a dimension straddles; none where there are no dimensions."""
    patch_mm = result.settings.patch.side_um / 1000
    reached: dict[float, list[str]] = {}
    told: list[float] = []
    for name, message in _DIMENSIONS.items():
        dimension = getattr(result.extent, name)
        # Of one focus alone the field's extent is its greatest dimension: once is enough.
        if dimension is None or any(math.isclose(dimension, other) for other in told):
            continue
        told.append(dimension)
        for limit in straddled(dimension, patch_mm):
            reached.setdefault(limit, []).append(say(message, length=numbers.length(dimension)))
    for limit, dimensions in sorted(reached.items()):
        yield say(
            "caution-boundary",
            n=len(dimensions),
            dimensions=say("and").join(dimensions),
            patch=numbers.length(patch_mm),
            limit=numbers.setting(limit),
        )
    yield from _about_1_mm(result, patch_mm)


def _about_1_mm(result: SlideResult, patch_mm: float) -> Iterator[str]:
    """How many foci, the largest apart, might or might not be over 1 mm."""
    extent = result.extent
    others = [focus.greatest_mm for focus in extent.foci if focus.greatest_mm != extent.largest_focus_mm]
    n = sum(abs(greatest_mm - 1.0) <= patch_mm + _HAIR_MM for greatest_mm in others)
    if n:
        yield say("caution-over-1-mm", n=n, count=numbers.count(n), patch=numbers.length(patch_mm))
