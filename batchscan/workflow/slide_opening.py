"""A slide that was asked for -> its store, made first if it is a vendor's file, and what is known of it then."""

from __future__ import annotations

from batchscan.domain.errors import SlideError, SourceVanished, SpacingConflict
from batchscan.domain.records import SlideInfo, SlideRequest
from batchscan.scan.pulse import voice
from batchscan.stores.pyramids import SlideStore, contradicted_spacing, is_store, open_store
from batchscan.stores.results import RunFolder
from batchscan.workflow.ingest import ingest_slide


def made_store(request: SlideRequest, run: RunFolder, finest_um_per_px: float) -> SlideStore:
    """The slide's store; of a vendor's file it is made in the run folder, no finer than said.

    Raises
    ------
    SlideError
        What opening or an ingest raises.
    SourceVanished
        If it is a store whose place was away when it was looked at, and is back.
    """
    if is_store(request.path):
        return open_given(request)
    run.stores.mkdir(exist_ok=True)
    gets_on = voice()
    try:
        path = ingest_slide(request, run.stores, finest_um_per_px, lambda _: gets_on())
    except SlideError as error:
        if is_store(request.path):
            # It was taken for a file, which it isn't: no word on the slide.
            raise SourceVanished(f"{request.slide_id}: its store was away for a moment; it is tried again") from error
        raise
    return open_store(path)


def open_given(request: SlideRequest) -> SlideStore:
    """The store that was asked for.

    Raises
    ------
    SlideError
        If it can't be used, or contradicts the spacing given for it.
    """
    store = open_store(request.path, request.spacing)
    own, given = contradicted_spacing(store, request.spacing), store.spacing
    if own:
        raise SpacingConflict(
            f"{request.slide_id}: its store was made at {own.um_per_px:g} um/px (from {own.source}), but "
            f"{given.um_per_px:g} is given (from {given.source}): leave that out, or ingest the "
            "slide again with the spacing of its file"
        )
    return store


def slide_info(request: SlideRequest, store: SlideStore) -> SlideInfo:
    """What is known of a slide once its store is open."""
    return SlideInfo(
        slide_id=request.slide_id,
        patient_id=request.patient_id,
        width_px=store.width_px,
        height_px=store.height_px,
        spacing=store.spacing,
        fingerprint=store.fingerprint,
        source_downsample=_source_downsample(store),
    )


def _source_downsample(store: SlideStore) -> float:
    """What our own ingest has noted; another program's store may have anything there."""
    source = store.record.get("source")
    found = source.get("downsample") if isinstance(source, dict) else None
    return float(found) if isinstance(found, int | float) and found > 0 else 1.0
