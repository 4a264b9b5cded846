"""Labelled patches -> fixed-size counts a slide, and a patient: what patch figures and their resampling come from.

A slide's tally takes some 20 kB however many patches it has, so that a cohort of any size fits, and any set of slides
is a subgroup without reading a patch again. Only patches that could be read count; those that the tissue mask dropped
have p 0 and are called negative.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from batchscan.domain.joined import JoinedSlide
from batchscan.domain.levels import CALLS, RANKS
from batchscan.domain.records import BoolArray, Float64Array, Int32Array
from batchscan.evaluation.calibration import N_BINS
from batchscan.evaluation.metrics import Confusion, auprc, auroc

Int64Array = NDArray[np.int64]

SLIDE_FIGURES = (*CALLS, *RANKS, "brier", "ece")
"""What is measured on each slide by itself, and averaged over slides."""

N_SCORES = 2049
"""Bins of a patient's scores by rising p: one for the patches that were not scanned, then equal steps of logit p."""

NEAREST_TO_CERTAIN = 1e-7
"""Logits are those of p kept so far away from 0 and 1."""

FINE_STEPS = 2**20
"""Pooled scores are counted in steps of 1 / this of p, rounded down: thresholds between them are exact."""

_REACH = float(logit(1.0 - NEAREST_TO_CERTAIN))
_N_STEPS = N_SCORES - 1

SCORE_LOGITS: Float64Array = _REACH * ((2 * np.arange(_N_STEPS) + 1) / _N_STEPS - 1)
"""(2048,) logit p in the middle of each bin but that of the patches not scanned."""


@dataclass(frozen=True)
class SlideTally:
    """The counts of one slide's readable labelled patches; rows are not IDC, IDC.

    Parameters
    ----------
    slide_id, patient_id, threshold
        As of its `JoinedSlide`.
    outcomes
        (4,) int64: TP, FP, FN, TN.
    scores
        (2, N_SCORES) int32, patches by score; the first bin holds those that were not scanned.
    n, p_sum
        (2, 15) int64 and float64: patches in each bin of p, and the sum of their p.
    squared
        Sum of (p - label)^2.
    figures
        `SLIDE_FIGURES` of these patches; None where not defined.
    """

    slide_id: str
    patient_id: str
    threshold: float
    outcomes: Int64Array
    scores: Int32Array
    n: Int64Array
    p_sum: Float64Array
    squared: float
    figures: Mapping[str, float | None]

    @property
    def confusion(self) -> Confusion:
        """The outcomes as a table."""
        return Confusion(*(int(count) for count in self.outcomes))


@dataclass(frozen=True)
class PatientCounts:
    """Sums over each patient's slides, an element a patient; patients without a readable patch aren't there.

    Parameters
    ----------
    patients
        (P,) names, rising.
    outcomes
        (P, 4) int64: TP, FP, FN, TN.
    scores
        (P, 2, N_SCORES) int32.
    n, p_sum
        (P, 2, 15).
    squared
        (P,) float64.
    slide_sum, slide_n
        (P, len(SLIDE_FIGURES)): sum of a figure over the slides where it is defined, and how many those are.
    """

    patients: tuple[str, ...]
    outcomes: Int64Array
    scores: Int32Array
    n: Int64Array
    p_sum: Float64Array
    squared: Float64Array
    slide_sum: Float64Array
    slide_n: Int64Array


