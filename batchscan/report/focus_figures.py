"""A focus and the pixels about it become a close-up: its outline, its number, a scale bar."""

from __future__ import annotations

from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from batchscan.domain.geometry import Box
from batchscan.domain.records import BoxPx, Focus, Pictures, SlideResult
from batchscan.report.figures import in_window, outline, overview_box
from batchscan.report.layout import close_up_layout
from batchscan.report.sheet import HALO, INK, Sheet, typeface

WIDTH_MM, HEIGHT_MM = 58.6, 48.6
"""Of a close-up on paper; three stand beside one another. `slide.css` has the same numbers."""

_PLATE_MM = 3.4
_LONGEST_BAR_MM = 34.0


def focus_jpeg(result: SlideResult, pictures: Pictures, number: int, box: BoxPx) -> bytes:
    """The focus of that number (from 1), outlined and numbered within what of the slide the box shows, as JPEG.

    The pixels are the stored close-up's where there is one, else the overview's.
    """
    part = Box(*box)
    sheet = Sheet(part, result.slide.spacing, close_up_layout(box[2], box[3], WIDTH_MM, HEIGHT_MM))
    sheet.scale_bar(longest_mm=_LONGEST_BAR_MM)
    stored = pictures.foci.get(box)
    if stored is None:
        sheet.show(in_window(sheet, pictures.overview, overview_box(result, pictures)))
    else:
        sheet.show(in_window(sheet, stored, part))
    sheet.frame()
    foci = result.extent.foci
    others = [focus for i, focus in enumerate(foci, start=1) if i != number and _is_within(focus, part)]
    _thin_outline(sheet, others)
    outline(sheet, foci[number - 1 : number])
    _plate(sheet, str(number))
    return sheet.jpeg()


def _is_within(focus: Focus, part: Box) -> bool:
    x, y, width, height = focus.bbox_px
    return x < part.right and x + width > part.x and y < part.bottom and y + height > part.y


def _thin_outline(sheet: Sheet, foci: list[Focus]) -> None:
    rings = [polygon[0] for focus in foci for polygon in focus.rings_px]
    sheet.add(LineCollection(rings, colors=[INK], linewidths=0.5, path_effects=[HALO]))


def _plate(sheet: Sheet, number: str) -> None:
    """The number in the picture's upper left corner."""
    part, height = sheet.part, _PLATE_MM * sheet.px_per_mm
    width = height * (0.5 + 0.5 * len(number))
    sheet.add(Rectangle((part.x, part.y), width, height, facecolor="white", edgecolor=INK, linewidth=0.8))
    middle = part.x + width / 2, part.y + height * 0.47
    sheet.add(Text(*middle, number, fontproperties=typeface(), ha="center", va="center_baseline", color=INK))
