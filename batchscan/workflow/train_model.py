"""Labelled patches, a recipe and a seed -> a model package that says on its card how it was made and what it can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from batchscan.domain.card import HeldOutPerformance
from batchscan.domain.errors import OutputError
from batchscan.domain.geometry import UM_PER_MM, PatchSpec
from batchscan.domain.profile import TrainingProfile
from batchscan.evaluation.held_out import Judged, performance
from batchscan.evaluation.metrics import auroc
from batchscan.stores.packages import ModelPackage, check_free, open_package, shipped_models, write_package
from batchscan.stores.seen import SeenSet
from batchscan.training.architecture import PATCH_PX
from batchscan.training.corrections import Corrected
from batchscan.training.dataset import LabelledPatches, Split, check_named
from batchscan.training.fit import Fitted
from batchscan.training.golden import golden_patches
from batchscan.training.precision import computed_with
from batchscan.training.recipe import Recipe
from batchscan.training.saving import save_proven
from batchscan.training.transfer import ParentModel, adapted, check_recipe_alone
from batchscan.workflow.card_fields import judged_fields, limits, made_fields, measured_fields
from batchscan.workflow.cross_validation import card_record, cross_validated
from batchscan.workflow.folds import Plan, Scores, Slide, Training, planned, split_for
from batchscan.workflow.judgement import How, chosen_on_validation, inherited, unchosen
from batchscan.workflow.package_files import Files, worst_examples
from batchscan.workflow.training_events import PartMeasured, Planned, Report, WrittenBefore
from batchscan.workflow.training_labels import READ_AT, TrainingLabels, open_labels
from batchscan.workflow.training_profile import training_profile, whole_slides
from batchscan.workflow.training_state import TrainingState, inputs, open_state, state_folder
from batchscan.workflow.trainings import Trainings


@dataclass(frozen=True)
class Order:
    """What is to be made.

    Parameters
    ----------
    patches
        Folder or zip in the public layout; None where labelled slides stand alone.
    out
        Folder to make. Beside it, `<out>.training` keeps what a training that was stopped goes on from.
    recipe
        How to train; what it doesn't say of the package, the folder's name and plain words do.
    seed
        Decides weights, order and augmentation; the same on one machine gives the same weights.
    holdout
        Patients that nothing about the package rests on: they are only measured, whatever the recipe says of them.
    cross_validate
        Whether every fold slide is left out in turn, to measure, and to choose on out-of-fold scores how to judge.
    start
        What trainings start from; None for fresh weights.
    fresh
        Whether what an earlier training left is thrown away.
    command
        As the user typed it, for the card.
    corrections
        Manifests of labelled slides: their labels replace those of `patches`, or are added.
    """

    patches: Path | None
    out: Path
    recipe: Recipe
    seed: int = 0
    holdout: tuple[str, ...] = ()
    cross_validate: bool = False
    start: ParentModel | None = None
    fresh: bool = False
    command: str = ""
    corrections: tuple[Path, ...] = ()


def train_model(order: Order, report: Report, *, threads: int = 2) -> ModelPackage:
    """Train, measure on patients that were not trained on, and write the package.

    Killed at any moment, the same order goes on from the last finished epoch; after an error too, once it is mended.
    Whatever can be refused is refused before a pixel is decoded.

    Parameters
    ----------
    report
        Is called with events while it goes on (`training_events.py`, `training/events.py`).
    threads
        Of the backend.

    Raises
    ------
    PatchSetError
        If the patches can't serve: unreadable, one class, one patient, a holdout that isn't there, too few slides; if
        the model to start from knows whom it would be measured on.
    ManifestError
        If labelled slides can't serve: every wrong row is named.
    ModelError
        If the model to start from looks at another spacing; if the saved network doesn't give the trained one's scores.
    OutputError
        If `out` is there already, can't be written, or would give the package a shipped model's name; if the state
        beside it is of another order.
    """
    # "." has no name that anything could be given.
    order = replace(order, out=order.out.resolve())
    recipe = _completed(_with_start(order), order.out)
    if not TrainingState(state_folder(order.out)).has_written(order.out):
        check_free(order.out)
    with open_labels(order.patches, order.corrections, recipe.um_per_px) as labels:
        parts = _checked(order, recipe, labels)
        start = order.start.record.sha256 if order.start else None
        regime = computed_with(recipe.precision, threads)
        said = inputs(labels.fingerprint(), recipe, order.holdout, order.seed, start, regime)
        with open_state(order.out, said, fresh=order.fresh) as state:
            if state.has_written(order.out):
                package = open_package(order.out)
                report(WrittenBefore(order.out))
            else:
                check_free(order.out)
                patches, joined = labels.load(state.folder, report)
                parts = parts or _Parts.of(order, recipe, patches)
                package = _Making(order, recipe, labels, patches, joined, parts, state, report, threads).package()
            state.remove()
    return package


@dataclass(frozen=True)
class _Parts:
    """Which patient serves for what: all that can be refused before a pixel is decoded."""

    split: Split
    plan: Plan | None
    slides: Mapping[str, Slide]

    @staticmethod
    def of(order: Order, recipe: Recipe, patches: LabelledPatches) -> _Parts:
        split = split_for(patches, recipe, Training(frozenset(order.holdout), order.seed))
        plan = planned(patches, recipe, order.holdout, order.seed) if order.cross_validate else None
        if order.start:
            validating = set(split.validation)
            # Each training that chooses an epoch may draw others to choose it on.
            if plan and recipe.keep == "best":
                validating.update(*(split_for(patches, recipe, one).validation for one in plan.trainings()))
            _check_unseen(order, order.start, plan.folds if plan else (), validating)
        return _Parts(split, plan, {name: Slide.of(patches, name) for name in (*split.test, *split.validation)})


def _checked(order: Order, recipe: Recipe, labels: TrainingLabels) -> _Parts | None:
    """Who serves for what; None where only pixels say which label replaces which: there names alone are checked."""
    patches = labels.undecoded()
    if patches is not None:
        return _Parts.of(order, recipe, patches)
    folds = recipe.folds if order.cross_validate else ()
    check_named(labels.patients(), order.holdout, recipe.validation_patients, folds)
    if order.start:
        _check_unseen(order, order.start, folds, set(recipe.validation_patients) - set(order.holdout))
    return None


def _check_unseen(order: Order, start: ParentModel, folds: Iterable[str], validating: Iterable[str]) -> None:
    start.check_unseen(order.holdout, "--holdout")
    start.check_unseen(folds, "--cross-validate")
    start.check_unseen(validating, "validation_patients")


def _with_start(order: Order) -> Recipe:
    """The recipe as what is started from, and what there is to train on, have it."""
    if order.start:
        return adapted(order.recipe, order.start, with_patches=order.patches is not None)
    check_recipe_alone(order.recipe)
    if order.patches or order.recipe.spacing_known:
        return order.recipe
    return order.recipe.model_copy(update={"spacing_known": READ_AT})


def _completed(recipe: Recipe, out: Path) -> Recipe:
    completed = recipe.completed(out)
    if recipe.name is None and completed.name in shipped_models():
        raise OutputError(
            f"{out} would call its model {completed.name}, as one that ships: name another folder, or give a name in a "
            "recipe (--recipe)"
        )
    return completed


class _Making:
    """One order under way: its patches are read and its state is open."""

    def __init__(
        self,
        order: Order,
        recipe: Recipe,
        labels: TrainingLabels,
        patches: LabelledPatches,
        joined: Corrected | None,
        parts: _Parts,
        state: TrainingState,
        report: Report,
        threads: int,
    ) -> None:
        self._order, self._recipe, self._patches, self._state, self._report = order, recipe, patches, state, report
        self._labels, self._joined, self._threads = labels, joined, threads
        self._split, self._plan, self._slides = parts.split, parts.plan, parts.slides
        self._training = Training(frozenset(order.holdout), order.seed)
        self._trainings = Trainings(patches, recipe, self._training, state, order.start, report, threads)

    def package(self) -> ModelPackage:
        """Everything from the first training to the written package."""
        self._announce()
        self._trainings.scores(self._training)
        found = cross_validated(self._plan, self._patches, self._trainings.scores, self._recipe) if self._plan else None
        fitted = self._trainings.fitted(self._training)
        how = found.package.how if found else self._how(fitted)
        judged = {name: self._judged(slide, how, fitted) for name, slide in self._slides.items()}
        training = self._patches.of(self._split.training)
        golden = golden_patches(fitted.network, training, how.alone, np.random.default_rng(self._order.seed))
        left_out = found.left_out() if found else [(self._slides[name], judged[name]) for name in self._split.test]
        examples, rows = worst_examples(left_out, self._patches)
        record = card_record(found, self._cell_mm2, self._order.command) if found else None
        card = {
            **made_fields(
                self._recipe, self._order.seed, self._patches, self._joined, self._split, fitted, self._order.start
            ),
            "limits": limits(self._recipe, training, how),
            **judged_fields(how),
            **measured_fields(self._performance(judged), record, examples),
        }
        files = Files(self._patches, fitted.history, found, self._cell_mm2, self._report)
        pixels = self._patches.pixels[rows] if len(rows) else None

        def save(path: Path) -> None:
            save_proven(fitted.network, path, golden, self._recipe.engine_tolerance, self._threads)

        def accompany(package: ModelPackage) -> None:
            files.write_beside(package)
            self._state.note_written(package.path)

        return write_package(
            self._order.out,
            save,
            card,
            golden,
            examples=pixels,
            seen=self._seen(),
            profile=self._profile(fitted),
            accompany=accompany,
        )

    def _profile(self, fitted: Fitted) -> TrainingProfile:
        """How what the network was made with is spread; a parent's patches aren't here to be counted."""
        orientations = self._recipe.context.orientations
        return training_profile(
            self._patches,
            self._recipe.um_per_px,
            self._split.training,
            whole_slides(self._patches, self._recipe.folds),
            lambda rows: self._trainings.p_raw(fitted, rows, orientations),
        )

    def _seen(self) -> SeenSet:
        """What the package rests on, its parent's included."""
        own = self._labels.seen(self._patches, (*self._split.training, *self._split.validation))
        start = self._order.start
        if start is None:
            return own
        return own.joined(start.made_with) if start.made_with else replace(own, complete=False)

    @property
    def _cell_mm2(self) -> float:
        return (PatchSpec(PATCH_PX, self._recipe.um_per_px, 1.0).side_um / UM_PER_MM) ** 2

    def _announce(self) -> None:
        trainings = self._plan.trainings() if self._plan else (self._training,)
        missing = [training for training in trainings if self._state.scores(training) is None]
        self._report(
            Planned(
                trainings,
                there=len(trainings) - len(missing),
                epochs=self._recipe.epochs,
                steps=self._recipe.epochs * sum(map(self._trainings.steps, missing)),
                folds=self._plan.folds if self._plan else (),
                seeds=self._plan.seeds if self._plan else (self._order.seed,),
                not_validating=tuple(sorted(set(self._recipe.validation_patients) & set(self._order.holdout))),
            )
        )

    def _how(self, fitted: Fitted) -> How:
        """Without out-of-fold scores: by the validation patients, else as the parent's, else unchosen."""
        validation = self._patches.of(self._split.validation)
        how = inherited(self._order.start, self._recipe) if self._order.start else unchosen(self._recipe)
        if not validation.has_both_classes():
            return how
        p_idc = {name: self._judged(self._slides[name], how, fitted).p_idc for name in self._split.validation}
        return chosen_on_validation(how, validation, p_idc, self._recipe)

    def _judged(self, slide: Slide, how: How, fitted: Fitted) -> Judged:
        p_raw = self._trainings.p_raw(fitted, slide.rows, how.context.orientations)
        p_idc = slide.p_idc(Scores(slide.rows, p_raw, 0.0), how.aggregation)
        return Judged.at(slide.label, p_idc, how.threshold.value)

    def _performance(self, judged: Mapping[str, Judged]) -> list[HeldOutPerformance]:
        """Each patient's figures, test patients first; reports each part's."""
        parts: tuple[tuple[Literal["test", "validation"], tuple[str, ...]], ...] = (
            ("test", self._split.test),
            ("validation", self._split.validation),
        )
        for used_for, patients in parts:
            if patients:
                self._report(_part(used_for, {name: judged[name] for name in patients}))
        return [performance(name, used_for, judged[name]) for used_for, patients in parts for name in patients]


def _part(used_for: Literal["test", "validation"], judged: Mapping[str, Judged]) -> PartMeasured:
    together = Judged.together(list(judged.values()))
    area = auroc(together.label, together.p_idc)
    return PartMeasured(used_for, tuple(judged), area, together.confusion().balanced_accuracy)
