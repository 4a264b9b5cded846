"""A result's chosen patches become the groups of pictures that its report shows: why, where, what the model said."""

from __future__ import annotations

from dataclasses import dataclass

from batchscan.domain.records import SlideResult
from batchscan.report import captions, numbers
from batchscan.report.gallery import choose_gallery
from batchscan.report.scores import has_neighbours


@dataclass(frozen=True, slots=True)
class GalleryPicture:
    """One patch of the gallery: which, where, what the model said of it, and its alternative text.

    `p_raw` is empty where neighbours have no part in p_idc.
    """

    place: tuple[int, int]
    p_idc: str
    p_raw: str
    verdict: str
    position: str
    alt: str


@dataclass(frozen=True, slots=True)
class GalleryGroup:
    """Patches shown for one reason."""

    title: str
    pictures: tuple[GalleryPicture, ...]


def gallery_groups(result: SlideResult) -> tuple[GalleryGroup, ...]:
    """The patches that the report shows, by why; none of a slide that is not analysable."""
    if result.quality.refuses:
        return ()
    table, limit = result.table, result.settings.threshold
    chosen = choose_gallery(table, limit)
    at = {place: i for i, place in enumerate(zip(table.row.tolist(), table.col.tolist(), strict=True))}
    p_idc = f"p(IDC){captions.with_neighbours(result)}"
    highest = f"Highest {p_idc}"
    if all(patch.why == "highest" for patch in chosen):
        highest = f"All patches that were read ({len(chosen)}), highest {p_idc} first"
    nearest = f"nearest the threshold of {numbers.threshold(limit)}"
    if has_neighbours(result.settings):
        nearest = f"{p_idc} {nearest}"
    titles = {
        "highest": f"{highest}; each {numbers.micrometres(result.settings.patch.side_um)} wide",
        "uncertain": f"Most uncertain: {nearest}",
        "isolated": "Highest isolated: positive, and none of the eight patches about it is",
    }
    groups = []
    for why, title in titles.items():
        pictures = tuple(_gallery_picture(result, at[patch.row, patch.col]) for patch in chosen if patch.why == why)
        if pictures:
            groups.append(GalleryGroup(title, pictures))
    return tuple(groups)


def _gallery_picture(result: SlideResult, i: int) -> GalleryPicture:
    table = result.table
    limit = result.settings.threshold
    positive = bool(table.positive(limit)[i])
    verdict = "positive" if positive else "negative"
    p = numbers.probability_beside(float(table.p_idc[i]), limit, positive=positive)
    p_raw = numbers.probability(float(table.p_raw[i])) if has_neighbours(result.settings) else ""
    position = f"x {table.x_px[i]:.0f}, y {table.y_px[i]:.0f}"
    return GalleryPicture(
        place=(int(table.row[i]), int(table.col[i])),
        p_idc=p,
        p_raw=p_raw,
        verdict=verdict,
        position=position,
        alt=f"Patch at {position} px, p(IDC) {p}, {f'p_raw {p_raw}, ' if p_raw else ''}{verdict}.",
    )
