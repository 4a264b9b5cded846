"""One slide's way from its store to its staged result: the steps that a worker runs.

survey -> scan each block -> finish. Each step may run twice, even at the same time, and on any worker: each time in a
staging folder of its own, and only the runner gives a staged result its name.
"""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from batchscan.domain.card import ModelCard
from batchscan.domain.digest import result_digest, scan_digest
from batchscan.domain.errors import SlideChanged, SlideError, SourceVanished
from batchscan.domain.geometry import PatchGrid, Spacing
from batchscan.domain.places import Place
from batchscan.domain.profile import Profile
from batchscan.domain.quality import Grade
from batchscan.domain.records import (
    EngineInfo,
    Extent,
    ModelInfo,
    PatchTable,
    Pictures,
    ScanSettings,
    SlideInfo,
    SlideOutcome,
    SlideRequest,
    SlideResult,
    SlideStatus,
)
from batchscan.report.focus_views import focus_views
from batchscan.report.styles import SHIPPED, ReportStyle
from batchscan.scan.grid import Block
from batchscan.scan.pipeline import BlockScores, Survey, check_readable, patch_table, scan_blocks, survey_slide
from batchscan.scan.pulse import herald, voice
from batchscan.stores.open_files import write_open_files
from batchscan.stores.open_stores import OpenStores
from batchscan.stores.pictures import read_pictures, write_pictures
from batchscan.stores.pyramids import SlideStore, is_store, open_store
from batchscan.stores.regions import write_regions
from batchscan.stores.results import REGIONS, RunFolder, read_result, write_result
from batchscan.stores.staging import sync_tree, tree_bytes
from batchscan.stores.summary import summary_numbers
from batchscan.workflow import printing
from batchscan.workflow.close_ups import close_ups
from batchscan.workflow.focus_pictures import focus_pictures
from batchscan.workflow.held_engine import HeldEngine
from batchscan.workflow.ingest_steps import store_path
from batchscan.workflow.result_state import ResultState, compared_result
from batchscan.workflow.slide_opening import made_store, slide_info
from batchscan.workflow.slide_quality import judged_slide, left_out, not_analysable

_LOG = logging.getLogger(__name__)
_ENGINE = HeldEngine()
_OPEN = OpenStores()


@dataclass(frozen=True, slots=True)
class SlideWork:
    """Everything that the tasks of one slide need to know.

    Parameters
    ----------
    request
        The slide.
    run
        The run folder, on a disk that runner and workers share.
    package
        Shipped name or folder of the model package.
    model, engine
        What the runner found there; a worker that finds otherwise refuses.
    settings
        All that can change a number.
    finest_um_per_px
        Spacing that a vendor slide is stored at, if it is finer.
    print_report, style
        Whether a PDF is wanted, in which language, by whose templates, for which paper.
    fresh
        Whether an earlier result must not be used again.
    started
        The run's start, the date on the page.
    """

    request: SlideRequest
    run: RunFolder
    package: str
    model: ModelInfo
    engine: EngineInfo
    settings: ScanSettings
    finest_um_per_px: float
    print_report: bool
    fresh: bool
    started: datetime
    style: ReportStyle = SHIPPED

    @property
    def slide_id(self) -> str:
        """Whose work it is."""
        return self.request.slide_id


@dataclass(frozen=True)
class SlideSurvey:
    """What the survey found, and what is known from earlier: `survey` is None when no pixel is needed.

    `pictures` is the folder that overview and tissue mask wait in; None when no pixel is needed. `unchanged` says that
    the committed result is exactly what would come out again.
    """

    info: SlideInfo
    scan_digest: str
    digest: str
    survey: Survey | None
    unchanged: bool
    pictures: Path | None = None

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks to scan."""
        return self.survey.blocks if self.survey else ()

    @property
    def seconds(self) -> Mapping[str, float]:
        """What finding them took."""
        return self.survey.seconds if self.survey else {}


@dataclass(frozen=True)
class FinishedSlide:
    """How a slide ended.

    Parameters
    ----------
    staged
        The result to commit, on the disk; None where the committed one stands.
    numbers
        What summary.csv says of it.
    seconds
        What was spent on it in this run, by stage; nothing where the committed result stands.
    profile
        How its values are spread.
    n_bytes
        Disk that was taken for it: its result, and its store if the run made one.
    """

    outcome: SlideOutcome
    staged: Path | None
    numbers: Mapping[str, Any]
    seconds: Mapping[str, float]
    profile: Profile = field(default_factory=dict)
    n_bytes: int = 0


def resolve_engine(package: str, name: str, precision: str, asker: str = "") -> EngineInfo:
    """What `name` and `precision` (`auto` too) come to on this worker, proven on the package's golden patches."""
    return _ENGINE.resolve(package, name, precision, asker)


