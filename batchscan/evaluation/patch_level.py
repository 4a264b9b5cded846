"""Tallies of patches -> all patch-level measures, their intervals over patients, and the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import expit

from batchscan.domain.card import ConfusionCounts, ReliabilityBin
from batchscan.domain.levels import CALLS, FEWEST_PATIENTS, MEASURES, PROBABILITIES, RANKS, Level, Measured
from batchscan.domain.records import Float64Array
from batchscan.evaluation.calibration import N_BINS, recalibration
from batchscan.evaluation.curves import PooledScores, RankedOf, bands, operating_points
from batchscan.evaluation.intervals import SCALES, Bootstrap, Interval, Statistic, cluster_intervals
from batchscan.evaluation.measured import Outcomes, clustered, per_class, predictive
from batchscan.evaluation.tallies import (
    FINE_STEPS,
    SCORE_LOGITS,
    SLIDE_FIGURES,
    Int64Array,
    PatientCounts,
    PatientTallies,
)
from batchscan.evaluation.weighted import Ranked, ratio

SCORE_WORDS = "p_idc"
_FITTED = ("calibration_slope", "calibration_intercept")


def patch_level(tallies: PatientTallies, bootstrap: Bootstrap, prevalences: Sequence[float]) -> Level | None:
    """Everything about the patches of a cohort; None when no labelled patch could be read.

    Parameters
    ----------
    bootstrap
        How patients are redrawn; its n_patients is set to those of the tallies.
    prevalences
        Shares of IDC for which predictive values are given.
    """
    counts = tallies.by_patient()
    if not counts.patients:
        return None
    outcomes, table = Outcomes("patches", counts.outcomes), tallies.confusion()
    bootstrap = replace(bootstrap, n_patients=len(counts.patients))
    scores, ranked = _pooled(tallies, counts), _ranked_of(counts)
    roc_band, pr_band = bands(ranked, outcomes, bootstrap)
    return Level(
        unit="patch",
        score=SCORE_WORDS,
        called=called_words(tallies),
        n=table.n,
        n_patients=len(counts.patients),
        prevalence=table.prevalence,
        confusion=ConfusionCounts(tp=table.tp, fp=table.fp, fn=table.fn, tn=table.tn),
        metrics=patch_figures(tallies, bootstrap, MEASURES),
        macro=_macro(counts, bootstrap),
        per_class=per_class(table),
        at_prevalence=predictive(outcomes, bootstrap, prevalences),
        roc=scores.roc(),
        pr=scores.pr(),
        roc_band=roc_band,
        pr_band=pr_band,
        reliability=_reliability(counts),
        operating=operating_points(scores, ranked, outcomes, bootstrap),
        decision=scores.decision(),
    )


def called_words(tallies: PatientTallies) -> str:
    """When a patch counts as called IDC, in words."""
    at = ", ".join(f"{threshold:g}" for threshold in tallies.thresholds)
    return f"p_idc reaches the threshold ({at})"


def patch_figures(tallies: PatientTallies, bootstrap: Bootstrap, names: Sequence[str]) -> dict[str, Measured]:
    """Some of `MEASURES` over all patches of the tallies, with intervals over patients; empty without a patch.

    Areas and average precision of a whole cohort come from its fine counts, those of a subset from scores in bins.
    """
    counts = tallies.by_patient()
    if not counts.patients or not names:
        return {}
    bootstrap = replace(bootstrap, n_patients=len(counts.patients))
    found = cluster_intervals(_statistic(counts, names), bootstrap, [SCALES[name] for name in names])
    outcomes, scores = Outcomes("patches", counts.outcomes), _pooled(tallies, counts)
    fine = {"auroc": scores.auroc, "auprc": scores.auprc}
    figures = {
        name: clustered(
            outcomes,
            name,
            interval,
            value=fine[name]() if name in fine else interval.value,
            independent=scores.auroc_variance() if name == "auroc" else None,
        )
        for name, interval in zip(names, found, strict=True)
    }
    # Slope and intercept rest on the patches that were scanned.
    n_scanned = int(counts.scores[:, :, 1:].sum())
    fitted = {name: figures[name].model_copy(update={"n": n_scanned}) for name in _FITTED if name in figures}
    return figures | fitted


def patch_statistic(tallies: PatientTallies, names: Sequence[str]) -> Statistic:
    """Some of `MEASURES` as functions of how often each of `tallies.patients` counts.

    Areas, slope and intercept are those of scores in 2048 equal steps of logit p: AUROC within 0.0001 of the exact one,
    average precision, whose steps get coarser, within 0.002. Slope and intercept leave out the patches that were not
    scanned: nothing gave them a probability.
    """
    return _statistic(tallies.by_patient(), names)


def _statistic(counts: PatientCounts, names: Sequence[str]) -> Statistic:
    made: list[tuple[Sequence[str], Statistic]] = []
    for group, statistic_of in _GROUPS:
        wanted = [name for name in group if name in names]
        if wanted:
            made.append((wanted, statistic_of(counts, wanted)))
    order = [name for wanted, _ in made for name in wanted]
    places = [order.index(name) for name in names]
    return lambda weights: np.concatenate([statistic(weights) for _, statistic in made], axis=1)[:, places]


def _calls(counts: PatientCounts, names: Sequence[str]) -> Statistic:
    return Outcomes("patches", counts.outcomes).statistic(names)


def _ranks(counts: PatientCounts, names: Sequence[str]) -> Statistic:
    ranked = _ranked_of(counts)

    def areas(weights: Float64Array) -> Float64Array:
        curves = ranked(weights)
        return np.stack([getattr(curves, name)() for name in names], axis=1)

    return areas


def _ranked_of(counts: PatientCounts) -> RankedOf:
    negatives, positives = (counts.scores[:, label].astype(np.float64) for label in (0, 1))
    return lambda weights: Ranked.of(weights @ negatives, weights @ positives)


def _errors(counts: PatientCounts, names: Sequence[str]) -> Statistic:
    n, idc, p_sum = counts.n.sum(axis=1).astype(np.float64), counts.n[:, 1].astype(np.float64), counts.p_sum.sum(axis=1)

    def errors(weights: Float64Array) -> Float64Array:
        total = (weights @ n).sum(axis=1)
        wrong = {"brier": weights @ counts.squared, "ece": np.abs(weights @ p_sum - weights @ idc).sum(axis=1)}
        return np.stack([ratio(wrong[name], total) for name in names], axis=1)

    return errors


def _fit(counts: PatientCounts, names: Sequence[str]) -> Statistic:
    scanned = counts.scores[:, :, 1:]
    met = scanned.any(axis=(0, 1))
    logits, negatives, positives = (
        SCORE_LOGITS[met],
        *(scanned[:, label][:, met].astype(np.float64) for label in (0, 1)),
    )

    def fit(weights: Float64Array) -> Float64Array:
        found = dict(
            zip(PROBABILITIES[2:], recalibration(logits, weights @ negatives, weights @ positives), strict=True)
        )
        return np.stack([found[name] for name in names], axis=1)

    return fit


_GROUPS = ((CALLS, _calls), (RANKS, _ranks), (PROBABILITIES[:2], _errors), (PROBABILITIES[2:], _fit))


def _pooled(tallies: PatientTallies, counts: PatientCounts) -> PooledScores:
    if tallies.fine is not None:
        negatives, positives = tallies.fine
        return PooledScores.of(np.arange(FINE_STEPS + 1) / FINE_STEPS, negatives, positives)
    negatives, positives = counts.scores.sum(axis=0, dtype=np.int64)
    return PooledScores.of(np.concatenate([[0.0], expit(SCORE_LOGITS)]), negatives, positives)


def _macro(counts: PatientCounts, bootstrap: Bootstrap) -> dict[str, Measured]:
    """The mean over slides of each slide's own measure."""
    total, n_slides = counts.slide_sum, counts.slide_n.astype(np.float64)
    scales = [SCALES[name] for name in SLIDE_FIGURES]
    found = cluster_intervals(lambda weights: ratio(weights @ total, weights @ n_slides), bootstrap, scales)
    return {
        name: _macro_measured(interval, counts.slide_n[:, m])
        for m, (name, interval) in enumerate(zip(SLIDE_FIGURES, found, strict=True))
    }


def _macro_measured(interval: Interval, n_slides: Int64Array) -> Measured:
    n_patients = int((n_slides > 0).sum())
    if interval.value is None:
        interval = replace(interval, why="it isn't defined on any slide")
    elif interval.low is not None and n_patients < FEWEST_PATIENTS:
        why = f"it rests on {n_patients} patients: fewer than {FEWEST_PATIENTS}"
        interval = replace(interval, trusted=False, why=why)
    return interval.measured(int(n_slides.sum()))


def _reliability(counts: PatientCounts) -> tuple[ReliabilityBin, ...]:
    n, p_sum = counts.n.sum(axis=0), counts.p_sum.sum(axis=(0, 1))
    total = n.sum(axis=0)
    return tuple(
        ReliabilityBin(
            low=i / N_BINS,
            high=(i + 1) / N_BINS,
            n=int(total[i]),
            mean_p=min(float(p_sum[i] / total[i]), 1.0),
            share_idc=float(n[1, i] / total[i]),
        )
        for i in np.flatnonzero(total)
    )
