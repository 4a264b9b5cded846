"""The same slides or patients, judged by two -> differences of their measures; tests where units are independent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from batchscan.domain.compared import EXTENTS, MEASURED_AT, ComparedLevel, Difference, Rights
from batchscan.domain.errors import NotComparable
from batchscan.domain.evaluated import SlideRow
from batchscan.domain.levels import CALLS, FEWEST_PATIENTS, RANKS
from batchscan.domain.records import BoolArray, Float64Array
from batchscan.evaluation.interval_limits import LEVEL
from batchscan.evaluation.intervals import Bootstrap, Statistic, cluster_intervals, delong_difference, mcnemar
from batchscan.evaluation.measured import Outcomes
from batchscan.evaluation.metrics import confusion
from batchscan.evaluation.paired import (
    counts_of,
    difference,
    known,
    less,
    mean_differences,
    n_units,
    rights,
    why_undefined,
)
from batchscan.evaluation.weighted import Ranked

_SHARES = ("accuracy", "sensitivity", "specificity")


@dataclass(frozen=True)
class PairedUnits:
    """Slides or patients that both evaluations rank and call, an element a unit.

    Parameters
    ----------
    patient
        (n,) whose it is.
    label
        (n,) bool, True = IDC.
    scores, called
        (2, n) float64 and bool: what each is ranked by, and whether it is called positive; the first's, the second's.
    """

    patient: NDArray[np.str_]
    label: BoolArray
    scores: Float64Array
    called: BoolArray

    def by_patient(self) -> PairedUnits:
        """A unit a patient: IDC if any of its units is, called if any is, ranked by the greatest score."""
        names, place = np.unique(self.patient, return_inverse=True)
        label, called = np.zeros(len(names), np.bool_), np.zeros((2, len(names)), np.bool_)
        scores = np.full((2, len(names)), -np.inf)
        np.logical_or.at(label, place, self.label)
        for side in (0, 1):
            np.logical_or.at(called[side], place, self.called[side])
            np.maximum.at(scores[side], place, self.scores[side])
        return PairedUnits(names, label, scores, called)


class PairedShare(NamedTuple):
    """95 % interval of the difference of two shares of the same units."""

    low: float
    high: float


def paired_slides(first: Mapping[str, SlideRow], second: Mapping[str, SlideRow]) -> PairedUnits | None:
    """The slides that both rank and call, from rows by slide_id; None where there are none.

    Raises
    ------
    NotComparable
        If a slide has another label or another patient in the second than in the first.
    """
    pairs = [(row, second[name]) for name, row in sorted(first.items()) if name in second]
    for one, other in pairs:
        for what, here, there in (
            ("label", _label(one), _label(other)),
            ("patient", one.patient_id, other.patient_id),
        ):
            if here != there:
                raise NotComparable(
                    f"slide {one.slide_id} has {what} {here} in A and {there} in B: expected the same; evaluate both "
                    "against the same manifest"
                )
    kept = [(one, other) for one, other in pairs if _is_ranked(one) and _is_ranked(other)]
    if not kept:
        return None
    return PairedUnits(
        patient=np.array([one.patient_id for one, _ in kept]),
        label=np.array([one.slide_label for one, _ in kept], dtype=np.bool_),
        scores=np.array([[row.score for row in side] for side in zip(*kept, strict=True)], dtype=np.float64),
        called=np.array([[row.called for row in side] for side in zip(*kept, strict=True)], dtype=np.bool_),
    )


def unit_differences(units: PairedUnits, unit: Literal["slide", "patient"], bootstrap: Bootstrap) -> ComparedLevel:
    """All measures of some slides or patients; `bootstrap`'s n_patients is set to theirs.

    Where each patient has one unit, shares have Newcombe's interval and McNemar's exact test, areas DeLong's; all else
    is bootstrapped over patients.
    """
    patients, place = np.unique(units.patient, return_inverse=True)
    bootstrap = replace(bootstrap, n_patients=len(patients))
    independent = len(patients) == len(units.label)
    right = units.called == units.label
    differences = _bootstrapped(units, unit, place, bootstrap)
    if independent:
        differences |= {name: _paired_share(units, right, name, differences[name]) for name in _SHARES}
        differences["auroc"] = _paired_area(units, differences["auroc"])
    tables = [confusion(units.label, called) for called in units.called]
    return ComparedLevel(
        unit=unit,
        n=len(units.label),
        n_patients=len(patients),
        independent=independent,
        prevalence=tables[0].prevalence,
        first=counts_of(tables[0]),
        second=counts_of(tables[1]),
        idc=rights(*right[:, units.label]),
        not_idc=rights(*right[:, ~units.label]),
        differences={name: differences[name] for name in MEASURED_AT[unit]},
        macro={},
    )


def newcombe(table: Rights) -> PairedShare:
    """Interval of the share that the second calls right less the first's, of the same independent units.

    Newcombe's tenth method (1998, doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C): Wilson's
    limits of both shares, squared and added less what their correlation takes away.
    """
    both, only_first, only_second, neither = table.both, table.only_first, table.only_second, table.neither
    n = both + only_first + only_second + neither
    first, second = both + only_first, both + only_second
    ends = [binomtest(k, n).proportion_ci(LEVEL, method="wilson") for k in (first, second)]
    (down, up), (down_2, up_2) = (
        (k / n - end.low, end.high - k / n) for k, end in zip((first, second), ends, strict=True)
    )
    covered = float(both * neither - only_first * only_second)
    # Corrected for continuity, but not beyond independence.
    covered = max(covered - n / 2, 0.0) if covered > 0 else covered
    margins = math.sqrt(first * (n - first)) * math.sqrt(second * (n - second))
    phi = covered / margins if margins else 0.0
    value = (second - first) / n
    low = value - math.sqrt(max(down_2**2 - 2 * phi * down_2 * up + up**2, 0.0))
    high = value + math.sqrt(max(up_2**2 - 2 * phi * up_2 * down + down**2, 0.0))
    return PairedShare(max(low, -1.0), min(high, 1.0))


def extent_differences(
    first: Mapping[str, SlideRow], second: Mapping[str, SlideRow], bootstrap: Bootstrap
) -> dict[str, Difference]:
    """Differences of mean errors of extents, Dice and Hausdorff distances, over the slides where both have them."""
    pairs = [(_extents(row), _extents(second[name])) for name, row in first.items() if name in second]
    owners = [row.patient_id for name, row in first.items() if name in second]
    if not pairs:
        return {}
    patients, place = np.unique(owners, return_inverse=True)
    values = np.array(pairs, dtype=np.float64)
    there = np.isfinite(values).all(axis=1)
    sums, n_slides = np.zeros((2, len(patients), len(EXTENTS))), np.zeros((len(patients), len(EXTENTS)))
    np.add.at(n_slides, place, there)
    for side in (0, 1):
        np.add.at(sums[side], place, np.where(there, values[:, side], 0.0))
    return mean_differences(EXTENTS, sums, n_slides, replace(bootstrap, n_patients=len(patients)))


def _bootstrapped(
    units: PairedUnits, unit: str, place: NDArray[np.intp], bootstrap: Bootstrap
) -> dict[str, Difference]:
    names = (*CALLS, *RANKS)
    outcomes = [_outcomes(units, called, unit, place, bootstrap.n_patients) for called in units.called]
    statistics = [
        _joined(one.statistic(CALLS), _ranks(score, units.label, place))
        for one, score in zip(outcomes, units.scores, strict=True)
    ]
    found = cluster_intervals(less(statistics[1], statistics[0]), bootstrap)
    values = [statistic(np.ones((1, bootstrap.n_patients)))[0] for statistic in statistics]
    made = {}
    for m, (name, interval) in enumerate(zip(names, found, strict=True)):
        pair = known(values[0][m]), known(values[1][m])
        made[name] = difference(
            pair,
            interval,
            n=n_units(outcomes[0], name),
            n_patients=min(one.n_patients(name) for one in outcomes),
            why=why_undefined(outcomes, pair, name),
        )
    return made


def _outcomes(units: PairedUnits, called: BoolArray, unit: str, place: NDArray[np.intp], n_patients: int) -> Outcomes:
    column = 2 * (~called).astype(np.intp) + ~units.label
    # TP, FP, FN, TN.
    table = np.zeros((n_patients, 4), dtype=np.int64)
    np.add.at(table, (place, column), 1)
    return Outcomes(f"{unit}s", table)


def _ranks(score: Float64Array, label: BoolArray, place: NDArray[np.intp]) -> Statistic:
    """The areas as functions of how often each patient counts."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(score[order]) > 0))
    negative, positive = ~label[order], label[order]

    def areas(weights: Float64Array) -> Float64Array:
        each = weights[:, place[order]]
        curves = Ranked.of(*(np.add.reduceat(each * of, starts, axis=1) for of in (negative, positive)))
        return np.stack([getattr(curves, name)() for name in RANKS], axis=1)

    return areas


