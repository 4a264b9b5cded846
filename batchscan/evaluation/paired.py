"""The same patches, judged by two -> how far the second's measures are from the first's, resampling patients for both.

A difference is a statistic like any other: of the same weights, the second's value less the first's. What the two have
in common, hard and easy patients above all, goes out of its interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from batchscan.domain.card import ConfusionCounts
from batchscan.domain.compared import ComparedLevel, ComparedSlide, CurvePair, Difference, Rights
from batchscan.domain.evaluated import SlideRow
from batchscan.domain.levels import FEWEST_PATIENTS, MEASURES
from batchscan.domain.records import BoolArray, Float64Array
from batchscan.evaluation.curves import PooledScores
from batchscan.evaluation.intervals import Bootstrap, Interval, Statistic, cluster_intervals
from batchscan.evaluation.measured import Outcomes
from batchscan.evaluation.metrics import Confusion
from batchscan.evaluation.pairing import PairedPatches
from batchscan.evaluation.patch_level import patch_statistic
from batchscan.evaluation.tallies import FINE_STEPS, SLIDE_FIGURES, PatientTallies
from batchscan.evaluation.weighted import ratio

_SLIDE_MEASURES = ("auroc", "f1", "balanced_accuracy", "sensitivity", "specificity")


@dataclass
class PairedTallies:
    """Tallies of both on the same patches, added one slide at a time.

    Parameters
    ----------
    first, second
        Of the same slides, hence of the same patients in the same order.
    idc, not_idc
        Patches of either class by who called them right.
    changed
        Slide -> how many of its patches the second calls otherwise.
    """

    first: PatientTallies = field(default_factory=PatientTallies)
    second: PatientTallies = field(default_factory=PatientTallies)
    idc: Rights = field(default_factory=lambda: rights(np.empty(0, np.bool_), np.empty(0, np.bool_)))
    not_idc: Rights = field(default_factory=lambda: rights(np.empty(0, np.bool_), np.empty(0, np.bool_)))
    changed: dict[str, int] = field(default_factory=dict)

    def add(self, patches: PairedPatches) -> None:
        """Count the patches of a slide; one without any adds nothing."""
        one, other, label = patches.first, patches.second, patches.first.label
        if not len(one):
            return
        self.first.add(one)
        self.second.add(other)
        right, other_right = one.positive == label, other.positive == label
        self.idc = _sum(self.idc, rights(right[label], other_right[label]))
        self.not_idc = _sum(self.not_idc, rights(right[~label], other_right[~label]))
        self.changed[one.slide_id] = int((one.positive != other.positive).sum())


def rights(first: BoolArray, second: BoolArray) -> Rights:
    """How many of the same units both, either and neither called right, from (n,) bool each."""
    return Rights(
        both=int((first & second).sum()),
        only_first=int((first & ~second).sum()),
        only_second=int((~first & second).sum()),
        neither=int((~first & ~second).sum()),
    )


def less(second: Statistic, first: Statistic) -> Statistic:
    """The second less the first, both with the same weights."""
    return lambda weights: second(weights) - first(weights)


def difference(
    pair: tuple[float | None, float | None], interval: Interval, *, n: int, n_patients: int, why: str = ""
) -> Difference:
    """The record of a bootstrapped difference.

    Parameters
    ----------
    pair
        The first's value and the second's, exactly; their difference replaces the interval's own, which may
        come from scores in bins.
    n, n_patients
        Units and patients that it rests on; with fewer than 5 patients the interval isn't to be trusted.
    why
        Why it isn't defined, where it isn't.
    """
    first, second = pair
    if first is None or second is None:
        return Difference(first=first, second=second, value=None, n=n, trusted=False, why=why or interval.why)
    few = f"it rests on {n_patients} patients: fewer than {FEWEST_PATIENTS}" if n_patients < FEWEST_PATIENTS else ""
    return Difference(
        first=first,
        second=second,
        value=second - first,
        low=interval.low,
        high=interval.high,
        n=n,
        method="none" if interval.low is None else "bootstrap",
        trusted=interval.trusted and not few,
        why=interval.why or few,
    )


def patch_differences(tallies: PairedTallies, bootstrap: Bootstrap) -> ComparedLevel | None:
    """All patches of both; None when they have none in common. `bootstrap`'s n_patients is set to theirs."""
    patients = tallies.first.patients
    if not patients:
        return None
    bootstrap = replace(bootstrap, n_patients=len(patients))
    first, second = tallies.first.confusion(), tallies.second.confusion()
    return ComparedLevel(
        unit="patch",
        n=first.n,
        n_patients=len(patients),
        independent=False,
        prevalence=first.prevalence,
        first=counts_of(first),
        second=counts_of(second),
        idc=tallies.idc,
        not_idc=tallies.not_idc,
        differences=_pooled(tallies, bootstrap),
        macro=_macro(tallies, bootstrap),
    )


def counts_of(table: Confusion) -> ConfusionCounts:
    """The table as a record."""
    return ConfusionCounts(tp=table.tp, fp=table.fp, fn=table.fn, tn=table.tn)


def roc_pair(tallies: PairedTallies) -> CurvePair | None:
    """Both ROC curves on the same patches; None with one class only."""
    curves = [
        tuple((min(x, 1.0), min(y, 1.0)) for x, y, _ in _scores(one).roc()) for one in (tallies.first, tallies.second)
    ]
    return CurvePair(first=curves[0], second=curves[1]) if all(curves) else None


