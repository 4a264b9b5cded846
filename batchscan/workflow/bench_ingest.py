"""A slide file -> how fast its store is made, against how fast OpenSlide alone reads the same level."""

from __future__ import annotations

import time
from pathlib import Path

from batchscan.domain.errors import OutputError
from batchscan.domain.records import SlideStatus
from batchscan.domain.speed import IngestSpeed, Pace
from batchscan.stores.openslide_alone import openslide_pace
from batchscan.stores.slides import VendorSlide, shrunk_to
from batchscan.workflow.ingest import IngestOptions, IngestPlanned, SlideIngested, ingest

# Of a large level OpenSlide alone reads so many pixels, spread over all of it.
_ALONE_PX = 300_000_000


def ingest_speed(slide: Path, archive: Path, workers: int) -> IngestSpeed:
    """Ingest one slide file with the defaults of everything but the threads, then let OpenSlide read as much alone.

    Raises
    ------
    OutputError
        If it can't be ingested.
    """
    options = IngestOptions(workers)
    with VendorSlide(slide) as opened:
        shrunk = shrunk_to(opened, opened.spacing().um_per_px, options.finest_um_per_px)
    n_px = shrunk.source.width_px * shrunk.source.height_px
    made = Pace(n_px, _ingest_s(slide, archive, options))
    return IngestSpeed(shrunk.level, made, openslide_pace(slide, shrunk.level, workers, max(1, n_px // _ALONE_PX)))


def _ingest_s(slide: Path, archive: Path, options: IngestOptions) -> float:
    """From the slide opened to its store in the archive."""
    clock = time.perf_counter()
    for event in ingest((slide,), archive, options):
        if isinstance(event, IngestPlanned):
            clock = time.perf_counter()
        elif isinstance(event, SlideIngested):
            if event.outcome.status is not SlideStatus.DONE:
                raise OutputError(f"the slide to measure on can't be ingested: {event.outcome.sentence}")
            return time.perf_counter() - clock
    raise AssertionError("a slide that is ingested ends")
