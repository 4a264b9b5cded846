from __future__ import annotations

import shapely

from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.domain.records import Extent, Focus

EIGHT_UM = Spacing(8.0, SpacingSource.OPTION)
# 50 px of 8 um: a cell is 0.4 mm x 0.4 mm = 0.16 mm2.
SIDE_PX = 50
LENGTHS = ("largest_focus_mm", "perpendicular_mm", "field_extent_mm")


def polygon_of(focus: Focus) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([(outer, holes) for outer, *holes in focus.rings_px])


def lengths(extent: Extent) -> tuple[float | None, ...]:
    return tuple(getattr(extent, name) for name in LENGTHS)