def compared_slides(
    tallies: PairedTallies, first: Mapping[str, SlideRow], second: Mapping[str, SlideRow]
) -> tuple[ComparedSlide, ...]:
    """The slides with patches in both, in the order of their ids; rows are those of the evaluations, by slide_id."""
    made = []
    for name, one in tallies.first.slides.items():
        other, table = tallies.second.slides[name], one.confusion
        rows = first[name], second[name]
        made.append(
            ComparedSlide(
                slide_id=name,
                patient_id=one.patient_id,
                n=table.n,
                n_positive=table.tp + table.fn,
                n_changed=tallies.changed[name],
                first={measure: one.figures[measure] for measure in _SLIDE_MEASURES},
                second={measure: other.figures[measure] for measure in _SLIDE_MEASURES},
                first_mm2=rows[0].found_mm2,
                second_mm2=rows[1].found_mm2,
                reference_mm2=rows[0].reference_mm2,
            )
        )
    return tuple(made)


def _pooled(tallies: PairedTallies, bootstrap: Bootstrap) -> dict[str, Difference]:
    names = MEASURES
    statistics = [patch_statistic(one, names) for one in (tallies.first, tallies.second)]
    found = cluster_intervals(less(statistics[1], statistics[0]), bootstrap)
    values = [_exact(one, statistic, names) for one, statistic in zip(_both(tallies), statistics, strict=True)]
    outcomes = [Outcomes("patches", one.by_patient().outcomes) for one in _both(tallies)]
    return {
        name: difference(
            (values[0][name], values[1][name]),
            interval,
            n=n_units(outcomes[0], name),
            n_patients=min(one.n_patients(name) for one in outcomes),
            why=why_undefined(outcomes, (values[0][name], values[1][name]), name),
        )
        for name, interval in zip(names, found, strict=True)
    }


def _exact(tallies: PatientTallies, statistic: Statistic, names: Sequence[str]) -> dict[str, float | None]:
    """The cohort's own values; areas from the fine counts, as an evaluation gives them."""
    scores = _scores(tallies)
    values = statistic(np.ones((1, len(tallies.patients))))[0]
    found = {name: known(value) for name, value in zip(names, values, strict=True)}
    return {**found, "auroc": scores.auroc(), "auprc": scores.auprc()}


def _scores(tallies: PatientTallies) -> PooledScores:
    assert tallies.fine is not None
    return PooledScores.of(np.arange(FINE_STEPS + 1) / FINE_STEPS, *tallies.fine)


def known(value: float) -> float | None:
    """A statistic's value, None for NaN."""
    return float(value) if np.isfinite(value) else None


def n_units(outcomes: Outcomes, name: str) -> int:
    """Units that a difference rests on: of predictive values, whose calls differ, all."""
    return outcomes.n("accuracy" if name in ("precision", "npv") else name)


def why_undefined(outcomes: Sequence[Outcomes], values: Sequence[float | None], name: str) -> str:
    """Of which of the two a measure isn't defined, and why; empty where both are."""
    said = [
        (side, one.why_undefined(name))
        for side, one, value in zip("AB", outcomes, values, strict=True)
        if value is None
    ]
    if len(said) > 1 and said[0][1] == said[1][1]:
        return said[0][1]
    return "; ".join(f"in {side} {why}" for side, why in said)


def _macro(tallies: PairedTallies, bootstrap: Bootstrap) -> dict[str, Difference]:
    """Of the means over the slides on which a measure is defined for both."""
    names = SLIDE_FIGURES
    patients = tallies.first.patients
    place = {patient: i for i, patient in enumerate(patients)}
    sums, n_slides = np.zeros((2, len(patients), len(names))), np.zeros((len(patients), len(names)))
    for slide_id, one in tallies.first.slides.items():
        for m, name in enumerate(names):
            here, there = one.figures[name], tallies.second.slides[slide_id].figures[name]
            if here is not None and there is not None:
                sums[:, place[one.patient_id], m] += (here, there)
                n_slides[place[one.patient_id], m] += 1
    return mean_differences(names, sums, n_slides, bootstrap)


def mean_differences(
    names: Sequence[str], sums: Float64Array, n_slides: Float64Array, bootstrap: Bootstrap
) -> dict[str, Difference]:
    """Differences of means over slides.

    Parameters
    ----------
    names
        M of them.
    sums
        (2, P, M): the first's and the second's sum over each patient's slides.
    n_slides
        (P, M): how many slides those are.
    """

    def mean(total: Float64Array) -> Statistic:
        return lambda weights: ratio(weights @ total, weights @ n_slides)

    found = cluster_intervals(mean(sums[1] - sums[0]), bootstrap)
    values = [mean(total)(np.ones((1, bootstrap.n_patients)))[0] for total in sums]
    return {
        name: difference(
            (known(values[0][m]), known(values[1][m])),
            interval,
            n=int(n_slides[:, m].sum()),
            n_patients=int((n_slides[:, m] > 0).sum()),
            why="it isn't defined for both on any slide",
        )
        for m, (name, interval) in enumerate(zip(names, found, strict=True))
    }


def _both(tallies: PairedTallies) -> tuple[PatientTallies, PatientTallies]:
    return tallies.first, tallies.second


def _sum(one: Rights, other: Rights) -> Rights:
    return Rights(**{name: getattr(one, name) + getattr(other, name) for name in Rights.model_fields})
