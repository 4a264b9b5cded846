"""Labelled patches, one slide at a time -> where the model fails: worst slides, surest wrong calls, doubtful labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from batchscan.domain.evaluated import Failure, Failures, SlideRow
from batchscan.domain.joined import JoinedSlide
from batchscan.domain.records import BoolArray
from batchscan.evaluation.tallies import FINE_STEPS, PatientTallies

AT_MOST_A_SLIDE = 4
"""Patches of one kind that a slide has in the gallery, as long as others have some."""

AREA_ERROR = "error of the IDC area, mm2"
BALANCED_ACCURACY = "balanced accuracy of the slide's patches"

_Kind = Literal["false positive", "false negative"]
_KINDS: tuple[_Kind, ...] = ("false positive", "false negative")


class FailureCollector:
    """The surest wrong calls of slides that are added one at a time; what it holds doesn't grow with them.

    Only patches that were scanned: the model said nothing of those that the tissue mask dropped.

    Parameters
    ----------
    n_each
        How many false positives, and how many false negatives, are kept.
    """

    def __init__(self, n_each: int) -> None:
        self._n_each = n_each
        self._surest: dict[_Kind, list[Failure]] = {kind: [] for kind in _KINDS}
        self._spread: dict[_Kind, list[Failure]] = {kind: [] for kind in _KINDS}
        self._n_discordant = 0

    def add(self, slide: JoinedSlide) -> None:
        """Look at a slide's patches."""
        wrong = slide.readable & (slide.positive != slide.label)
        self._n_discordant += int(wrong.sum())
        for kind in _KINDS:
            own = _surest(slide, wrong & slide.scanned & (slide.positive == (kind == "false positive")), self._n_each)
            self._surest[kind] = _kept([*self._surest[kind], *own], self._n_each)
            self._spread[kind] = _kept([*self._spread[kind], *own[:AT_MOST_A_SLIDE]], self._n_each)

    @property
    def n_discordant(self) -> int:
        """Readable patches called otherwise than labelled, those that were not scanned too."""
        return self._n_discordant

    def patches(self) -> tuple[Failure, ...]:
        """False positives, then false negatives, the surest first.

        At most 4 of one kind are of one slide, unless other slides don't fill the rest. None has a picture, and none
        is marked as suspect yet.
        """
        found: list[Failure] = []
        for kind in _KINDS:
            spread = self._spread[kind]
            rest = [failure for failure in self._surest[kind] if failure not in spread]
            found += _kept([*spread, *rest[: self._n_each - len(spread)]], self._n_each)
        return tuple(found)


def _surest(slide: JoinedSlide, wrong: BoolArray, at_most: int) -> list[Failure]:
    """The surest of a slide's wrong calls, which all are of one kind."""
    place = np.flatnonzero(wrong)
    p_idc = slide.p_idc[place]
    order = np.argsort(np.where(slide.positive[place], -p_idc, p_idc), kind="stable")
    return [
        Failure(
            kind="false positive" if slide.positive[i] else "false negative",
            slide_id=slide.slide_id,
            patient_id=slide.patient_id,
            row=int(slide.row[i]),
            col=int(slide.col[i]),
            x_px=float(slide.x_px[i]),
            y_px=float(slide.y_px[i]),
            p_idc=float(slide.p_idc[i]),
            suspect=False,
            picture=None,
        )
        for i in place[order[:at_most]]
    ]


def _kept(failures: Iterable[Failure], at_most: int) -> list[Failure]:
    """The surest of one kind; ties by slide and place, so that the order of slides doesn't matter."""
    return sorted(failures, key=_order)[:at_most]


def _order(failure: Failure) -> tuple[float, str, int, int]:
    sureness = failure.p_idc if failure.kind == "false positive" else -failure.p_idc
    return (-sureness, failure.slide_id, failure.row, failure.col)


