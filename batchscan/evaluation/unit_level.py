"""Slides or patients with a label, a score and a call -> all measures of them, their intervals and curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from batchscan.domain.card import ConfusionCounts
from batchscan.domain.joined import CohortSlide
from batchscan.domain.levels import CALLS, RANKS, Level, Measured
from batchscan.domain.records import BoolArray, Float64Array
from batchscan.evaluation.curves import PooledScores, RankedOf, bands, operating_points
from batchscan.evaluation.intervals import SCALES, Bootstrap, Interval, cluster_intervals, delong_interval, wilson
from batchscan.evaluation.measured import PROPORTIONS, Outcomes, clustered, per_class, predictive, trusted
from batchscan.evaluation.weighted import Ranked

SlideScore = Literal["idc_mm2", "largest_focus_mm", "max_p"]
UNIT_MEASURES = (*CALLS, *RANKS)

_SCORE_WORDS = {
    "idc_mm2": "area called IDC, mm2",
    "largest_focus_mm": "greatest diameter of a focus, mm (0 without a focus)",
    "max_p": "greatest p_idc of a patch",
}


@dataclass(frozen=True)
class UnitWords:
    """What the units are ranked by, and when one counts as called positive, in words."""

    score: str
    called: str


@dataclass(frozen=True)
class Units:
    """Slides or patients.

    Parameters
    ----------
    ids
        (n,) slide or patient ids.
    patient
        (n,) place of each one's patient among the `n_patients`.
    label
        (n,) whether it has IDC.
    score
        (n,) float64, finite, 0 without any sign of IDC.
    called
        (n,) whether it was called positive.
    n_patients
        P.
    left_out
        Ids of those without a label or a score.
    """

    ids: tuple[str, ...]
    patient: NDArray[np.intp]
    label: BoolArray
    score: Float64Array
    called: BoolArray
    n_patients: int
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def independent(self) -> bool:
        """Whether no patient has two."""
        return len(self) == self.n_patients

    def outcomes(self, unit: Literal["slide", "patient"]) -> Outcomes:
        """How each patient's units were called."""
        table = np.zeros((self.n_patients, 4), dtype=np.int64)
        np.add.at(table, (self.patient, 2 * (~self.called).astype(np.intp) + ~self.label), 1)
        return Outcomes(f"{unit}s", table)


def slide_units(slides: Sequence[CohortSlide], score: SlideScore, called_from: float | None = None) -> Units:
    """The slides that have a label and a score.

    Parameters
    ----------
    score
        What of a slide is its score; a slide without a focus has 0 mm.
    called_from
        Score from which a slide is called positive; None: when it has a focus, for `max_p` when it reaches the
        slide's threshold.
    """
    rows = [(slide, _score(slide, score)) for slide in slides]
    known = [(slide, value) for slide, value in rows if slide.slide_label is not None and value is not None]
    patients = sorted({slide.patient_id for slide, _ in known})
    place = {patient: i for i, patient in enumerate(patients)}
    used = {slide.slide_id for slide, _ in known}
    return Units(
        ids=tuple(slide.slide_id for slide, _ in known),
        patient=np.array([place[slide.patient_id] for slide, _ in known], dtype=np.intp),
        label=np.array([slide.slide_label for slide, _ in known], dtype=np.bool_),
        score=np.array([value for _, value in known], dtype=np.float64),
        called=np.array([_called(slide, value, score, called_from) for slide, value in known], dtype=np.bool_),
        n_patients=len(patients),
        left_out=tuple(slide.slide_id for slide in slides if slide.slide_id not in used),
    )


def _score(slide: CohortSlide, score: SlideScore) -> float | None:
    if score == "max_p":
        return slide.max_p
    if score == "largest_focus_mm" and slide.predicted.n_foci == 0:
        return 0.0
    value: float | None = getattr(slide.predicted, score)
    return value


def _called(slide: CohortSlide, value: float, score: SlideScore, called_from: float | None) -> bool:
    if called_from is not None:
        return value >= called_from
    # In float32, as a patch is called.
    return bool(np.float32(value) >= np.float32(slide.threshold)) if score == "max_p" else value > 0


def patient_units(slides: Sequence[CohortSlide], score: SlideScore, called_from: float | None = None) -> Units:
    """The patients of the slides that have a label and a score.

    A patient has IDC when any of these slides has, is called so when any is, and has the greatest of their scores.
    Parameters as `slide_units`.
    """
    units = slide_units(slides, score, called_from)
    n = units.n_patients
    label, called, greatest = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_), np.zeros(n)
    np.logical_or.at(label, units.patient, units.label)
    np.logical_or.at(called, units.patient, units.called)
    np.maximum.at(greatest, units.patient, units.score)
    owner = {slide.slide_id: slide.patient_id for slide in slides}
    patients = sorted({owner[slide_id] for slide_id in units.ids})
    return Units(
        ids=tuple(patients),
        patient=np.arange(n),
        label=label,
        score=greatest,
        called=called,
        n_patients=n,
        left_out=tuple(sorted(set(owner.values()) - set(patients))),
    )


