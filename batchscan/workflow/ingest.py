"""Slides, OME-Zarr and patch sets become an archive: a store a slide, and a manifest; what happens comes as events."""

from __future__ import annotations

import contextlib
import math
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
    UsageError,
)
from batchscan.domain.geometry import PLAUSIBLE_UM_PER_PX, Spacing, SpacingSource
from batchscan.domain.plain_text import plain
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus, without_path
from batchscan.stores.crew import Crew
from batchscan.stores.manifest import read_manifest
from batchscan.stores.pyramid_writer import SHARD_PX
from batchscan.stores.staging import check_writable
from batchscan.workflow.archive_references import carry_references
from batchscan.workflow.archive_tables import IngestRow, merge_ingest_table, merge_manifest, read_archive_manifest
from batchscan.workflow.ingest_processes import STALL_S, SlideReaders, ingest_processes
from batchscan.workflow.ingest_sources import Source, SourceKind, find_sources
from batchscan.workflow.ingest_steps import OnPixels, Step, plan_vendor, remark_on, store_path
from batchscan.workflow.killable import Killables

FINEST_UM_PER_PX = 1.0
SMALL_SLIDES_AT_ONCE = 3
DAMAGED = "damaged"
"""Reason of a slide that is done but for a few squares that its file couldn't give."""


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How to ingest.

    Parameters
    ----------
    workers
        Threads that decode and encode a large slide. Up to three small ones are made beside it, on one thread each;
        with one worker there is one slide at a time.
    manifest
        A CSV that says more of the sources (ids, patients, spacings, attributes); None if there is none.
    um_per_px
        Spacing of all sources, instead of their own; None leaves it to them (patch sets are at 8).
    finest_um_per_px
        Vendor slides that are finer are shrunk as near to it as whole factors come.
    stall_s
        A slide that gets no further for so many seconds is given up, after a second try; opening one may take
        two fifths of it.
    """

    workers: int
    manifest: Path | None = None
    um_per_px: float | None = None
    finest_um_per_px: float = FINEST_UM_PER_PX
    stall_s: float = STALL_S


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
    """So many more level-0 pixels of a slide have been read; fewer than 0 when they have to be read again."""

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


def ingest(
    sources: Iterable[Path], archive: Path, options: IngestOptions, processes: Killables | None = None
) -> Iterator[IngestEvent]:
    """Ingest slides into an archive; a slide that can't be used doesn't stop the others.

    Slides are opened and written in other processes: a file on which a library crashes or hangs costs that slide.

    Parameters
    ----------
    sources
        Slide files, OME-Zarr folders, patch folders or zips, or folders of any of these; or a manifest of them, which
        also says more of them. A folder's own manifest.csv counts too, where no other says anything.
    archive
        Gets `<slide_id>.ome.zarr`, `<slide_id>.reference.csv` where labels are known, `manifest.csv` and `ingest.csv`.
    options
        How.
    processes
        From `ingest_processes`, to be kept for more than one ingest; they end with an interrupted one. None takes new
        ones, which end with it.

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
    with contextlib.ExitStack() as stack:
        n_processes = 1 + _small_at_once(options.workers)
        processes = processes or stack.enter_context(ingest_processes(options.workers, n_processes))
        readers = SlideReaders(processes, archive, options.stall_s)
        found = find_sources(sources, rows, spacing, readers.recognise, believe_neighbours=True)
        check_writable(archive)
        yield from _ingest_and_record(found, archive, options, readers)


def _small_at_once(workers: int) -> int:
    """How many small slides are made beside a large one."""
    return min(workers, SMALL_SLIDES_AT_ONCE) if workers > 1 else 0


