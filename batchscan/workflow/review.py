"""What reviewers say of a run's foci: forms out, verdicts in and kept in its ledger, labels to train on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from batchscan.domain.errors import DamagedResult, OutputError, ReviewError, UsageError
from batchscan.domain.plain_text import plain
from batchscan.domain.reviews import DRAWN, Opinion, Review, Verdict, is_drawn, standing_reviews
from batchscan.stores.labelled_slides import OUTLINES
from batchscan.stores.ledger import Ledger
from batchscan.stores.results import RunFolder
from batchscan.stores.review_forms import read_form, write_form
from batchscan.stores.review_outlines import ExportRules, read_export, read_export_regions, slide_of_export
from batchscan.stores.slide_foci import SlideFoci, read_slide_foci

LONGEST_NAME = 100
_NAMED = 20


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """What is to be taken in.

    Parameters
    ----------
    files
        Forms (.csv) and QuPath exports (.geojson, .json).
    reviewer
        Whose words they are.
    slide_id
        Whose slide an export is of, where it doesn't say; may be empty.
    rules
        How exports are read.
    moment
        Now.
    """

    files: tuple[Path, ...]
    reviewer: str
    slide_id: str
    rules: ExportRules
    moment: datetime


@dataclass
class Taken:
    """What became of what was taken in: how many verdicts of each kind were kept, and what else there was."""

    kept: Counter[Verdict] = field(default_factory=Counter)
    slides: set[str] = field(default_factory=set)
    n_said_before: int = 0
    n_untouched: int = 0
    n_other: int = 0

    def as_json(self) -> dict[str, Any]:
        """For `review FILE --json`."""
        return {
            "kept": {verdict.value: self.kept[verdict] for verdict in Verdict},
            "slides": sorted(self.slides),
            "said_before": self.n_said_before,
            "left_as_they_were": self.n_untouched,
            "drawn_of_other_classes": self.n_other,
        }


def write_run_form(
    run: RunFolder, path: Path, slide_ids: Sequence[str], reviewer: str, *, semicolons: bool = False
) -> tuple[int, tuple[str, ...]]:
    """Write a form for the foci of some slides, of all without ids; with what a reviewer said before, if one is named.

    `semicolons` as for `write_form`.

    Returns
    -------
    How many foci it has; and what is wrong with results that can't be read, a sentence each.

    Raises
    ------
    UsageError
        If a slide has no result, or the file is there: one that is filled in would be lost.
    OutputError
        If it isn't a run, or the form can't be written.
    """
    if path.exists():
        raise UsageError(f"{path}: is there already, and may be a form that is filled in: give --form a new name")
    with Ledger.read(run.ledger) as ledger:
        standing = standing_reviews(ledger.reviews())
    said = {(one.slide_id, one.region_id): one for one in standing if one.reviewer == reviewer}
    unreadable: list[str] = []
    n_rows = write_form(path, _slides(run, slide_ids, unreadable), said, semicolons=semicolons)
    return n_rows, tuple(unreadable)


def take_reviews(run: RunFolder, asked: ReviewRequest) -> Taken:
    """Keep what files say of a run's foci: all of it, or nothing where anything is wrong.

    Raises
    ------
    ReviewError
        If anything in the files is wrong: the first twenty are named, with their line or feature.
    RunBusyError
        If the run is at work: its ledger is its runner's.
    OutputError
        If it isn't a run, or its ledger can't be written.
    """
    _check_name(asked.reviewer)
    with Ledger.read(run.ledger):
        pass  # one of another version would be made anew by who holds it
    if not (os.access(run.path, os.W_OK) and os.access(run.ledger, os.W_OK)):
        raise OutputError(f"{run.path}: may not be written to, and reviews are kept there: change its permissions")
    with Ledger.hold(run.ledger) as ledger:
        taking = _Taking(run, asked, ledger.reviews())
        for file in asked.files:
            taking.read(file)
        reviews = taking.reviews()
        ledger.keep_reviews(reviews)
    return taking.taken


class _Taking:
    """Files that are read one after the other; what is wrong is collected, and refused at the end."""

    def __init__(self, run: RunFolder, asked: ReviewRequest, history: Sequence[Review]) -> None:
        self.taken = Taken()
        self._run, self._asked = run, asked
        self._present = frozenset(run.results())
        self._standing = standing_reviews(history)
        self._slides: dict[str, SlideFoci] = {}
        self._reviews: dict[tuple[str, str], Review] = {}
        self._places: dict[tuple[str, str], str] = {}
        self._wrong: list[str] = []

    def read(self, file: Path) -> None:
        """Take the opinions of a file, or what is wrong with them."""
        if file.suffix.lower() in OUTLINES:
            opinions, wrong = self._of_export(file)
        else:
            opinions, wrong = read_form(file, self._asked.moment)
        self._wrong += [f"{file.name}, {one}" for one in wrong]
        for opinion in opinions:
            place = f"{file.name}, {opinion.place}"
            try:
                self._add(place, opinion)
            except (ReviewError, DamagedResult) as error:
                self._wrong.append(f"{place}: {error}")

    def reviews(self) -> list[Review]:
        """What is to be kept; raises ReviewError if anything was wrong."""
        if self._wrong:
            more = f"; and {len(self._wrong) - _NAMED} more" if len(self._wrong) > _NAMED else ""
            raise ReviewError("nothing was kept: " + "; ".join(self._wrong[:_NAMED]) + more)
        before = {(one.slide_id, one.region_id): one for one in self._standing if one.reviewer == self._asked.reviewer}
        new = [one for key, one in self._reviews.items() if key not in before or not one.says_the_same(before[key])]
        self.taken.n_said_before = len(self._reviews) - len(new)
        self.taken.kept.update(one.verdict for one in new)
        self.taken.slides |= {one.slide_id for one in new}
        return new

    def _of_export(self, file: Path) -> tuple[list[Opinion], list[str]]:
        regions = read_export_regions(file)
        slide = self._slide(slide_of_export(file, regions, self._present, self._asked.slide_id))
        found = read_export(file, regions, slide, self._drawn(slide), self._asked.rules)
        self.taken.n_untouched += found.n_untouched
        self.taken.n_other += found.n_other
        return found.opinions, found.wrong

    def _slide(self, slide_id: str) -> SlideFoci:
        if slide_id not in self._present:
            raise ReviewError(f"slide {plain(slide_id)[:100]!r} has no result in this run: check the slide_id")
        if slide_id not in self._slides:
            self._slides[slide_id] = read_slide_foci(self._run.slide(slide_id))
        return self._slides[slide_id]

    def _drawn(self, slide: SlideFoci) -> dict[str, Review]:
        """Regions that were drawn on a slide, by their id."""
        of_slide = (one for one in self._standing if one.slide_id == slide.slide_id)
        return {one.region_id: one for one in of_slide if is_drawn([one], slide.fingerprint)}

    def _add(self, place: str, opinion: Opinion) -> None:
        slide, asked = self._slide(opinion.slide_id), self._asked
        if opinion.reviewer not in ("", asked.reviewer):
            raise ReviewError(
                f"is {plain(opinion.reviewer)[:LONGEST_NAME]!r}'s word, not {asked.reviewer!r}'s: take each reviewer's "
                "rows in with that name"
            )
        key = (opinion.slide_id, opinion.region_id)
        first = self._places.setdefault(key, place)
        if first != place:
            raise ReviewError(f"says again what {first} says: keep one of them")
        number, outline = self._region(slide, opinion)
        now = asked.moment.isoformat(timespec="seconds")
        self._reviews[key] = Review(
            *key, number, opinion.verdict, opinion.comment, asked.reviewer, opinion.reviewed or now, now,
            slide.digest, slide.fingerprint, opinion.outline or outline,
        )  # fmt: skip

    def _region(self, slide: SlideFoci, opinion: Opinion) -> tuple[int | None, str]:
        """Number and outline of what an opinion is on."""
        for known in slide.foci:
            if known.id == opinion.region_id:
                return known.number, known.outline
        drawn = self._drawn(slide).get(opinion.region_id)
        if drawn or opinion.verdict in DRAWN:
            return None, drawn.outline if drawn else opinion.outline
        earlier = opinion.digest not in ("", slide.digest) or any(
            one.region_id == opinion.region_id for one in self._standing
        )
        why = "it is of an earlier result" if earlier else "it is of another slide or run"
        raise ReviewError(
            f"slide {slide.slide_id} has no focus {plain(opinion.region_id)[:40]!r} in its present result "
            f"({slide.digest[:19]}): {why}; write a new form with --form"
        )


def _check_name(reviewer: str) -> None:
    if not reviewer.strip() or reviewer != plain(reviewer) or len(reviewer) > LONGEST_NAME:
        raise UsageError(
            f"--reviewer {plain(reviewer)[:LONGEST_NAME]!r}: give a name or initials on one line, of at most "
            f"{LONGEST_NAME} characters: it is kept with every verdict"
        )


def _slides(run: RunFolder, slide_ids: Iterable[str], unreadable: list[str]) -> Iterator[SlideFoci]:
    present = run.results()
    unknown = sorted(set(slide_ids) - set(present))
    if unknown:
        raise UsageError(f"{run.path}: no result of slide {', '.join(map(plain, unknown))}: see `batchscan status`")
    for slide_id in slide_ids or present:
        try:
            yield read_slide_foci(run.slide(slide_id))
        except DamagedResult as error:
            unreadable.append(str(error))


def reviews_by_slide(history: Iterable[Review]) -> Mapping[str, list[Review]]:
    """What was said of each slide, oldest first."""
    found: dict[str, list[Review]] = {}
    for review in history:
        found.setdefault(review.slide_id, []).append(review)
    return found
