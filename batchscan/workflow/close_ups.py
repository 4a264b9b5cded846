"""A slide's scored patches -> pictures of the few that its report shows, also one printed with other settings."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from batchscan.domain.errors import SlideError, UnreadableSlide
from batchscan.domain.geometry import Box, Spacing
from batchscan.domain.records import PatchTable, ScanSettings, Uint8Array
from batchscan.report.gallery import choose_gallery
from batchscan.stores.foreseen import ForeseenStore
from batchscan.stores.pyramids import SlideStore
from batchscan.stores.slides import VendorSlide
from batchscan.workflow.ingest import FINEST_UM_PER_PX
from batchscan.workflow.ingest_steps import slide_fingerprint

_LOG = logging.getLogger(__name__)

# Patches kept besides the gallery's, spread over p_idc, so that a report with another threshold has pictures too;
# and the same by p_raw, for one with other neighbours.
_SPREAD_P = (0.1, 0.3, 0.5, 0.7, 0.9)

_Place = tuple[int, int]


class Pixels(Protocol):
    """What boxes, in level-0 pixels of the slide store, are read from."""

    @property
    def spacing(self) -> Spacing:
        """The finest there is."""
        ...

    def read_each(self, boxes: Sequence[Box], um_per_px: float) -> list[Uint8Array]:
        """(rows, cols, 3) uint8 of each."""
        ...


def close_ups(
    store: SlideStore,
    table: PatchTable,
    settings: ScanSettings,
    kept: Mapping[_Place, Uint8Array],
    file: Path | None = None,
) -> dict[_Place, Uint8Array]:
    """The patches that a report shows, at the finest spacing there is; others, for other settings, at the model's.

    Parameters
    ----------
    store
        Of the slide.
    table, settings
        What decides what is shown.
    kept
        Pictures that there are already, (side, side, 3) uint8 by row and column of the grid; read again where finer
        ones are shown.
    file
        The slide file that the store was made from, if it is there: finer pictures than the store has come from it.

    Raises
    ------
    UnreadableSlide, SourceVanished
        If the store can't be read.
    """
    coarse = max(store.spacing.um_per_px, settings.patch.um_per_px)
    shown = list(dict.fromkeys(_in_gallery(table, settings.threshold)))
    others = [place for place in dict.fromkeys(_for_other_settings(table, settings.threshold)) if place not in shown]
    found = {**kept}
    with contextlib.ExitStack() as opened:
        finest = _finest(store, file, opened)
        side_px = int(settings.patch.side_um / finest.spacing.um_per_px)
        too_coarse = [place for place in shown if len(kept.get(place, ())) < side_px]
        try:
            found |= _read(finest, table, too_coarse, finest.spacing.um_per_px)
        except UnreadableSlide:
            found |= _read(store, table, too_coarse, store.spacing.um_per_px)
    found |= _read(store, table, [place for place in others if place not in kept], coarse)
    return {place: found[place] for place in (*shown, *others)}


def _read(pixels: Pixels, table: PatchTable, places: Sequence[_Place], um_per_px: float) -> dict[_Place, Uint8Array]:
    # A patch that was read may end within a pixel of what the slide's file couldn't give.
    read = pixels.read_each([table.grid.patch_box(*place) for place in places], um_per_px)
    return dict(zip(places, read, strict=True))


@dataclass(frozen=True, slots=True)
class _SlideFile:
    """A slide file that is finer than its store, in whose frame boxes are given; `scale` is between the two frames."""

    foreseen: ForeseenStore
    scale: float

    @property
    def spacing(self) -> Spacing:
        return self.foreseen.spacing

    def read_each(self, boxes: Sequence[Box], um_per_px: float) -> list[Uint8Array]:
        scaled = (Box(*(side * self.scale for side in (box.x, box.y, box.width, box.height))) for box in boxes)
        return [self.foreseen.read_around(box, um_per_px)[0] for box in scaled]


def _finest(store: SlideStore, file: Path | None, opened: contextlib.ExitStack) -> Pixels:
    """The store, or the file that it was made from where that is finer, and still the same."""
    if file is None or store.spacing.um_per_px <= FINEST_UM_PER_PX:
        return store
    source: Any = store.record["source"]
    try:
        slide = opened.enter_context(VendorSlide(file))
        if slide_fingerprint(slide) != source["fingerprint"]:
            return store
    except SlideError as error:
        _LOG.info("%s: close-ups no finer than its store: %s", store.path.name, error)
        return store
    file_spacing = Spacing(store.spacing.um_per_px / source["downsample"], store.spacing.source)
    foreseen = ForeseenStore(slide, file_spacing, FINEST_UM_PER_PX)
    return _SlideFile(foreseen, store.spacing.um_per_px / foreseen.spacing.um_per_px)


def _in_gallery(table: PatchTable, threshold: float) -> Iterator[_Place]:
    yield from ((item.row, item.col) for item in choose_gallery(table, threshold))


def _for_other_settings(table: PatchTable, threshold: float) -> Iterator[_Place]:
    raw = replace(table, p_idc=table.p_raw)
    yield from _in_gallery(raw, threshold)
    for each in (table, raw):
        for p in _SPREAD_P:
            yield from ((item.row, item.col) for item in choose_gallery(each, p, n_each=2) if item.why == "uncertain")