def begin_to_open(package: str, name: str, precision: str, asker: str) -> None:
    """Begin to open what an asker's `resolve_engine` will ask for, or a block needs; they are told why it can't be."""
    _ENGINE.begin(package, name, precision, asker)


def survey(work: SlideWork) -> SlideSurvey:
    """Open the slide; unless an earlier result can be used, find its tissue and lay the grid.

    Its blocks are told as soon as they are known.
    """
    return survey_and_tell(work, herald())


def survey_and_tell(work: SlideWork, tell: Callable[[tuple[Block, ...]], None]) -> SlideSurvey:
    """The same, its blocks told to somebody else, or to nobody."""
    began_ns = time.time_ns()
    store = made_store(work.request, work.run, work.finest_um_per_px)
    _OPEN.keep(*_place(work), store, began_ns)
    info = slide_info(work.request, store)
    known = state_of_result(work, info, work.run.read_card(work.model.sha256))
    if known.earlier:
        return SlideSurvey(info, known.scan_digest, known.digest, survey=None, unchanged=known.unchanged)
    found, overview = survey_slide(store, info, work.settings, tell)
    found = replace(found, qc={**found.qc, **left_out(store, found, overview)})
    place, tissue = _new_place(work), overview.tissue
    pictures = Pictures(overview.pixels, tissue.um_per_px, tissue.mask, {}, pen=tissue.pen, dark=overview.dark)
    write_pictures(place, pictures)
    return SlideSurvey(info, known.scan_digest, known.digest, found, unchanged=False, pictures=place)


def state_of_result(work: SlideWork, info: SlideInfo, card: ModelCard) -> ResultState:
    """What the committed result of a slide is worth now; nothing is written."""
    scan = scan_digest(info, work.model, work.engine, work.settings)
    digest = result_digest(scan, info, work.model, work.settings, card)
    committed = None if work.fresh else work.run.slide(work.slide_id)
    return compared_result(committed, scan, digest, printed=work.print_report)


def scan(work: SlideWork, blocks: Sequence[Block]) -> list[BlockScores]:
    """Give each patch of blocks its p_raw."""
    with _as_surveyed(work):
        store = _OPEN.get(*_place(work))
    grid = PatchGrid.over(store.width_px, store.height_px, store.spacing.um_per_px, work.settings.patch)
    engine = _ENGINE.get(work.package, work.model, work.engine)
    return scan_blocks(store, grid, blocks, work.settings, engine, voice())


def finish(work: SlideWork, surveyed: SlideSurvey, scores: list[BlockScores]) -> FinishedSlide:
    """Turn a slide's scores into a staged result: numbers, regions, pictures, report."""
    clock = time.perf_counter()
    if surveyed.unchanged:
        result = read_result(work.run.slide(work.slide_id))
        return FinishedSlide(_outcome(result), None, summary_numbers(result), {}, result.profile)
    table, facts, seconds, pictures = _scanned(work, surveyed, scores)
    check_readable(surveyed.info, table, work.settings.max_unreadable)
    made = surveyed.survey or read_result(work.run.slide(work.slide_id))
    judged = judged_slide(surveyed.info, table, work.settings, made)
    result = SlideResult(
        slide=surveyed.info,
        model=work.model,
        engine=work.engine,
        settings=work.settings,
        counts=judged.counts,
        extent=judged.extent,
        qc={**facts, "unreadable_share": float((~table.readable).mean()) if len(table) else None},
        seconds=seconds,
        scan_digest=surveyed.scan_digest,
        digest=surveyed.digest,
        table=table,
        quality=judged.quality,
        profile=judged.profile,
    )
    pictures = _with_foci(work, surveyed, result.extent, pictures)
    staged = _new_place(work)
    write_pictures(staged, pictures, kept=surveyed.pictures or work.run.slide(work.slide_id))
    write_regions(staged / REGIONS, work.slide_id, result.extent.foci, work.model, work.settings, result.scan_digest)
    write_open_files(staged, result)
    times = {**seconds, "write": time.perf_counter() - clock}
    result = replace(result, seconds={**times, "total": sum(times.values())})
    write_result(staged, result)
    printing.print_staged(work.run, staged, pictures, work.started, report=work.print_report, style=work.style)
    sync_tree(staged)
    times = {**(seconds if surveyed.survey else {}), "write": time.perf_counter() - clock}
    spent = {**times, "total": sum(times.values())}
    n_bytes = tree_bytes(staged) + tree_bytes(store_path(work.run.stores, work.slide_id))
    return FinishedSlide(_outcome(result), staged, summary_numbers(result), spent, result.profile, n_bytes)


