"""Patients with both classes -> the trainings that a nested cross-validation of them needs.

For left-out patients L let net(L, s) be the network of seed s that is trained on everyone else. A fold slide h is
judged by net({h}, s). How (neighbours, calibration, threshold) is chosen on the other fold slides g, as net({h, g}, s)
scores them: nothing that a figure of h rests on saw h, and nothing is chosen on what a network was fitted to. In the
same way the package, trained without the patients H, gets what is chosen on the scores of net(H + {g}, s).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.aggregation import Aggregation, ScoredGrid
from batchscan.domain.errors import PatchSetError
from batchscan.domain.records import BoolArray, Float32Array, Float64Array, Int32Array
from batchscan.training.dataset import LabelledPatches, Split, split_patients
from batchscan.training.recipe import Recipe

LEAST_OF_A_CLASS = 20
FEWEST_FOLDS = 2
MOST_FOLDS_UNASKED = 8


@dataclass(frozen=True, slots=True)
class Training:
    """net(L, s): one network, by the patients that it must not see and its seed."""

    left_out: frozenset[str]
    seed: int

    def __str__(self) -> str:
        """As people say it."""
        who = f"without {', '.join(sorted(self.left_out))}" if self.left_out else "on everyone"
        return f"{who}, seed {self.seed}"


@dataclass(frozen=True)
class Scores:
    """What a network said of the patches of the patients that were left out of its training.

    Parameters
    ----------
    rows
        (n,) int64, rising: their places in the patch set.
    p_raw
        (n,) float32 in 0-1.
    seconds
        What training and scoring took.
    """

    rows: NDArray[np.int64]
    p_raw: Float32Array
    seconds: float

    def of(self, rows: NDArray[np.int64]) -> Float32Array:
        """(k,) p_raw of some of them.

        Raises
        ------
        KeyError
            If one isn't there: the network was trained on its patient.
        """
        if not np.isin(rows, self.rows).all():
            raise KeyError("patches of a patient that wasn't left out of the training")
        return self.p_raw[np.searchsorted(self.rows, rows)]


@dataclass(frozen=True)
class Slide:
    """The labelled patches of one patient on their grid; they are all the tissue that is known.

    Parameters
    ----------
    name
        The patient.
    rows
        (n,) int64, rising: their places in the patch set.
    label
        (n,) bool, True = IDC.
    row, col
        (n,) int32, places in a grid whose step is the patch side.
    """

    name: str
    rows: NDArray[np.int64]
    label: BoolArray
    row: Int32Array
    col: Int32Array

    @staticmethod
    def of(patches: LabelledPatches, patient: str) -> Slide:
        """A patient's patches, wherever in the set they are.

        Raises
        ------
        PatchSetError
            If two have one place.
        """
        rows = np.flatnonzero(patches.patient == patient)
        row, col = (_steps(corners[rows], patches.side_px) for corners in (patches.y_px, patches.x_px))
        if len(np.unique(np.column_stack([row, col]), axis=0)) < len(rows):
            raise PatchSetError(
                f"patient {patient} has patches in one place: neighbours can be averaged only where a patient's "
                "patches are a patch side apart; leave it out of --holdout, and of folds and validation_patients in "
                "a recipe"
            )
        return Slide(patient, rows, patches.label[rows] == 1, row, col)

    def p_mean(self, scores: Scores, sigma: float) -> Float64Array:
        """(n,) scores averaged with those of the neighbours."""
        return self._scored(scores).p_mean(sigma)

    def p_idc(self, scores: Scores, aggregation: Aggregation) -> Float32Array:
        """(n,) as a scan of the slide would give it."""
        return self._scored(scores).p_idc(aggregation)

    def _scored(self, scores: Scores) -> ScoredGrid:
        readable = np.ones(len(self.rows), dtype=np.bool_)
        return ScoredGrid(scores.of(self.rows), self.row, self.col, readable, stride=1.0)


def _steps(corners_px: NDArray[np.float64], side_px: float) -> Int32Array:
    return np.asarray(np.rint((corners_px - corners_px.min(initial=np.inf)) / side_px), dtype=np.int32)


@dataclass(frozen=True)
class Plan:
    """What is left out of which training.

    Parameters
    ----------
    folds
        The slides that are left out in turn.
    seeds
        Of the trainings; the package has the first.
    holdout
        Patients that nothing about the package may rest on.
    """

    folds: tuple[str, ...]
    seeds: tuple[int, ...]
    holdout: frozenset[str]

    @property
    def package(self) -> Training:
        """That of the network that goes into the package."""
        return Training(self.holdout, self.seeds[0])

    def measuring(self, slide: str) -> tuple[Training, ...]:
        """Those that a fold slide is judged by, one a seed."""
        return tuple(Training(frozenset({slide}), seed) for seed in self.seeds)

    def choosing(self, away: frozenset[str]) -> tuple[tuple[str, Training], ...]:
        """Fold slides, each with a training by whose scores of it is chosen how to judge whom `away` names."""
        return tuple((g, Training(away | {g}, seed)) for g in self.folds if g not in away for seed in self.seeds)

    def trainings(self) -> tuple[Training, ...]:
        """All of them, each once: the package's first, then seed by seed."""
        wanted = {training for slide in self.folds for training in self.measuring(slide)}
        for away in (self.holdout, *(frozenset({slide}) for slide in self.folds)):
            wanted |= {training for _, training in self.choosing(away)}
        rest = sorted(wanted - {self.package}, key=lambda one: (one.seed, len(one.left_out), sorted(one.left_out)))
        return (self.package, *rest)


