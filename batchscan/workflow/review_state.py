"""The reviews in a run's ledger -> how far its foci are reviewed, and labels for the next training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchscan.domain.errors import DamagedResult, OutputError, UsageError
from batchscan.domain.records import SlideRequest
from batchscan.domain.reviews import SlideReviews, Standing, standing
from batchscan.stores.ledger import Ledger
from batchscan.stores.manifest import read_manifest_lines, write_manifest
from batchscan.stores.results import RunFolder
from batchscan.stores.review_outlines import write_corrections
from batchscan.stores.slide_foci import read_slide_foci
from batchscan.workflow.ingest_steps import store_path
from batchscan.workflow.review import reviews_by_slide


@dataclass(frozen=True, slots=True)
class SlideReviewed:
    """How far one slide is reviewed: foci by what their reviewers come to, regions that were missed, and the rest."""

    slide_id: str
    n_foci: int
    standings: Mapping[Standing, int]
    n_missed: int
    n_earlier: int
    reviewers: tuple[str, ...]

    @property
    def n_reviewed(self) -> int:
        """Foci that somebody spoke of."""
        return sum(self.standings.values())

    def as_json(self) -> dict[str, Any]:
        """For `review --json`."""
        return {
            "slide_id": self.slide_id,
            "n_foci": self.n_foci,
            "reviewed": self.n_reviewed,
            **{name.value: self.standings.get(name, 0) for name in Standing},
            "missed": self.n_missed,
            "of_earlier_results": self.n_earlier,
            "reviewers": list(self.reviewers),
        }


@dataclass(frozen=True)
class RunReviewed:
    """How far a run is reviewed.

    Parameters
    ----------
    n_foci
        Of all its results.
    slides
        Those of which somebody said something, by their id.
    unreadable
        Why others of those can't be counted.
    """

    n_foci: int
    slides: tuple[SlideReviewed, ...]
    unreadable: tuple[str, ...]

    def total(self, name: Standing) -> int:
        """Foci whose reviewers come to that."""
        return sum(slide.standings.get(name, 0) for slide in self.slides)

    def as_json(self) -> dict[str, Any]:
        """For `review --json`."""
        return {
            "n_foci": self.n_foci,
            "reviewed": sum(slide.n_reviewed for slide in self.slides),
            **{name.value: self.total(name) for name in Standing},
            "missed": sum(slide.n_missed for slide in self.slides),
            "of_earlier_results": sum(slide.n_earlier for slide in self.slides),
            "reviewers": sorted({name for slide in self.slides for name in slide.reviewers}),
            "slides": [slide.as_json() for slide in self.slides],
            "unreadable": list(self.unreadable),
        }


def read_reviewed(run: RunFolder) -> RunReviewed:
    """How far a run is reviewed, from its ledger and the results of the slides that were.

    Raises
    ------
    OutputError
        If it isn't a run.
    """
    with Ledger.read(run.ledger) as ledger:
        n_foci, by_slide = ledger.n_foci(), reviews_by_slide(ledger.reviews())
    slides, unreadable = [], []
    for slide_id, history in sorted(by_slide.items()):
        try:
            slide = read_slide_foci(run.slide(slide_id))
        except DamagedResult as error:
            unreadable.append(str(error))
            continue
        found = SlideReviews.of(history, {known.id for known in slide.foci}, slide.fingerprint)
        counts = Counter(standing(one.verdict for one in said) for said in found.of_focus.values())
        names = tuple(sorted({one.reviewer for one in history}))
        slides.append(SlideReviewed(slide_id, len(slide.foci), dict(counts), len(found.missed), found.n_earlier, names))
    return RunReviewed(n_foci, tuple(slides), tuple(unreadable))


def write_run_corrections(run: RunFolder, path: Path, manifest: Path | None) -> tuple[int, tuple[str, ...]]:
    """Write a manifest that `train --corrections` takes, and beside it a folder with each reviewed slide's outlines.

    Parameters
    ----------
    run
        Whose reviews.
    path
        The manifest; slides must lie in or below its folder.
    manifest
        Where the slides' stores are; None for those that the run made itself.

    Returns
    -------
    How many slides it has; and why those of results that can't be read are left out, a sentence each.

    Raises
    ------
    UsageError
        If a store isn't known, or lies elsewhere; nothing is reviewed; or the file is there and is no such manifest.
    ManifestError
        If `manifest` can't be read.
    OutputError
        If something can't be written.
    """
    folder = path.with_name(f"{path.stem}.outlines")
    if path.exists() and not folder.is_dir():
        raise UsageError(f"{path}: is there already, and no review wrote it: give --corrections a new name")
    with Ledger.read(run.ledger) as ledger:
        by_slide = reviews_by_slide(ledger.reviews())
    known = {one.slide_id: one for _, one in read_manifest_lines(manifest)} if manifest else {}
    rows: list[SlideRequest] = []
    unreadable: list[str] = []
    for slide_id, history in sorted(by_slide.items()):
        try:
            slide = read_slide_foci(run.slide(slide_id))
        except DamagedResult as error:
            unreadable.append(str(error))
            continue
        request = known.get(slide_id) or SlideRequest(slide_id, slide.patient_id, store_path(run.stores, slide_id))
        _check_store(request, path, slide_id)
        _make(folder)
        outlines = folder / f"{slide_id}.geojson"
        if write_corrections(outlines, [one for one in history if one.fingerprint == slide.fingerprint]):
            rows.append(SlideRequest(slide_id, request.patient_id, request.path, reference=outlines))
    if not rows:
        raise UsageError(f"{run.path}: nothing in it has been reviewed: write a form with --form, and take it in")
    write_manifest(path, rows)
    return len(rows), tuple(unreadable)


def _check_store(request: SlideRequest, path: Path, slide_id: str) -> None:
    store, folder = request.local_path, path.parent.resolve()
    if not store.exists():
        raise UsageError(f"slide {slide_id}: its store isn't known: name the archive's manifest with --manifest")
    if not store.resolve().is_relative_to(folder):
        raise UsageError(
            f"slide {slide_id}: its store isn't in or below {folder}, as a manifest's slides must be: write the "
            "corrections into the folder that the stores are in"
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: can't be made ({error.strerror}): check permissions") from error
