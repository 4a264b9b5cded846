"""A slide's scored patches -> pictures of the few that its report shows, also one printed with other settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from batchscan.domain.records import PatchTable, ScanSettings, Uint8Array
from batchscan.report.gallery import choose_gallery
from batchscan.stores.pyramids import SlideStore

# Patches kept besides the gallery's, spread over p_idc, so that a report with another threshold has pictures too;
# and the same by p_raw, for one with other neighbours.
_SPREAD_P = (0.1, 0.3, 0.5, 0.7, 0.9)

_Place = tuple[int, int]


def close_ups(
    store: SlideStore, table: PatchTable, settings: ScanSettings, kept: Mapping[_Place, Uint8Array]
) -> dict[_Place, Uint8Array]:
    """The patches that a report shows, at the finest spacing stored; others, for other settings, at the model's.

    Parameters
    ----------
    store
        Of the slide.
    table, settings
        What decides what is shown.
    kept
        Pictures that there are already, (side, side, 3) uint8 by row and column of the grid; read again where finer
        ones are shown.

    Raises
    ------
    UnreadableSlide, SourceVanished
        If the store can't be read.
    """
    finest, threshold = store.spacing.um_per_px, settings.threshold
    coarse = max(finest, settings.patch.um_per_px)
    shown = list(dict.fromkeys(_in_gallery(table, threshold)))
    others = list(dict.fromkeys(place for place in _for_other_settings(table, threshold) if place not in shown))
    found = {**kept}
    found |= _read(store, table, [place for place in shown if _is_coarse(kept.get(place), table)], finest)
    found |= _read(store, table, [place for place in others if place not in kept], coarse)
    return {place: found[place] for place in (*shown, *others)}


def _read(store: SlideStore, table: PatchTable, places: Sequence[_Place], um_per_px: float) -> dict[_Place, Uint8Array]:
    # A patch that was read may end within a pixel of what the slide's file couldn't give.
    pixels = store.read_each([table.grid.patch_box(*place) for place in places], um_per_px)
    return dict(zip(places, pixels, strict=True))


def _is_coarse(picture: Uint8Array | None, table: PatchTable) -> bool:
    """Whether there is none, or one with fewer pixels than the store has of the patch."""
    return picture is None or len(picture) < int(table.grid.side_px)


def _in_gallery(table: PatchTable, threshold: float) -> Iterator[_Place]:
    yield from ((item.row, item.col) for item in choose_gallery(table, threshold))


def _for_other_settings(table: PatchTable, threshold: float) -> Iterator[_Place]:
    raw = replace(table, p_idc=table.p_raw)
    yield from _in_gallery(raw, threshold)
    for each in (table, raw):
        for p in _SPREAD_P:
            yield from ((item.row, item.col) for item in choose_gallery(each, p, n_each=2) if item.why == "uncertain")