def _joined(*statistics: Statistic) -> Statistic:
    return lambda weights: np.concatenate([one(weights) for one in statistics], axis=1)


def _paired_share(units: PairedUnits, right: BoolArray, name: str, otherwise: Difference) -> Difference:
    """Newcombe's and McNemar's; without such units, what the bootstrap says."""
    used = {"sensitivity": units.label, "specificity": ~units.label}.get(name, np.ones(len(units.label), np.bool_))
    table, n = rights(*right[:, used]), int(used.sum())
    if not n:
        return otherwise
    first, second = (table.both + table.only_first) / n, (table.both + table.only_second) / n
    low, high = newcombe(table)
    few = f"it rests on {n} patients: fewer than {FEWEST_PATIENTS}" if n < FEWEST_PATIENTS else ""
    return Difference(
        first=first,
        second=second,
        value=second - first,
        low=low,
        high=high,
        n=n,
        method="newcombe",
        trusted=not few,
        why=few,
        p=mcnemar(table.only_first, table.only_second),
        test="mcnemar",
    )


def _paired_area(units: PairedUnits, otherwise: Difference) -> Difference:
    """DeLong's difference; without one class, or without variance, what the bootstrap says."""
    found = delong_difference(units.label, *units.scores)
    if found is None or found.low is None:
        return otherwise
    fewest = int(min(units.label.sum(), (~units.label).sum()))
    few = f"a class has {fewest} patients: fewer than {FEWEST_PATIENTS}" if fewest < FEWEST_PATIENTS else ""
    return Difference(
        first=found.first,
        second=found.second,
        value=found.difference,
        low=max(found.low, -1.0),
        high=None if found.high is None else min(found.high, 1.0),
        n=len(units.label),
        method="delong",
        trusted=not few,
        why=few,
        p=found.p,
        test="delong",
    )


def _extents(row: SlideRow) -> list[float]:
    """`EXTENTS` of one slide, NaN where there is none."""
    pairs = (
        (row.found_mm2, row.reference_mm2),
        *(
            (_length(found, row.found_mm2), _length(wanted, row.reference_mm2))
            for found, wanted in (
                (row.found_largest_mm, row.reference_largest_mm),
                (row.found_field_mm, row.reference_field_mm),
            )
        ),
    )
    errors = [math.nan if found is None or wanted is None else abs(found - wanted) for found, wanted in pairs]
    return errors + [math.nan if value is None else value for value in (row.dice, row.hausdorff95_mm)]


def _length(length_mm: float | None, area_mm2: float | None) -> float | None:
    """A length; of a slide without any focus, whose area is 0, it is 0."""
    return 0.0 if length_mm is None and area_mm2 == 0 else length_mm


def _is_ranked(row: SlideRow) -> bool:
    return row.slide_label is not None and row.score is not None and row.called is not None


def _label(row: SlideRow) -> str:
    return {True: "IDC", False: "not IDC", None: "unknown"}[row.slide_label]