def _ingest_and_record(
    found: Sequence[Source], archive: Path, options: IngestOptions, readers: SlideReaders
) -> Iterator[IngestEvent]:
    ended: list[SlideIngested] = []
    requests: list[SlideRequest] = []
    try:
        for event, request in _ingest_all(found, archive, options, readers):
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
    """Make one vendor slide's store, in this process; one that is whole and of this slide already is left alone.

    The store has its own level-0 frame and spacing: `request.spacing`, which is that of the file's level 0, is in it
    already and must not be given to `open_store` again.

    `on_pixels` is told how many more pixels of the store have been read, 0 when another step has ended: whoever waits
    sees that it goes on.

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
    if not 0 < options.stall_s < math.inf:
        raise UsageError(f"--stall is {options.stall_s:g}: expected a number of seconds above 0")
    finest, coarsest = options.finest_um_per_px, PLAUSIBLE_UM_PER_PX[1]
    if not 0 < finest <= coarsest:
        raise UsageError(f"--finest is {finest:g}: expected a spacing above 0 and up to {coarsest:g} um/px")


_Ended = tuple[IngestEvent, SlideRequest | None]


def _ingest_all(
    sources: Sequence[Source], archive: Path, options: IngestOptions, readers: SlideReaders
) -> Iterator[_Ended]:
    planned = list(zip(sources, _plan_all(sources, options, readers), strict=True))
    to_do = [(source, step) for source, step in planned if isinstance(step, Step) and step.write is not None]
    yield IngestPlanned(len(planned), len(to_do), sum(step.n_px for _, step in to_do)), None
    for source, step in planned:
        if isinstance(step, SlideIngested):
            yield step, None
        elif step.write is None:
            yield _in_archive(source, step, archive, was_there=True)
    yield from _write_all(to_do, archive, options.workers, readers)


def _plan_all(sources: Sequence[Source], options: IngestOptions, readers: SlideReaders) -> list[Step | SlideIngested]:
    with (
        ThreadPoolExecutor(max(1, _small_at_once(options.workers)), "opening") as threads,
        _nothing_goes_on(readers, threads),
    ):
        plans = [threads.submit(_plan, source, readers, options.finest_um_per_px) for source in sources]
        return [plan.result() for plan in plans]


def _plan(source: Source, readers: SlideReaders, finest_um_per_px: float) -> Step | SlideIngested:
    try:
        return readers.plan(source, finest_um_per_px)
    except SlideError as error:
        return _not_done(source, error)


def _write_all(
    to_do: Sequence[tuple[Source, Step]], archive: Path, workers: int, readers: SlideReaders
) -> Iterator[_Ended]:
    """Large slides one after the other, each on all threads; small ones beside them, which leave few cores idle.

    A thread waits for each slide under way, in a process of its own; memory is bounded by how many those are.
    """
    happened: queue.SimpleQueue[IngestProgress | Future[_Ended]] = queue.SimpleQueue()

    def write(source: Source, step: Step, n_threads: int) -> _Ended:
        assert step.write is not None
        try:
            readers.write(
                source, step.write, n_threads, lambda n_px: happened.put(IngestProgress(source.slide_id, n_px))
            )
        except (SlideError, PatchSetError) as error:
            return _not_done(source, error), None
        return _in_archive(source, step, archive, was_there=False)

    n_small = _small_at_once(workers)
    with (
        ThreadPoolExecutor(1, "large") as large,
        ThreadPoolExecutor(max(1, n_small), "small") as small,
        _nothing_goes_on(readers, small, large),
    ):
        for source, step in to_do:
            is_small = n_small > 0 and step.n_px <= SHARD_PX * SHARD_PX
            slides, n_threads = (small, 1) if is_small else (large, workers)
            slides.submit(write, source, step, n_threads).add_done_callback(happened.put)
        n_open = len(to_do)
        while n_open:
            event = happened.get()
            if isinstance(event, IngestProgress):
                yield event, None
            else:
                n_open -= 1
                yield event.result()


@contextlib.contextmanager
def _nothing_goes_on(readers: SlideReaders, *threads: ThreadPoolExecutor) -> Iterator[None]:
    """When the block ends early, interrupted or by an error that the other slides would meet too."""
    try:
        yield
    except BaseException:
        readers.stop()
        for each in threads:
            each.shutdown(wait=True, cancel_futures=True)
        raise


def _in_archive(source: Source, step: Step, archive: Path, *, was_there: bool) -> _Ended:
    try:
        request = carry_references(step.request, archive, step.downsample)
    except ReferenceFileError as error:
        return _not_done(source, error), None
    remark = "" if source.kind is SourceKind.PATCHES else remark_on(request)
    outcome = SlideOutcome(source.slide_id, SlideStatus.DONE, DAMAGED if remark else "", remark)
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
    return IngestRow(plain(event.source.name), outcome.slide_id, str(outcome.status), outcome.reason, outcome.sentence)
