"""Outcomes of patients and an interval -> the record of one measure: n, trust, and why something is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.levels import CALLS, FEWEST_PATIENTS, AtPrevalence, ClassFigures, Measured
from batchscan.evaluation.intervals import (
    NOT_COVERED,
    Bootstrap,
    Interval,
    Statistic,
    cluster_intervals,
    design_effect,
    exact,
    proportion_variance,
)
from batchscan.evaluation.metrics import Confusion
from batchscan.evaluation.weighted import call_measures, predictive_values

PROPORTIONS: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "accuracy": ((0, 3), (0, 1, 2, 3)),
    "sensitivity": ((0,), (0, 2)),
    "specificity": ((3,), (1, 3)),
    "precision": ((0,), (0, 1)),
    "npv": ((3,), (2, 3)),
}
"""Measures that are a share of units: which of TP, FP, FN, TN are counted, and out of which."""

_OF_POSITIVES = ("auprc", "f1")
_ANY = ("accuracy", "brier", "ece")
_WITHOUT = {
    "sensitivity": "no {units} with IDC",
    "specificity": "no {units} without IDC",
    "precision": "no {units} that were called IDC",
    "npv": "no {units} that were called free of IDC",
    "f1": "no {units} with IDC or called so",
    "auprc": "no {units} with IDC",
}


@dataclass(frozen=True)
class Outcomes:
    """How the units of each patient were called.

    Parameters
    ----------
    units
        What they are, as in `patches`.
    table
        (P, 4) int64: TP, FP, FN, TN of each patient.
    """

    units: str
    table: NDArray[np.int64]

    @property
    def confusion(self) -> Confusion:
        """Of all patients."""
        return Confusion(*(int(count) for count in self.table.sum(axis=0)))

    def n(self, name: str) -> int:
        """How many units a measure rests on."""
        return int(self.table[:, self._rests_on(name)].sum())

    def n_patients(self, name: str) -> int:
        """How many patients a measure rests on: of what needs both classes, those of the rarer one."""
        if name in PROPORTIONS or name in _ANY:
            return self._with_any(self._rests_on(name))
        if name in _OF_POSITIVES:
            return self._with_any((0, 2))
        return min(self._with_any((0, 2)), self._with_any((1, 3)))

    def why_undefined(self, name: str) -> str:
        """A sentence for a measure without a value."""
        if not self.table.any():
            return f"there are no {self.units}"
        if name in _WITHOUT:
            return "there are " + _WITHOUT[name].format(units=self.units)
        true, called = self.table[:, [0, 2]].any(), self.table[:, [0, 1]].any()
        cleared, false = self.table[:, [2, 3]].any(), self.table[:, [1, 3]].any()
        if not (true and false):
            return f"all {self.units} are of one class"
        if name in CALLS and not (called and cleared):
            return f"all {self.units} were called the same"
        return "the scores part the classes wholly, or not at all: the fit has no answer"

    def statistic(self, names: Sequence[str]) -> Statistic:
        """`names` out of `CALLS` as functions of how often each patient counts."""
        table = self.table.astype(np.float64)
        return lambda weights: call_measures(weights @ table, names)

    def _rests_on(self, name: str) -> tuple[int, ...]:
        return PROPORTIONS[name][1] if name in PROPORTIONS else (0, 1, 2, 3)

    def _with_any(self, columns: Sequence[int]) -> int:
        return int(self.table[:, columns].any(axis=1).sum())


def clustered(
    outcomes: Outcomes, name: str, interval: Interval, *, value: float | None, independent: float | None = None
) -> Measured:
    """The record of a measure whose units come several a patient.

    Parameters
    ----------
    name
        Out of `domain.levels.MEASURES`.
    interval
        Over patients.
    value
        Of the whole cohort; the interval's own may come from coarser bins of the scores.
    independent
        Variance that the same units would have if they were independent.
    """
    if name in PROPORTIONS:
        return share(outcomes, name, interval)
    return trusted(outcomes, name, _about(interval, value), n=outcomes.n(name), independent=independent)


def _about(interval: Interval, value: float | None) -> Interval:
    """The interval with its exact value, which scores in bins miss by a hair: limits as close as that take it in."""
    if value is None or interval.low is None or interval.high is None:
        return replace(interval, value=value)
    return replace(interval, value=value, low=min(interval.low, value), high=max(interval.high, value))


def share(outcomes: Outcomes, name: str, interval: Interval) -> Measured:
    """The record of a share of units that come several a patient.

    Where all are right, or all wrong, redraws tell nothing: the interval then is the exact one with each patient
    counted as one unit, which can only be too wide.
    """
    part, whole = (int(outcomes.table[:, list(columns)].sum()) for columns in PROPORTIONS[name])
    n_patients = outcomes.n_patients(name)
    if whole and part in (0, whole) and n_patients > 1:
        found = exact(n_patients if part else 0, n_patients)
        words = f"{'all' if part else 'none'} of {whole} {outcomes.units}"
        why = f"{words}: the interval is as if each of {n_patients} patients were one unit"
        return replace(found, why=f"{why}; {found.why}" if found.why else why).measured(whole)
    independent = proportion_variance(part / whole, whole) if whole else None
    interval = replace(interval, value=part / whole if whole else None)
    return trusted(outcomes, name, interval, n=whole, independent=independent)


def trusted(outcomes: Outcomes, name: str, interval: Interval, *, n: int, independent: float | None = None) -> Measured:
    """The record, not to be trusted where fewer than 5 patients have what the measure rests on."""
    n_patients = outcomes.n_patients(name)
    if interval.value is None:
        interval = replace(interval, low=None, high=None, trusted=False, why=outcomes.why_undefined(name))
    elif interval.low is not None and n_patients < FEWEST_PATIENTS:
        why = f"it rests on {n_patients} patients: fewer than {FEWEST_PATIENTS}"
        interval = replace(interval, trusted=False, why=why)
    elif interval.low is not None and name in NOT_COVERED:
        interval = replace(interval, trusted=False, why=NOT_COVERED[name])
    return interval.measured(n, design_effect(interval.variance, independent) if interval.low is not None else None)


def predictive(outcomes: Outcomes, bootstrap: Bootstrap, prevalences: Sequence[float]) -> tuple[AtPrevalence, ...]:
    """PPV and NPV where each prevalence holds, with intervals over patients; n counts all units."""
    if not prevalences or not len(outcomes.table):
        return ()
    table = outcomes.table.astype(np.float64)
    found = cluster_intervals(lambda weights: predictive_values(weights @ table, prevalences), bootstrap, "share")
    n = outcomes.confusion.n
    records = [_predicted(outcomes, interval, n) for interval in found]
    rows = zip(prevalences, records[::2], records[1::2], strict=True)
    return tuple(AtPrevalence(prevalence=prevalence, ppv=ppv, npv=npv) for prevalence, ppv, npv in rows)


def _predicted(outcomes: Outcomes, interval: Interval, n: int) -> Measured:
    made = trusted(outcomes, "balanced_accuracy", interval, n=n)
    if made.value is None and outcomes.n_patients("balanced_accuracy"):
        return made.model_copy(update={"why": f"no {outcomes.units} would be called so"})
    return made


def per_class(table: Confusion) -> tuple[ClassFigures, ...]:
    """Precision, recall and F1 of both classes, as the published work gives them."""
    other = Confusion(tp=table.tn, fp=table.fn, fn=table.fp, tn=table.tp)
    return tuple(
        ClassFigures(name=name, precision=one.precision, recall=one.sensitivity, f1=one.f1, support=one.tp + one.fn)
        for name, one in (("IDC", table), ("not IDC", other))
    )
