"""An analysed slide -> its store, where that is still the one that was scanned, and pictures of its wrong calls."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from batchscan.domain.errors import SlideError, UnopenableSlide
from batchscan.domain.evaluated import Failures
from batchscan.domain.records import SlideInfo, SlideRequest, Uint8Array
from batchscan.stores.pyramids import SlideStore, is_store, open_store
from batchscan.stores.results import RunFolder
from batchscan.workflow.cohort import AnalysedSlide
from batchscan.workflow.ingest_steps import store_path

_LOG = logging.getLogger(__name__)


def open_scanned(request: SlideRequest, run: RunFolder, slide: SlideInfo) -> SlideStore:
    """Open the store of a slide: where the manifest says or, of a vendor file, what the run made of it.

    Raises
    ------
    SlideExcluded
        If there is none, or it isn't the one that was scanned any more.
    """
    path = request.path if is_store(request.path) else store_path(run.stores, slide.slide_id)
    if not is_store(path):
        raise UnopenableSlide(
            f"{slide.slide_id}: the store that was scanned isn't there any more: its pixels can't be looked at again"
        )
    store = open_store(path, slide.spacing)
    if store.fingerprint != slide.fingerprint:
        raise UnopenableSlide(
            f"{slide.slide_id}: the store has changed since the scan: its pixels aren't those that were judged; scan "
            "the slide again"
        )
    return store


def wrong_calls(failures: Failures, slides: Iterable[AnalysedSlide]) -> tuple[Failures, tuple[Uint8Array, ...]]:
    """Pictures of the patches called wrong, and the same record that numbers them.

    Of a slide whose store isn't there, has changed or can't be read there are none: the record says so by having no
    number.

    Parameters
    ----------
    failures
        Without pictures.
    slides
        The slides that were judged; only those with such patches are opened.

    Returns
    -------
    The record, and (side, side, 3) uint8 of each numbered patch at the store's finest spacing.
    """
    patches, pictures = list(failures.patches), list[Uint8Array]()
    for analysed in slides:
        places = [i for i, failure in enumerate(patches) if failure.slide_id == analysed.slide.slide_id]
        if not places:
            continue
        try:
            store = open_scanned(analysed.request, analysed.run, analysed.result.slide)
            for i in places:
                box = analysed.result.table.grid.patch_box(patches[i].row, patches[i].col)
                pictures.append(store.read_around(box, store.spacing.um_per_px)[0])
                patches[i] = patches[i].model_copy(update={"picture": len(pictures) - 1})
        except SlideError as error:
            _LOG.warning("%s: its wrong calls have no picture: %s", analysed.slide.slide_id, error)
    return failures.model_copy(update={"patches": tuple(patches)}), tuple(pictures)