class PatientTallies:
    """Tallies of a cohort's slides, added one slide at a time.

    Parameters
    ----------
    slides
        Tallies to begin with.
    """

    def __init__(self, slides: Iterable[SlideTally] = ()) -> None:
        self._slides = {slide.slide_id: slide for slide in slides}
        self._fine: Int64Array | None = None

    def add(self, joined: JoinedSlide) -> None:
        """Count the patches of a slide; ValueError if it has been added before."""
        if joined.slide_id in self._slides:
            raise ValueError(f"slide {joined.slide_id} was tallied before: its patches would count twice")
        self._slides[joined.slide_id] = slide_tally(joined)
        if self._fine is None:
            self._fine = np.zeros((2, FINE_STEPS + 1), dtype=np.int64)
        label, p = joined.label[joined.readable], joined.p_idc[joined.readable].astype(np.float64)
        np.add.at(self._fine, (label.astype(np.intp), np.floor(p * FINE_STEPS).astype(np.intp)), 1)

    def subset(self, slide_ids: Collection[str]) -> PatientTallies:
        """The tallies of some of the slides; without the fine counts, which only the whole has."""
        return PatientTallies(slide for name, slide in self._slides.items() if name in slide_ids)

    @property
    def slides(self) -> Mapping[str, SlideTally]:
        """By slide_id, in the order they came."""
        return self._slides

    @property
    def fine(self) -> Int64Array | None:
        """(2, FINE_STEPS + 1) patches of all slides by label and p; None of a subset."""
        return self._fine

    @property
    def patients(self) -> tuple[str, ...]:
        """Those with a readable labelled patch, in the order of `by_patient` and of the weights of a statistic."""
        return tuple(sorted({slide.patient_id for slide in self._slides.values() if slide.outcomes.any()}))

    @property
    def thresholds(self) -> tuple[float, ...]:
        """What patches were called at, each once, rising."""
        return tuple(sorted({slide.threshold for slide in self._slides.values()}))

    def confusion(self) -> Confusion:
        """Of all patches."""
        total = sum((slide.outcomes for slide in self._slides.values()), np.zeros(4, dtype=np.int64))
        return Confusion(*(int(count) for count in total))

    def by_patient(self) -> PatientCounts:
        """The sums over each patient's slides."""
        patients = self.patients
        place = {patient: i for i, patient in enumerate(patients)}
        size, n_figures = len(patients), len(SLIDE_FIGURES)
        counts = PatientCounts(
            patients=patients,
            outcomes=np.zeros((size, 4), dtype=np.int64),
            scores=np.zeros((size, 2, N_SCORES), dtype=np.int32),
            n=np.zeros((size, 2, N_BINS), dtype=np.int64),
            p_sum=np.zeros((size, 2, N_BINS)),
            squared=np.zeros(size),
            slide_sum=np.zeros((size, n_figures)),
            slide_n=np.zeros((size, n_figures), dtype=np.int64),
        )
        for slide in self._slides.values():
            if (i := place.get(slide.patient_id)) is not None:
                _count_in(counts, i, slide)
        return counts


def _count_in(counts: PatientCounts, i: int, slide: SlideTally) -> None:
    for name in ("outcomes", "scores", "n", "p_sum", "squared"):
        getattr(counts, name)[i] += getattr(slide, name)
    figures = [slide.figures[name] for name in SLIDE_FIGURES]
    counts.slide_sum[i] += [0.0 if figure is None else figure for figure in figures]
    counts.slide_n[i] += [figure is not None for figure in figures]


def slide_tally(joined: JoinedSlide) -> SlideTally:
    """Count one slide's readable patches."""
    use = joined.readable
    label, called, scanned = joined.label[use], joined.positive[use], joined.scanned[use]
    p = joined.p_idc[use].astype(np.float64)
    cell = label * N_BINS + np.minimum((p * N_BINS).astype(np.intp), N_BINS - 1)
    outcomes = np.bincount(2 * (~called).astype(np.intp) + ~label, minlength=4)
    n = np.bincount(cell, minlength=2 * N_BINS).reshape(2, N_BINS)
    p_sum = np.bincount(cell, p, minlength=2 * N_BINS).reshape(2, N_BINS).astype(np.float64)
    squared = float(np.sum((p - label) ** 2))
    table = Confusion(*(int(count) for count in outcomes))
    return SlideTally(
        slide_id=joined.slide_id,
        patient_id=joined.patient_id,
        threshold=joined.threshold,
        outcomes=outcomes,
        scores=_score_counts(label, p, scanned),
        n=n,
        p_sum=p_sum,
        squared=squared,
        figures={
            **{name: getattr(table, name) for name in CALLS},
            "auroc": auroc(label, p),
            "auprc": auprc(label, p),
            "brier": squared / table.n if table.n else None,
            "ece": float(np.abs(p_sum.sum(axis=0) - n[1]).sum()) / table.n if table.n else None,
        },
    )


def _score_counts(label: BoolArray, p: Float64Array, scanned: BoolArray) -> Int32Array:
    logits = logit(np.clip(p, NEAREST_TO_CERTAIN, 1.0 - NEAREST_TO_CERTAIN))
    step = np.clip((logits + _REACH) * (_N_STEPS / (2 * _REACH)), 0, _N_STEPS - 1).astype(np.intp)
    place = label * N_SCORES + np.where(scanned, step + 1, 0)
    return np.bincount(place, minlength=2 * N_SCORES).reshape(2, N_SCORES).astype(np.int32)
