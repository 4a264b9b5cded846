"""Slides, OME-Zarr and patch sets become an archive: a store a slide, and a manifest; what happens comes as events."""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from batchscan.domain.errors import (
    BatchscanError,
    PatchSetError,
    ReferenceFileError,
    SlideError,
    SlideExcluded,
    UnreadableSlide,
    UsageError,
)
from batchscan.domain.geometry import PLAUSIBLE_UM_PER_PX, Spacing, SpacingSource
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus, without_path
from batchscan.stores.crew import Crew
from batchscan.stores.manifest import read_manifest
from batchscan.stores.pyramid_writer import SHARD_PX
from batchscan.stores.staging import check_writable
from batchscan.workflow.archive_references import carry_references
from batchscan.workflow.archive_tables import IngestRow, merge_ingest_table, merge_manifest, read_archive_manifest
from batchscan.workflow.ingest_sources import Source, find_sources
from batchscan.workflow.ingest_steps import OnPixels, Step, plan_step, plan_vendor, store_path

log = logging.getLogger(__name__)

FINEST_UM_PER_PX = 1.0
SMALL_SLIDES_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How to ingest.

    Parameters
    ----------
    workers
        Threads that decode and encode, in total.
    manifest
        A CSV that says more of the sources (ids, patients, spacings, attributes); None if there is none.
    um_per_px
        Spacing of all sources, instead of their own; None leaves it to them (patch sets are at 8).
    finest_um_per_px
        Vendor slides that are finer are shrunk as near to it as whole factors come.
    """

    workers: int
    manifest: Path | None = None
    um_per_px: float | None = None
    finest_um_per_px: float = FINEST_UM_PER_PX


@dataclass(frozen=True, slots=True)
class IngestPlanned:
    """All sources have been opened: how many slides, and how much there is to do.

    `n_slides` counts all, `n_to_do` those that are not whole in the archive already, `n_px` their level-0 pixels.
    """

    n_slides: int
    n_to_do: int
    n_px: int


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """So many more level-0 pixels of a slide have been read."""

    slide_id: str
    n_px: int


@dataclass(frozen=True, slots=True)
class SlideIngested:
    """How one slide ended.

    Parameters
    ----------
    outcome
        Done, failed or excluded.
    source
        What it was made from.
    store
        The store in the archive; None if there is none.
    was_there
        Whether the archive had it already.
    renamed
        Whether its id was made from a file's name that has characters which an id can't have.
    """

    outcome: SlideOutcome
    source: Path
    store: Path | None
    was_there: bool
    renamed: bool = False


IngestEvent = IngestPlanned | IngestProgress | SlideIngested


def ingest(sources: Iterable[Path], archive: Path, options: IngestOptions) -> Iterator[IngestEvent]:
    """Ingest slides into an archive; a slide that can't be used doesn't stop the others.

    Parameters
    ----------
    sources
        Slide files, OME-Zarr folders, patch folders or zips, or folders of any of these; or a manifest of them, which
        also says more of them. A folder's own manifest.csv counts too, where no other says anything.
    archive
        Gets `<slide_id>.ome.zarr`, `<slide_id>.reference.csv` where labels are known, `manifest.csv` and `ingest.csv`.
    options
        How.

    Yields
    ------
    IngestEvent
        IngestPlanned once, IngestProgress often, SlideIngested once for each slide.

    Raises
    ------
    OutputError
        If the archive can't be written; before work where that can be known.
    ManifestError
        If a manifest is wrong, or two sources come to one slide id; before work.
    PatchSetError
        If a patch set isn't in the layout or a folder has nothing to ingest; before work.
    """
    _check_options(options)
    archive = archive.resolve()
    read_archive_manifest(archive)
    spacing = None if options.um_per_px is None else Spacing(options.um_per_px, SpacingSource.OPTION)
    rows = read_manifest(options.manifest) if options.manifest else ()
    found = find_sources(sources, rows, spacing, believe_neighbours=True)
    try:
        check_writable(archive)
        yield from _ingest_and_record(found, archive, options)
    finally:
        for source in found:
            if source.patch_set is not None:
                source.patch_set.close()


def _ingest_and_record(found: Sequence[Source], archive: Path, options: IngestOptions) -> Iterator[IngestEvent]:
    ended: list[SlideIngested] = []
    requests: list[SlideRequest] = []
    try:
        for event, request in _ingest_all(found, archive, options):
            if isinstance(event, SlideIngested):
                ended.append(event)
            if request is not None:
                requests.append(request)
            yield event
    finally:
        # Also after an interruption: what is whole is in the archive and belongs in its manifest.
        unchanged = {event.outcome.slide_id for event in ended if event.was_there}
        merge_manifest(archive, requests, unchanged, said={source.slide_id for source in found if source.said})
        merge_ingest_table(archive, [_row(event) for event in ended])


def ingest_slide(
    request: SlideRequest, archive: Path, finest_um_per_px: float, on_pixels: OnPixels = lambda _: None
) -> Path:
    """Make one vendor slide's store, on one thread; one that is whole and of this slide already is left alone.

    The store has its own level-0 frame and spacing: `request.spacing`, which is that of the file's level 0, is in it
    already and must not be given to `open_store` again.

    Returns
    -------
    The store's folder in `archive`.

    Raises
    ------
    SlideError
        If the slide can't be opened or read, or its spacing isn't known or can't be one.
    OutputError
        If the archive can't be written.
    """
    step = plan_vendor(request, archive, finest_um_per_px)
    if step.write is not None:
        with Crew(1) as crew:
            step.write(crew, on_pixels)
    return store_path(archive, request.slide_id)


def _check_options(options: IngestOptions) -> None:
    if options.workers < 1:
        raise UsageError(f"--workers is {options.workers}: expected at least one")
    finest, coarsest = options.finest_um_per_px, PLAUSIBLE_UM_PER_PX[1]
    if not 0 < finest <= coarsest:
        raise UsageError(f"--finest is {finest:g}: expected a spacing above 0 and up to {coarsest:g} um/px")


_Ended = tuple[IngestEvent, SlideRequest | None]


def _ingest_all(sources: Sequence[Source], archive: Path, options: IngestOptions) -> Iterator[_Ended]:
    planned: list[tuple[Source, Step | SlideIngested]] = [
        (source, _plan(source, archive, options.finest_um_per_px)) for source in sources
    ]
    to_do = [(source, step) for source, step in planned if isinstance(step, Step) and step.write is not None]
    yield IngestPlanned(len(planned), len(to_do), sum(step.n_px for _, step in to_do)), None
    for source, step in planned:
        if isinstance(step, SlideIngested):
            yield step, None
        elif step.write is None:
            yield _in_archive(source, step, archive, was_there=True)
    yield from _write_all(to_do, archive, options.workers)


def _plan(source: Source, archive: Path, finest_um_per_px: float) -> Step | SlideIngested:
    try:
        return plan_step(source, archive, finest_um_per_px)
    except SlideError as error:
        return _not_done(source, error)
    except OSError as error:
        why = error.strerror or type(error).__name__
        path = source.request.path
        return _not_done(source, UnreadableSlide(f"{path}: can't be read ({why}): check its permissions and disk"))


def _write_all(to_do: Sequence[tuple[Source, Step]], archive: Path, workers: int) -> Iterator[_Ended]:
    """Large slides one after the other, small ones beside them, all on the threads of one crew.

    A thread waits for each slide under way; the crew's do the work, and memory is bounded by how many slides wait.
    """
    happened: queue.SimpleQueue[IngestProgress | Future[_Ended]] = queue.SimpleQueue()
    with (
        Crew(workers) as crew,
        ThreadPoolExecutor(1, "large") as large,
        ThreadPoolExecutor(min(workers, SMALL_SLIDES_AT_ONCE), "small") as small,
    ):
        try:
            for source, step in to_do:
                slides = small if step.n_px <= SHARD_PX * SHARD_PX else large
                slides.submit(_write, source, step, archive, crew, happened).add_done_callback(happened.put)
            n_open = len(to_do)
            while n_open:
                event = happened.get()
                if isinstance(event, IngestProgress):
                    yield event, None
                else:
                    n_open -= 1
                    yield event.result()
        finally:
            # Reached with slides under way when interrupted, or when one met an error that the others would meet too.
            crew.stop()
            for slides in (small, large):
                slides.shutdown(wait=True, cancel_futures=True)


def _write(
    source: Source, step: Step, archive: Path, crew: Crew, happened: queue.SimpleQueue[IngestProgress | Future[_Ended]]
) -> _Ended:
    assert step.write is not None
    try:
        step.write(crew, lambda n_px: happened.put(IngestProgress(source.slide_id, n_px)))
    except (SlideError, PatchSetError) as error:
        return _not_done(source, error), None
    return _in_archive(source, step, archive, was_there=False)


def _in_archive(source: Source, step: Step, archive: Path, *, was_there: bool) -> _Ended:
    try:
        request = carry_references(step.request, archive, step.downsample)
    except ReferenceFileError as error:
        return _not_done(source, error), None
    outcome = SlideOutcome(source.slide_id, SlideStatus.DONE)
    store = store_path(archive, source.slide_id)
    return SlideIngested(outcome, source.request.local_path, store, was_there, source.renamed), request


def _not_done(source: Source, error: BatchscanError) -> SlideIngested:
    status = SlideStatus.EXCLUDED if isinstance(error, SlideExcluded) else SlideStatus.FAILED
    request = source.request
    outcome = SlideOutcome(source.slide_id, status, error.code, str(error))
    outcome = without_path(outcome, request.path, *request.references.values())
    return SlideIngested(outcome, request.local_path, None, was_there=False, renamed=source.renamed)


def _row(event: SlideIngested) -> IngestRow:
    outcome = event.outcome
    return IngestRow(event.source.name, outcome.slide_id, str(outcome.status), outcome.reason, outcome.sentence)
