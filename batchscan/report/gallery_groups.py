"""A result's chosen patches become the groups of pictures that its report shows: why, where, what the model said."""

from __future__ import annotations

from dataclasses import dataclass

from batchscan.domain.records import SlideResult
from batchscan.report import numbers
from batchscan.report.gallery import choose_gallery
from batchscan.report.language import say
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
    """Patches shown for one reason; of those that there are none, the title says so."""

    title: str
    pictures: tuple[GalleryPicture, ...]


def gallery_groups(result: SlideResult) -> tuple[GalleryGroup, ...]:
    """The patches that the report shows, by why; none of a slide that is not analysable."""
    if result.quality.refuses:
        return ()
    table, limit = result.table, result.settings.threshold
    chosen = choose_gallery(table, limit)
    at = {place: i for i, place in enumerate(zip(table.row.tolist(), table.col.tolist(), strict=True))}
    ending = "-neighbours" if has_neighbours(result.settings) else ""
    wide = numbers.micrometres(result.settings.patch.side_um)
    highest = say(f"gallery-highest{ending}", wide=wide)
    are_all = all(patch.why == "highest" for patch in chosen)
    if are_all:
        highest = say(f"gallery-all{ending}", count=numbers.count(len(chosen)), wide=wide)
    titles = {
        "highest": highest,
        "uncertain": say(f"gallery-uncertain{ending}", limit=numbers.threshold(limit)),
        "isolated": say("gallery-isolated"),
    }
    groups = []
    for why, title in titles.items():
        pictures = tuple(_gallery_picture(result, at[patch.row, patch.col]) for patch in chosen if patch.why == why)
        if pictures:
            groups.append(GalleryGroup(title, pictures))
        elif why == "isolated" and result.counts.positive and not are_all:
            groups.append(GalleryGroup(say("gallery-isolated-none"), ()))
    return tuple(groups)


def _gallery_picture(result: SlideResult, i: int) -> GalleryPicture:
    table = result.table
    limit = result.settings.threshold
    positive = bool(table.positive(limit)[i])
    verdict = say("positive") if positive else say("negative")
    p = numbers.probability_beside(float(table.p_idc[i]), limit, positive=positive)
    p_raw = numbers.probability(float(table.p_raw[i])) if has_neighbours(result.settings) else ""
    position = f"x {table.x_px[i]:.0f}, y {table.y_px[i]:.0f}"
    return GalleryPicture(
        place=(int(table.row[i]), int(table.col[i])),
        p_idc=p,
        p_raw=p_raw,
        verdict=verdict,
        position=position,
        alt=_alt(position, p, p_raw, verdict),
    )


def _alt(position: str, p: str, p_raw: str, verdict: str) -> str:
    if p_raw:
        return say("patch-alt-neighbours", position=position, p=p, raw=p_raw, verdict=verdict)
    return say("patch-alt", position=position, p=p, verdict=verdict)
