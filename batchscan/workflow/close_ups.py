"""A slide's scored patches -> pictures of the few that its report shows, also one printed with other settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from batchscan.domain.records import PatchTable, Uint8Array
from batchscan.report.gallery import choose_gallery
from batchscan.stores.pyramids import SlideStore

# Patches kept besides the gallery's, spread over p_idc, so that a report with another threshold has pictures too;
# and the same by p_raw, for one with other neighbours.
_SPREAD_P = (0.1, 0.3, 0.5, 0.7, 0.9)


def close_ups(
    store: SlideStore, table: PatchTable, threshold: float, kept: Mapping[tuple[int, int], Uint8Array]
) -> dict[tuple[int, int], Uint8Array]:
    """The patches that a report shows, also one with another threshold, at the finest spacing stored, or as `kept`."""
    chosen = [*_worth_a_picture(table, threshold)]
    chosen += _worth_a_picture(replace(table, p_idc=table.p_raw), threshold)
    missing = [place for place in dict.fromkeys(chosen) if place not in kept]
    # A patch that was read may end within a pixel of what the slide's file couldn't give.
    read = store.read_each([table.grid.patch_box(*place) for place in missing], store.spacing.um_per_px)
    found = {**kept, **dict(zip(missing, read, strict=True))}
    return {place: found[place] for place in dict.fromkeys(chosen)}


def _worth_a_picture(table: PatchTable, threshold: float) -> Iterator[tuple[int, int]]:
    for item in choose_gallery(table, threshold):
        yield item.row, item.col
    for p in _SPREAD_P:
        yield from ((item.row, item.col) for item in choose_gallery(table, p, n_each=2) if item.why == "uncertain")