def planned(patches: LabelledPatches, recipe: Recipe, holdout: Iterable[str], seed: int) -> Plan:
    """The slides to leave out in turn, and the seeds.

    Raises
    ------
    PatchSetError
        If a fold isn't there, lacks a class or isn't on one grid; if there are too few or, unasked, too many; if
        nothing is left to choose on, or to train with.
    """
    counts = patches.counts()
    folds = tuple(dict.fromkeys(recipe.folds)) or tuple(
        patient for patient, count in counts.items() if min(count) >= LEAST_OF_A_CLASS
    )
    for fold in folds:
        _check_fold(fold, counts)
        Slide.of(patches, fold)
    _check_number(folds, named=bool(recipe.folds))
    plan = Plan(folds, tuple(range(seed, seed + recipe.cv_seeds)), frozenset(holdout))
    if not plan.choosing(plan.holdout):
        raise PatchSetError(
            f"--holdout names every slide that cross-validation leaves out ({', '.join(folds)}): one must be left to "
            "choose the package's threshold on; hold fewer out"
        )
    for training in plan.trainings():
        try:
            split_for(patches, recipe, training)
        except PatchSetError as error:
            raise PatchSetError(f"cross-validation also trains {training}: {error}") from error
    return plan


def _check_fold(fold: str, counts: Mapping[str, tuple[int, int]]) -> None:
    if fold not in counts:
        raise PatchSetError(
            f"folds of the recipe (--recipe) names {fold}, which the patch set doesn't have; it has "
            f"{', '.join(counts)}: name patients of the set"
        )
    if not all(counts[fold]):
        raise PatchSetError(
            f"folds of the recipe (--recipe) names {fold}, which has {counts[fold][0]} patches without IDC and "
            f"{counts[fold][1]} with: a slide that is left out needs both; name others"
        )


def _check_number(folds: Sequence[str], *, named: bool) -> None:
    if len(folds) < FEWEST_FOLDS:
        raise PatchSetError(
            f"cross-validation has {len(folds)} slides to leave out ({', '.join(folds) or 'none'}): two at least are "
            f"needed, one to measure and another to choose its threshold on; add patients with {LEAST_OF_A_CLASS} "
            "patches or more of each class, or name folds in a recipe (--recipe)"
        )
    if not named and len(folds) > MOST_FOLDS_UNASKED:
        raise PatchSetError(
            f"cross-validation would leave out {len(folds)} slides and every two of them together, "
            f"{len(folds) * (len(folds) + 1) // 2} trainings a seed: name a few as folds in a recipe (--recipe)"
        )


def split_for(patches: LabelledPatches, recipe: Recipe, training: Training) -> Split:
    """Who is fitted to, chosen on and left out in one training.

    Raises
    ------
    PatchSetError
        As `training.dataset.split_patients` does.
    """
    return split_patients(
        patches,
        sorted(training.left_out),
        recipe.validation_patients,
        recipe.validation_share,
        training.seed,
        choosing=recipe.keep == "best",
    )