@dataclass(frozen=True)
class SuspectRule:
    """Which labels the model doubts: confident learning (Northcutt 2021, doi:10.1613/jair.1.12125) of two classes.

    A label is doubted where the model's p for the other class reaches the mean that it has on patches labelled so; of
    IDC that is where p_idc is below the mean of the patches labelled not IDC.

    Parameters
    ----------
    mean_other, mean_idc
        Mean p_idc of scanned patches labelled not IDC, and IDC, to the nearest 2**-20. None where a class is missing,
        or the model has no more p for IDC than for the rest: then no label is doubted.
    """

    mean_other: float | None
    mean_idc: float | None

    @staticmethod
    def of(tallies: PatientTallies) -> SuspectRule:
        """The rule that a cohort's own patches give."""
        counts = list(tallies.slides.values())
        if not counts:
            return SuspectRule(None, None)
        scanned = sum(tally.scores[:, 1:].sum(axis=1, dtype=np.int64) for tally in counts)
        p_sum = sum(tally.p_sum.sum(axis=1) for tally in counts)
        if not np.all(scanned):
            return SuspectRule(None, None)
        other, idc = (round(float(mean) * FINE_STEPS) / FINE_STEPS for mean in p_sum / scanned)
        return SuspectRule(other, idc) if other < idc else SuspectRule(None, None)

    def doubts(self, *, label: bool, p_idc: float) -> bool:
        """Whether the label of a scanned patch is doubted."""
        if self.mean_other is None or self.mean_idc is None:
            return False
        return p_idc < self.mean_other if label else p_idc >= self.mean_idc

    def doubted(self, slide: JoinedSlide) -> BoolArray:
        """(n,) bool: whose label is doubted, of a slide's patches; only scanned and readable ones are."""
        if self.mean_other is None or self.mean_idc is None:
            return np.zeros(len(slide), dtype=np.bool_)
        p_idc = np.nan_to_num(slide.p_idc.astype(np.float64))
        doubted = np.where(slide.label, p_idc < self.mean_other, p_idc >= self.mean_idc)
        return np.asarray(doubted & slide.scanned & slide.readable, dtype=np.bool_)

    def n_doubted(self, tallies: PatientTallies) -> int:
        """How many labels of the whole cohort's scanned patches are doubted."""
        if self.mean_other is None or self.mean_idc is None or tallies.fine is None:
            return 0
        below, from_ = round(self.mean_other * FINE_STEPS), round(self.mean_idc * FINE_STEPS)
        # Patches that were not scanned are counted at p 0.
        dropped = sum(int(tally.scores[1, 0]) for tally in tallies.slides.values()) if below else 0
        return int(tallies.fine[1, :below].sum()) - dropped + int(tallies.fine[0, from_:].sum())

    def __str__(self) -> str:
        """As people say it."""
        if self.mean_other is None or self.mean_idc is None:
            return "no label can be doubted: that takes scanned patches of both classes, and a higher p for IDC"
        return (
            f"a label IDC is doubted where p_idc is below {self.mean_other:.3f}, its mean over the patches labelled "
            f"not IDC, and a label not IDC where it reaches {self.mean_idc:.3f}, its mean over those labelled IDC; "
            "patches that were not scanned are not judged"
        )


def failures(collector: FailureCollector, tallies: PatientTallies, rows: Sequence[SlideRow], n_slides: int) -> Failures:
    """Where the model fails, without pictures.

    Parameters
    ----------
    collector, tallies
        Of the same slides, all of them.
    rows
        Of all slides.
    n_slides
        How many of the worst slides are named at most.
    """
    rule = SuspectRule.of(tallies)
    worst, by = worst_slides(rows, n_slides)
    patches = tuple(
        failure.model_copy(update={"suspect": rule.doubts(label=failure.kind == "false negative", p_idc=failure.p_idc)})
        for failure in collector.patches()
    )
    return Failures(
        worst_slides=worst,
        worst_by=by,
        patches=patches,
        n_discordant=collector.n_discordant,
        n_suspect=rule.n_doubted(tallies),
        suspect_rule=str(rule),
    )


def worst_slides(rows: Sequence[SlideRow], at_most: int) -> tuple[tuple[str, ...], str]:
    """The slides that the model does worst on, the worst first, and what they are ranked by.

    By the error of the area, or by balanced accuracy where more slides have that; ties by slide_id. Slides without any
    error aren't among them.
    """
    by_area = {row.slide_id: error for row in rows if (error := _area_error(row))}
    by_calls = {
        row.slide_id: 1.0 - value for row in rows if (value := row.figures.get("balanced_accuracy")) is not None
    }
    n_areas = sum(_area_error(row) is not None for row in rows)
    badness, words = (by_area, AREA_ERROR) if n_areas and n_areas >= len(by_calls) else (by_calls, BALANCED_ACCURACY)
    order = sorted((slide_id for slide_id in badness if badness[slide_id] > 0), key=lambda one: (-badness[one], one))
    return tuple(order[:at_most]), words


def _area_error(row: SlideRow) -> float | None:
    if row.found_mm2 is None or row.reference_mm2 is None:
        return None
    return abs(row.found_mm2 - row.reference_mm2)