def unit_words(unit: Literal["slide", "patient"], score: SlideScore, called_from: float | None = None) -> UnitWords:
    """How `slide_units` or `patient_units` score and call, for the record."""
    if called_from is not None:
        called = f"the score is at least {called_from:g}"
    else:
        called = "a patch reaches the threshold" if score == "max_p" else "there is a focus (score above 0)"
    if unit == "patient":
        return UnitWords(f"greatest over the patient's slides: {_SCORE_WORDS[score]}", f"on any slide, {called}")
    return UnitWords(_SCORE_WORDS[score], called)


def unit_level(
    units: Units,
    unit: Literal["slide", "patient"],
    bootstrap: Bootstrap,
    prevalences: Sequence[float],
    words: UnitWords,
) -> Level | None:
    """Everything about the slides or the patients; None without any.

    Where no patient has two, shares get Wilson's interval and the area DeLong's; all else is redrawn by patients.

    Parameters
    ----------
    bootstrap
        How patients are redrawn; its n_patients is set to those of the units.
    prevalences
        Shares of IDC for which predictive values are given.
    """
    if not len(units):
        return None
    bootstrap = replace(bootstrap, n_patients=units.n_patients)
    outcomes, scores, ranked = units.outcomes(unit), *_scores(units)
    table = outcomes.confusion
    roc_band, pr_band = bands(ranked, outcomes, bootstrap)
    return Level(
        unit=unit,
        score=words.score,
        called=words.called,
        n=table.n,
        n_patients=units.n_patients,
        prevalence=table.prevalence,
        confusion=ConfusionCounts(tp=table.tp, fp=table.fp, fn=table.fn, tn=table.tn),
        metrics=_metrics(units, outcomes, bootstrap),
        macro={},
        per_class=per_class(table),
        at_prevalence=predictive(outcomes, bootstrap, prevalences),
        roc=scores.roc(),
        pr=scores.pr(),
        roc_band=roc_band,
        pr_band=pr_band,
        reliability=(),
        operating=operating_points(scores, ranked, outcomes, bootstrap),
        decision=(),
    )


def _metrics(units: Units, outcomes: Outcomes, bootstrap: Bootstrap) -> dict[str, Measured]:
    _, ranked = _scores(units)
    calls = outcomes.statistic(CALLS)

    def measures(weights: Float64Array) -> Float64Array:
        curves = ranked(weights)
        return np.concatenate([calls(weights), np.stack([curves.auroc(), curves.auprc()], axis=1)], axis=1)

    found = cluster_intervals(measures, bootstrap, [SCALES[name] for name in UNIT_MEASURES])
    independent = delong_interval(units.label, units.score)
    made = {}
    for name, interval in zip(UNIT_MEASURES, found, strict=True):
        if units.independent and name in PROPORTIONS:
            made[name] = _share(outcomes, name)
        elif units.independent and name == "auroc":
            made[name] = trusted(outcomes, name, independent, n=len(units))
        else:
            variance = independent.variance if name == "auroc" else None
            made[name] = clustered(outcomes, name, interval, value=interval.value, independent=variance)
    return made


def _share(outcomes: Outcomes, name: str) -> Measured:
    """A share of independent units."""
    counted, of = (int(outcomes.table[:, list(columns)].sum()) for columns in PROPORTIONS[name])
    found: Interval = wilson(counted, of)
    return trusted(outcomes, name, found, n=of)


def _scores(units: Units) -> tuple[PooledScores, RankedOf]:
    """The units by score, together and by patient; the first score is 0, whether a unit has it or not."""
    score, place = np.unique(np.append(units.score, 0.0), return_inverse=True)
    by_patient = [_counts(units, place[:-1], units.label == label, len(score)) for label in (False, True)]
    negatives, positives = (np.asarray(counts.sum(axis=0), dtype=np.float64) for counts in by_patient)
    return (
        PooledScores.of(score, negatives, positives),
        lambda weights: Ranked.of(weights @ by_patient[0], weights @ by_patient[1]),
    )


def _counts(units: Units, place: NDArray[np.intp], chosen: BoolArray, n_scores: int) -> csr_array:
    where = (units.patient[chosen], place[chosen])
    return csr_array((np.ones(int(chosen.sum())), where), shape=(units.n_patients, n_scores))
