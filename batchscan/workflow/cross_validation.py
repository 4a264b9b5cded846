"""The trainings' scores of whom they left out -> how slides are judged, and what that comes to on the left-out ones.

What is chosen for a slide, and by whose scores, is the plan's (`folds.py`); here nothing but that is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from batchscan.domain.card import CrossValidation
from batchscan.evaluation.held_out import Judged, fold_figures, pooled_figures
from batchscan.training.dataset import LabelledPatches
from batchscan.training.recipe import Recipe
from batchscan.workflow.folds import Plan, Scores, Slide, Training
from batchscan.workflow.judgement import Chosen, Part, chosen

POOLED = "pooled"

ContextName = Literal["alone", "neighbours"]
CONTEXTS: tuple[ContextName, ...] = ("alone", "neighbours")
"""A patch judged without its neighbours, for comparison; and as the package judges it."""


@dataclass(frozen=True)
class Fold:
    """One left-out slide: how it was judged, by whose scores, and what came of it, one a seed."""

    slide: Slide
    parts: tuple[Part, ...]
    chosen: Mapping[ContextName, Chosen]

    def judged(self, context: ContextName) -> tuple[Judged, ...]:
        """What was said of its patches, one a seed."""
        return tuple(self.chosen[context].how.judge(self.slide, part.scores) for part in self.parts)


@dataclass(frozen=True)
class CrossValidated:
    """Everything that the scores say: of each left-out slide, and of how the package is to judge.

    `seconds` is what all trainings took together.
    """

    plan: Plan
    folds: tuple[Fold, ...]
    package: Chosen
    seconds: float

    def left_out(self) -> list[tuple[Slide, Judged]]:
        """Each left-out slide as the first seed's network said of it."""
        return [(fold.slide, fold.judged("neighbours")[0]) for fold in self.folds]

    def by_seed(self, context: ContextName) -> tuple[tuple[Judged, ...], ...]:
        """Every left-out slide, each judged in its own way, for one seed after the other."""
        return tuple(zip(*(fold.judged(context) for fold in self.folds), strict=True))


def cross_validated(
    plan: Plan, patches: LabelledPatches, train: Callable[[Training], Scores], recipe: Recipe
) -> CrossValidated:
    """Train all that is planned, each once, then choose for each left-out slide and for the package.

    Parameters
    ----------
    patches
        Their labels and places; the pixels are for `train` alone.
    train
        Gives the scores of a training's left-out patients, by a network that saw none of them.
    recipe
        Its candidates for sigma, and whether to calibrate.
    """
    scores = {training: train(training) for training in plan.trainings()}
    slides = {name: Slide.of(patches, name) for name in plan.folds}

    def choose(away: frozenset[str], sigmas: Sequence[float]) -> Chosen:
        parts = [Part(slides[name], training, scores[training]) for name, training in plan.choosing(away)]
        return chosen(parts, away, recipe, sigmas)

    def fold(name: str) -> Fold:
        away = frozenset({name})
        parts = [Part(slides[name], training, scores[training]) for training in plan.measuring(name)]
        candidates = {"alone": (0.0,), "neighbours": recipe.context.sigmas}
        return Fold(slides[name], tuple(parts), {context: choose(away, candidates[context]) for context in CONTEXTS})

    package = choose(plan.holdout, recipe.context.sigmas)
    return CrossValidated(plan, tuple(map(fold, plan.folds)), package, sum(one.seconds for one in scores.values()))


def card_record(found: CrossValidated, cell_mm2: float, command: str) -> CrossValidation:
    """The figures as they stand on the card.

    Parameters
    ----------
    cell_mm2
        Area of a patch's cell.
    command
        That made them.
    """
    slides = [
        fold_figures(
            fold.slide.name,
            fold.judged("neighbours"),
            [fold.chosen["neighbours"].how.threshold.value] * len(found.plan.seeds),
            cell_mm2,
        )
        for fold in found.folds
    ]
    return CrossValidation(
        command=command,
        seconds=round(found.seconds, 1),
        seeds=found.plan.seeds,
        note=_note(found.plan),
        slides=tuple(slides),
        pooled=pooled_figures(POOLED, found.by_seed("neighbours"), cell_mm2),
    )


def _note(plan: Plan) -> str:
    others = len(plan.folds) - 1
    few = " One slide is little to choose on: add slides that have both classes." if others == 1 else ""
    return (
        "Each slide was judged by networks that never saw it. Neighbours, calibration and threshold for it were chosen "
        f"on the other {others if others > 1 else 'one'}, as networks scored them that had seen neither.{few} Patches "
        "of one slide are not independent: the ranges are those over seeds, not what to expect on another slide. "
        "ECE has 15 bins of equal width; areas are those of whole cells of labelled patches. Every labelled patch "
        "counts as scanned here; a scan's tissue mask leaves some out, which are then not called IDC."
    )