def _new_place(work: SlideWork) -> Path:
    """A staging folder that nobody else writes to, whatever else is at work on this slide."""
    return work.run.staging_of(work.slide_id) / uuid.uuid4().hex


def _open(work: SlideWork) -> SlideStore:
    """The store that the survey has made sure of, as it is now."""
    return open_store(*_place(work))


def _place(work: SlideWork) -> tuple[Place, Spacing | None]:
    """Where that store is, and the spacing that counts instead of its own."""
    request = work.request
    if is_store(request.path):
        return request.path, request.spacing
    return store_path(work.run.stores, work.slide_id), None


def _file(work: SlideWork) -> Path | None:
    """The slide file, where the run made the store of it itself."""
    return None if is_store(work.request.path) else work.request.local_path


def _scanned(
    work: SlideWork, surveyed: SlideSurvey, scores: list[BlockScores]
) -> tuple[PatchTable, Mapping[str, Any], dict[str, float], Pictures]:
    """Table, QC facts, seconds and pictures: from this scan, or from the committed one where only the rest changed."""
    if surveyed.survey is None or surveyed.pictures is None:
        committed = work.run.slide(work.slide_id)
        old = read_result(committed)
        kept = {name: value for name, value in old.seconds.items() if name not in {"write", "total"}}
        table, pictures = old.table.judged(work.settings), read_pictures(committed)
        if (old.settings.aggregation, old.settings.threshold) != (work.settings.aggregation, work.settings.threshold):
            pictures = _completed(work, table, pictures)
        return table, old.qc, kept, pictures
    table = patch_table(surveyed.survey, scores, work.settings)
    seconds = dict.fromkeys(("read", "tissue", "infer"), 0.0)
    for part in (surveyed.survey.seconds, *(block.seconds for block in scores)):
        for name, value in part.items():
            seconds[name] += value
    with _as_surveyed(work):
        store = _OPEN.get(*_place(work))
    try:
        patches = close_ups(store, table, work.settings, {}, _file(work))
    finally:
        # Also where it can't be read: one that is being written to isn't a damaged one.
        _check_unchanged(work, surveyed.info, store)
    pictures = replace(read_pictures(surveyed.pictures), patches=patches)
    return table, surveyed.survey.qc, seconds, pictures


def _with_foci(work: SlideWork, surveyed: SlideSurvey, extent: Extent, pictures: Pictures) -> Pictures:
    """The pictures with close-ups of the foci; where no pixel is read, those of before that are still of a focus."""
    if surveyed.survey is None:
        shown = focus_views(extent, surveyed.info)
        return replace(pictures, foci={box: pixels for box, pixels in pictures.foci.items() if box in shown})
    with _as_surveyed(work):
        store = _OPEN.get(*_place(work))
        return replace(pictures, foci=focus_pictures(store, surveyed.info, extent, pictures.overview_um_per_px))


@contextlib.contextmanager
def _as_surveyed(work: SlideWork) -> Iterator[None]:
    """What the survey has opened and a later step can't has changed meanwhile; raises SlideChanged."""
    try:
        yield
    except SourceVanished:
        raise
    except SlideError as error:
        raise _changed(work) from error


def _changed(work: SlideWork) -> SlideChanged:
    return SlideChanged(
        f"{work.slide_id}: its store was replaced or written to while it was scanned; it is scanned again: let "
        "nothing write to an archive during a run"
    )


def _check_unchanged(work: SlideWork, info: SlideInfo, store: SlideStore) -> None:
    """See that all of the scan was of one slide.

    Raises
    ------
    SlideChanged
        If the store was replaced or written to meanwhile.
    """
    if store.fingerprint_now() != info.fingerprint:
        raise _changed(work)


def _completed(work: SlideWork, table: PatchTable, pictures: Pictures) -> Pictures:
    """The stored pictures with the close-ups that the gallery shows now; as they are if the slide can't be read.

    Of most patches that are shown with other settings there is a coarse picture: without the slide, that has to do.
    """
    try:
        patches = close_ups(_open(work), table, work.settings, pictures.patches, _file(work))
        return replace(pictures, patches=patches)
    except SlideError as error:
        _LOG.info("%s: no further close-ups: %s", work.slide_id, error)
        return pictures


def _outcome(result: SlideResult) -> SlideOutcome:
    slide_id = result.slide.slide_id
    if not result.counts.tissue:
        return SlideOutcome(slide_id, SlideStatus.DONE, "no_tissue", "no tissue was found on the slide")
    if result.quality.refuses:
        reason, remedy = Grade.NOT_ANALYSABLE.value, "its report says what was measured, and where; look at the glass"
        return SlideOutcome(slide_id, SlideStatus.DONE, reason, f"{not_analysable(result.quality)}: {remedy}")
    return SlideOutcome(slide_id, SlideStatus.DONE)
