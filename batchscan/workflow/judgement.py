"""Scores of slides that their networks didn't see -> how scores are read: neighbours, calibration, threshold.

Where there are no such scores, what can be said without them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.card import Calibration, Context, Threshold
from batchscan.domain.records import Float32Array, Float64Array
from batchscan.evaluation.calibration import fitted_calibration, log_loss, reliability
from batchscan.evaluation.held_out import Judged
from batchscan.evaluation.thresholds import best_mean_threshold, best_threshold_at, threshold_curve
from batchscan.training.dataset import LabelledPatches, balanced_weights
from batchscan.training.recipe import Recipe
from batchscan.training.transfer import ParentModel
from batchscan.workflow.folds import Scores, Slide, Training

UNCHOSEN_THRESHOLD = 0.5

_SERVED = {"balanced_accuracy": "balanced accuracy", "f1": "F1"}
_NOT_CALIBRATED = "p_idc is the averaged score itself and not calibrated: read it as a score, not as a probability."


@dataclass(frozen=True)
class How:
    """How scores are read, as the card says it."""

    context: Context
    calibration: Calibration
    threshold: Threshold

    @property
    def aggregation(self) -> Aggregation:
        """How raw scores become p_idc."""
        return Aggregation(self.context.sigma, self.calibration.temperature, self.calibration.intercept)

    @property
    def alone(self) -> float:
        """The raw score from which a patch would be positive if its neighbours had the same, 0-1."""
        by, at = self.calibration, min(max(self.threshold.value, 1e-6), 1.0 - 1e-6)
        return 1.0 / (1.0 + math.exp(-(math.log(at / (1.0 - at)) - by.intercept) * by.temperature))

    def judge(self, slide: Slide, scores: Scores) -> Judged:
        """What is said of a slide's patches."""
        return Judged.at(slide.label, slide.p_idc(scores, self.aggregation), self.threshold.value)


@dataclass(frozen=True)
class Part:
    """A slide as one network scored it that didn't see it."""

    slide: Slide
    training: Training
    scores: Scores


@dataclass(frozen=True)
class Chosen:
    """How scores are read, and the parts that it was chosen on."""

    how: How
    parts: tuple[Part, ...]


def chosen(parts: Sequence[Part], away: frozenset[str], recipe: Recipe, sigmas: Sequence[float]) -> Chosen:
    """Neighbours, calibration and threshold that serve some slides best; each slide of each seed counts the same.

    Parameters
    ----------
    parts
        At least one, each with both classes.
    away
        Whom the parts' networks saw neither, for the wording.
    sigmas
        Candidates; of equals the first is taken.
    """
    label = np.concatenate([part.slide.label for part in parts])
    weights = np.concatenate([np.full(len(part.slide.rows), 1.0 / len(part.slide.rows)) for part in parts])

    def tried(sigma: float) -> tuple[float, Aggregation, Float64Array]:
        p_mean = np.concatenate([part.slide.p_mean(part.scores, sigma) for part in parts])
        by = fitted_calibration(label, p_mean, weights) if recipe.calibration == "temperature" else (1.0, 0.0)
        aggregation = Aggregation(sigma, *by)
        return log_loss(label, aggregation.calibrated(p_mean), weights), aggregation, p_mean

    loss, aggregation, p_mean = min(map(tried, dict.fromkeys(sigmas)), key=lambda one: one[0])
    on = _on(parts, away)
    judged = [(part.slide.label, part.slide.p_idc(part.scores, aggregation)) for part in parts]
    context = Context(
        orientations=recipe.context.orientations, sigma=aggregation.sigma, how_chosen=_how_context(sigmas, loss, on)
    )
    calibration = Calibration(
        method=recipe.calibration,
        note=f"Least log loss {on}" if recipe.calibration == "temperature" else _NOT_CALIBRATED,
        temperature=aggregation.temperature,
        intercept=aggregation.intercept,
        before=reliability(label, p_mean, weights),
        after=reliability(label, aggregation.calibrated(p_mean), weights),
    )
    threshold = Threshold(
        value=best_mean_threshold(judged, recipe.threshold_for),
        how_chosen=f"Greatest mean {_SERVED[recipe.threshold_for]} {on}",
        curve=threshold_curve(judged),
    )
    return Chosen(How(context, calibration, threshold), tuple(parts))


def _how_context(sigmas: Sequence[float], loss: float, on: str) -> str:
    if len(set(sigmas)) == 1:
        return f"The recipe's only sigma, {sigmas[0]:g}; log loss {loss:.4f} {on}"
    return f"Of sigma {', '.join(f'{sigma:g}' for sigma in sigmas)} the one with the least log loss, {loss:.4f}, {on}"


def _on(parts: Sequence[Part], away: frozenset[str]) -> str:
    slides = ", ".join(dict.fromkeys(part.slide.name for part in parts))
    n_seeds = len({part.training.seed for part in parts})
    seen = f"seen neither it nor {', '.join(sorted(away))}" if away else "not seen it"
    many = f"{n_seeds} seeds" if n_seeds > 1 else "one seed"
    return f"over {slides} and {many}, each as networks scored it that had {seen}."


def unchosen(recipe: Recipe) -> How:
    """What a recipe says when nobody was left out to choose it on."""
    sigma = recipe.context.sigmas[0]
    return How(
        Context(
            orientations=recipe.context.orientations,
            sigma=sigma,
            how_chosen=f"The first sigma of the recipe, {sigma:g}; not chosen on data.",
        ),
        Calibration(method="none", note=_NOT_CALIBRATED, temperature=1.0, intercept=0.0, before=(), after=()),
        Threshold(value=UNCHOSEN_THRESHOLD, how_chosen="Not chosen on data: no patient was there for that.", curve=()),
    )


def inherited(parent: ParentModel, recipe: Recipe) -> How:
    """As the parent's scores are read, when nobody was left out to choose anything on.

    A recipe with another context has none of it: the parent's calibration and threshold belong to its context.
    """
    context, threshold, calibration = parent.inherited()
    if (recipe.context.orientations, recipe.context.sigmas[0]) != (context.orientations, context.sigma):
        return unchosen(recipe)
    return How(context, calibration, threshold)


def chosen_on_validation(
    how: How, validation: LabelledPatches, p_idc: Mapping[str, Float32Array], recipe: Recipe
) -> How:
    """The same with a threshold that serves the validation patients, who may have one class each.

    Parameters
    ----------
    p_idc
        Of each of their patients, in the order of its patches.
    """
    p_all = np.empty(len(validation), dtype=np.float32)
    for patient, values in p_idc.items():
        p_all[validation.patient == patient] = values
    weights = balanced_weights(validation, recipe.patient_exponent, balance=recipe.balance)
    threshold = Threshold(
        value=best_threshold_at(validation.label, p_all, weights, recipe.prevalence),
        how_chosen=(
            f"Greatest F1 on the validation patients alone{', weighted by patient' * recipe.balance}, at "
            f"{recipe.prevalence:.0%} IDC; no test patient was looked at."
        ),
        curve=(),
    )
    return replace(how, threshold=threshold)
