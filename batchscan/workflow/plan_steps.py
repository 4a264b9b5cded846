"""One slide's way to what a run would do with it: what a worker runs for a plan; nothing is written."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence

import numpy as np

from batchscan.domain.card import ModelCard
from batchscan.domain.plan import SlideAction, SlidePlan
from batchscan.domain.records import SlideInfo, SlideOutcome, SlideStatus
from batchscan.scan.grid import Block
from batchscan.scan.pipeline import BlockScores, Survey, check_unreadable, read_patches, survey_slide
from batchscan.scan.pulse import voice
from batchscan.stores.damage import Damage
from batchscan.stores.foreseen import ForeseenStore
from batchscan.stores.packages import open_package
from batchscan.stores.pyramids import SlideStore, is_store, open_store
from batchscan.stores.slides import VendorSlide
from batchscan.stores.spacings import check_fine_enough
from batchscan.workflow.ingest_steps import Step, plan_vendor, store_path
from batchscan.workflow.slide_opening import open_given, slide_info
from batchscan.workflow.slide_steps import SlideWork, state_of_result

# Patches of a slide store that are read, spread over its tissue; if one is damaged, all are.
_SAMPLES = 16
_NO_TISSUE = "no tissue was found on the slide, so its report will have no extent: look at the slide"


def inspect(work: SlideWork) -> SlidePlan:
    """See what a run would do with a slide, as it would see it itself.

    Raises
    ------
    SlideError
        What a run would raise for it.
    """
    if is_store(work.request.path):
        return _of_store(work, open_given(work.request))
    step = plan_vendor(work.request, work.run.stores, work.finest_um_per_px)
    if step.write is None:
        return _of_store(work, open_store(store_path(work.run.stores, work.slide_id)))
    return _of_file(work, step)


def nothing_to_scan(work: SlideWork, blocks: Sequence[Block]) -> list[BlockScores]:
    """A plan has no blocks."""
    raise AssertionError(f"{work.slide_id}: {len(blocks)} blocks are to be scanned for a plan")


def as_inspected(work: SlideWork, plan: SlidePlan, scores: list[BlockScores]) -> SlidePlan:
    """What the inspection found is all there is."""
    del work, scores
    return plan


def _of_store(work: SlideWork, store: SlideStore) -> SlidePlan:
    card = _card(work.package)
    clock = time.perf_counter()
    info = slide_info(work.request, store)
    contents = _contents(store)
    known = state_of_result(work, info, card)
    if known.earlier is not None:
        action = SlideAction.NONE if known.unchanged else SlideAction.REPORT
        n_patches = known.earlier.counts.tissue
        return _plan(work, action, n_patches, survey_s=time.perf_counter() - clock, contents=contents)
    survey, _ = survey_slide(store, info, work.settings)
    survey_s = time.perf_counter() - clock
    if survey.blocks:
        store.level_for(work.settings.patch.um_per_px)
        _check_patches(work, store, survey)
    return _plan(work, SlideAction.SCAN, len(survey.row), len(survey.blocks), survey_s, contents)


def _of_file(work: SlideWork, step: Step) -> SlidePlan:
    """The same of a slide file, which a run would first make a store of."""
    clock = time.perf_counter()
    assert step.facts is not None
    request, content = work.request, step.facts.source["fingerprint"]
    with VendorSlide(request.local_path) as slide:
        store = ForeseenStore(slide, request.spacing or slide.spacing(), work.finest_um_per_px, voice())
        size = store.width_px, store.height_px
        info = SlideInfo(work.slide_id, request.patient_id, *size, store.spacing, content, step.downsample)
        survey, _ = survey_slide(store, info, work.settings)
        survey_s = time.perf_counter() - clock
        damage = store.check_samples(voice())
    if survey.blocks:
        check_fine_enough(request.path, store.spacing, work.settings.patch.um_per_px)
    n_patches, n_blocks = len(survey.row), len(survey.blocks)
    check_unreadable(work.slide_id, _n_damaged(survey, damage), n_patches, work.settings.max_unreadable)
    return _plan(work, SlideAction.SCAN, n_patches, n_blocks, survey_s, (content,), store_px=step.n_px)


def _plan(
    work: SlideWork,
    action: SlideAction,
    n_patches: int,
    n_blocks: int = 0,
    survey_s: float = 0.0,
    contents: tuple[str, ...] = (),
    store_px: int = 0,
) -> SlidePlan:
    return SlidePlan(
        slide_id=work.slide_id,
        action=action,
        n_patches=n_patches,
        n_blocks=n_blocks,
        tissue_mm2=work.settings.patch.cells_mm2(n_patches),
        predicted=bool(store_px),
        store_px=store_px,
        survey_s=survey_s,
        contents=contents,
        remark=None if n_patches else SlideOutcome(work.slide_id, SlideStatus.DONE, "no_tissue", _NO_TISSUE),
    )


@functools.lru_cache(maxsize=1)
def _card(package: str) -> ModelCard:
    """Opened once a worker process, as a run does: weights are hashed for it."""
    return open_package(package).card


def _contents(store: SlideStore) -> tuple[str, ...]:
    """Of the store as it is, and of its pixels and its source as its ingest knew them, whatever it is called now."""
    source = store.record.get("source")
    said = store.record.get("fingerprint"), source.get("fingerprint") if isinstance(source, dict) else None
    return (store.fingerprint, *(text for text in said if isinstance(text, str)))


def _n_damaged(survey: Survey, damage: Damage) -> int:
    """How many patches look at something that the store will lack."""
    grid = survey.grid
    left, top = survey.col * grid.step_px, survey.row * grid.step_px
    found = np.zeros(len(survey.row), np.bool_)
    for box in damage.boxes:
        across = (left < box.right) & (left + grid.side_px > box.x)
        found |= across & (top < box.bottom) & (top + grid.side_px > box.y)
    return int(found.sum())


def _check_patches(work: SlideWork, store: SlideStore, survey: Survey) -> None:
    """Read patches all over the tissue; where one can't be read, all of them, to know how many.

    Raises
    ------
    UnreadableSlide
        If more can't be read than a run tolerates.
    """
    patch, n_patches = work.settings.patch, len(survey.row)
    for index in np.unique(np.linspace(0, n_patches - 1, _SAMPLES).round().astype(int)):
        row, col = survey.row[index : index + 1], survey.col[index : index + 1]
        one = Block(row, col, int(row[0]), int(col[0]), 1, 1)
        if not read_patches(store, survey.grid, one, patch)[1].all():
            break
    else:
        return
    n_bad = sum(int((~read_patches(store, survey.grid, block, patch)[1]).sum()) for block in survey.blocks)
    check_unreadable(work.slide_id, n_bad, n_patches, work.settings.max_unreadable)
